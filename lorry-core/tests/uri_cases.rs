//! Addresses against what the first LorryStream made of them, and what it should have: `tests/cases/uri.jsonl`, as far as an address
//! says it by itself. What takes a connector (which options there are, what is required) its own crate tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::registry::{Options, Registry, Uri, media_type};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Outcome, cases, run};

/// Options as an AMQP source has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Control {
    queue: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
    setup: Option<String>,
    reconnect: Option<bool>,
    content_type: Option<String>,
}

#[test]
fn uri_jsonl() {
    run("uri.jsonl", &cases("uri.jsonl"), 31, |case| {
        if case["kind"] != "lorry_source_uri" {
            return Outcome::LeftOut(format!(
                "{} is for the crate of that connector",
                case["kind"].as_str().unwrap_or_default()
            ));
        }
        let (input, expect) = (case["input"].as_str().unwrap(), &case["expect"]);
        match expect["error"].as_str() {
            Some(error)
                if error.ends_with("required") || error.starts_with("unknown option") || error.starts_with("setup") =>
            {
                Outcome::LeftOut(format!("{error:?} is the connector's to say"))
            }
            Some(_) => match refused(input) {
                true => Outcome::Passed,
                false => Outcome::Failed("accepted".to_owned()),
            },
            None => match read(input, expect) {
                Ok(()) => Outcome::Passed,
                Err(why) => Outcome::Failed(why),
            },
        }
    });
}

fn control(uri: &Uri) -> lorry_core::Result<Control> {
    let mut options = Options::new(uri.scheme());
    uri.options().for_each(|(name, value)| options.push(name, value));
    let control: Control = options.take()?;
    control.content_type.as_deref().map(media_type).transpose()?;
    Ok(control)
}

fn refused(input: &str) -> bool {
    let Ok(uri) = Uri::parse(input) else { return true };
    let known = ["mqtt", "amqp"].contains(&uri.scheme());
    if known { control(&uri).is_err() } else { Registry::new().source(input).is_err() }
}

fn read(input: &str, expect: &Value) -> Result<(), String> {
    let uri = Uri::parse(input).map_err(|error| error.to_string())?;
    let control = control(&uri).map_err(|error| error.to_string())?;
    let port = match uri.scheme() {
        "mqtt" => 1883,
        "amqp" => 5672,
        other => return Err(format!("no default port of {other}")),
    };
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    let driver =
        uri.options().filter(|(name, _)| *name == "heartbeat").map(|(name, value)| (name.to_owned(), json!(value)));
    let mut shown = json!({
        "queue": control.queue, "exchange": control.exchange, "routing-key": control.routing_key, "reconnect": control.reconnect,
        "content-type": control.content_type.as_deref().map(|name| media_type(name).unwrap().trim_start_matches("application/")),
        "setup": control.setup.map(|steps| steps.split(',').map(|step| step.trim().to_owned()).collect::<Vec<_>>()),
    });
    shown.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let ours = json!({
        "scheme": uri.scheme(),
        "host": uri.host().unwrap_or("localhost"),
        "port": uri.port().unwrap_or(port),
        "username": uri.user().unwrap_or_default(),
        "password": uri.password().map_or("", |password| password.expose_secret()),
        "topic": path,
        "vhost": if path.is_empty() { "/" } else { path },
        "control": shown,
        "driver": driver.collect::<serde_json::Map<_, _>>(),
    });
    for (name, value) in expect.as_object().unwrap() {
        if &ours[name] != value {
            return Err(format!("{name} is {}, not {value}", ours[name]));
        }
    }
    Ok(())
}
