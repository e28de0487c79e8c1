//! The connection to the file.

use super::dialect::{Affinity, Sqlite};
use super::error::classify;
use super::options::{Place, SqliteOptions, Synchronous};
use super::pace::Pace;
use super::value::{Unbound, bind};
use crate::table::{Dialect, Table, TableColumn, TableName};
use crate::writer::{INSERT_ROWS, Part, Refused, Writer};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Values in one statement of several rows: beyond it a longer statement gains nothing, and costs more to prepare.
const VALUES: usize = 250;
/// Pages in the write-ahead log before a checkpoint (40 MB). Checkpoints sync the disk: with SQLite's own 1,000 they take half the time.
const CHECKPOINT: u32 = 10_000;
/// Statements kept; each table in use has two.
const STATEMENTS: usize = 64;

/// A SQLite file, written by one connection.
#[derive(Debug)]
pub(crate) struct SqliteWriter {
    place: Place,
    options: SqliteOptions,
    open: Option<Open>,
    /// When the first transaction of the batch began.
    began: Option<Instant>,
    pace: Pace,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Which file it is, to notice when another one stands in its place.
    file: Option<FileId>,
    /// Its write-ahead log, once there is one.
    log: Option<Log>,
    inserts: HashMap<u64, Insert>,
}

/// The statements for one plan.
#[derive(Debug)]
struct Insert {
    one: String,
    many: String,
    /// Rows in `many`.
    rows: usize,
    affinities: Vec<Affinity>,
}

impl SqliteWriter {
    pub(crate) fn new(place: Place, options: SqliteOptions) -> Self {
        Self { place, options, open: None, began: None, pace: Pace::default() }
    }

    fn open(&self) -> Result<Open> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &self.place {
            Place::Memory => Connection::open_in_memory_with_flags(flags),
            Place::File(path) => {
                check_folder(path)?;
                Connection::open_with_flags(path, flags)
            }
        };
        let set_up = |connection: &Connection| {
            connection.busy_timeout(self.options.busy_timeout.0)?;
            connection.set_prepared_statement_cache_capacity(STATEMENTS);
            connection.pragma_update(None, "journal_mode", "WAL")?;
            let synchronous = match self.options.synchronous {
                Synchronous::Off => "OFF",
                Synchronous::Normal => "NORMAL",
                Synchronous::Full => "FULL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)
        };
        let connection = connection.and_then(|connection| set_up(&connection).map(|()| connection));
        let connection = connection.map_err(|error| self.located(classify("open", error)))?;
        let file = match &self.place {
            Place::Memory => None,
            Place::File(path) => FileId::of(path),
        };
        Ok(Open { connection, file, log: None, inserts: HashMap::new() })
    }

    fn opened(&mut self) -> Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| Error::transient(ErrorKind::Closed, "use SQLite", "the file is not open"))
    }

    fn located(&self, error: Error) -> Error {
        match &self.place {
            Place::Memory => error,
            Place::File(path) => error.with("file", path.display()),
        }
    }

    /// A file that was removed or replaced under an open connection takes commits into nowhere.
    fn check_file(&mut self) -> Result<()> {
        let (Place::File(path), Some(open)) = (&self.place, &mut self.open) else { return Ok(()) };
        if open.file.is_some() && FileId::of(path) != open.file {
            let text = "the database file was removed, moved or replaced while it was in use";
            let hint = "what was not acknowledged is written again, into the file that is there now";
            return Err(self.located(Error::transient(ErrorKind::Io, "commit", text)).hint(hint));
        }
        if open.log.is_none() {
            open.log = Log::of(path);
        }
        Ok(())
    }
}

#[async_trait]
impl Writer for SqliteWriter {
    fn dialect(&self) -> &'static dyn Dialect {
        &Sqlite
    }

    fn blocks(&self) -> bool {
        true
    }

    async fn connect(&mut self) -> Result<()> {
        // What is in memory is gone with the connection.
        if self.place == Place::Memory && self.open.is_some() {
            return Ok(());
        }
        if let Some(log) = self.open.take().and_then(|open| open.log) {
            log.keep_if_orphaned()?;
        }
        self.open = Some(self.open()?);
        Ok(())
    }

    async fn describe(&mut self, table: &TableName) -> Result<Option<Table>> {
        let described = describe(&self.opened()?.connection, table);
        described.map_err(|error| self.located(classify("describe the table", error).with("table", table)))
    }

    async fn execute(&mut self, statements: &[String]) -> Result<()> {
        let run = |connection: &mut Connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            statements.iter().try_for_each(|statement| transaction.execute_batch(statement))?;
            transaction.commit()
        };
        let run = run(&mut self.opened()?.connection);
        run.map_err(|error| self.located(classify("change the table", error)))
    }

    async fn insert(&mut self, parts: &[Part<'_>]) -> Result<(), Refused> {
        self.began.get_or_insert_with(Instant::now);
        let inserted = self.opened()?.insert(parts);
        inserted.map_err(|refused| match refused.error.class() {
            Class::Data => refused,
            _ => Refused { error: self.located(refused.error), ..refused },
        })?;
        Ok(self.check_file()?)
    }

    fn landed(&mut self) {
        if let Some(began) = self.began.take() {
            std::thread::sleep(self.pace.rest(began, Instant::now()));
        }
    }

    async fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        open.connection.close().map_err(|(_, error)| self.located(classify("close", error)))
    }
}

impl Open {
    fn insert(&mut self, parts: &[Part<'_>]) -> Result<(), Refused> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| classify("begin", error))?;
        let mut inserted = Ok(());
        for (index, part) in parts.iter().enumerate() {
            inserted = self.insert_part(part).map_err(|(error, row)| {
                let error = if error.class() == Class::Data { error.with("table", &part.table.name) } else { error };
                Refused { error, at: row.map(|row| (index, row)) }
            });
            if inserted.is_err() {
                break;
            }
        }
        let inserted = inserted
            .and_then(|()| self.connection.execute_batch("COMMIT").map_err(|error| classify("commit", error).into()));
        if inserted.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(|error| classify("roll back", error))?;
        }
        inserted
    }

    /// An error comes with the row at fault where one is.
    fn insert_part(&mut self, part: &Part<'_>) -> Result<(), (Error, Option<usize>)> {
        if self.inserts.len() >= STATEMENTS {
            self.inserts.clear();
        }
        let insert = self.inserts.entry(part.plan).or_insert_with(|| Insert::new(part));
        let failed = |error| (classify("prepare the insert", error), None);
        let mut row = part.range.start;
        if part.range.len() >= insert.rows && insert.rows > 1 {
            let mut many = self.connection.prepare_cached(&insert.many).map_err(failed)?;
            while row + insert.rows <= part.range.end {
                let rows = row..row + insert.rows;
                let bound = rows.clone().try_fold(1, |parameter, row| insert.bind(&mut many, parameter, part, row));
                match bound.and_then(|_| many.raw_execute().map_err(|error| (classify(INSERT_ROWS, error), None))) {
                    Ok(_) => row = rows.end,
                    // One of them: the statement alone is undone, and its rows are tried one by one.
                    Err((error, None)) if error.class() == Class::Data && !self.connection.is_autocommit() => {
                        let mut one = self.connection.prepare_cached(&insert.one).map_err(failed)?;
                        for row in rows.clone() {
                            insert.insert(&mut one, part, row)?;
                        }
                        row = rows.end;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if row < part.range.end {
            let mut one = self.connection.prepare_cached(&insert.one).map_err(failed)?;
            for row in row..part.range.end {
                insert.insert(&mut one, part, row)?;
            }
        }
        Ok(())
    }
}

impl Insert {
    fn new(part: &Part<'_>) -> Self {
        let table = Sqlite.quote_table(&part.table.name);
        let columns: Vec<_> = part.columns.iter().map(|pair| &part.table.columns[pair.to]).collect();
        let affinities = columns.iter().map(|column| Affinity::of_id(column.type_id)).collect();
        if columns.is_empty() {
            let one = format!("INSERT INTO {table} DEFAULT VALUES");
            return Self { many: one.clone(), one, rows: 1, affinities };
        }
        let rows = (VALUES / columns.len()).max(1);
        let names: Vec<_> = columns.iter().map(|column| Sqlite.quote(&column.name)).collect();
        let row = format!("({})", vec!["?"; columns.len()].join(","));
        let into = format!("INSERT INTO {table} ({}) VALUES ", names.join(","));
        Self { one: format!("{into}{row}"), many: into + &vec![row.as_str(); rows].join(","), rows, affinities }
    }

    /// Binds a row from this parameter on; the parameter behind it.
    fn bind(
        &self,
        to: &mut rusqlite::Statement<'_>,
        mut parameter: usize,
        part: &Part<'_>,
        row: usize,
    ) -> Result<usize, (Error, Option<usize>)> {
        for (pair, affinity) in part.columns.iter().zip(&self.affinities) {
            match bind(to, parameter, part.rows.value(pair.from, row), *affinity) {
                Ok(()) => parameter += 1,
                Err(Unbound::Unfit(error)) => {
                    return Err((error.with("column", &part.table.columns[pair.to].name), Some(row)));
                }
                Err(Unbound::Sqlite(error)) => return Err((classify(INSERT_ROWS, error), Some(row))),
            }
        }
        Ok(parameter)
    }

    fn insert(
        &self,
        statement: &mut rusqlite::Statement<'_>,
        part: &Part<'_>,
        row: usize,
    ) -> Result<(), (Error, Option<usize>)> {
        self.bind(statement, 1, part, row)?;
        statement.raw_execute().map(drop).map_err(|error| (classify(INSERT_ROWS, error), Some(row)))
    }
}

/// What SQLite says about a table. Its hidden columns are those it computes, and those of virtual tables that are no columns.
fn describe(connection: &Connection, name: &TableName) -> rusqlite::Result<Option<Table>> {
    let mut statement = connection.prepare_cached(match name.schema {
        None => "SELECT name, type, hidden FROM pragma_table_xinfo(?1) WHERE ?2 IS NULL",
        Some(_) => "SELECT name, type, hidden FROM pragma_table_xinfo(?1, ?2)",
    })?;
    let mut rows = statement.query(params![name.name, name.schema])?;
    let mut table = Table { name: name.clone(), ..Table::default() };
    while let Some(row) = rows.next()? {
        let (name, type_name) = (row.get(0)?, row.get::<_, String>(1)?);
        table.width += 1;
        match row.get(2)? {
            0 => {
                let type_id = Affinity::of_type(&type_name) as u32;
                table.columns.push(TableColumn { name, type_name, type_id, widens: false });
            }
            _ => table.computed.push(name),
        }
    }
    let kind =
        "SELECT EXISTS (SELECT * FROM pragma_table_list(?1) WHERE type = 'view' AND schema = ifnull(?2, schema))";
    table.is_view = connection.prepare_cached(kind)?.query_row(params![name.name, name.schema], |row| row.get(0))?;
    Ok((!table.columns.is_empty()).then_some(table))
}

/// SQLite makes files, but no folders, and says only that it cannot open.
fn check_folder(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::config(ErrorKind::NotFound, "open", format!("there is no folder {}", folder.display()))
        .with("file", path.display())
        .hint("make it first"))
}

/// The write-ahead log of an open file.
#[derive(Debug)]
struct Log {
    /// The database file, links followed: the log lies beside it.
    file: PathBuf,
    id: FileId,
}

impl Log {
    fn of(path: &Path) -> Option<Self> {
        let file = std::fs::canonicalize(path).ok()?;
        let id = FileId::of(&beside(&file, "-wal"))?;
        Some(Self { file, id })
    }

    /// Keeps a log that has lost its file, since that was removed, or moved without it. SQLite would delete it when it makes a new file in
    /// that place; it has rows that were acknowledged and are nowhere else.
    fn keep_if_orphaned(&self) -> Result<()> {
        let log = beside(&self.file, "-wal");
        if !matches!(self.file.try_exists(), Ok(false)) || FileId::of(&log) != Some(self.id) {
            return Ok(());
        }
        let suffix = |number: u32| format!(".orphan{number}");
        let is_free = |number: &u32| !beside(&log, &suffix(*number)).exists();
        let Some(number) = (1..=u32::MAX).find(is_free) else { return Ok(()) };
        let kept = beside(&log, &suffix(number));
        std::fs::rename(&log, &kept).map_err(|error| Error::from(error).with("log", log.display()))?;
        // Who has the moved file open goes on with this one; it must not be the index of a new file as well.
        let index = beside(&self.file, "-shm");
        let _ = std::fs::rename(&index, beside(&index, &suffix(number)));
        tracing::warn!(
            "the database file of {} is gone, and the log was kept as {}: if the file was moved, move this beside it, under its new name and -wal",
            log.display(),
            kept.display()
        );
        Ok(())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// What tells one file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self(metadata.dev(), metadata.ino()))
    }

    /// Where files in use cannot be removed there is nothing to notice.
    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|_| Self(0, 0))
    }
}
