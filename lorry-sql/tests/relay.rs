//! The SQLite sink at the end of a running relay.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, message};
use lorry_core::relay::{Guarantee, OnError};
use lorry_core::{Message, Relay, Stream};
use lorry_sql::{IfExists, SqlSink};
use lorry_testkit::MemorySource;
use rusqlite::Connection;

fn numbered(n: usize) -> impl Iterator<Item = Message> {
    (0..n).map(|i| {
        message(&format!(r#"{{"id": {i}, "device": "dev-{}", "temperature": {}}}"#, i % 100, (i % 80) as f64 / 8.0))
    })
}

fn source(messages: impl IntoIterator<Item = Message>) -> MemorySource {
    MemorySource::new(messages).guarantee(Guarantee::SurvivesRestart)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_is_settled() {
    let (folder, source) = (Folder::new(), source(numbered(20_000)));
    let origin = source.origin();
    let sink = SqlSink::new(folder.address("t"));
    let report = Relay::new([Stream::from_source(source).to(sink)]).run().await.unwrap();
    assert_eq!((report.received, report.delivered, report.held), (20_000, 20_000, 0));
    assert_eq!(
        folder.texts("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || max(id) FROM t"),
        ["20000 20000 19999"]
    );
    assert_eq!(origin.unsettled(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_stop_the_table_ends_before_the_guilty_row() {
    let (folder, source) = (Folder::new(), source(numbered(10_000)));
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id <> 5000), device TEXT, temperature REAL)");
    let origin = source.origin();
    let error =
        Relay::new([Stream::from_source(source).to(SqlSink::new(folder.address("t")))]).run().await.unwrap_err();
    assert!(error.to_string().contains("CHECK") && error.to_string().contains("\"id\": 5000"), "{error}");
    assert_eq!(folder.texts("SELECT count(*) || ' ' || max(id) FROM t"), ["5000 4999"]);
    assert!(origin.settled().iter().all(|position| *position < 5_000));

    // What was not acknowledged comes again to the next run; nothing is lost, and what is there twice was not acknowledged.
    let settled = origin.settled().len();
    folder.run("ALTER TABLE t RENAME TO refusing");
    folder.run("CREATE TABLE t AS SELECT * FROM refusing");
    Relay::new([Stream::from_source(origin.source()).to(SqlSink::new(folder.address("t")))]).run().await.unwrap();
    assert_eq!(folder.texts("SELECT count(DISTINCT id) FROM t"), ["10000"]);
    assert_eq!(folder.texts("SELECT count(*) FROM t"), [(10_000 + 5_000 - settled).to_string()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_drop_only_the_guilty_rows_are_missing() {
    let (folder, source) = (Folder::new(), source(numbered(10_000)));
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id % 1000 <> 7), device TEXT, temperature REAL)");
    let origin = source.origin();
    let relay = Relay::new([Stream::from_source(source).to(SqlSink::new(folder.address("t")))]).on_error(OnError::Drop);
    let report = relay.run().await.unwrap();
    assert_eq!((report.delivered, report.dropped, report.held), (9_990, 10, 0));
    assert_eq!(folder.texts("SELECT count(*) || ' ' || count(DISTINCT id) FROM t"), ["9990 9990"]);
    assert_eq!(origin.unsettled(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_while_the_file_is_locked() {
    let (folder, source) = (Folder::new(), source(numbered(500)));
    folder.run("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER, device TEXT, temperature REAL)");
    let origin = source.origin();
    let lock = Connection::open(folder.file()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sink = SqlSink::new(folder.address("t").set("busy-timeout", "20ms"));
    let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
    let monitor = running.monitor();
    while monitor.snapshot().counts.retried == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!((origin.given(), origin.settled().len()), (500, 0));
    lock.execute_batch("ROLLBACK").unwrap();
    let report = running.wait().await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(folder.texts("SELECT count(*) || ' ' || count(DISTINCT id) FROM t"), ["500 500"]);
}

#[tokio::test]
async fn a_relay_with_a_name_does_not_replace() {
    let (folder, source) = (Folder::new(), source(numbered(1)));
    folder.run("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)");
    let sink = SqlSink::new(folder.address("t").if_exists(IfExists::Replace));
    let error = Relay::new([Stream::from_source(source).to(sink)]).name("weather").run().await.unwrap_err();
    assert!(error.to_string().contains("--name"), "{error}");
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_waits_for_a_lock_says_so() {
    let folder = Folder::new();
    let to_sink = || Stream::from_source(source(numbered(10))).to(SqlSink::new(folder.address("t")));
    Relay::new([to_sink()]).run().await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let running = Relay::new([to_sink()]).drain_timeout(std::time::Duration::from_secs(3)).spawn();
    while running.monitor().snapshot().counts.received < 10 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let error = running.stop().await.unwrap_err();
    assert!(error.to_string().contains("sqlsink0: begin: database is locked"), "{error}");
}
