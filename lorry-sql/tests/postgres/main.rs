//! The PostgreSQL sink on real servers, one of its own for each test.

#![cfg(feature = "postgres")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod connecting;
mod failing;
mod tables;
mod values;
mod widening;

use common::{batch, deliver, open};
use lorry_core::Class;
use lorry_core::relay::{Batch, Context, Failure, Sink};
use lorry_sql::{SqlOptions, SqlSink};
use lorry_testkit::servers::{Postgres, PostgresOptions};

fn server() -> Postgres {
    Postgres::start(PostgresOptions::default())
}

fn options(server: &Postgres, table: &str) -> SqlOptions {
    SqlOptions::new(server.url()).table(table)
}

/// A sink under a policy other than `stop`.
async fn open_to_drop(options: &SqlOptions) -> SqlSink {
    let mut sink = SqlSink::new(options.clone());
    let mut context = Context::detached("sqlsink0");
    context.stop_on_refusal = false;
    sink.open(context).await.unwrap();
    sink
}

/// Column and type of a table's columns, one a line.
fn types(server: &Postgres, table: &str) -> String {
    server.psql(&format!(
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute
         WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ))
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Index and class of what failed.
fn named(result: Result<(), Vec<Failure>>) -> Vec<(usize, Class)> {
    result.unwrap_err().iter().map(|failure| (failure.index, failure.error.class())).collect()
}

/// The one message that failed, its class and text.
fn only(result: Result<(), Vec<Failure>>) -> (usize, Class, String) {
    let failures = result.unwrap_err();
    assert_eq!(failures.len(), 1, "{failures:?}");
    (failures[0].index, failures[0].error.class(), failures[0].error.to_string())
}

/// Sends what failed for the moment again, as the runtime does, until all of it has landed; how often that took.
async fn deliver_all(sink: &mut SqlSink, batch: Batch) -> usize {
    let mut batch = batch;
    for attempt in 1..2_000 {
        let Err(failures) = deliver(sink, batch.clone()).await else { return attempt };
        for failure in &failures {
            let class = failure.error.class();
            assert!(matches!(class, Class::Transient | Class::Ambiguous), "{:?}", failure.error);
        }
        batch = batch.select(failures.iter().map(|failure| failure.index));
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the batch never landed");
}

fn ids(range: std::ops::Range<u32>) -> Batch {
    batch(range.map(|id| format!(r#"{{"id": {id}}}"#)))
}
