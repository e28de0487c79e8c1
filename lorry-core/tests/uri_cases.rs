//! Addresses against what the first LorryStream made of them, and what it should have: `tests/cases/uri.jsonl`, as far as an address
//! says it by itself. What takes a connector (which options there are, what is required) its own crate tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::registry::{Options, Registry, Uri, media_type};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Outcome, cases, own_cases, run};

/// Options as an AMQP source has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Control {
    queue: Option<String>,
    exchange: Option<String>,
    exchange_type: Option<String>,
    routing_key: Option<String>,
    setup: Option<String>,
    reconnect: Option<bool>,
    content_type: Option<String>,
}

#[test]
fn uri_jsonl() {
    run("uri.jsonl", &cases("uri.jsonl"), 71, outcome);
}

/// What we found by comparing ourselves.
#[test]
fn uri_own_jsonl() {
    let cases = own_cases("uri-own.jsonl");
    run("uri-own.jsonl", &cases, cases.len(), outcome);
}

fn outcome(case: &Value) -> Outcome {
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
    let options = repeated(uri.options());
    let option = |names: &[&str]| names.iter().find_map(|name| options.get(*name).cloned());
    let path = uri.path().strip_prefix('/').unwrap_or(uri.path());
    let database = option(&["database", "bucket"]).or((!path.is_empty()).then(|| json!(path)));
    // A plus sign stays one in Lorry's options; SQLAlchemy takes it for a space. It drops what has no value.
    let spaced = input.split_once('?').map(|(server, query)| format!("{server}?{}", query.replace('+', "%20")));
    let spaced = spaced.map_or(Ok(uri.clone()), |input| Uri::parse(&input));
    let query = match &spaced {
        Ok(uri) => repeated(uri.options().filter(|(_, value)| value.is_some_and(|value| !value.is_empty()))),
        Err(error) => return Outcome::Failed(error.to_string()),
    };
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
        let same = |own: &Value| same(name, own, value) || (nothing(own) && nothing(value));
        if ours.get(name).is_some_and(|own| !same(own)) && !made_up {
            return Outcome::Failed(format!("{name} is {}, not {value}", ours[name]));
        }
    }
    Outcome::Passed
}

/// Options with their values; one that is repeated has a list of them.
fn repeated<'a>(options: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> serde_json::Map<String, Value> {
    let mut all = serde_json::Map::new();
    for (name, value) in options {
        let value = json!(value.unwrap_or_default());
        match all.get_mut(name) {
            None => _ = all.insert(name.to_owned(), value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    all
}

/// Whether a part of an address is the one expected. Lorry does not tell schemes apart by their case, nor does the network hosts.
fn same(name: &str, ours: &Value, theirs: &Value) -> bool {
    match (name, ours.as_str(), theirs.as_str()) {
        ("drivername" | "protocol" | "scheme" | "dialect" | "host", Some(ours), Some(theirs)) => {
            ours.eq_ignore_ascii_case(theirs)
        }
        _ => ours == theirs,
    }
}

/// The port of a server where the address names none.
fn usual_port(scheme: &str) -> Option<u16> {
    Some(match scheme {
        "mqtt" => 1883,
        "mqtts" => 8883,
        "amqp" => 5672,
        "amqps" => 5671,
        "crate" => 4200,
        "postgresql" | "postgres" => 5432,
        "mysql" | "mariadb" => 3306,
        "mssql" => 1433,
        "oracle" => 1521,
        _ => return None,
    })
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
    let driver = repeated(uri.options().filter(|(name, _)| !["table", "if-exists", "if_exists"].contains(name)));
    let dialect = uri.scheme().split('+').next();
    let port = uri.port().or(dialect.and_then(usual_port));
    let ours = json!({
        "dialect": dialect, "host": uri.host(), "port": port, "database": path,
        "path": if path.is_empty() { ":memory:" } else { path },
        "table": option(["table", "table"]), "if_exists": option(["if-exists", "if_exists"]).unwrap_or("append".to_owned()),
        "driver": driver,
    });
    for (name, value) in expect.as_object().unwrap() {
        if !same(name, &ours[name], value) {
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
    let known = ["mqtt", "mqtts", "amqp", "amqps"].contains(&uri.scheme());
    if known { control(&uri).is_err() } else { Registry::new().source(input).is_err() }
}

fn read(input: &str, expect: &Value) -> Result<(), String> {
    let uri = Uri::parse(input).map_err(|error| error.to_string())?;
    let control = control(&uri).map_err(|error| error.to_string())?;
    let port = usual_port(uri.scheme()).ok_or_else(|| format!("no default port of {}", uri.scheme()))?;
    let path = uri.path().strip_prefix('/').unwrap_or_default();
    let mut shown = json!({
        "queue": control.queue, "exchange": control.exchange, "exchange-type": control.exchange_type, "routing-key": control.routing_key, "reconnect": control.reconnect,
        "content-type": control.content_type.as_deref().map(|name| media_type(name).unwrap().trim_start_matches("application/")),
        "setup": control.setup.map(|steps| steps.split(',').map(|step| step.trim().to_owned()).collect::<Vec<_>>()),
    });
    // What is none of these goes to the driver.
    let own = |name: &str| shown.get(name.replace('_', "-")).is_some();
    let driver = repeated(uri.options().filter(|(name, _)| !own(name)));
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
        "driver": driver,
    });
    for (name, value) in expect.as_object().unwrap() {
        if !same(name, &ours[name], value) {
            return Err(format!("{name} is {}, not {value}", ours[name]));
        }
    }
    Ok(())
}
