//! `lorry inspect`, `info`, `completions`, `man`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use serde_json::Value as Json;
use util::Dir;

#[test]
fn the_list_has_every_element_with_a_line_about_it() {
    let dir = Dir::new();
    let list = dir.run(&["inspect"]).exits(0).out;
    for name in [
        "mqttsrc",
        "mqttsink",
        "sqlsink",
        "filesrc",
        "filesink",
        "stdinsrc",
        "stdoutsink",
        "testsrc",
        "nullsink",
        "filter",
        "map",
    ] {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(name));
        assert!(line.is_some_and(|line| line.split_whitespace().count() > 2), "{name}: {list}");
    }
    let json: Json = serde_json::from_str(&dir.run(&["inspect", "--json"]).exits(0).out).unwrap();
    for element in json.as_array().unwrap() {
        assert!(!element["about"].as_str().unwrap().is_empty(), "{element}");
        assert!(element["role"] == "operator" || element["guarantee"].is_string(), "no guarantee: {}", element["name"]);
        for option in element["options"].as_array().unwrap() {
            assert!(!option["doc"].as_str().unwrap().is_empty(), "{}: {option}", element["name"]);
            assert!(!option["type"].as_str().unwrap().is_empty(), "{}: {option}", element["name"]);
        }
    }
}

#[test]
fn an_element_and_a_scheme_show_options() {
    let dir = Dir::new();
    let element = dir.run(&["inspect", "mqttsrc"]).exits(0).out;
    assert!(element.contains("qos") && element.contains("client-id") && !element.contains("mqttsink"), "{element}");
    for name in ["mqtt", "MQTT", "mqtt://localhost"] {
        let scheme = dir.run(&["inspect", name]).exits(0).out;
        assert!(scheme.contains("mqttsrc") && scheme.contains("mqttsink"), "{name}: {scheme}");
    }
    let json: Json = serde_json::from_str(&dir.run(&["inspect", "sqlite", "--json"]).exits(0).out).unwrap();
    assert_eq!((json[0]["name"].as_str(), json[0]["role"].as_str()), (Some("sqlsink"), Some("sink")));
}

#[test]
fn another_name_says_whose_it_is() {
    let dir = Dir::new();
    let list = dir.run(&["inspect"]).exits(0).out;
    for (alias, name) in [("accumulate", "scan"), ("union", "funnel")] {
        let of =
            |line: &str| line.split_whitespace().next() == Some(alias) && line.contains(&format!("alias of {name}: "));
        assert!(list.lines().any(of), "{list}");
        assert!(dir.run(&["inspect", alias]).exits(0).out.contains(&format!("alias of {name}: ")));
        let json: Json = serde_json::from_str(&dir.run(&["inspect", alias, "--json"]).exits(0).out).unwrap();
        assert_eq!(json[0]["alias_of"].as_str(), Some(name));
        assert!(!dir.run(&["inspect", name]).exits(0).out.contains("alias"));
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_near_one() {
    let dir = Dir::new();
    dir.run(&["inspect", "nosuch"]).refused("nosuch");
    dir.run(&["inspect", "mqttscr"]).refused("did you mean \"mqttsrc\"?");
    dir.run(&["inspect", "mqqt://joe:hunter2@host/a"]).refused("mqtt");
}

#[test]
fn info_says_what_is_linked() {
    let info = Dir::new().run(&["info"]).exits(0).out;
    assert!(info.starts_with(&format!("lorry {}\n", env!("CARGO_PKG_VERSION"))), "{info}");
    for word in ["platform", "features", "mqtt", "sqlite", "SQLite 3.", "rumqttc 0."] {
        assert!(info.contains(word), "{word}: {info}");
    }
}

#[test]
fn completions_know_commands_and_flags() {
    let dir = Dir::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = dir.run(&["completions", shell]).exits(0).out;
        for word in ["relay", "publish", "idle-exit", "on-error"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = Dir::new();
    assert!(dir.run(&["man"]).exits(0).out.contains(".TH lorry 1"));
    for command in ["relay", "launch", "check", "inspect", "publish", "info", "demo", "completions", "man"] {
        let page = dir.run(&["man", command]).exits(0).out;
        assert!(page.contains(&format!(".TH lorry-{command} 1")), "{page}");
    }
}
