//! What the tests share.

#![allow(dead_code)]

use lorry_core::relay::{Batch, Context, Failure, Sink};
use lorry_core::{Message, Result};
use lorry_sql::{SqlOptions, SqlSink};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A folder of its own for each test, gone at its end.
pub(crate) struct Folder(PathBuf);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("lorry-sql-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("x.db")
    }

    pub(crate) fn address(&self, table: &str) -> SqlOptions {
        SqlOptions::new(format!("sqlite:///{}", self.file().display())).table(table)
    }

    /// The first column of a query, as text.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let connection = Connection::open(self.file()).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                rusqlite::types::ValueRef::Real(value) => format!("{value:?}"),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:?}"),
            })
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    pub(crate) fn run(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn message(payload: &str) -> Message {
    Message::new(payload.to_owned())
}

pub(crate) fn batch<T: AsRef<str>>(payloads: impl IntoIterator<Item = T>) -> Batch {
    Batch::new(payloads.into_iter().map(|payload| message(payload.as_ref())).collect())
}

pub(crate) async fn open(options: &SqlOptions) -> Result<SqlSink> {
    let mut sink = SqlSink::new(options.clone());
    sink.open(Context::detached("sqlsink0")).await?;
    Ok(sink)
}

/// Sends a batch and waits for its receipt.
pub(crate) async fn deliver(sink: &mut SqlSink, batch: Batch) -> Result<(), Vec<Failure>> {
    match sink.send(batch).await {
        Ok(receipt) => receipt.await.map_err(lorry_core::relay::Failures::into_vec),
        Err(error) => panic!("not taken: {error}"),
    }
}
