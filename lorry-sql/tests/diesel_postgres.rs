//! `DieselSink` into a host program's own PostgreSQL schema.

#![cfg(feature = "diesel")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use diesel::Insertable;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use lorry_core::Class;
use lorry_core::relay::{Batch, Context, Failures, Sink};
use lorry_sql::DieselSink;
use lorry_testkit::servers::{Postgres, PostgresOptions};
use std::time::Duration;

diesel::table! {
    readings (id) {
        id -> Int8,
        celsius -> Float8,
        device -> Nullable<Varchar>,
    }
}

#[derive(Insertable)]
#[diesel(table_name = readings)]
struct Reading {
    id: i64,
    celsius: f64,
    device: Option<&'static str>,
}

fn batch(rows: impl IntoIterator<Item = (i64, f64, Option<&'static str>)>) -> Batch<Reading> {
    Batch::new(rows.into_iter().map(|(id, celsius, device)| Reading { id, celsius, device }).collect())
}

fn server() -> Postgres {
    let server = Postgres::start(PostgresOptions::default());
    server.psql(
        "CREATE TABLE readings (id bigint PRIMARY KEY, celsius double precision NOT NULL CHECK (celsius < 1000), device varchar(8));
         ALTER TABLE readings ADD UNIQUE (celsius, device) DEFERRABLE INITIALLY DEFERRED",
    );
    server
}

async fn open(server: &Postgres, stop: bool) -> DieselSink<Reading, AsyncPgConnection> {
    let url = server.url();
    let mut sink = DieselSink::new(
        move || {
            let url = url.clone();
            async move { AsyncPgConnection::establish(&url).await }
        },
        async |connection: &mut AsyncPgConnection, rows: Batch<Reading>| {
            let rows: Vec<_> = rows.iter().collect();
            diesel::insert_into(readings::table).values(rows).execute(connection).await
        },
    );
    let mut context = Context::detached("dieselsink0");
    context.stop_on_refusal = stop;
    sink.open(context).await.unwrap();
    sink
}

async fn send(sink: &mut DieselSink<Reading, AsyncPgConnection>, batch: Batch<Reading>) -> Result<(), Failures> {
    sink.send(batch).await.unwrap().await
}

fn named(result: Result<(), Failures>) -> Vec<(usize, Class)> {
    result.unwrap_err().into_vec().into_iter().map(|failure| (failure.index, failure.error.class())).collect()
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn guilty_rows_alone_are_named() {
    let server = server();
    let mut sink = open(&server, false).await;
    let rows = (0..100).map(|id| match id {
        10 => (3, 10.0, None),                  // a primary key taken
        20 => (20, 2_000.0, None),              // a check
        30 => (30, 30.0, Some("far too long")), // an error that Diesel has no kind for
        40 => (40, 40.0, Some("nul\0")),        // another
        50 => (50, 51.0, Some("same")),
        51 => (51, 51.0, Some("same")), // refused at COMMIT only
        _ => (id, id as f64, Some("fine")),
    });
    let failures = send(&mut sink, batch(rows)).await.unwrap_err().into_vec();
    let said: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
    assert_eq!(said, [10, 20, 30, 40, 51].map(|index| (index, Class::Data)), "{failures:?}");
    assert!(failures[0].error.to_string().contains("already exists"), "{}", failures[0].error);
    assert_eq!(server.psql("SELECT count(*), count(DISTINCT id) FROM readings"), "95|95");
    let mut sink = open(&server, true).await;
    let failures = named(send(&mut sink, batch([(100, 1.0, None), (100, 2.0, None), (101, 3.0, None)])).await);
    assert_eq!(failures, [(1, Class::Data), (2, Class::Transient)]);
    assert_eq!(server.psql("SELECT max(id) FROM readings"), "100");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn lost_connections_come_back() {
    let mut server = server();
    let mut sink = open(&server, false).await;
    send(&mut sink, batch([(1, 1.0, None)])).await.unwrap();
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
    assert_eq!(named(send(&mut sink, batch([(2, 2.0, None)])).await), [(0, Class::Transient)]);
    send(&mut sink, batch([(2, 2.0, None)])).await.unwrap();
    server.kill9();
    for _ in 0..2 {
        assert_eq!(named(send(&mut sink, batch([(3, 3.0, None)])).await), [(0, Class::Transient)]);
    }
    server.restart();
    for attempt in 0.. {
        match send(&mut sink, batch([(3, 3.0, None)])).await {
            Ok(()) => break,
            Err(failures) => assert!(attempt < 500, "{failures:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM readings"), "1 2 3");
    server.psql("DROP TABLE readings");
    assert_eq!(named(send(&mut sink, batch([(4, 4.0, None)])).await), [(0, Class::Config)]);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_wrong_password_needs_a_person() {
    let server = Postgres::start(PostgresOptions::default().password("right"));
    let url = server.url().replace("right", "s3cret");
    let mut sink = DieselSink::<Reading, AsyncPgConnection>::new(
        move || {
            let url = url.clone();
            async move { AsyncPgConnection::establish(&url).await }
        },
        async |_: &mut AsyncPgConnection, _: Batch<Reading>| Ok(()),
    );
    let error = sink.open(Context::detached("dieselsink0")).await.unwrap_err();
    assert_eq!(error.class(), Class::Config, "{error:?}");
    assert!(error.to_string().contains("password authentication failed"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}
