//! Refused rows, locks, and files that are not what they were.

use super::common::{Folder, batch, deliver, message, open};
use super::drop_policy;
use lorry_core::relay::{Batch, Context, Sink};
use lorry_core::{Class, ErrorKind};
use lorry_sql::{SqlOptions, SqlSink};
use rusqlite::Connection;
use std::time::Duration;

#[tokio::test]
async fn under_stop_only_what_precedes_the_guilty_row_is_committed() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id < 100))");
    let mut sink = open(&folder.address("t")).await.unwrap();
    let rows = (0..200).map(|i| format!(r#"{{"id": {}}}"#, if i == 77 || i == 150 { 100 + i } else { 0 }));
    let failures = deliver(&mut sink, batch(rows.collect::<Vec<_>>())).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class()), (77, Class::Data));
    assert_eq!(failures.len(), 123);
    assert!(failures[1..].iter().all(|failure| failure.error.class() == Class::Transient));
    let text = failures[0].error.to_string();
    assert!(text.contains("CHECK") && text.contains("id < 100") && text.contains(r#"{"id": 177}"#), "{text}");
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["77"]);
}

#[tokio::test]
async fn under_drop_all_good_rows_are_committed() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id < 100), note TEXT NOT NULL DEFAULT '')");
    let mut sink = open(&folder.address("t")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    let bad = [0, 3, 77, 78, 79, 150, 199];
    let rows = (0..200).map(|i| {
        if i == 78 { "{}".to_owned() } else { format!(r#"{{"id": {}}}"#, if bad.contains(&i) { 100 + i } else { 0 }) }
    });
    let failures = deliver(&mut sink, batch(rows.collect::<Vec<_>>())).await.unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), bad);
    assert!(failures[3].error.to_string().contains("NOT NULL"), "{}", failures[3].error);
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["193"]);
}

#[tokio::test]
async fn the_rows_of_one_message_land_together_or_not_at_all() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER CHECK (id < 100))");
    let mut sink = open(&folder.address("t")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    let failures = deliver(
        &mut sink,
        batch([r#"[{"id": 1}, {"id": 2}]"#, r#"[{"id": 3}, {"id": 100}, {"id": 4}]"#, r#"{"id": 5}"#]),
    )
    .await
    .unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1]);
    assert_eq!(folder.texts("SELECT id FROM t"), ["1", "2", "5"]);
}

#[tokio::test]
async fn a_locked_database_is_waited_for() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t").set("busy-timeout", "50ms")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failures = deliver(&mut sink, batch([r#"{"a": 2}"#, r#"{"a": 3}"#])).await.unwrap_err();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Transient));
    assert!(failures[0].error.to_string().contains("locked"), "{}", failures[0].error);
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&mut sink, batch([r#"{"a": 2}"#, r#"{"a": 3}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_lock_that_ends_within_the_timeout_is_not_noticed() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let receipt = sink.send(batch([r#"{"a": 2}"#])).await.unwrap();
    tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    receipt.await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["1", "2"]);
}

#[tokio::test]
async fn files_that_cannot_be_opened() {
    let folder = Folder::new();
    let error = open(&SqlOptions::new(format!("sqlite:///{}/no/such/x.db", folder.path().display())).table("t"))
        .await
        .unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("no folder"), "{error}");
    std::fs::write(
        folder.file(),
        "this is no database, but long enough to be looked at for a header of one hundred bytes, so to speak",
    )
    .unwrap();
    let error = open(&folder.address("t")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("not a database"), "{error}");
    for address in [
        "sqlite://x.db?table=t",
        "sqlite:///x.db",
        "sqlite:///x.db?table=",
        "sqlite:///x.db?mytable=x",
        "sqlite:///x.db?table=t&synchronous=maybe",
    ] {
        let error = open(&SqlOptions::new(address)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

#[tokio::test]
async fn a_file_removed_in_mid_flow_is_noticed_before_anything_is_acknowledged() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", folder.file().display())).unwrap();
    }
    let failures = deliver(&mut sink, batch([r#"{"a": 2}"#])).await.unwrap_err();
    assert!(
        failures[0].error.class() == Class::Transient && failures[0].error.to_string().contains("removed"),
        "{}",
        failures[0].error
    );
    deliver(&mut sink, batch([r#"{"a": 2}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["2"]);
}

/// The log has rows that were acknowledged and are nowhere else.
#[tokio::test]
async fn the_log_of_a_file_that_was_moved_is_kept() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#, r#"{"a": 2}"#])).await.unwrap();
    let (file, moved) = (folder.file().display().to_string(), format!("{}.moved", folder.file().display()));
    std::fs::rename(&file, &moved).unwrap();
    let failures = deliver(&mut sink, batch([r#"{"a": 3}"#])).await.unwrap_err();
    assert_eq!(failures[0].error.class(), Class::Transient);
    deliver(&mut sink, batch([r#"{"a": 3}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["3"]);
    std::fs::rename(format!("{file}-wal.orphan1"), format!("{moved}-wal")).unwrap();
    let there = Connection::open(&moved).unwrap().query_row("SELECT group_concat(a) FROM t", [], |row| row.get(0));
    // What was refused then may be there, too.
    assert!(["1,2", "1,2,3"].contains(&there.unwrap_or_else(|error| error.to_string()).as_str()));
}

/// A message that chooses a table which cannot be one is alone in its fault.
#[tokio::test]
async fn a_table_that_cannot_be_had_refuses_its_messages_alone() {
    let folder = Folder::new();
    folder.run("CREATE VIEW looks AS SELECT 1 AS id");
    let options = || SqlOptions::new(format!("sqlite:///{}", folder.file().display())).table("{{ topic }}");
    let to = |table: &str, id: u32| {
        let mut message = message(&format!(r#"{{"id": {id}}}"#));
        message.address = table.into();
        message
    };
    for stop in [false, true] {
        let mut sink = SqlSink::new(options());
        let mut context = Context::detached("sqlsink0");
        context.stop_on_refusal = stop;
        sink.open(context).await.unwrap();
        for poison in ["sqlite_master", "sqlite_mine", "looks"] {
            let rows = vec![to("good", 1), to(poison, 2), to("good", 3), to("other", 4)];
            let failures = deliver(&mut sink, Batch::new(rows)).await.unwrap_err();
            let named: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
            let expected = [(1, Class::Data), (2, Class::Transient), (3, Class::Transient)];
            assert_eq!(named, expected[..if stop { 3 } else { 1 }], "{poison}: {failures:?}");
            let text = failures[0].error.to_string();
            assert!(text.contains(&format!("table: {poison}")) && text.contains(r#"payload: {"id": 2}"#), "{text}");
            // Alone, too.
            let failures = deliver(&mut sink, Batch::new(vec![to(poison, 5)])).await.unwrap_err();
            assert_eq!(failures[0].error.class(), Class::Data);
        }
    }
    assert_eq!(folder.texts("SELECT group_concat(id, '') FROM good"), ["131313111"]);
    assert_eq!(folder.texts("SELECT group_concat(id, '') FROM other"), ["444"]);
}
