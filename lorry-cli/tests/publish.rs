//! `lorry publish`: what arrives, and what is confirmed.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use rusqlite::Connection;
use util::Dir;

fn rows(dir: &Dir, sql: &str) -> i64 {
    Connection::open(dir.path("a.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn data_and_file_are_one_message_and_stdin_is_one_a_line() {
    let dir = Dir::new();
    let sink = |name: &str| format!("file://{}", dir.text(name));
    dir.run(&["publish", &sink("data"), "--data", "grün"]).exits(0);
    assert_eq!(dir.read("data"), "grün\n");
    dir.run(&["publish", &sink("minus"), "--data", "-5"]).exits(0);
    assert_eq!(dir.read("minus"), "-5\n");
    dir.feed(&["publish", &sink("lines")], "l1\nl2\nl3\n").exits(0);
    assert_eq!(dir.read("lines"), "l1\nl2\nl3\n");
    let file = dir.write("in.json", "{\"id\": 1,\n \"name\": \"a\"}\n");
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    dir.run(&["publish", &sink, "--file", &file]).exits(0);
    dir.feed(&["publish", &sink, "--file", "-"], "{\"id\": 2}").exits(0);
    assert_eq!(rows(&dir, "SELECT sum(id) FROM t"), 3);
}

#[test]
fn a_refused_message_is_a_failure() {
    let dir = Dir::new();
    Connection::open(dir.path("a.db")).unwrap().execute_batch("CREATE TABLE t (id INTEGER CHECK (id < 3))").unwrap();
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let ran = dir.run(&["publish", &sink, "--data", "{\"id\": 5}"]).exits(1).says("CHECK");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    dir.run(&["publish", &sink, "--data", "{\"id\": 2}"]).exits(0);
    assert_eq!(rows(&dir, "SELECT count(*) FROM t"), 1);
}

/// Not that the message was dropped, but why.
#[test]
fn a_destination_that_cannot_be_opened_is_named() {
    let ran = Dir::new().run(&["publish", "sqlite:////nonexistent/a.db?table=t", "--data", "{}"]);
    assert_eq!((ran.code, ran.err.lines().count()), (Some(1), 1), "{ran:?}");
    assert!(ran.err.contains("/nonexistent/a.db") && !ran.err.contains("undecided"), "{ran:?}");
}

#[test]
fn a_confirmation_that_does_not_come_is_a_failure() {
    let dir = Dir::new();
    let began = std::time::Instant::now();
    dir.run(&["publish", "mqtt://joe:hunter2@127.0.0.1:1/a", "--data", "x", "--timeout", "500ms"])
        .exits(1)
        .says("not confirmed within 500ms");
    assert!(began.elapsed().as_secs() < 10);
}

#[test]
fn waiting_for_input_is_not_waiting_for_a_confirmation() {
    let dir = Dir::new();
    let sink = format!("file://{}", dir.text("out"));
    let mut run = dir.start(&["publish", &sink, "--timeout", "200ms"]);
    run.write("one\n");
    run.until("the first line", || dir.read("out") == "one\n");
    std::thread::sleep(std::time::Duration::from_millis(600));
    run.write("two\n");
    run.end().exits(0);
    assert_eq!(dir.read("out"), "one\ntwo\n");
}

#[test]
fn a_wrong_request_sends_nothing() {
    let dir = Dir::new();
    dir.run(&["publish", "mqqt://localhost/a", "--data", "x"]).refused("mqtt");
    dir.run(&["publish", "test://", "--data", "x"]).refused("test");
    dir.run(&["publish", "null:", "--file", "nosuch.txt"]).refused("nosuch.txt");
}
