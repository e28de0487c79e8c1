//! The program against a real mosquitto.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use lorry_testkit::servers::{Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use rusqlite::Connection;
use serde_json::Value as Json;
use util::{Dir, Run};

fn broker() -> Mosquitto {
    Mosquitto::start(MosquittoOptions::default())
}

/// Waits until the relay's subscription to this filter stands.
fn subscribed(run: &mut Run, broker: &Mosquitto, filter: &str) {
    run.until("the subscription", || broker.log().lines().any(|line| line.ends_with(&format!(" 1 {filter}"))));
}

fn rows(from: usize, to: usize) -> impl Iterator<Item = String> {
    (from..to).map(|id| format!("{{\"id\":{id},\"celsius\":{}.5}}", id % 50))
}

fn counts(dir: &Dir) -> (i64, i64) {
    let Ok(file) = Connection::open(dir.path("a.db")) else { return (0, 0) };
    let count = file.query_row("SELECT count(*), count(DISTINCT id) FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)));
    count.unwrap_or((0, 0))
}

#[test]
#[ignore = "needs mosquitto"]
fn to_stdout_one_a_line_and_nothing_else() {
    let (dir, broker) = (Dir::new(), broker());
    let payloads = ["{\"a\": 1}", "grün ✓", "  spaced  ", "\"", &"x".repeat(5_000)];
    let mut run = dir.start(&["relay", &format!("{}/a/#", broker.url()), "--count", "5", "-vv"]);
    subscribed(&mut run, &broker, "a/#");
    payloads.iter().for_each(|payload| broker.publish("a/b", 1, payload));
    assert_eq!(run.wait().exits(0).out, payloads.map(|payload| format!("{payload}\n")).concat());
}

#[test]
#[ignore = "needs mosquitto"]
fn to_sqlite_by_count() {
    let (dir, broker) = (Dir::new(), broker());
    let (source, sink) = (format!("{}/t/#", broker.url()), format!("sqlite:///{}?table=t", dir.text("a.db")));
    let mut run = dir.start(&["relay", &source, &sink, "--count", "2000", "--report", "report.json"]);
    subscribed(&mut run, &broker, "t/#");
    broker.publish_lines("t/x", 1, rows(0, 2_000));
    run.wait().exits(0);
    assert_eq!(counts(&dir), (2_000, 2_000));
    let report: Json = serde_json::from_str(&dir.read("report.json")).unwrap();
    assert_eq!((report["received"].as_u64(), report["delivered"].as_u64()), (Some(2_000), Some(2_000)), "{report}");
}

/// A named relay, stopped by Ctrl-C and killed in mid-flow: what came meanwhile waits in its session.
#[test]
#[ignore = "needs mosquitto"]
fn a_named_relay_goes_on_where_it_ended() {
    let (dir, broker) = (Dir::new(), broker());
    let (source, sink) = (format!("{}/t/#", broker.url()), format!("sqlite:///{}?table=t", dir.text("a.db")));
    let start = || dir.start(&["relay", &source, &sink, "--name", "weather"]);
    let mut run = start();
    subscribed(&mut run, &broker, "t/#");
    broker.publish_lines("t/x", 1, rows(0, 500));
    run.until("rows", || counts(&dir).1 >= 100);
    run.signal("INT");
    let ran = run.wait().exits(0);
    assert_eq!(ran.err, "");
    broker.publish_lines("t/x", 1, rows(500, 1_000));
    let mut run = start();
    run.until("more rows", || counts(&dir).1 >= 600);
    run.signal("KILL");
    run.wait();
    let mut run = start();
    broker.publish_lines("t/x", 1, rows(1_000, 1_500));
    run.until("all rows", || counts(&dir).1 == 1_500);
    run.signal("TERM");
    run.wait().exits(0);
}

#[test]
#[ignore = "needs mosquitto"]
fn a_second_process_of_one_name_is_refused() {
    let (dir, broker) = (Dir::new(), broker());
    let source = format!("{}/t/#", broker.url());
    let mut run = dir.start(&["relay", &source, "null:", "--name", "weather"]);
    subscribed(&mut run, &broker, "t/#");
    let ran = dir.run(&["relay", &source, "null:", "--name", "weather"]).exits(1);
    assert!(ran.err.contains("another process") && ran.err.contains("--instance"), "{ran:?}");
    run.signal("INT");
    run.wait().exits(0);
}

#[test]
#[ignore = "needs mosquitto"]
fn publish_is_confirmed() {
    let (dir, broker) = (Dir::new(), broker());
    let got = broker.subscribe("p/#", 1);
    let sink = |topic: &str| format!("{}/p/{topic}", broker.url());
    dir.run(&["publish", &sink("1"), "--data", "grün"]).exits(0);
    dir.run(&["publish", &sink("2"), "--file", &dir.write("f", "whole")]).exits(0);
    dir.feed(&["publish", &sink("3")], "l1\nl2\nl3\n").exits(0);
    assert_eq!(got.lines(5), ["grün", "whole", "l1", "l2", "l3"]);
}

#[test]
#[ignore = "needs mosquitto"]
fn check_connects() {
    let (dir, broker) = (Dir::new(), broker());
    let address = format!("{}/a", broker.url());
    let out = dir.run(&["check", &address, &address, "--connect"]).exits(0).out;
    assert_eq!(out.matches("  connected").count(), 2, "{out}");
    let text = format!("mqttsrc location={address} ! mqttsink location={address}");
    dir.run(&["check", "launch", &text, "--connect"]).exits(0);
}

#[test]
#[ignore = "needs mosquitto"]
fn a_wrong_password_is_said_and_not_shown() {
    let dir = Dir::new();
    let broker = Mosquitto::start(MosquittoOptions::default().user("joe", "right"));
    let address = format!("mqtt://joe:hunter2@127.0.0.1:{}/a", broker.port());
    for args in [
        &["relay", &address, "null:"][..],
        &["publish", &address, "--data", "x"],
        &["check", &address, "null:", "--connect"],
    ] {
        let ran = dir.run(args).exits(1);
        assert!(ran.err.to_lowercase().contains("auth") || ran.err.contains("password"), "{ran:?}");
    }
}

/// The database's table is looked at, and left as it is.
#[test]
#[ignore = "needs postgresql"]
fn check_empties_no_table() {
    let (dir, postgres) = (Dir::new(), Postgres::start(PostgresOptions::default().without_fsync()));
    postgres.psql("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1)");
    let url = postgres.url();
    let sink = format!("{url}{}table=t&if-exists=replace", if url.contains('?') { '&' } else { '?' });
    let ran = dir.run(&["check", "-", &sink, "--connect"]).exits(0);
    assert!(ran.out.contains("  connected"), "{ran:?}");
    assert_eq!(postgres.psql("SELECT count(*) FROM t").trim(), "1");
    dir.run(&["publish", &sink, "--data", "{\"id\": 2}"]).exits(0);
    assert_eq!(postgres.psql("SELECT id FROM t").trim(), "2");
    postgres.psql("ALTER TABLE t ADD CHECK (id < 3)");
    let ran = dir.run(&["publish", &sink, "--data", "{\"id\": 5}"]).exits(1);
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
}
