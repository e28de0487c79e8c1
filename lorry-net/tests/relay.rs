//! Whole relays over the elements of this crate.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::registry::Registry;
use lorry_core::relay::{OnError, Report};
use lorry_core::{Class, ErrorKind};
use std::fs;
use std::time::Duration;

async fn relay(source: &str, sink: &str, policy: OnError) -> Report {
    let mut registry = Registry::new();
    lorry_net::register(&mut registry);
    let relay = registry.relay(source, sink).unwrap().on_error(policy).spawn();
    tokio::time::timeout(Duration::from_secs(60), relay.wait()).await.expect("the relay does not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_arrives_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    let text: String = (0..300_000).map(|n| format!("line {n} {}\n", "x".repeat(n % 90))).collect();
    fs::write(&from, &text).unwrap();
    let report = relay(&format!("file://{}", from.display()), &format!("file://{}", to.display()), OnError::Stop).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!((report.received, report.delivered), (300_000, 300_000));
    assert!(fs::read_to_string(&to).unwrap() == text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_keeps_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in.bin"), dir.path().join("out.bin"));
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&from, &bytes).unwrap();
    let address = |path: &std::path::Path| format!("file://{}?format=raw", path.display());
    let report = relay(&address(&from), &address(&to), OnError::Stop).await;
    assert!(report.error.is_none() && fs::read(&to).unwrap() == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_too_long_follows_the_policy() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    fs::write(&from, format!("a\n{}\nb\n", "x".repeat(5_000))).unwrap();
    let (source, sink) = (format!("file://{}?max-size=1KiB", from.display()), format!("file://{}", to.display()));
    let report = relay(&source, &sink, OnError::Stop).await;
    let error = report.error.unwrap();
    assert_eq!((error.class(), error.kind()), (Class::Data, ErrorKind::TooLarge));
    assert!(error.to_string().contains("offset: 2"), "{error}");

    let _ = fs::remove_file(&to);
    let report = relay(&source, &sink, OnError::Drop).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(fs::read_to_string(&to).unwrap(), "a\nb\n");
    assert_eq!((report.received, report.delivered, report.dropped), (3, 2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_at_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out.txt");
    let report = relay("exec:seq 1 20000", &format!("exec:sh -c 'cat > {}'", to.display()), OnError::Stop).await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(report.delivered, 20_000);
    let expected: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    assert!(fs::read_to_string(&to).unwrap() == expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_fails_ends_the_relay_at_once() {
    // After its first success, too: a config error would else be tried again every thirty seconds.
    let report = relay("exec:sh -c 'echo one; sleep 0.2; exit 7'", "null:", OnError::Stop).await;
    assert!(report.error.unwrap().to_string().contains("exit status: 7"));
    let report = relay("test:", "exec:sh -c 'head -n 1 > /dev/null; exit 7'", OnError::Stop).await;
    assert!(report.error.unwrap().to_string().contains("exit status: 7"));
}

#[tokio::test]
async fn a_message_for_every_number() {
    let report = relay("test://?count=100000", "null:", OnError::Stop).await;
    assert_eq!((report.delivered, report.held), (100_000, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_does_not_read_is_named() {
    let mut registry = Registry::new();
    lorry_net::register(&mut registry);
    let relay = registry.relay("test://?size=100KiB", "exec:sleep 1000").unwrap();
    let running = relay.drain_timeout(Duration::from_millis(200)).spawn();
    // More than its pipe takes.
    let monitor = running.monitor();
    while monitor.graph().nodes().last().is_none_or(|sink| sink.counts().0 < 3) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let error = running.stop().await.unwrap_err().to_string();
    assert!(error.contains("left undelivered") && error.ends_with(" wait for execsink0"), "{error}");
}
