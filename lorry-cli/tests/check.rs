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

/// All three ways to write a graph, each with a password in it.
fn graphs(dir: &Dir) -> Vec<Vec<String>> {
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let text = "mqttsrc location=mqtt://joe:hunter2@h/a name=in ! tee name=t ! map expr='.it' ! funnel name=f ! nullsink  t. ! queue ! f.";
    let file =
        "'mqtt://h/a' -> LOCATION In(mqttsrc) OUT -> IN Out(nullsink)\n'hunter2' -> PASSWORD In, 'joe' -> USER In\n";
    vec![
        words(&["check", "mqtt://joe:hunter2@h/a", &sink, "null:", "--map", ".it"]),
        words(&["check", "launch", text]),
        words(&["check", "fbp", &dir.write("a.fbp", file)]),
    ]
}

#[test]
fn the_graph_in_four_notations() {
    let dir = Dir::new();
    for graph in graphs(&dir) {
        // That no password is in it, every run checks.
        let run = |flag: &str| dir.run(&[&graph[..], &[flag.to_owned()]].concat()).exits(0).out;
        let json: Json = serde_json::from_str(&run("--json")).unwrap();
        let nodes = json["nodes"].as_array().unwrap();
        let ids: Vec<_> = nodes.iter().map(|node| node["id"].as_str().unwrap()).collect();
        for node in nodes {
            assert!(node["kind"].is_string() && node["holds"]["items"].is_u64(), "{node}");
            assert!(["source", "operator", "sink"].contains(&node["role"].as_str().unwrap()), "{node}");
        }
        let edges = json["edges"].as_array().unwrap();
        assert!(edges.len() >= ids.len() - 1);
        assert!(edges.iter().flat_map(|edge| edge.as_array().unwrap()).all(|id| ids.contains(&id.as_str().unwrap())));

        let dot = run("--dot");
        assert!(dot.starts_with("digraph relay {\n") && dot.ends_with("}\n"), "{dot}");
        assert_eq!(dot.matches(" -> ").count(), edges.len(), "{dot}");
        assert_eq!(dot.matches(" [shape=").count(), ids.len(), "{dot}");
        let mermaid = run("--mermaid");
        assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
        assert_eq!(mermaid.matches(" --> ").count(), edges.len(), "{mermaid}");

        // What is printed in FBP notation is the same graph, but for what branches without a tee.
        let fbp = run("--fbp");
        let again = dir.run(&["check", "fbp", &dir.write("again.fbp", &fbp), "--json"]).exits(0).out;
        let again: Json = serde_json::from_str(&again).unwrap();
        for id in &ids {
            assert!(again["nodes"].as_array().unwrap().iter().any(|node| node["id"] == *id), "{id}: {fbp}");
        }
        let text = dir.run(&graph).exits(0).out;
        assert!(text.contains("holds nothing") && text.contains("for a time"), "{text}");
    }
    dir.run(&["check", "fbp", "nosuch.fbp"]).refused("cannot be read");
    dir.run(&["check", "fbp"]).refused("one file");
}

#[test]
fn graphviz_reads_the_graph() {
    let dir = Dir::new();
    let dot = dir.run(&["check", "test:", "null:", "--map", r#""\"<x>|{}""#, "--dot"]).exits(0).out;
    // Names and labels in quotes, with quotes escaped as DOT has it; a real dot looks at it where there is one.
    assert!(dot.contains("\"testsrc0\" -> \"map0\""), "{dot}");
    if let Ok(ran) = std::process::Command::new("dot").args(["-Tsvg", &dir.write("a.dot", &dot)]).output() {
        assert!(ran.status.success(), "{ran:?}");
    }
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
