//! `DieselSink` into a host program's own SQLite schema. No server is needed.

#![cfg(feature = "diesel")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use diesel::{Insertable, QueryDsl, QueryResult, SqliteConnection};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use lorry_core::relay::{Batch, Context, Failures, Identity, Sink};
use lorry_core::{Class, ErrorKind};
use lorry_sql::DieselSink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;

type Connection = SyncConnectionWrapper<SqliteConnection>;

diesel::table! {
    readings (id) {
        id -> BigInt,
        celsius -> Double,
        device -> Nullable<Text>,
    }
}

#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = readings, treat_none_as_default_value = false)]
struct Reading {
    id: i64,
    celsius: f64,
    device: Option<String>,
}

/// A function, because Diesel gives every `Arc` a `load` of its own.
fn is_set(flag: &AtomicBool) -> bool {
    flag.load(Relaxed)
}

fn reading(id: i64) -> Reading {
    Reading { id, celsius: 20.0 + (id % 50) as f64, device: (id % 2 == 0).then(|| "kitchen".to_owned()) }
}

fn readings(ids: impl IntoIterator<Item = i64>) -> Batch<Reading> {
    Batch::new(ids.into_iter().map(reading).collect())
}

const SCHEMA: &str =
    "CREATE TABLE readings (id BIGINT PRIMARY KEY, celsius DOUBLE NOT NULL CHECK (celsius < 1000), device TEXT);
    CREATE TRIGGER no_666 BEFORE INSERT ON readings WHEN new.id = 666 BEGIN SELECT RAISE(ABORT, 'Nein.'); END;";

/// A database file of the test's own; removed with it.
struct Database {
    path: String,
}

impl Database {
    async fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("lorry-diesel-{}-{}.db", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let database = Self { path: std::env::temp_dir().join(name).to_str().unwrap().to_owned() };
        let mut connection = Connection::establish(&database.path).await.unwrap();
        connection.batch_execute(SCHEMA).await.unwrap();
        database
    }

    async fn ids(&self) -> Vec<i64> {
        let mut connection = Connection::establish(&self.path).await.unwrap();
        readings::table.select(readings::id).order(readings::id).load(&mut connection).await.unwrap()
    }

    /// A sink that writes a batch in one statement.
    fn sink(&self) -> DieselSink<Reading, Connection> {
        let path = self.path.clone();
        DieselSink::new(
            move || {
                let path = path.clone();
                async move { Connection::establish(&path).await }
            },
            async |connection: &mut Connection, rows: Batch<Reading>| {
                connection.spawn_blocking(move |connection| insert(connection, &rows)).await
            },
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn insert(connection: &mut SqliteConnection, rows: &Batch<Reading>) -> QueryResult<usize> {
    let rows: Vec<_> = rows.iter().collect();
    diesel::RunQueryDsl::execute(diesel::insert_into(readings::table).values(rows), connection)
}

async fn open<C: AsyncConnection + 'static>(mut sink: DieselSink<Reading, C>, stop: bool) -> DieselSink<Reading, C> {
    let mut context = Context::detached("dieselsink0");
    context.stop_on_refusal = stop;
    sink.open(context).await.unwrap();
    sink
}

async fn send<C: AsyncConnection + 'static>(
    sink: &mut DieselSink<Reading, C>,
    batch: &Batch<Reading>,
) -> Result<(), Failures> {
    sink.send(batch.clone()).await.unwrap().await
}

fn named(result: Result<(), Failures>) -> Vec<(usize, Class)> {
    result.unwrap_err().into_vec().into_iter().map(|failure| (failure.index, failure.error.class())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_land_in_the_hosts_own_table() {
    let database = Database::new().await;
    let mut sink = open(database.sink().identity("weather/readings").batch_size(500), true).await;
    assert_eq!(sink.info(&Identity::default()).identity, "weather/readings");
    assert_eq!((sink.limits().items, sink.limits().receipts), (500, 1));
    send(&mut sink, &readings(1_000..2_000)).await.unwrap();
    send(&mut sink, &readings(2_000..2_010)).await.unwrap();
    send(&mut sink, &readings([])).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(database.ids().await, (1_000..2_010).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_guilty_rows_are_named_and_all_others_are_in() {
    let database = Database::new().await;
    let mut sink = open(database.sink(), false).await;
    let mut rows: Vec<_> = (0..100).map(reading).collect();
    rows[17].celsius = 5_000.0;
    rows[18].id = 3;
    rows[99].celsius = f64::NAN; // SQLite stores NaN as NULL
    assert_eq!(
        named(send(&mut sink, &Batch::new(rows)).await),
        [(17, Class::Data), (18, Class::Data), (99, Class::Data)]
    );
    assert_eq!(database.ids().await, (0..99).filter(|id| ![17, 18].contains(id)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn under_stop_only_what_precedes_the_guilty_row_is_committed() {
    let database = Database::new().await;
    let mut sink = open(database.sink(), true).await;
    let mut rows: Vec<_> = (0..100).map(reading).collect();
    rows[40].id = 2;
    rows[60].id = 2;
    let failures = named(send(&mut sink, &Batch::new(rows)).await);
    assert_eq!(failures[0], (40, Class::Data));
    assert_eq!(failures[1..], (41..100).map(|index| (index, Class::Transient)).collect::<Vec<_>>());
    assert_eq!(database.ids().await, (0..40).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_an_unknown_language_is_tried_again_and_then_named() {
    let database = Database::new().await;
    let mut sink = open(database.sink(), false).await;
    let failures = send(&mut sink, &readings(660..670)).await.unwrap_err().into_vec();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].index, failures[0].error.class(), failures[0].error.message()), (6, Class::Data, "Nein."));
    assert_eq!(database.ids().await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_may_know_better() {
    let database = Database::new().await;
    let sink = database.sink().classify(|error| error.to_string().contains("Nein").then_some(Class::Transient));
    let mut sink = open(sink, false).await;
    assert_eq!(named(send(&mut sink, &readings([1, 666, 2])).await), [0, 1, 2].map(|index| (index, Class::Transient)));
    assert!(database.ids().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_and_a_missing_table_are_no_fault_of_the_rows() {
    let database = Database::new().await;
    let mut sink = open(database.sink(), false).await;
    let mut other = Connection::establish(&database.path).await.unwrap();
    other.batch_execute("BEGIN IMMEDIATE").await.unwrap();
    assert_eq!(named(send(&mut sink, &readings([1, 2])).await), [(0, Class::Transient), (1, Class::Transient)]);
    other.batch_execute("ROLLBACK").await.unwrap();
    send(&mut sink, &readings([1, 2])).await.unwrap();
    other.batch_execute("DROP TABLE readings").await.unwrap();
    assert_eq!(named(send(&mut sink, &readings([3])).await), [(0, Class::Config)]);
    other.batch_execute(SCHEMA).await.unwrap();
    send(&mut sink, &readings([3])).await.unwrap();
    assert_eq!(database.ids().await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_rows_and_nothing_else() {
    let database = Database::new().await;
    let path = database.path.clone();
    let establish = move || {
        let path = path.clone();
        async move { Connection::establish(&path).await }
    };
    for blocking in [false, true] {
        let sink =
            DieselSink::new(establish.clone(), async move |connection: &mut Connection, rows: Batch<Reading>| {
                let unlucky = |rows: &Batch<Reading>| assert!(rows.iter().all(|row| row.id % 100 != 13), "unlucky");
                if !blocking {
                    unlucky(&rows);
                }
                connection
                    .spawn_blocking(move |connection| {
                        unlucky(&rows);
                        insert(connection, &rows)
                    })
                    .await
            });
        let mut sink = open(sink, false).await;
        let first = if blocking { 100 } else { 0 };
        let failures = send(&mut sink, &readings(first + 10..first + 20)).await.unwrap_err().into_vec();
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(
            (failures[0].index, failures[0].error.class(), failures[0].error.kind()),
            (3, Class::Data, ErrorKind::Panic)
        );
    }
    assert_eq!(database.ids().await, (10..20).chain(110..120).filter(|id| id % 100 != 13).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_may_be_awaited_one_by_one_and_refused_by_the_closure() {
    let database = Database::new().await;
    let path = database.path.clone();
    let sink = DieselSink::new(
        move || {
            let path = path.clone();
            async move { Connection::establish(&path).await }
        },
        async |connection: &mut Connection, rows: Batch<Reading>| {
            for row in rows.iter() {
                diesel::insert_into(readings::table).values(row).execute(connection).await?;
                if row.id == 0 {
                    return Err(diesel::result::Error::RollbackTransaction);
                }
            }
            Ok(())
        },
    );
    let mut sink = open(sink, false).await;
    assert_eq!(named(send(&mut sink, &readings(0..5)).await), [(0, Class::Data)]);
    assert_eq!(database.ids().await, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_cannot_be_had_are_transient_and_reconnect_by_themselves() {
    let database = Database::new().await;
    let (path, away) = (database.path.clone(), Arc::new(AtomicBool::new(true)));
    let gone = away.clone();
    let mut sink = DieselSink::new(
        move || {
            let (path, gone) = (path.clone(), is_set(&gone));
            async move {
                if gone {
                    return Err(diesel::ConnectionError::BadConnection("connection refused".into()));
                }
                Connection::establish(&path).await
            }
        },
        async |connection: &mut Connection, rows: Batch<Reading>| {
            connection.spawn_blocking(move |connection| insert(connection, &rows)).await
        },
    );
    let error = sink.open(Context::detached("dieselsink0")).await.unwrap_err();
    assert_eq!((error.class(), error.kind()), (Class::Transient, ErrorKind::Connection));
    assert_eq!(named(send(&mut sink, &readings([1, 2])).await), [(0, Class::Transient), (1, Class::Transient)]);
    away.store(false, Relaxed);
    send(&mut sink, &readings([1, 2])).await.unwrap();
    assert_eq!(database.ids().await, [1, 2]);
}

/// A sink whose transactions hang after the insert while `hang` is set, and say so.
fn hanging(database: &Database, hang: &Arc<AtomicBool>, hung: &Arc<Notify>) -> DieselSink<Reading, Connection> {
    let (path, hang, hung) = (database.path.clone(), hang.clone(), hung.clone());
    DieselSink::new(
        move || {
            let path = path.clone();
            async move { Connection::establish(&path).await }
        },
        async move |connection: &mut Connection, rows: Batch<Reading>| {
            let written = connection.spawn_blocking(move |connection| insert(connection, &rows)).await?;
            if is_set(&hang) {
                hung.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(written)
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_transaction_is_given_up_and_leaves_nothing_behind() {
    let (database, hang, hung) = (Database::new().await, Arc::new(AtomicBool::new(true)), Arc::default());
    let mut sink = open(hanging(&database, &hang, &hung).timeout(Duration::from_secs(1)), false).await;
    let failures = send(&mut sink, &readings([1])).await.unwrap_err().into_vec();
    assert_eq!((failures[0].error.class(), failures[0].error.kind()), (Class::Transient, ErrorKind::Timeout));
    assert!(database.ids().await.is_empty());
    hang.store(false, Relaxed);
    send(&mut sink, &readings([1])).await.unwrap();
    assert_eq!(database.ids().await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_dropped_half_way_leaves_nothing_behind() {
    let (database, hang, hung) = (Database::new().await, Arc::new(AtomicBool::new(true)), Arc::new(Notify::new()));
    let mut sink = open(hanging(&database, &hang, &hung), false).await;
    tokio::select! {
        _ = sink.send(readings([1])).await.unwrap() => panic!("it was to hang"),
        () = hung.notified() => {}
    }
    hang.store(false, Relaxed);
    send(&mut sink, &readings([2])).await.unwrap();
    assert_eq!(database.ids().await, [2]);
}

#[test]
fn debug_shows_no_connection_string() {
    let sink = DieselSink::<Reading, Connection>::new(
        || Connection::establish("file:s3cret.db"),
        async |_: &mut Connection, _: Batch<Reading>| Ok(0),
    );
    let shown = format!("{sink:?}");
    assert!(shown.contains("Reading") && !shown.contains("s3cret"), "{shown}");
}
