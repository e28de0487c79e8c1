//! `lorry relay` without servers: what arrives, in which order, how it ends, what it reports.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use serde_json::{Value as Json, json};
use util::{Dir, Ran};

fn report(dir: &Dir) -> Json {
    serde_json::from_str(&dir.read("report.json")).unwrap_or_default()
}

fn sum(report: &Json) -> u64 {
    ["delivered", "filtered", "dropped", "dead_lettered", "failed", "held"]
        .iter()
        .filter_map(|key| report[key].as_u64())
        .sum()
}

#[test]
fn stdin_to_stdout_is_exact() {
    let dir = Dir::new();
    for input in ["one\ntwo\nthree\n", "  spaced \n\ngrün ✓\n", "{\"a\": 1}\n"] {
        assert_eq!(dir.feed(&["relay", "-"], input).exits(0).out, input);
        assert_eq!(dir.feed(&["relay", "-vv", "-", "-"], input).exits(0).out, input);
    }
    assert_eq!(dir.feed(&["relay", "-"], "no newline").exits(0).out.trim_end(), "no newline");
    assert_eq!(dir.feed(&["relay", "-"], "").exits(0).out, "");
}

#[test]
fn every_sink_gets_everything() {
    let dir = Dir::new();
    let lines = (0..1000).map(|i| format!("line {i}\n")).collect::<String>();
    let input = format!("file://{}", dir.write("in.txt", &lines));
    let (a, b) = (format!("file://{}", dir.text("a.txt")), format!("file://{}", dir.text("b.txt")));
    let ran = dir.run(&["relay", &input, &a, &b, "-", "--report", "report.json"]).exits(0);
    assert!(ran.out == lines && dir.read("a.txt") == lines && dir.read("b.txt") == lines);
    let report = report(&dir);
    assert_eq!((report["received"].as_u64(), report["delivered"].as_u64()), (Some(1000), Some(1000)), "{report}");
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{report}");
}

#[test]
fn expressions_act_in_the_order_typed() {
    let dir = Dir::new();
    let input = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    let run =
        |args: &[&str]| dir.feed(&[&["relay", "-", "--report", "report.json"], args].concat(), input).exits(0).out;
    assert_eq!(run(&["--map", ".a", "--filter", ". > 1"]), "2\n3\n");
    assert_eq!(run(&["--filter", ".a > 1", "--map", ".a", "--map", "., -."]), "2\n-2\n3\n-3\n");
    let report = report(&dir);
    let counts = ["received", "delivered", "filtered"].map(|key| report[key].as_u64());
    assert_eq!(counts, [Some(3), Some(2), Some(1)], "{report}");
    assert_eq!(run(&["--map", "-.a", "--map", "empty"]), "");
}

#[test]
fn count_is_exact() {
    let dir = Dir::new();
    for count in ["1", "7", "1000"] {
        let ran = dir.run(&["relay", "test://?count=100000", "--count", count, "--report", "report.json"]).exits(0);
        assert_eq!(ran.out.lines().count().to_string(), count);
        assert_eq!(report(&dir)["delivered"].to_string(), count);
    }
    let ran = dir.run(&["relay", "test://?count=5", "--count", "9"]).exits(0);
    assert_eq!(ran.out.lines().count(), 5, "the source ended first");
}

#[test]
fn idle_exit_ends_a_silent_relay() {
    let dir = Dir::new();
    let mut run = dir.start(&["relay", "-", "--idle-exit", "300ms"]);
    run.write("one\n");
    assert_eq!(run.wait().exits(0).out, "one\n");
}

/// A message no repetition can deliver, in the middle of a file.
fn bad_row(dir: &Dir, flags: &[&str]) -> Ran {
    let rows = "{\"id\":1}\n{\"id\":2}\nno json\n{\"id\":4}\n";
    let source = format!("file://{}?content-type=json", dir.write("in.ndjson", rows));
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    dir.run(&[&["relay", &source, &sink, "--report", "report.json"], flags].concat())
}

fn ids(dir: &Dir) -> Vec<i64> {
    let file = rusqlite::Connection::open(dir.path("a.db")).unwrap();
    let mut statement = file.prepare("SELECT id FROM t ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_undeliverable_message_stops_the_relay() {
    let dir = Dir::new();
    let ran = bad_row(&dir, &[]).exits(1);
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("error: 1 message not delivered, 1 more held: ") && last.contains("no json"),
        "{}",
        ran.err
    );
    assert_eq!(ids(&dir), [1, 2]);
    let report = report(&dir);
    assert_eq!(report["delivered"].as_u64(), Some(2), "{report}");
    assert!(report["failed"].as_u64() >= Some(1) && report["error"].is_string(), "{report}");
    assert_eq!(report["received"].as_u64(), Some(sum(&report)), "{report}");
    // What the sink has of them, what it refused, and what it was not asked to take any more.
    let sink = json!({"taken": 4, "given": 2, "dropped": 1, "held": 1});
    assert_eq!(report["nodes"]["sqlsink0"], sink, "{report}");
}

#[test]
fn what_precedes_a_refused_message_is_delivered_and_nothing_behind_it() {
    let dir = Dir::new();
    let lines: String = (0..20_000).map(|i| if i == 15_000 { "x\n".into() } else { format!("{i}\n") }).collect();
    let out = format!("file://{}", dir.text("out.txt"));
    let ran = dir.feed(&["relay", "-", "-", &out, "--map", "."], &lines).exits(1);
    let expected: String = (0..15_000).map(|i| format!("{i}\n")).collect();
    assert!(ran.err.contains("1 message not delivered") && ran.err.contains("stdinsrc0 #"), "{}", ran.err);
    assert!(ran.out == expected, "{} lines", ran.out.lines().count());
    assert!(dir.read("out.txt") == expected);
}

#[test]
fn or_is_dropped_and_counted() {
    let dir = Dir::new();
    bad_row(&dir, &["--on-error", "drop"]).exits(0);
    assert_eq!(ids(&dir), [1, 2, 4]);
    let report = report(&dir);
    let counts = ["received", "delivered", "dropped", "failed"].map(|key| report[key].as_u64());
    assert_eq!(counts, [Some(4), Some(3), Some(1), Some(0)], "{report}");
}

/// A line longer than the file source takes, between two others.
#[test]
fn what_a_source_refuses_is_dropped_and_counted() {
    let dir = Dir::new();
    let source = format!("file://{}?max-size=100", dir.write("in.txt", format!("a\n{}\nb\n", "x".repeat(200))));
    let relay = ["relay", &source, "-", "--report", "report.json", "--on-error"];
    let ran = dir.run(&[&relay[..], &["drop"]].concat()).exits(0).says("message dropped");
    assert_eq!(ran.out, "a\nb\n");
    let dropped = report(&dir);
    let counts = ["received", "delivered", "dropped", "failed", "held"].map(|key| dropped[key].as_u64());
    assert_eq!(counts, [3, 2, 1, 0, 0].map(Some), "{dropped}");
    assert_eq!(Some(sum(&dropped)), dropped["received"].as_u64(), "{dropped}");
    let nodes = json!({
        "filesrc0": {"taken": 3, "given": 2, "dropped": 1, "held": 0},
        "stdoutsink0": {"taken": 2, "given": 2, "dropped": 0, "held": 0},
    });
    assert_eq!(dropped["nodes"], nodes, "{dropped}");

    dir.run(&[&relay[..], &["stop"]].concat()).exits(1).says("error: 1 message not delivered").says("max-size=");
    let stopped = report(&dir);
    assert_eq!((stopped["failed"].as_u64(), stopped["dropped"].as_u64()), (Some(1), Some(0)), "{stopped}");
    assert_eq!(Some(sum(&stopped)), stopped["received"].as_u64(), "{stopped}");
    let [taken, given, refused, held] =
        ["taken", "given", "dropped", "held"].map(|key| stopped["nodes"]["filesrc0"][key].as_u64().unwrap());
    // Whether the line before it was still given out is a matter of moments.
    assert!(refused == 1 && taken == given + refused + held, "{stopped}");
}

#[test]
fn the_report_may_go_to_stderr() {
    let dir = Dir::new();
    let ran = dir.run(&["relay", "test://?count=3", "null:", "--report", "-"]).exits(0);
    let report: Json = serde_json::from_str(ran.err.trim()).unwrap();
    for key in
        "received delivered filtered dropped dead_lettered failed held retried superseded reconnects seconds".split(' ')
    {
        assert!(report[key].is_number(), "{key}: {report}");
    }
    assert_eq!(report["received"].as_u64(), Some(sum(&report)));
    assert_eq!(ran.out, "");
}

#[test]
fn a_report_that_cannot_be_written_is_refused_before_anything_starts() {
    let dir = Dir::new();
    let sink = format!("file://{}", dir.text("out.txt"));
    dir.run(&["relay", "test://?count=3", &sink, "--report", "no/such/folder.json"]).refused("no/such/folder.json");
    assert!(!dir.path("out.txt").exists());
}

#[test]
fn a_missing_input_file_is_named() {
    let ran = Dir::new().run(&["relay", "file:///nonexistent/in.txt", "null://"]);
    assert!(matches!(ran.code, Some(1 | 2)) && ran.err.contains("nonexistent"), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
}

/// One process at a time works under a name.
#[test]
fn the_state_of_a_name_is_one_process_s() {
    let dir = Dir::new();
    let named = |flags: &[&'static str]| [&["relay", "-", "null:", "--name", "../weather"], flags].concat();
    let mut run = dir.start(&named(&[]));
    let state = dir.path(".local/state/lorry/%2E.%2Fweather/.lock");
    run.until("the lock", || state.exists());
    let ran = dir.run(&named(&[])).exits(1).says("--instance");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    dir.run(&named(&["--instance", "2"])).exits(0);
    dir.run(&named(&["--state-dir", "elsewhere"])).exits(0);
    assert!(dir.path("elsewhere").is_dir());
    run.end().exits(0);
    dir.run(&named(&[])).exits(0);
}
