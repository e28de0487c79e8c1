//! One connection and the transactions that go through it.

use super::{Connect, Insert, Judge, error};
use diesel::result::Error as DieselError;
use diesel_async::AsyncConnection;
use futures_util::FutureExt;
use lorry_core::relay::{Batch, Failure, Failures};
use lorry_core::{Class, Error, ErrorKind, Result};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::time::Duration;
use tokio::time::timeout;

pub(super) struct Writer<T, C> {
    connect: Connect<C>,
    insert: Insert<T, C>,
    connection: Option<C>,
    pub(super) timeout: Duration,
    pub(super) judge: Option<Judge>,
    /// Whether what follows a refused row is left unwritten.
    pub(super) stop_on_refusal: bool,
}

/// What is done about a range of rows that was not written.
enum Trouble {
    /// The database refuses it, or some of it.
    Refused(Error),
    /// So it seems; the server's text tells nothing.
    Obscure(Error),
    /// Not a matter of the rows.
    Halted(Error),
}

impl<T, C> Writer<T, C>
where
    T: Send + Sync + 'static,
    C: AsyncConnection + 'static,
{
    pub(super) fn new(connect: Connect<C>, insert: Insert<T, C>, timeout: Duration) -> Self {
        Self { connect, insert, connection: None, timeout, judge: None, stop_on_refusal: true }
    }

    pub(super) async fn connect(&mut self) -> Result<()> {
        if self.connection.is_none() {
            self.connection = Some(self.connected().await?);
        }
        Ok(())
    }

    pub(super) fn disconnect(&mut self) {
        self.connection = None;
    }

    async fn connected(&mut self) -> Result<C> {
        match timeout(self.timeout, (self.connect)()).await {
            Ok(connected) => connected,
            Err(_) => {
                Err(Error::transient(ErrorKind::Timeout, "connect", format!("no connection within {:?}", self.timeout)))
            }
        }
    }

    /// Writes a batch, in halves of halves where rows are refused; in order.
    pub(super) async fn write(&mut self, batch: &Batch<T>) -> Result<(), Failures> {
        let mut ranges = Vec::new();
        ranges.push(0..batch.len());
        let mut failures = Vec::new();
        let mut tried_twice = false;
        while let Some(range) = ranges.pop() {
            if range.is_empty() {
                continue;
            }
            match self.transact(batch, range.clone()).await {
                Ok(()) => {}
                Err(Trouble::Obscure(error)) if !tried_twice => {
                    // Once per batch: a server whose language is not known here may have meant a deadlock or its shutdown.
                    tracing::debug!("{error}; tried once more through a new connection");
                    tried_twice = true;
                    self.disconnect();
                    ranges.push(range);
                }
                Err(Trouble::Refused(error) | Trouble::Obscure(error)) if range.len() == 1 => {
                    failures.push(Failure { index: range.start, error });
                    if self.stop_on_refusal {
                        let unwritten =
                            Error::transient(ErrorKind::Other, "insert rows", "not tried: a row before it was refused");
                        failures
                            .extend((range.end..batch.len()).map(|index| Failure { index, error: unwritten.clone() }));
                        break;
                    }
                }
                Err(Trouble::Refused(_) | Trouble::Obscure(_)) => {
                    let middle = range.start + range.len() / 2;
                    ranges.push(middle..range.end);
                    ranges.push(range.start..middle);
                }
                Err(Trouble::Halted(error)) => {
                    let left = range.start..batch.len();
                    failures.extend(left.map(|index| Failure { index, error: error.clone() }));
                    break;
                }
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(Failures::some(failures)) }
    }

    /// One transaction. The connection is kept only if all went well or the database said no in good order: a future dropped in the
    /// middle, or a doubtful connection, takes it along.
    async fn transact(&mut self, batch: &Batch<T>, range: Range<usize>) -> Result<(), Trouble> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connected().await.map_err(Trouble::Halted)?,
        };
        let rows = if range.len() == batch.len() { batch.clone() } else { batch.select(range) };
        let insert = self.insert.clone();
        let mut committing = false;
        let mut refused = None;
        let (at_commit, at_refusal) = (&mut committing, &mut refused);
        let transaction = connection.transaction::<(), DieselError, _>(async move |connection: &mut C| {
            match (insert.0)(connection, rows).await {
                Ok(()) => *at_commit = true,
                Err(error) => {
                    // Kept apart: of a failed statement and a failed rollback, Diesel would report the latter.
                    *at_refusal = Some(error);
                    return Err(DieselError::RollbackTransaction);
                }
            }
            Ok(())
        });
        let done = timeout(self.timeout, AssertUnwindSafe(transaction).catch_unwind()).await;
        let (error, sound) = match done {
            Ok(Ok(Ok(()))) => {
                self.connection = Some(connection);
                return Ok(());
            }
            Ok(Ok(Err(error))) => {
                let sound = matches!(error, DieselError::RollbackTransaction) || committing;
                (refused.unwrap_or(error), sound)
            }
            Ok(Err(panic)) => return Err(Trouble::Refused(panicked(&*panic))),
            Err(_) if committing => return Err(Trouble::Halted(Error::ambiguous("commit", "no answer in time"))),
            Err(_) => {
                let text = format!("the transaction took longer than {:?}", self.timeout);
                return Err(Trouble::Halted(Error::transient(ErrorKind::Timeout, "insert rows", text)));
            }
        };
        if committing && error::is_lost(&error) {
            return Err(Trouble::Halted(
                Error::ambiguous("commit", "the connection was lost before the answer came").caused_by(error),
            ));
        }
        let own = self.judge.as_ref().and_then(|judge| judge(&error));
        let class = own.or_else(|| error::class(&error));
        if sound && matches!(class, None | Some(Class::Data)) {
            self.connection = Some(connection);
        }
        match class {
            Some(Class::Data) => Err(Trouble::Refused(error::inserting(error, Class::Data))),
            Some(class) => Err(Trouble::Halted(error::inserting(error, class))),
            None => Err(Trouble::Obscure(error::inserting(error, Class::Data))),
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::data(
        ErrorKind::Panic,
        "insert rows",
        format!("the insert closure panicked: {}", text.unwrap_or("(no text)")),
    )
}
