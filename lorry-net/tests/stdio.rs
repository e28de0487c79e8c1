//! Standard input and output of real processes: this program runs itself as the relay (`child SOURCE SINK [COUNT]`).
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::ErrorKind;
use lorry_core::registry::Registry;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "child") {
        return child(&arguments[1..]);
    }
    let checks: [(&str, fn()); 4] = [
        ("bytes_are_kept", bytes_are_kept),
        ("a_line_goes_out_before_the_next_comes_in", a_line_goes_out_before_the_next_comes_in),
        ("a_closed_stdout_ends_the_relay", a_closed_stdout_ends_the_relay),
        ("an_open_stdin_keeps_no_process_from_ending", an_open_stdin_keeps_no_process_from_ending),
    ];
    for (name, check) in checks {
        check();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Ends with 0, with 3 when stdout was closed, with 1 after any other error.
#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn child(arguments: &[String]) -> ExitCode {
    let mut registry = Registry::new();
    lorry_net::register(&mut registry);
    let mut relay = registry.relay(&arguments[0], &arguments[1]).unwrap();
    if let Some(count) = arguments.get(2) {
        relay = relay.count(count.parse().unwrap());
    }
    match relay.spawn().wait().await.error {
        None => ExitCode::SUCCESS,
        Some(error) if error.kind() == ErrorKind::Closed && error.op() == "write stdout" => ExitCode::from(3),
        Some(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("child").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn exit_code(mut child: Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            panic!("the process does not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn bytes_are_kept() {
    let mut child = start(&["-", "-"]);
    child.stdin.take().unwrap().write_all(b"one\r\n\n\xff\0\nlast").unwrap();
    let mut got = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut got).unwrap();
    assert_eq!(got, b"one\n\n\xff\0\nlast\n");
    assert_eq!(exit_code(child), Some(0));
}

fn a_line_goes_out_before_the_next_comes_in() {
    let mut child = start(&["stdin:", "stdout:"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for n in 0..100 {
        writeln!(input, "ping {n}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, format!("ping {n}\n"));
    }
    drop(input);
    assert_eq!(exit_code(child), Some(0));
}

fn a_closed_stdout_ends_the_relay() {
    let mut child = start(&["test:", "-"]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"id\":0,"), "{line}");
    drop(output);
    assert_eq!(exit_code(child), Some(3));
}

fn an_open_stdin_keeps_no_process_from_ending() {
    let mut child = start(&["-", "null:", "1"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    assert_eq!(exit_code(child), Some(0));
    drop(input);
}
