//! What all databases have in common: batches in, tables made and widened, rows inserted, guilty messages found.

mod shape;

use crate::bisect::{Bisection, not_tried};
use crate::keys::{fold, in_another_case, is_computed};
use crate::options::{IfExists, Settings};
use crate::rows::{RowMaker, excerpt};
use crate::table::{Table, TableName};
use crate::target::Target;
use crate::writer::{INSERT_ROWS, Pair, Part, Refused, Writer};
use lorry_core::relay::{Batch, Failure, Failures};
use lorry_core::{Class, Error, ErrorKind, Message, Result};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Cells of one table (16 bytes each) at which a batch is written before the rest of it is decoded: a few bytes of JSON can make many.
const MOST_CELLS: usize = 1 << 21;

/// Tables remembered from one batch to the next; when there are more, all are looked at again.
const MOST_TABLES: usize = 1_000;

/// A connection to a database and what is known of the tables behind it.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    writer: Box<dyn Writer>,
    connected: bool,
    /// Rows have landed since it was connected.
    has_landed: bool,
    /// Tables for which `if-exists` was obeyed.
    begun: HashSet<TableName>,
    tables: Vec<Known>,
    by_name: HashMap<TableName, usize>,
    plans: u64,
}

/// A table as far as it is known.
#[derive(Debug)]
struct Known {
    name: TableName,
    /// `None`: there is none yet.
    table: Option<Table>,
    maker: RowMaker,
    pairs: Vec<Pair>,
    /// How many columns of the rows had been added when they were paired with the table as it is: those stay, more may follow.
    paired: Option<usize>,
    /// Columns that the database did not let widen.
    fixed: HashSet<String>,
    /// A row was refused by what is known of the columns: somebody may make room for the next.
    is_doubted: bool,
    plan: u64,
}

/// How far a batch came before its rows were inserted.
struct Decoded {
    /// Messages before this one are to be inserted.
    tried: usize,
    /// The first message that was not looked at.
    next: usize,
    /// Messages that make no rows.
    refused: Vec<Failure>,
}

impl Session {
    /// For this writer, not connected.
    pub(crate) fn new(settings: Settings, writer: Box<dyn Writer>) -> Self {
        Self {
            settings,
            writer,
            connected: false,
            has_landed: false,
            begun: HashSet::new(),
            tables: Vec::new(),
            by_name: HashMap::new(),
            plans: 0,
        }
    }

    /// Connects and looks at the table.
    pub(crate) async fn open(&mut self) -> Result<()> {
        self.connected = false;
        self.connect().await?;
        let table = match self.settings.target.clone() {
            Target::Fixed(name) => Some(self.table(&name).await?),
            Target::Made { .. } => None,
        };
        self.check_fields(table)
    }

    /// A name from the options that can never be a column is no message's fault, and would refuse each of them.
    fn check_fields(&self, table: Option<usize>) -> Result<()> {
        let table = table.and_then(|at| self.tables.get(at)?.table.as_ref());
        let dialect = self.writer.dialect();
        let of_options = |error: Error| error.classed(Class::Config).hint("see the option columns=");
        let is_of_database = |name: &str| {
            table.is_some_and(|table| table.computed.iter().any(|own| fold(dialect, own) == fold(dialect, name)))
        };
        let columns = table.iter().flat_map(|table| &table.columns).map(|column| column.name.as_str());
        let mut taken: HashMap<_, _> = columns.map(|name| (fold(dialect, name), name)).collect();
        for (name, _) in &self.settings.fields {
            match taken.entry(fold(dialect, name)) {
                Entry::Occupied(taken) if *taken.get() != name => {
                    return Err(of_options(in_another_case(dialect, name, taken.get())));
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(_) if is_of_database(name) => return Err(of_options(is_computed(name))),
                Entry::Vacant(free) => {
                    dialect.check_name(name).map_err(of_options)?;
                    free.insert(name);
                }
            }
        }
        Ok(())
    }

    /// Inserts a batch. Under `stop` only what precedes the first message refused.
    pub(crate) async fn write(&mut self, batch: &Batch, stop: bool) -> Result<(), Failures> {
        let failures = match self.try_write(batch, stop, false).await {
            Err(error) if self.connected && (error.kind() == ErrorKind::NotFound || is_of_insert(&error)) => {
                // Somebody dropped or changed the table: look again, once.
                self.forget_tables();
                self.try_write(batch, stop, true).await
            }
            tried => tried,
        };
        match failures {
            Ok(failures) if failures.is_empty() => {
                self.writer.landed();
                Ok(())
            }
            Ok(failures) => Err(Failures::some(failures)),
            Err(error) => {
                self.connected &= matches!(error.class(), Class::Data);
                Err(Failures::all(batch.len(), &error))
            }
        }
    }

    /// Ends the connection.
    pub(crate) async fn close(&mut self) -> Result<()> {
        self.connected = false;
        self.writer.close().await
    }

    async fn connect(&mut self) -> Result<()> {
        if !self.connected {
            self.writer.connect().await?;
            (self.connected, self.has_landed) = (true, false);
            self.forget_tables();
        }
        Ok(())
    }

    fn forget_tables(&mut self) {
        self.tables.clear();
        self.by_name.clear();
    }

    /// An error before the first row has landed. `again`: the tables were looked at just now, for the sake of this batch.
    async fn try_write(&mut self, batch: &Batch, stop: bool, again: bool) -> Result<Vec<Failure>> {
        self.connect().await?;
        if self.tables.len() > MOST_TABLES || self.tables.iter().any(|known| known.maker.has_too_many_keys()) {
            self.forget_tables();
        }
        let (mut from, mut failures) = (0, Vec::new());
        while from < batch.len() {
            let (next, failed) = match self.write_slice(batch, from, stop, again).await {
                Ok(written) => written,
                Err(error) if from == 0 => return Err(error),
                Err(error) => {
                    // What landed before stays; for the rest it is as if the batch began here.
                    self.forget_tables();
                    self.connected &= error.kind() == ErrorKind::NotFound;
                    let error =
                        if error.kind() == ErrorKind::NotFound { error.classed(Class::Transient) } else { error };
                    (batch.len(), (from..batch.len()).map(|index| Failure { index, error: error.clone() }).collect())
                }
            };
            let ends = failed.iter().any(|failure| stop || failure.error.class() != Class::Data);
            failures.extend(failed);
            from = next;
            if ends {
                failures.extend((from..batch.len()).map(|index| Failure { index, error: not_tried() }));
                break;
            }
        }
        Ok(failures)
    }

    /// Inserts the messages from `from` on, as many as fit into memory: nearly always the whole batch. Where the next slice begins,
    /// and what failed.
    async fn write_slice(
        &mut self,
        batch: &Batch,
        from: usize,
        stop: bool,
        again: bool,
    ) -> Result<(usize, Vec<Failure>)> {
        let mut decoded = self.decode(batch, from, stop, again).await?;
        self.shape_all(batch, stop, again, &mut decoded).await?;
        let Decoded { tried, next, refused } = decoded;
        let mut failures = self.insert(batch, from..tried, stop, again).await?;
        let denied = failures.iter().chain(&refused).find(|failure| failure.error.kind() == ErrorKind::Auth);
        if let (Some(denied), false) = (denied, self.has_landed) {
            // Nothing was ever allowed: no message's fault.
            return Err(denied.error.clone().classed(Class::Config));
        }
        if stop && !failures.is_empty() {
            failures.extend((tried..next).map(|index| Failure { index, error: not_tried() }));
        } else {
            failures.extend(refused);
        }
        Ok((next, failures))
    }

    /// Makes all tables fit for their rows. Messages whose table cannot be had are refused.
    async fn shape_all(&mut self, batch: &Batch, stop: bool, again: bool, decoded: &mut Decoded) -> Result<()> {
        for at in 0..self.tables.len() {
            match self.shape(at).await {
                Err(error) if self.is_of_chosen_table(&error, again) => {
                    let Known { name, maker, .. } = &mut self.tables[at];
                    let refuse = |index| Failure { index, error: not_a_table(&error, name, batch.get(index)) };
                    decoded.refused.extend(maker.rows.messages().map(refuse));
                    maker.rows.clear();
                }
                shaped => shaped?,
            }
        }
        if let Some(first) = decoded.refused.iter().map(|failure| failure.index).min().filter(|_| stop) {
            decoded.refused.retain(|failure| failure.index == first);
            (decoded.tried, decoded.next) = (first, first + 1);
        }
        Ok(())
    }

    /// Inserts the rows of these messages, in smaller and smaller parts where some are refused; what failed.
    async fn insert(&mut self, batch: &Batch, messages: Range<usize>, stop: bool, again: bool) -> Result<Vec<Failure>> {
        let mut landed = messages.start > 0;
        let mut bisection = Bisection::new(messages, stop);
        while let Some(range) = bisection.next() {
            let parts = parts(&self.tables, range.clone());
            let inserted = if parts.is_empty() { Ok(()) } else { self.writer.insert(&parts).await };
            match inserted {
                Ok(()) => landed |= !parts.is_empty(),
                Err(Refused { error, at }) if self.is_of_messages(&error, again) => {
                    let doubted = at.and_then(|(part, _)| parts.get(part)).map(|part| part.plan);
                    let at = at.and_then(|(part, row)| parts.get(part)?.rows.message_of(row));
                    let alone = at.map(|(message, _)| message).or((range.len() == 1).then_some(range.start));
                    let error = match alone.and_then(|message| batch.get(message)) {
                        Some(message) if error.class() == Class::Data => error.with("payload", excerpt(message)),
                        Some(message) => not_a_table(&error, &self.settings.target.of(message)?, Some(message)),
                        None => error,
                    };
                    bisection.refused(range, at.map(|(message, _)| message), error);
                    let doubted = self.tables.iter_mut().filter(|known| Some(known.plan) == doubted);
                    doubted.for_each(|known| known.is_doubted = true);
                }
                Err(Refused { error, .. }) if error.kind() == ErrorKind::NotFound || is_of_insert(&error) => {
                    if !landed {
                        return Err(error);
                    }
                    drop(parts);
                    self.forget_tables();
                    bisection.failed(range, &error.classed(Class::Transient));
                }
                Err(Refused { error, .. }) => {
                    self.connected = false;
                    bisection.failed(range, &error);
                }
            }
        }
        self.has_landed |= landed;
        Ok(bisection.into_failures())
    }

    async fn decode(&mut self, batch: &Batch, from: usize, stop: bool, again: bool) -> Result<Decoded> {
        self.tables.iter_mut().for_each(|known| known.maker.rows.clear());
        let mut decoded = Decoded { tried: batch.len(), next: batch.len(), refused: Vec::new() };
        for (index, message) in batch.iter().enumerate().skip(from) {
            let made = match self.table_of(message, again).await? {
                Ok(at) => {
                    let known = &mut self.tables[at];
                    let made = known.maker.add(index, message, &self.settings);
                    made.map(|()| known.maker.rows.cells()).map_err(|error| error.with("table", &known.name))
                }
                Err(error) => Err(error),
            };
            match made {
                Ok(cells) if cells < MOST_CELLS => {}
                Ok(_) => {
                    (decoded.tried, decoded.next) = (index + 1, index + 1);
                    break;
                }
                Err(error) => {
                    decoded.refused.push(Failure { index, error });
                    if stop {
                        (decoded.tried, decoded.next) = (index, index + 1);
                        break;
                    }
                }
            }
        }
        self.finish_rows();
        Ok(decoded)
    }

    fn finish_rows(&mut self) {
        self.tables.iter_mut().for_each(|known| known.maker.rows.finish());
    }

    /// Which table a message belongs to.
    ///
    /// # Errors
    /// Outside: the table cannot be looked at. Inside: the message names none.
    async fn table_of(&mut self, message: &Message, again: bool) -> Result<Result<usize>> {
        let name = match &self.settings.target {
            Target::Fixed(_) if !self.tables.is_empty() => return Ok(Ok(0)),
            target => match target.of(message) {
                Ok(name) => name,
                Err(error) => return Ok(Err(error)),
            },
        };
        if name.name.len() > self.writer.dialect().longest_name() {
            let text = format!("the name of the table has {} bytes", name.name.len());
            let error = Error::data(ErrorKind::Constraint, "choose the table", text);
            return Ok(Err(error.with("most", self.writer.dialect().longest_name())));
        }
        match self.table(&name).await {
            Err(error) if self.is_of_chosen_table(&error, again) => Ok(Err(not_a_table(&error, &name, Some(message)))),
            at => at.map(Ok),
        }
    }

    /// Whether it is the fault of some message that rows were not inserted.
    fn is_of_messages(&self, error: &Error, again: bool) -> bool {
        match (error.class(), is_of_insert(error)) {
            (Class::Data, _) => true,
            // At first the tables are looked at again.
            (_, true) => again,
            (_, false) => self.is_of_chosen_table(error, again),
        }
    }

    /// Whether a table that a message itself has chosen cannot be had: a view, a name of the database's own. That is no fault of the others.
    /// What is missing may only have been there before.
    fn is_of_chosen_table(&self, error: &Error, again: bool) -> bool {
        matches!(self.settings.target, Target::Made { .. })
            && error.class() == Class::Config
            && match error.kind() {
                // If it is not all tables that are forbidden; see `write_slice`.
                ErrorKind::Refused | ErrorKind::Other | ErrorKind::Auth => true,
                ErrorKind::NotFound => again,
                _ => false,
            }
    }

    /// The table of this name, looked at for the first time if need be.
    async fn table(&mut self, name: &TableName) -> Result<usize> {
        if let Some(at) = self.by_name.get(name) {
            return Ok(*at);
        }
        let table = self.writer.describe(name).await?;
        if !self.begun.contains(name) {
            self.begin(name, table.is_some()).await?;
            self.begun.insert(name.clone());
        }
        let maker = RowMaker::new(self.writer.dialect(), self.settings.evolve, table.as_ref());
        self.plans += 1;
        self.tables.push(Known {
            name: name.clone(),
            table,
            maker,
            pairs: Vec::new(),
            paired: None,
            fixed: HashSet::new(),
            is_doubted: false,
            plan: self.plans,
        });
        self.by_name.insert(name.clone(), self.tables.len() - 1);
        Ok(self.tables.len() - 1)
    }

    /// Obeys `if-exists`, once in the life of the process.
    async fn begin(&mut self, name: &TableName, exists: bool) -> Result<()> {
        match self.settings.if_exists {
            IfExists::Fail if exists => {
                let error = Error::config(
                    ErrorKind::Refused,
                    "open the table",
                    format!("the table {name} exists, and if-exists=fail"),
                );
                Err(error.hint("choose another table, or if-exists=append"))
            }
            IfExists::Replace if exists => {
                let statement = self.writer.dialect().empty(name);
                self.writer.execute(&[statement]).await
            }
            IfExists::Append | IfExists::Replace | IfExists::Fail => Ok(()),
        }
    }
}

/// Whether the database, which had prepared this very insert, calls something in it wrong or missing. Then the table has changed; or, if it
/// was looked at just now, a value is to blame: a trigger, a cast, a name in a text.
fn is_of_insert(error: &Error) -> bool {
    error.class() == Class::Config
        && error.op() == INSERT_ROWS
        && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Refused)
}

/// The refusal of a message whose table cannot be had.
fn not_a_table(why: &Error, name: &TableName, message: Option<&Message>) -> Error {
    let error = why.clone().classed(Class::Data).with("table", name);
    message.into_iter().fold(error, |error, message| error.with("payload", excerpt(message)))
}

/// The rows of these messages, table by table.
fn parts(tables: &[Known], messages: Range<usize>) -> Vec<Part<'_>> {
    let parts = tables.iter().filter_map(|known| {
        let range = known.maker.rows.of_messages(messages.clone());
        let table = known.table.as_ref()?;
        let part = Part { table, rows: &known.maker.rows, range, columns: &known.pairs, plan: known.plan };
        (!part.range.is_empty()).then_some(part)
    });
    parts.collect()
}
