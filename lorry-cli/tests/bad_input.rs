//! Wrong requests: exit 2, one line that says what is wrong and what to write instead, nothing on stdout, nothing made.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use util::Dir;

#[test]
fn the_command_line_itself() {
    let dir = Dir::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "lorry --help"),
        (&["relya", "a", "b"], "did you mean \"relay\"?"),
        (&["mqtt://joe:hunter2@host/a", "null:"], "lorry relay SOURCE SINK"),
        (&["relay"], "SOURCE is missing"),
        (&["relay", "--filtre", ".a", "test://"], "--filter"),
        (&["relay", "--idle-exit", "5parsecs", "test://?count=1"], "5parsecs"),
        (&["relay", "--count", "-5", "test://?count=1"], "-5"),
        (&["relay", "--on-error", "explode", "test://?count=1"], "stop, drop, dlq"),
        (&["relay", "test://", "--count", "mqtt://joe:hunter2@host"], "no number of messages"),
        (&["launch"], "PIPELINE… is missing"),
        (&["check"], "WHAT… is missing"),
        (&["publish"], "SINK is missing"),
        (&["publish", "null:", "--data", "a", "--file", "b"], "exclude each other"),
        (&["completions", "nosuch"], "bash"),
        (&["man", "relai"], "did you mean \"relay\"?"),
        (&["inspect", "nosuch"], "nosuch"),
        (&["info", "surplus"], "surplus"),
    ];
    for (args, says) in cases {
        dir.run(args).refused(says);
    }
}

#[test]
fn addresses_options_and_expressions() {
    let dir = Dir::new();
    let cases: &[(&[&str], &str)] = &[
        (&["relay", ""], "empty"),
        (&["relay", "no-scheme", "null:"], "no-scheme"),
        (&["relay", "mqqt://localhost/a"], "did you mean \"mqtt\"?"),
        (&["relay", "mqtt://localhost/a?clientid=x"], "did you mean \"client-id\"?"),
        (&["relay", "mqtt://localhost/a", "sqlite:///nothing.db?tabel=x"], "table"),
        (&["relay", "mqtt://localhost/a", "sqlite:///nothing.db?table=x&batchsize=3"], "batch-size"),
        (&["relay", "mqtt://joe:hunter2@localhost:99999/a"], "99999"),
        (&["relay", "mqtt://localhost:1x/a"], "port"),
        (&["relay", "mqtt://localhost/"], "topic"),
        (&["relay", "mqtt://localhost"], "topic"),
        (&["relay", "mqtt://[::1/a"], "bracket"),
        (&["relay", "mqtt:joe:hunter2@localhost/a"], "write mqtt://USER:***@localhost/a"),
        (&["relay", "mqtt://localhost/a?qos=7"], "qos"),
        (&["relay", "mqtt://localhost/a?qos=1&qos=2"], "qos"),
        (&["relay", "mqtt://localhost/a?password=hunter2&x=1"], "unknown option \"x\""),
        (&["relay", "mqtt://localhost/a?password-env=LORRY_TEST_UNSET"], "LORRY_TEST_UNSET"),
        (&["relay", "test://?count=many", "null:"], "count"),
        (&["relay", "null:", "test:"], "null is no source"),
        (&["relay", "--map", "nosuchfunction(1)", "test://?count=1"], "nosuchfunction"),
        (&["relay", "--filter", ".a >", "test://?count=1"], ".a >"),
        (&["relay", "--on-error", "dlq", "test://?count=1"], "--dlq"),
        (&["relay", "--on-error", "dlq", "--dlq", "file:///dead.ndjson", "test://?count=1"], "dead letters"),
        (&["relay", "--dlq", "file:///dead.ndjson", "test://?count=1"], "--on-error dlq"),
        (&["relay", "--require", "at-least-once", "-", "null:"], "best effort"),
        (&["publish", "sqlite:///nothing.db?table=x&nosuch=1", "--data", "{}"], "nosuch"),
    ];
    for (args, says) in cases {
        dir.run(args).refused(says);
    }
    assert!(!dir.path("nothing.db").exists(), "a refused request made its database");
}

#[test]
fn a_slip_in_an_address_or_option_shows_no_password() {
    let dir = Dir::new();
    let check =
        |text: &str| ["", "--dot", "--json", "--mermaid", "--fbp"].map(|flag| format!("check {flag} launch|{text}"));
    let mut cases = Vec::new();
    for address in
        ["mqtt//joe:SEKRET1@h/a", "joe:SEKRET1@127.0.0.1:20111/a", "mqtt:joe:SEKRET1@h/a", "mqtt:/joe:SEKRET1@h/a"]
    {
        cases.extend(check(&format!("mqttsrc location={address} ! nullsink")));
        cases.extend(check(&format!("{address} ! nullsink")));
        for wrong in ["nosuch", "nullsink foo=1", "! nullsink"] {
            cases.push(format!("launch|mqttsrc location={address} ! {wrong}"));
        }
        let graph = format!("'{address}' -> LOCATION Read(mqttsrc) OUT -> IN Show(nullsink)\n");
        dir.write("graph.fbp", &graph);
        for flag in ["", "--json", "--fbp"] {
            let args = ["check", flag, "fbp", "graph.fbp"];
            hides(&dir, &args.into_iter().filter(|arg| !arg.is_empty()).collect::<Vec<_>>());
        }
        cases.push(format!("relay {address}?nosuch=1 null:"));
        cases.push(format!("publish {address}?nosuch=1 --data x"));
        cases.push(format!("relay null: {address}"));
    }
    for text in ["pasword=SEKRET1", "foo=SEKRET1", "pwd=\"SEKRET1 SEKRET1\""] {
        cases.extend(check(&format!("mqttsrc location=mqtt://h/a {text} ! nullsink")));
        cases.extend(check(&format!("mqttsrc location=mqtt://h/a {text} ! nosuch")));
    }
    for text in ["pasword=SEKRET1", "foo=SEKRET1"] {
        cases.extend(check(&format!("mqttsrc location=mqtt://h/a?{text} ! nullsink")));
        cases.extend(check(&format!("mqtt://h/a?{text} ! nullsink")));
        cases.push(format!("relay mqtt://h/a?{text} null:"));
    }
    let relays = [
        "mqtt//joe:SEKRET1@h/a null:",
        "joe:SEKRET1@127.0.0.1:20111/a null:",
        "- postgresql:/u:SEKRET1@h/db?table=t",
        "- postgresql:u:SEKRET1@h/db?table=t",
        "- postgresql//u:SEKRET1@h/db?table=t",
        "- sqlite:u:SEKRET1@h/db",
        "- sqlite:u:SEKRET1@h/db?table=t",
    ];
    cases.extend(relays.map(|relay| format!("relay {relay}")));
    cases.push("publish mqtt//joe:SEKRET1@h/a --data x".to_owned());
    for case in cases {
        let (words, text) = case.split_once('|').map_or((&*case, None), |(words, text)| (words, Some(text)));
        hides(&dir, &words.split_whitespace().chain(text).collect::<Vec<_>>());
    }
}

fn hides(dir: &Dir, args: &[&str]) {
    let ran = dir.run(args);
    assert!(!ran.out.is_empty() || !ran.err.is_empty(), "{} says nothing", ran.shown);
    assert!(!ran.out.contains("SEKRET1") && !ran.err.contains("SEKRET1"), "{}\n{}{}", ran.shown, ran.out, ran.err);
}
