//! stdout carries data and nothing else, and may be closed at any time.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use util::Dir;

/// Runs `lorry`, reads one line of its stdout and closes the pipe.
fn head(args: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lorry"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    let end = Instant::now() + util::PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_closed_stdout_ends_the_relay_quietly() {
    assert_eq!(head(&["relay", "test://?count=10000000"]), (Some(0), String::new()));
    assert_eq!(head(&["launch", "testsrc count=10000000 ! stdoutsink"]), (Some(0), String::new()));
}

#[test]
fn a_closed_stdout_is_no_failure_of_other_commands() {
    for args in [&["inspect"][..], &["--help"], &["completions", "bash"], &["man"], &["inspect", "--json"]] {
        assert_eq!(head(args), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn a_closed_stderr_is_no_failure() {
    let status = Command::new("sh")
        .args(["-c", "exec \"$0\" relay 'test://?count=3' -vv --report - 2>&-", env!("CARGO_BIN_EXE_lorry")])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn log_lines_stay_off_stdout() {
    let ran = Dir::new().run(&["relay", "-vv", "test://?count=100"]).exits(0);
    assert_eq!(ran.out.lines().count(), 100);
    assert!(ran.out.lines().all(|line| line.starts_with('{')), "{}", ran.out);
}

#[test]
fn log_lines_may_be_json() {
    let ran = Dir::new().run(&["relay", "-v", "--log-format", "json", "test://?count=1", "null:"]).exits(0);
    assert!(ran.err.lines().count() > 0, "{ran:?}");
    for line in ran.err.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}
