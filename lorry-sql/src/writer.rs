//! What a database has to do for the sink.

use crate::cells::Rows;
use crate::kinds::Kind;
use crate::table::{Dialect, Table, TableName};
use lorry_core::{Error, ErrorKind, Result, async_trait};
use std::fmt::Debug;
use std::ops::Range;

/// What errors of an insert say they were doing. Of the statement behind it, before there are values, they say something else.
pub(crate) const INSERT_ROWS: &str = "insert rows";

/// A connection to a database. The [session](crate::session::Session) drives it, one call at a time, and runs each call to its end:
/// unless the sink is dropped no future of a writer is dropped half-way.
///
/// Errors carry the [class](lorry_core::Class) that the runtime acts on. After one that is not of class `data` the session calls
/// [`connect`](Writer::connect) again before anything else, except for kind [`NotFound`](lorry_core::ErrorKind::NotFound), after
/// which it asks for the table anew.
#[async_trait]
pub(crate) trait Writer: Send + Debug {
    /// The words of its SQL.
    fn dialect(&self) -> &'static dyn Dialect;

    /// Whether its methods block the thread. Then the session runs on one that may be blocked, and they never wait for anything else.
    fn blocks(&self) -> bool;

    /// Makes a connection that works, in place of the one there is.
    async fn connect(&mut self) -> Result<()>;

    /// What the table looks like; `None` when there is none.
    async fn describe(&mut self, table: &TableName) -> Result<Option<Table>>;

    /// Runs statements without parameters in one transaction: to make, widen and empty tables.
    async fn execute(&mut self, statements: &[String]) -> Result<()>;

    /// Gives columns of integers that [widen](crate::table::TableColumn::widens) a type that takes numbers of this kind and loses nothing
    /// of what is there. Others may do the same at this moment.
    async fn widen(&mut self, table: &TableName, columns: &[(&str, Kind)]) -> Result<()> {
        let _ = columns;
        Err(Error::config(ErrorKind::Refused, "widen a column", format!("{table} cannot be changed")))
    }

    /// Inserts the rows of all parts in one transaction. `Ok` means that they are committed; after an error of any class but
    /// `ambiguous` none is.
    async fn insert(&mut self, parts: &[Part<'_>]) -> Result<(), Refused>;

    /// A whole batch is committed, in one transaction or several. One that [blocks](Writer::blocks) may rest before the receipt, so
    /// that more gathers for the next.
    fn landed(&mut self) {}

    /// Ends the connection gracefully.
    async fn close(&mut self) -> Result<()>;
}

/// Rows for one table.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Where to.
    pub(crate) table: &'a Table,
    /// The rows of the batch.
    pub(crate) rows: &'a Rows,
    /// Which of them. Not empty.
    pub(crate) range: Range<usize>,
    /// Which columns: of `rows`, and of `table.columns`. May be empty: then each row is one of defaults.
    pub(crate) columns: &'a [Pair],
    /// Parts with the same number have the same table and columns: the key under which a prepared statement may be kept.
    pub(crate) plan: u64,
}

/// A column of the rows and the column of the table that it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Index in [`Rows::columns`].
    pub(crate) from: usize,
    /// Index in [`Table::columns`].
    pub(crate) to: usize,
}

/// An insert that failed.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) error: Error,
    /// The row at fault, where the database says so: index of the part and of the row in `rows`. Without it the session bisects.
    pub(crate) at: Option<(usize, usize)>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, at: None }
    }
}
