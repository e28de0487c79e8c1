//! `lorry check`: the plan, the pictures, and nothing done.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use serde_json::Value as Json;
use util::Dir;

#[test]
fn the_plan_says_what_is_promised_and_what_is_lost() {
    let dir = Dir::new();
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let plan = ["check", "mqtt://joe:hunter2@localhost/a/#", &sink, "--filter", ".a > 1"];
    let out = dir.run(&plan).exits(0).out;
    for part in ["mqttsrc0", "filter0", "sqlsink0", "from filter0", "at least once", "does not carry"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let out = dir.run(&["check", "launch", "testsrc ! map expr=.id ! stdoutsink"]).exits(0).out;
    assert!(out.contains("map0") && out.contains("stdoutsink0"), "{out}");
    assert!(!dir.path("a.db").exists(), "a check made the database");
    let named = dir.run(&[&plan[..], &["--name", "x", "--require", "at-least-once"]].concat()).exits(0).out;
    assert!(named.contains("across restarts"), "{named}");
    assert!(!dir.path(".local").exists(), "a check made a state folder");
}

#[test]
fn the_graph_in_three_notations() {
    let dir = Dir::new();
    let run = |flag| dir.run(&["check", "test:", "null:", "-", "--map", ".id", flag]).exits(0).out;
    assert!(
        run("--dot").starts_with("digraph") && run("--dot").contains("\"testsrc0\" -> \"map0\""),
        "{}",
        run("--dot")
    );
    assert!(run("--mermaid").starts_with("flowchart"), "{}", run("--mermaid"));
    let json: Json = serde_json::from_str(&run("--json")).unwrap();
    assert_eq!(json["nodes"].as_array().map(Vec::len), Some(4), "{json}");
    dir.run(&["check", "test:", "null:", "--fbp"]).refused("later");
}

#[test]
fn a_wrong_plan_is_refused() {
    let dir = Dir::new();
    dir.run(&["check", "test:"]).refused("SINK");
    dir.run(&["check", "launch"]).refused("pipeline");
    dir.run(&["check", "run", "relays.toml"]).refused("later");
    dir.run(&["check", "mqtt://localhost/a?clientid=x", "null:"]).refused("client-id");
    dir.run(&["check", "-", "null:", "--require", "at-least-once"]).refused("stdinsrc0 promises only best effort");
    dir.run(&["check", "launch", "stdinsrc ! nosuch"]).exits(2).says("^");
}

#[test]
fn connect_tries_servers_only() {
    let dir = Dir::new();
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let out = dir.run(&["check", "-", &sink, "--connect"]).exits(0).out;
    assert_eq!(out.matches("not opened").count(), 2, "{out}");
    assert!(!dir.path("a.db").exists(), "a check made the database");
    let away = "mqtt://joe:hunter2@127.0.0.1:1/a";
    let began = std::time::Instant::now();
    let ran = dir.run(&["check", away, "null:", "--connect"]).exits(1);
    assert!(ran.err.contains("127.0.0.1:1") && ran.err.lines().count() == 1, "{ran:?}");
    dir.run(&["check", "launch", &format!("mqttsrc location={away} ! nullsink"), "--connect"]).exits(1);
    assert!(began.elapsed().as_secs() < 20, "waited for the whole time-out");
}
