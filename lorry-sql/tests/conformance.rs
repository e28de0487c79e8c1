//! The conformance suite of the test kit, on SQLite and on a real PostgreSQL.
#![cfg(all(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Folder;
use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness};
use lorry_testkit::servers::{Postgres, PostgresOptions};

/// A database; each case has a table of its own.
enum Database {
    Sqlite(Folder),
    Postgres(Box<Postgres>),
}

struct Tables {
    database: Database,
    case: usize,
}

impl Tables {
    fn new(database: Database) -> Self {
        Self { database, case: 0 }
    }

    fn run(&self, sql: &str) {
        match &self.database {
            Database::Sqlite(folder) => folder.run(sql),
            Database::Postgres(server) => _ = server.psql(sql),
        }
    }

    /// The rows in the order they came, each as the JSON it was sent as.
    fn rows(&self) -> Vec<String> {
        let table = format!("case{}", self.case);
        match &self.database {
            Database::Sqlite(folder) => folder.texts(&format!(
                "SELECT json_object('n', n, 'name', name, 'celsius', celsius) FROM {table} ORDER BY rowid"
            )),
            Database::Postgres(server) => {
                let columns = "'n', n, 'name', name, 'celsius', celsius";
                let rows = server.psql(&format!("SELECT json_build_object({columns}) FROM {table} ORDER BY id"));
                rows.lines().map(|row| row.replace(" : ", ":").replace(", ", ",")).collect()
            }
        }
    }
}

fn row(n: i64, name: &str, celsius: f64) -> Message {
    Message::new(format!(r#"{{"n":{n},"name":"{name}","celsius":{celsius}}}"#))
}

#[lorry_core::async_trait]
impl Harness for Tables {
    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        lorry_sql::register(&mut registry);
        registry
    }

    async fn fresh(&mut self) -> String {
        self.case += 1;
        let table = format!("case{}", self.case);
        let key = match self.database {
            Database::Sqlite(_) => "id INTEGER PRIMARY KEY",
            Database::Postgres(_) => "id bigint GENERATED ALWAYS AS IDENTITY",
        };
        let columns = "n bigint CHECK (n <> 666), name text, celsius double precision";
        self.run(&format!("CREATE TABLE {table} ({key}, {columns})"));
        match &self.database {
            Database::Sqlite(folder) => format!("sqlite:///{}?table={table}", folder.file().display()),
            Database::Postgres(server) => format!("{}?table={table}", server.url()),
        }
    }

    fn samples(&self) -> Vec<Message> {
        vec![row(1, "plain", 21.5), row(-2, "küche ☃", -0.25), row(i64::MAX, "quoted ' and ;", 1.5e-7)]
    }

    fn numbered(&self, n: usize) -> Message {
        row(n as i64, "many", 0.5)
    }

    fn view(&self, message: &Message) -> Message {
        Message::new(message.text().unwrap().parse::<serde_json::Value>().unwrap().to_string())
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        match (&self.database, case) {
            (Database::Sqlite(_), Case::Away | Case::MidFlow) => Some("SQLite has no server that could be away"),
            (Database::Sqlite(_), Case::Passwords) => Some("SQLite knows no login"),
            _ => None,
        }
    }

    async fn break_peer(&mut self) {
        if let Database::Postgres(server) = &mut self.database {
            server.kill9();
        }
    }

    async fn restore_peer(&mut self) {
        if let Database::Postgres(server) = &mut self.database {
            server.restart();
        }
    }

    fn with_password(&self, address: &str, password: &str) -> String {
        address.replacen("postgres@", &format!("postgres:{password}@"), 1)
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![
            ("sqlit:///x.db?table=t".into(), "did you mean"),
            ("sqlite:///x.db".into(), "table"),
            ("sqlite:///x.db?table=t&if-exists=appendd".into(), "append"),
            ("sqlite:///x.db?table=t&batch-size=0".into(), "batch-size"),
        ]
    }
}

#[lorry_core::async_trait]
impl SinkHarness for Tables {
    async fn read(&mut self, _: &str, _: usize) -> Vec<Message> {
        // What was confirmed is there: nothing to wait for.
        self.rows().into_iter().map(Message::new).collect()
    }

    fn undeliverable(&self) -> Message {
        row(666, "refused by CHECK", 0.5)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_conforms() {
    let summary = conformance::sink(&mut Tables::new(Database::Sqlite(Folder::new()))).await;
    assert!(summary.ran.contains(&Case::Refused), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postgresql"]
async fn postgresql_conforms() {
    let server = Postgres::start(PostgresOptions::default());
    let summary = conformance::sink(&mut Tables::new(Database::Postgres(Box::new(server)))).await;
    assert_eq!(summary.left_out.len(), 1, "{summary}");
}
