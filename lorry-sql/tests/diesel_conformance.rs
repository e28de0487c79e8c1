//! The conformance suite of the test kit, on typed rows: `DieselSink` into SQLite and into a real PostgreSQL.

#![cfg(feature = "diesel")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::Folder;
use diesel::{Insertable, SqliteConnection};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_core::relay::{Batch, Sink};
use lorry_sql::DieselSink;
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness, Typed};
use lorry_testkit::servers::{Postgres, PostgresOptions};

diesel::table! {
    readings (seq) {
        seq -> BigInt,
        n -> BigInt,
        name -> Text,
        celsius -> Double,
    }
}

#[derive(Insertable)]
#[diesel(table_name = readings)]
struct Reading {
    n: i64,
    name: String,
    celsius: f64,
}

/// `n|name|celsius`, which is also how rows are read back.
fn reading(message: &Message) -> Reading {
    let mut parts = message.text().unwrap().split('|');
    let mut part = || parts.next().unwrap();
    Reading { n: part().parse().unwrap(), name: part().to_owned(), celsius: part().parse().unwrap() }
}

fn row(n: i64, name: &str, celsius: f64) -> Message {
    Message::new(format!("{n}|{name}|{celsius}"))
}

/// A database in which each case finds the table anew.
enum Database {
    Sqlite(Folder),
    Postgres(Box<Postgres>),
}

type Sqlite = SyncConnectionWrapper<SqliteConnection>;

const COLUMNS: &str = "n bigint NOT NULL CHECK (n <> 666), name text NOT NULL, celsius double precision NOT NULL";

#[lorry_core::async_trait]
impl Harness for Database {
    fn registry(&self) -> Registry {
        Registry::new()
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        match (self, case) {
            (_, Case::BadAddresses | Case::WrongOptions | Case::Passwords) => {
                Some("it is made of closures, not of an address")
            }
            (Self::Sqlite(_), Case::Away | Case::MidFlow) => Some("SQLite has no server that could be away"),
            _ => None,
        }
    }

    async fn fresh(&mut self) -> String {
        let make = |key| format!("DROP TABLE IF EXISTS readings; CREATE TABLE readings (seq {key}, {COLUMNS})");
        match self {
            Self::Sqlite(folder) => folder.run(&make("INTEGER PRIMARY KEY")),
            Self::Postgres(server) => _ = server.psql(&make("bigserial PRIMARY KEY")),
        }
        "the one table".to_owned()
    }

    fn samples(&self) -> Vec<Message> {
        vec![row(1, "plain", 21.5), row(-2, "küche ☃", -0.25), row(i64::MAX, "quoted ' and ;", 0.0)]
    }

    fn numbered(&self, n: usize) -> Message {
        row(n as i64, "many", 0.5)
    }

    async fn break_peer(&mut self) {
        if let Self::Postgres(server) = self {
            server.kill9();
        }
    }

    async fn restore_peer(&mut self) {
        if let Self::Postgres(server) = self {
            server.restart();
        }
    }
}

#[lorry_core::async_trait]
impl SinkHarness for Database {
    fn sink(&self, _: &str) -> Box<dyn Sink> {
        match self {
            Self::Sqlite(folder) => {
                let file = folder.file().display().to_string();
                let sink = DieselSink::new(
                    move || {
                        let file = file.clone();
                        async move { Sqlite::establish(&file).await }
                    },
                    async |connection: &mut Sqlite, rows: Batch<Reading>| {
                        let insert = move |connection: &mut SqliteConnection| {
                            let rows: Vec<_> = rows.iter().collect();
                            diesel::RunQueryDsl::execute(diesel::insert_into(readings::table).values(rows), connection)
                        };
                        connection.spawn_blocking(insert).await
                    },
                );
                Box::new(Typed::new(sink, reading))
            }
            Self::Postgres(server) => {
                let url = server.url();
                let sink = DieselSink::new(
                    move || {
                        let url = url.clone();
                        async move { AsyncPgConnection::establish(&url).await }
                    },
                    async |connection: &mut AsyncPgConnection, rows: Batch<Reading>| {
                        let rows: Vec<_> = rows.iter().collect();
                        diesel::insert_into(readings::table).values(rows).execute(connection).await
                    },
                );
                Box::new(Typed::new(sink, reading))
            }
        }
    }

    async fn read(&mut self, _: &str, _: usize) -> Vec<Message> {
        // What was confirmed is there: nothing to wait for.
        let rows = match self {
            Self::Sqlite(folder) => folder.texts(
                "SELECT n || '|' || name || '|' || CASE celsius WHEN 0 THEN '0' ELSE celsius END FROM readings ORDER BY seq",
            ),
            Self::Postgres(server) => {
                let rows = server.psql("SELECT n, name, celsius FROM readings ORDER BY seq");
                rows.lines().map(str::to_owned).collect()
            }
        };
        rows.into_iter().map(Message::new).collect()
    }

    fn undeliverable(&self) -> Message {
        row(666, "refused by CHECK", 0.5)
    }
}

const ALWAYS: [Case; 4] = [Case::BadAddresses, Case::WrongOptions, Case::Passwords, Case::Positions];

fn left_out(summary: &conformance::Summary) -> Vec<Case> {
    summary.left_out.iter().map(|(case, _)| *case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let summary = conformance::sink(&mut Database::Sqlite(Folder::new())).await;
    assert_eq!(left_out(&summary), [&ALWAYS[..], &[Case::Away, Case::MidFlow]].concat(), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgresql"]
async fn postgresql_conforms() {
    let server = Postgres::start(PostgresOptions::default());
    let summary = conformance::sink(&mut Database::Postgres(Box::new(server))).await;
    assert_eq!(left_out(&summary), ALWAYS, "{summary}");
}
