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
    run("uri.jsonl", &cases("uri.jsonl"), 71, |case| {
        match case["kind"].as_str().unwrap() {
            "lorry_source_uri" => {}
            "sqlalchemy_url" | "wetterdienst_target" => return address(case),
            "lorry_sql_sink_uri" => return sql_sink(case),
            "lorry_channel" => return channel(case),
            other => return Outcome::LeftOut(format!("nothing is known of {other}")),
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

/// An address of SQLAlchemy's or wetterdienst's: its parts, whether or not there is a connector for it. What those programs make up
/// where the address says nothing is theirs.
fn address(case: &Value) -> Outcome {
    let (input, expect) = (case["input"].as_str().unwrap(), &case["expect"]);
    let uri = match Uri::parse(input) {
        Err(_) if expect["ok"] == false => return Outcome::Passed,
        Err(error) => return Outcome::Failed(error.to_string()),
        Ok(_) if expect["ok"] == false => return Outcome::Failed("accepted".to_owned()),
        Ok(uri) => uri,
    };
    if input.matches('@').count() > 1 {
        return Outcome::LeftOut("SQLAlchemy ends the password at the first @, Lorry at the last".to_owned());
    }
    let options: Vec<_> = uri.options().map(|(name, value)| (name, value.unwrap_or_default())).collect();
    let option = |names: &[&str]| options.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| json!(value));
    let path = uri.path().strip_prefix('/').unwrap_or(uri.path());
    let database = option(&["database", "bucket"]).or((!path.is_empty()).then(|| json!(path)));
    // A plus sign stays one in Lorry's options; SQLAlchemy takes it for a space.
    let query: serde_json::Map<_, _> =
        options.iter().map(|(name, value)| ((*name).to_owned(), json!(value.replace('+', " ")))).collect();
    let ours = json!({
        "drivername": uri.scheme(), "protocol": uri.scheme(),
        "username": uri.user(), "password": uri.password().map(|password| password.expose_secret().to_owned()),
        "host": uri.host(), "port": uri.port(), "query": query,
        "database": database, "table": option(&["table"]),
    });
    for (name, value) in expect.as_object().unwrap() {
        let made_up =
            ours[name].is_null() && ["database", "table"].contains(&&**name) && case["kind"] == "wetterdienst_target";
        let nothing = |value: &Value| value.is_null() || value == "";
        if ours.get(name).is_some_and(|own| own != value && !(nothing(own) && nothing(value))) && !made_up {
            return Outcome::Failed(format!("{name} is {}, not {value}", ours[name]));
        }
    }
    Outcome::Passed
}

/// The address of a table, as far as it says it without being interpreted.
fn sql_sink(case: &Value) -> Outcome {
    let (input, expect) = (case["input"].as_str().unwrap(), &case["expect"]);
    for connector in ["error", "schema"] {
        if expect.get(connector).is_some() {
            return Outcome::LeftOut(format!("{connector}: what the table is called is the connector's to say"));
        }
    }
    let uri = match Uri::parse(input) {
        Ok(uri) => uri,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let option = |names: [&str; 2]| {
        uri.options().find(|(name, _)| names.contains(name)).and_then(|(_, value)| value).map(str::to_owned)
    };
    let path = uri.path().strip_prefix('/').unwrap_or(uri.path());
    let driver: serde_json::Map<_, _> = uri
        .options()
        .filter(|(name, _)| !["table", "if-exists", "if_exists"].contains(name))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let dialect = uri.scheme().split('+').next();
    let port = uri.port().or(match dialect {
        Some("crate") => Some(4200),
        Some("mysql") => Some(3306),
        _ => None,
    });
    let ours = json!({
        "dialect": dialect, "host": uri.host(), "port": port, "database": path,
        "path": if path.is_empty() { ":memory:" } else { path },
        "table": option(["table", "table"]), "if_exists": option(["if-exists", "if_exists"]).unwrap_or("append".to_owned()),
        "driver": driver,
    });
    for (name, value) in expect.as_object().unwrap() {
        if &ours[name] != value {
            return Outcome::Failed(format!("{name} is {}, not {value}", ours[name]));
        }
    }
    Outcome::Passed
}

/// A source and a sink.
fn channel(case: &Value) -> Outcome {
    let (source, sink) = (case["input"][0].as_str().unwrap(), case["input"][1].as_str());
    match case["expect"]["error"].as_str() {
        Some(error) if error.ends_with("required") => Outcome::LeftOut(format!("{error:?} is the connector's to say")),
        Some(_) if refused(source) => Outcome::Passed,
        Some(_) => Outcome::Failed("accepted".to_owned()),
        None => match [Some(source), sink].into_iter().flatten().find_map(|address| Uri::parse(address).err()) {
            Some(error) => Outcome::Failed(error.to_string()),
            None => Outcome::Passed,
        },
    }
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
