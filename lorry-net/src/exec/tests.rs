#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use lorry_core::registry::{Element, Registry, Span};
use lorry_core::relay::{Batch, Context, Event, Failures, Identity, Sink, Source};
use lorry_core::{Class, Error, ErrorKind, Message, Result};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::timeout;

fn command(text: &str) -> CommandLine {
    CommandLine::parse(text).unwrap()
}

fn short() -> Span {
    Span(Duration::from_millis(100))
}

async fn reading(text: &str, options: ExecSourceOptions) -> ExecSource {
    let mut source = ExecSource::new(command(text), options);
    source.open(Context::detached("execsrc0")).await.unwrap();
    source
}

/// All lines, and how it ended.
async fn lines(source: &mut ExecSource) -> (Vec<String>, Result<()>) {
    let mut lines = Vec::new();
    loop {
        match source.next(256).await {
            Ok(Event::Chunk(chunk)) => {
                lines.extend(chunk.values.iter().map(|message| message.text().unwrap().to_owned()));
            }
            Ok(Event::End) => return (lines, Ok(())),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return (lines, Err(error)),
        }
    }
}

/// Whether a process of this number runs (and is no zombie).
fn runs(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).stderr(Stdio::null()).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn lines_of_a_program_and_its_end() {
    let (got, end) = lines(&mut reading(r#"sh -c 'printf "a b\nc"'"#, ExecSourceOptions::default()).await).await;
    assert_eq!(got, ["a b", "c"]);
    end.unwrap();
}

#[tokio::test]
async fn a_failing_program_is_an_error_after_its_lines() {
    let (got, end) = lines(&mut reading("sh -c 'echo last; exit 3'", ExecSourceOptions::default()).await).await;
    assert_eq!(got, ["last"]);
    let error = end.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert!(error.to_string().contains("\"sh\" ended with exit status: 3"), "{error}");
}

#[tokio::test]
async fn with_restart_a_failure_is_transient_and_the_program_runs_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("runs");
    let text = format!("sh -c 'echo x >> {0}; wc -l < {0}; test $(wc -l < {0}) -ge 2'", file.display());
    let mut source = reading(&text, ExecSourceOptions { restart: true, ..ExecSourceOptions::default() }).await;
    let (first, end) = lines(&mut source).await;
    assert_eq!((first[0].trim(), end.unwrap_err().class()), ("1", Class::Transient));
    source.open(Context::detached("execsrc0")).await.unwrap();
    let (second, end) = lines(&mut source).await;
    assert_eq!(second[0].trim(), "2");
    end.unwrap();
}

#[tokio::test]
async fn cancelled_reading_loses_nothing() {
    let mut source =
        reading("sh -c 'for i in 1 2 3 4 5; do echo $i; sleep 0.02; done'", ExecSourceOptions::default()).await;
    let mut got = Vec::new();
    loop {
        match timeout(Duration::from_millis(3), source.next(1)).await {
            Err(_) => {}
            Ok(Ok(Event::Chunk(chunk))) => got.push(chunk.values[0].text().unwrap().to_owned()),
            Ok(Ok(Event::End)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn what_cannot_run_is_named() {
    let error = ExecSource::new(command("no-such-program-here x"), ExecSourceOptions::default())
        .open(Context::detached("e"))
        .await
        .unwrap_err();
    assert_eq!((error.class(), error.kind()), (Class::Config, ErrorKind::NotFound));
    assert!(error.to_string().contains("no-such-program-here"), "{error}");
    let error =
        ExecSink::new(command("/dev/null"), ExecSinkOptions::default()).open(Context::detached("e")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("/dev/null"), "{error}");
    for text in ["", "   ", "''", "# only", "echo 'x"] {
        assert_eq!(CommandLine::parse(text).unwrap_err().kind(), ErrorKind::Usage, "{text:?}");
    }
}

#[tokio::test]
async fn closing_asks_then_kills_with_all_that_was_started() {
    // Ends when asked.
    let mut source = reading("sh -c 'echo $$; exec sleep 1000'", ExecSourceOptions::default()).await;
    let pid = first_line(&mut source).await;
    assert!(runs(&pid));
    let began = Instant::now();
    source.close().await.unwrap();
    assert!(!runs(&pid) && began.elapsed() < Duration::from_secs(4));
    // Does not listen, and has a child.
    let deaf = "sh -c 'trap \"\" TERM; sleep 1000 & echo $!; while :; do sleep 0.05; done'";
    let mut source = reading(deaf, ExecSourceOptions { grace: short(), ..ExecSourceOptions::default() }).await;
    let pid = first_line(&mut source).await;
    source.close().await.unwrap();
    until("the child of the killed program runs on", || !runs(&pid)).await;
}

#[tokio::test]
async fn what_an_ended_program_has_started_ends_with_it() {
    // It holds the output open, so the stream has not ended; or it does not, and it has.
    for text in ["sh -c 'sleep 1000 & echo $!'", "sh -c 'sleep 1000 > /dev/null & echo $!'"] {
        let mut source = reading(text, ExecSourceOptions::default()).await;
        let pid = first_line(&mut source).await;
        source.close().await.unwrap();
        until("what it has started runs on", || !runs(&pid)).await;

        let mut source = reading(text, ExecSourceOptions::default()).await;
        let pid = first_line(&mut source).await;
        drop(source);
        until("what it has started runs on after a drop", || !runs(&pid)).await;
    }
}

#[tokio::test]
async fn dropping_kills() {
    let mut source = reading("sh -c 'echo $$; exec sleep 1000'", ExecSourceOptions::default()).await;
    let pid = first_line(&mut source).await;
    drop(source);
    assert!(!runs(&pid));
}

async fn first_line(source: &mut ExecSource) -> String {
    match source.next(1).await.unwrap() {
        Event::Chunk(chunk) => chunk.values[0].text().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn writing(text: &str, options: ExecSinkOptions) -> ExecSink {
    let mut sink = ExecSink::new(command(text), options);
    sink.open(Context::detached("execsink0")).await.unwrap();
    sink
}

async fn send(sink: &mut ExecSink, texts: &[&str]) -> Result<(), Failures> {
    let messages = texts.iter().map(|text| Message::new((*text).to_owned())).collect();
    sink.send(Batch::new(messages)).await.unwrap().await
}

/// Sends until it fails: a program that has gone is noticed with the write after.
async fn send_until_refused(sink: &mut ExecSink) -> Error {
    let began = Instant::now();
    loop {
        if let Err(failures) = send(sink, &["x"]).await {
            return failures.into_vec().remove(0).error;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "the program's end goes unnoticed");
    }
}

#[tokio::test]
async fn closing_ends_the_input_and_waits_for_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    let mut sink =
        writing(&format!("sh -c 'cat > {0}; sleep 0.1; echo end >> {0}'", file.display()), ExecSinkOptions::default())
            .await;
    send(&mut sink, &["a", "b"]).await.unwrap();
    send(&mut sink, &["c"]).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nb\nc\nend\n");

    let mut sink = writing("sh -c 'cat > /dev/null; exit 4'", ExecSinkOptions::default()).await;
    send(&mut sink, &["a"]).await.unwrap();
    let error = sink.close().await.unwrap_err();
    assert!(error.to_string().contains("exit status: 4"), "{error}");
}

#[tokio::test]
async fn what_the_program_has_started_has_time_to_end_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    let mut sink = writing(
        &format!("sh -c 'cat > {0}; (sleep 0.3; echo end >> {0}) &'", file.display()),
        ExecSinkOptions::default(),
    )
    .await;
    send(&mut sink, &["a"]).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\nend\n");

    let text = format!("sh -c 'cat > /dev/null; sleep 1000 & echo $! > {}; exit 4'", file.display());
    let mut sink = writing(&text, ExecSinkOptions { grace: short(), ..ExecSinkOptions::default() }).await;
    send(&mut sink, &["a"]).await.unwrap();
    let error = sink.close().await.unwrap_err();
    assert!(error.to_string().contains("exit status: 4"), "{error}");
    let pid = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    until("what it has started runs on", || !runs(&pid)).await;
}

#[tokio::test]
async fn a_program_that_has_gone_ends_the_relay_unless_restarted() {
    let mut sink = writing("sh -c 'exit 5'", ExecSinkOptions::default()).await;
    let error = send_until_refused(&mut sink).await;
    assert_eq!((error.class(), error.kind()), (Class::Config, ErrorKind::Closed));
    assert!(error.to_string().contains("exit status: 5"), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    let text = format!("sh -c 'head -n 1 >> {}'", file.display());
    let mut sink = writing(&text, ExecSinkOptions { restart: true, ..ExecSinkOptions::default() }).await;
    send(&mut sink, &["one"]).await.unwrap();
    let error = send_until_refused(&mut sink).await;
    assert_eq!(error.class(), Class::Transient);
    send(&mut sink, &["two"]).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn dropping_frees_a_write_that_is_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let mut sink =
        writing(&format!("sh -c 'echo $$ > {}; exec sleep 1000'", file.display()), ExecSinkOptions::default()).await;
    let receipt = sink.send(Batch::new(vec![Message::new(vec![b'x'; 1 << 20])])).await.unwrap();
    let mut receipt = tokio::spawn(receipt);
    until("the program has not started", || std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n'))).await;
    assert!(timeout(Duration::from_millis(50), &mut receipt).await.is_err(), "a megabyte fits no pipe");
    let pid = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    drop(sink);
    assert!(receipt.await.unwrap().is_err());
    assert!(!runs(&pid));
}

#[test]
fn addresses_and_properties() {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    let identity = |uri: &str| registry.source(uri).unwrap().info(&Identity::default()).identity;
    assert_eq!(identity("exec:date +%Y?x&y"), "date");
    assert_eq!(identity("exec:date +%Ec"), "date");
    assert_eq!(registry.source("exec:").err().unwrap().kind(), ErrorKind::Usage);
    let properties = [("location".into(), "ls -l".into()), ("restart".into(), "true".into())];
    let Element::Source(source) = registry.make_named("execsrc", &properties).unwrap() else { panic!() };
    assert_eq!(source.info(&Identity::default()).identity, "ls");
    assert!(!format!("{:?}", command("mysql --password=hunter2")).contains("hunter2"));
}
