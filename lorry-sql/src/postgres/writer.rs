//! The writer: prepared statements over one connection.

use super::client::{Connected, Target, connect};
use super::column::{Class as ColumnClass, Form};
use super::dialect::Postgres;
use super::encode::Array;
use super::{catalog, error, statement, widen};
use crate::kinds::Kind;
use crate::table::{Dialect, Table, TableName};
use crate::writer::{INSERT_ROWS, Part, Refused, Writer};
use lorry_core::tls::rustls::ClientConfig;
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

/// Statements kept prepared; a table whose columns come in more combinations starts anew.
const STATEMENTS: usize = 100;

/// How many times as long as for other statements the server may take to write a whole table anew.
const REWRITE: u32 = 60;

type Statements = HashMap<(u64, Vec<Form>), Statement>;

/// Writes to PostgreSQL.
pub(super) struct PostgresWriter {
    targets: Vec<Target>,
    tls: Option<Arc<ClientConfig>>,
    connect_timeout: Duration,
    timeout: Duration,
    /// Whether times without a zone shall mean UTC, as no other zone was asked for.
    utc: bool,
    connected: Option<Connected>,
    statements: Statements,
}

impl PostgresWriter {
    /// A writer to the first of these servers that takes it; not connected.
    pub(super) fn new(
        targets: Vec<Target>,
        tls: Option<Arc<ClientConfig>>,
        connect_timeout: Duration,
        timeout: Duration,
        utc: bool,
    ) -> Self {
        Self { targets, tls, connect_timeout, timeout, utc, connected: None, statements: HashMap::new() }
    }

    fn client(&self) -> Result<&Client> {
        let away = || Error::transient(ErrorKind::Closed, "write", "not connected");
        self.connected.as_ref().map(|connected| &connected.client).ok_or_else(away)
    }

    /// Waits for the server, but not for ever: one that hangs keeps its connections open.
    async fn within<T>(
        &self,
        op: &'static str,
        late: Class,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.within_time(self.timeout, op, late, work).await
    }

    async fn within_time<T>(
        &self,
        time: Duration,
        op: &'static str,
        late: Class,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match timeout(time, work).await {
            Ok(done) => done,
            Err(_) => Err(Error::new(ErrorKind::Timeout, late, op, format!("no answer within {time:?}"))),
        }
    }
}

#[async_trait]
impl Writer for PostgresWriter {
    fn dialect(&self) -> &'static dyn Dialect {
        &Postgres
    }

    fn blocks(&self) -> bool {
        false
    }

    async fn connect(&mut self) -> Result<()> {
        self.connected = None;
        self.statements.clear();
        let connected = connect(&self.targets, self.tls.as_ref(), self.connect_timeout).await?;
        if self.utc {
            let set = connected.client.batch_execute("SET TIME ZONE 'UTC'");
            let set = async { set.await.map_err(|error| error::running("connect", &error, Class::Transient)) };
            self.within("connect", Class::Transient, set).await?;
        }
        self.connected = Some(connected);
        Ok(())
    }

    async fn describe(&mut self, table: &TableName) -> Result<Option<Table>> {
        let client = self.client()?;
        self.within("describe the table", Class::Transient, catalog::describe(client, table)).await
    }

    async fn execute(&mut self, statements: &[String]) -> Result<()> {
        let client = self.client()?;
        // Several statements in one message are one transaction.
        let text = statements.join(";\n");
        let work = async {
            client
                .batch_execute(&text)
                .await
                .map_err(|error| error::running("change the table", &error, Class::Transient))
        };
        self.within("change the table", Class::Transient, work).await
    }

    async fn widen(&mut self, table: &TableName, columns: &[(&str, Kind)]) -> Result<()> {
        let client = self.client()?;
        self.within_time(
            self.timeout * REWRITE,
            "widen a column",
            Class::Transient,
            widen::widen(client, table, columns),
        )
        .await
    }

    async fn insert(&mut self, parts: &[Part<'_>]) -> Result<(), Refused> {
        // Out of the way of the borrow of `self`; lost with the connection if this future is dropped half-way.
        let mut statements = std::mem::take(&mut self.statements);
        let inserted = match parts {
            [] => Ok(()),
            [part] => self.insert_one(&mut statements, part).await,
            parts => self.insert_all(&mut statements, parts).await,
        };
        self.statements = statements;
        inserted
    }

    async fn close(&mut self) -> Result<()> {
        self.statements.clear();
        if let Some(connected) = self.connected.take() {
            connected.close(Duration::from_secs(5)).await;
        }
        Ok(())
    }
}

impl PostgresWriter {
    /// A statement by itself is a transaction: one round trip, and nobody knows what came of it if the answer is lost.
    async fn insert_one(&self, statements: &mut Statements, part: &Part<'_>) -> Result<(), Refused> {
        let client = self.client()?;
        let ready = self.ready(client, statements, 0, part).await?;
        Ok(self.within(INSERT_ROWS, Class::Ambiguous, ready.run(Class::Ambiguous)).await?)
    }

    async fn insert_all(&self, statements: &mut Statements, parts: &[Part<'_>]) -> Result<(), Refused> {
        let client = self.client()?;
        let simple = async |op, sql, lost| {
            let work = async { client.batch_execute(sql).await.map_err(|error| error::running(op, &error, lost)) };
            self.within(op, lost, work).await
        };
        simple("begin", "BEGIN", Class::Transient).await?;
        for (at, part) in parts.iter().enumerate() {
            let inserted = match self.ready(client, statements, at, part).await {
                Ok(ready) => {
                    let run = self.within(INSERT_ROWS, Class::Transient, ready.run(Class::Transient));
                    run.await.map_err(Refused::from)
                }
                Err(refused) => Err(refused),
            };
            if let Err(refused) = inserted {
                simple("roll back", "ROLLBACK", Class::Transient).await?;
                return Err(refused);
            }
        }
        Ok(simple("commit", "COMMIT", Class::Ambiguous).await?)
    }

    /// Brings the rows into their forms and prepares the statement for these, if it is a new one.
    async fn ready<'a>(
        &self,
        client: &'a Client,
        statements: &mut Statements,
        at: usize,
        part: &'a Part<'_>,
    ) -> Result<Ready<'a>, Refused> {
        let mut arrays = Vec::with_capacity(part.columns.len());
        for pair in part.columns {
            let Some(column) = part.table.columns.get(pair.to) else { continue };
            let class = ColumnClass::of(column);
            let array = Array::new(part.rows, pair.from, part.range.clone(), class).map_err(|(row, unfit)| {
                let error = Error::data(ErrorKind::Constraint, INSERT_ROWS, unfit.why)
                    .with("column", &column.name)
                    .with("type", &column.type_name);
                let error = match unfit.wants {
                    Some(wants) => error.hint(format!(
                        "ALTER TABLE {} ALTER COLUMN {} TYPE {wants} makes room for it",
                        Postgres.quote_table(&part.table.name),
                        Postgres.quote(&column.name)
                    )),
                    None => error,
                };
                Refused { error, at: Some((at, row)) }
            })?;
            arrays.push((column, class, array));
        }
        let key = (part.plan, arrays.iter().map(|(_, _, array)| array.form()).collect::<Vec<_>>());
        let statement = match statements.get(&key) {
            Some(statement) => statement.clone(),
            None => {
                let columns: Vec<_> =
                    arrays.iter().map(|(column, class, array)| (*column, *class, array.form())).collect();
                let text = statement::insert(part, &columns);
                let prepare = async {
                    client
                        .prepare(&text)
                        .await
                        .map_err(|error| error::running("prepare the insert", &error, Class::Transient))
                };
                let statement = self.within("prepare the insert", Class::Transient, prepare).await?;
                if statements.len() >= STATEMENTS {
                    statements.clear();
                }
                statements.insert(key, statement.clone());
                statement
            }
        };
        let rows = i64::try_from(part.range.len()).unwrap_or(i64::MAX);
        Ok(Ready { client, statement, arrays: arrays.into_iter().map(|(_, _, array)| array).collect(), rows })
    }
}

/// A statement with its parameters.
struct Ready<'a> {
    client: &'a Client,
    statement: Statement,
    arrays: Vec<Array<'a>>,
    rows: i64,
}

impl Ready<'_> {
    async fn run(self, lost: Class) -> Result<()> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = self.arrays.iter().map(|array| array as _).collect();
        if parameters.is_empty() {
            parameters.push(&self.rows);
        }
        let ran = self.client.execute(&self.statement, &parameters).await;
        ran.map(drop).map_err(|error| error::running(INSERT_ROWS, &error, lost))
    }
}

impl fmt::Debug for PostgresWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresWriter").field("targets", &self.targets).finish_non_exhaustive()
    }
}
