//! Ctrl-C: the first drains, the second leaves.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

mod util;

use rusqlite::Connection;
use serde_json::Value as Json;
use util::Dir;

fn count(dir: &Dir, name: &str) -> usize {
    dir.read(name).lines().count()
}

#[test]
fn the_first_signal_drains() {
    for signal in ["INT", "TERM"] {
        let dir = Dir::new();
        let sink = format!("file://{}", dir.text("out.txt"));
        let mut run = dir.start(&["relay", "test://?rate=2000", &sink, "--report", "report.json"]);
        run.until("lines", || count(&dir, "out.txt") > 100);
        run.signal(signal);
        let ran = run.wait().exits(0);
        assert_eq!(ran.err, "");
        let report: Json = serde_json::from_str(&dir.read("report.json")).unwrap();
        assert_eq!(report["delivered"], report["received"], "{report}");
        assert_eq!(report["delivered"].as_u64(), Some(count(&dir, "out.txt") as u64));
    }
}

/// A database that somebody else keeps locked: nothing can be delivered.
fn locked(dir: &Dir) -> Connection {
    let file = Connection::open(dir.path("a.db")).unwrap();
    file.execute_batch("CREATE TABLE t (id INTEGER); BEGIN IMMEDIATE").unwrap();
    file
}

#[test]
fn the_second_leaves_at_once() {
    let dir = Dir::new();
    let _lock = locked(&dir);
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let mut run = dir.start(&["relay", "-v", "-", &sink]);
    run.write("{\"id\": 1}\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    run.signal("INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    run.signal("INT");
    let began = std::time::Instant::now();
    run.wait().exits(130);
    assert!(began.elapsed().as_secs() < 2, "took {:?}", began.elapsed());
}

#[test]
fn what_cannot_be_drained_in_time_is_counted() {
    let dir = Dir::new();
    let _lock = locked(&dir);
    let sink = format!("sqlite:///{}?table=t", dir.text("a.db"));
    let mut run = dir.start(&["relay", "-", &sink, "--drain-timeout", "300ms", "--report", "report.json"]);
    run.write("{\"id\": 1}\n{\"id\": 2}\n");
    std::thread::sleep(std::time::Duration::from_millis(500));
    run.signal("INT");
    let ran = run.wait().exits(1);
    let last = ran.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: 2 messages"), "{ran:?}");
    let report: Json = serde_json::from_str(&dir.read("report.json")).unwrap();
    assert_eq!((report["delivered"].as_u64(), report["received"].as_u64()), (Some(0), Some(2)), "{report}");
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let dir = Dir::new();
    // Port 1 is reserved and nobody listens there.
    let mut run = dir.start(&["relay", "mqtt://joe:hunter2@127.0.0.1:1/a", "null:"]);
    run.until("three seconds", {
        let began = std::time::Instant::now();
        move || began.elapsed().as_secs() >= 3
    });
    run.signal("INT");
    let ran = run.wait().exits(0).says("trying again");
    assert!(ran.err.lines().count() <= 3, "says it at growing intervals: {}", ran.err);
}

/// A supervisor that changes its mind: the signal comes before anything has been opened.
#[test]
fn a_signal_right_at_the_start_is_obeyed() {
    for delay in [15, 30, 60] {
        let dir = Dir::new();
        let run = dir.start(&["relay", "-", "null:", "--filter", ".a", "--report", "report.json"]);
        std::thread::sleep(std::time::Duration::from_millis(delay));
        run.signal("TERM");
        let ran = run.wait();
        // Before the program's first lines nobody can obey; then the system ends it.
        assert!(matches!(ran.code, Some(0) | None), "{ran:?}");
        if ran.code == Some(0) {
            let report: Json = serde_json::from_str(&dir.read("report.json")).unwrap();
            assert_eq!(report["delivered"], report["received"], "{report}");
        }
    }
}

/// jq that goes on without a step that could be counted.
const ENDLESS: &str = "last((.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.)|(.,.))";

#[test]
fn an_expression_that_never_ends_does_not_keep_the_process() {
    let dir = Dir::new();
    let text = format!("stdinsrc ! filter expr='{ENDLESS}' ! stdoutsink");
    let mut run = dir.start(&["launch", "-v", &text, "--drain-timeout", "1s"]);
    run.write("1\n");
    std::thread::sleep(std::time::Duration::from_millis(500));
    run.signal("INT");
    let began = std::time::Instant::now();
    run.wait().exits(1).says("drain time-out");
    assert!(began.elapsed().as_secs() < 15, "took {:?}", began.elapsed());
}

#[test]
fn a_file_beyond_the_limit_fails_the_write_and_not_the_process() {
    let dir = Dir::new();
    let lorry = format!(
        "ulimit -f 8; exec '{}' relay 'test://?count=10000' 'file://{}' --drain-timeout 300ms --report report.json",
        env!("CARGO_BIN_EXE_lorry"),
        dir.text("out.txt")
    );
    let mut child = std::process::Command::new("sh")
        .args(["-c", &lorry])
        .current_dir(dir.path(""))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("File too large")), "the process ended without a word");
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let last = lines.map_while(Result::ok).last();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{last:?}");
    assert!(last.unwrap().contains("messages were left undelivered"));
}
