//! What all databases have in common: batches in, tables made and widened, rows inserted, guilty messages found.

pub(crate) mod blame;
mod shape;

use blame::{Attempt, Blame, Doubts};

use crate::bisect::{Bisection, not_tried};
use crate::keys::{fold, in_another_case, is_computed};
use crate::options::{IfExists, Settings};
use crate::rows::{RowMaker, excerpt};
use crate::table::{Table, TableName};
use crate::target::Target;
use crate::writer::{Pair, Part, Refused, Writer};
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
    /// Rows have landed, in whatever table.
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
        let attempt = Attempt { stop, again: false, chosen: matches!(self.settings.target, Target::Made { .. }) };
        let failures = match self.try_write(batch, attempt).await {
            Err(error) if self.connected && attempt.blame(&error) == Blame::Knowledge => {
                // Somebody dropped or changed the table: look again, once.
                self.forget_tables();
                self.try_write(batch, Attempt { again: true, ..attempt }).await
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
            self.connected = true;
            self.forget_tables();
        }
        Ok(())
    }

    fn forget_tables(&mut self) {
        self.tables.clear();
        self.by_name.clear();
    }

    /// An error before the first row has landed.
    async fn try_write(&mut self, batch: &Batch, attempt: Attempt) -> Result<Vec<Failure>> {
        self.connect().await?;
        if self.tables.len() > MOST_TABLES || self.tables.iter().any(|known| known.maker.has_too_many_keys()) {
            self.forget_tables();
        }
        let (mut from, mut failures) = (0, Vec::new());
        while from < batch.len() {
            let (next, failed) = match self.write_slice(batch, from, attempt).await {
                Ok(written) => written,
                Err(error) if from == 0 => return Err(error),
                Err(error) => {
                    // What landed before stays; for the rest it is as if the batch began here.
                    self.forget_tables();
                    let error = match attempt.blame(&error) {
                        Blame::Knowledge => error.classed(Class::Transient),
                        _ => {
                            self.connected = false;
                            error
                        }
                    };
                    (batch.len(), (from..batch.len()).map(|index| Failure { index, error: error.clone() }).collect())
                }
            };
            let ends = failed.iter().any(|failure| attempt.stop || failure.error.class() != Class::Data);
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
    async fn write_slice(&mut self, batch: &Batch, from: usize, attempt: Attempt) -> Result<(usize, Vec<Failure>)> {
        let mut doubts = Doubts::default();
        let mut decoded = self.decode(batch, from, attempt, &mut doubts).await?;
        self.shape_all(batch, attempt, &mut decoded, &mut doubts).await?;
        let Decoded { tried, next, refused } = decoded;
        let (landed, mut failures) = self.insert(batch, from..tried, attempt, &mut doubts).await?;
        if let Some(error) = doubts.judge(landed, self.has_landed) {
            return Err(error);
        }
        self.has_landed |= landed;
        if attempt.stop && !failures.is_empty() {
            failures.extend((tried..next).map(|index| Failure { index, error: not_tried() }));
        } else {
            failures.extend(refused);
        }
        Ok((next, failures))
    }

    /// Makes all tables fit for their rows. Messages whose table cannot be had are refused.
    async fn shape_all(
        &mut self,
        batch: &Batch,
        attempt: Attempt,
        decoded: &mut Decoded,
        doubts: &mut Doubts,
    ) -> Result<()> {
        for at in 0..self.tables.len() {
            let Err(error) = self.shape(at).await else { continue };
            let Known { name, maker, .. } = &mut self.tables[at];
            match attempt.blame(&error) {
                Blame::Message => {}
                Blame::Perhaps => doubts.add(&error, name),
                Blame::Knowledge | Blame::Nobody => return Err(error),
            }
            let refuse = |index| Failure { index, error: not_a_table(&error, name, batch.get(index)) };
            decoded.refused.extend(maker.rows.messages().map(refuse));
            maker.rows.clear();
        }
        if let Some(first) = decoded.refused.iter().map(|failure| failure.index).min().filter(|_| attempt.stop) {
            decoded.refused.retain(|failure| failure.index == first);
            (decoded.tried, decoded.next) = (first, first + 1);
        }
        Ok(())
    }

    /// Inserts the rows of these messages, in smaller and smaller parts where some are refused; whether some landed, and what failed.
    async fn insert(
        &mut self,
        batch: &Batch,
        messages: Range<usize>,
        attempt: Attempt,
        doubts: &mut Doubts,
    ) -> Result<(bool, Vec<Failure>)> {
        let mut landed = messages.start > 0;
        let mut bisection = Bisection::new(messages, attempt.stop);
        while let Some(range) = bisection.next() {
            let parts = parts(&self.tables, range.clone());
            let inserted = if parts.is_empty() { Ok(()) } else { self.writer.insert(&parts).await };
            let Err(Refused { error, at }) = inserted else {
                landed |= !parts.is_empty();
                continue;
            };
            let blame = attempt.blame(&error);
            match blame {
                Blame::Message | Blame::Perhaps => {
                    let doubted = at.and_then(|(part, _)| parts.get(part)).map(|part| part.plan);
                    let at = at.and_then(|(part, row)| parts.get(part)?.rows.message_of(row));
                    let alone = at.map(|(message, _)| message).or((range.len() == 1).then_some(range.start));
                    let error = match alone.and_then(|message| batch.get(message)) {
                        None => error,
                        Some(message) if error.class() == Class::Data => error.with("payload", excerpt(message)),
                        Some(message) => {
                            let table = self.settings.target.of(message)?;
                            if blame == Blame::Perhaps {
                                doubts.add(&error, &table);
                            }
                            not_a_table(&error, &table, Some(message))
                        }
                    };
                    bisection.refused(range, at.map(|(message, _)| message), error);
                    let doubted = self.tables.iter_mut().filter(|known| Some(known.plan) == doubted);
                    doubted.for_each(|known| known.is_doubted = true);
                }
                Blame::Knowledge if !landed => return Err(error),
                Blame::Knowledge => {
                    drop(parts);
                    self.forget_tables();
                    bisection.failed(range, &error.classed(Class::Transient));
                }
                Blame::Nobody => {
                    self.connected = false;
                    bisection.failed(range, &error);
                }
            }
        }
        Ok((landed, bisection.into_failures()))
    }

    async fn decode(&mut self, batch: &Batch, from: usize, attempt: Attempt, doubts: &mut Doubts) -> Result<Decoded> {
        self.tables.iter_mut().for_each(|known| known.maker.rows.clear());
        let mut decoded = Decoded { tried: batch.len(), next: batch.len(), refused: Vec::new() };
        for (index, message) in batch.iter().enumerate().skip(from) {
            let made = match self.table_of(message, attempt, doubts).await? {
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
                    let is_named = error.context().any(|(key, _)| key == "payload");
                    let error = if is_named { error } else { error.with("payload", excerpt(message)) };
                    decoded.refused.push(Failure { index, error });
                    if attempt.stop {
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
    async fn table_of(&mut self, message: &Message, attempt: Attempt, doubts: &mut Doubts) -> Result<Result<usize>> {
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
        let error = match self.table(&name).await {
            Ok(at) => return Ok(Ok(at)),
            Err(error) => error,
        };
        match attempt.blame(&error) {
            Blame::Message => {}
            Blame::Perhaps => doubts.add(&error, &name),
            Blame::Knowledge | Blame::Nobody => return Err(error),
        }
        Ok(Err(not_a_table(&error, &name, Some(message))))
    }

    /// The table of this name, looked at for the first time if need be.
    async fn table(&mut self, name: &TableName) -> Result<usize> {
        if let Some(at) = self.by_name.get(name) {
            return Ok(*at);
        }
        let table = self.writer.describe(name).await?;
        // Of tables that are only appended to, which messages may name without end, nothing is kept.
        if self.settings.if_exists != IfExists::Append && !self.begun.contains(name) {
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
                self.writer.execute(&[statement]).await.map_err(|error| match error.class() {
                    // Of the rows that are there, not of those that come.
                    Class::Data => Error::config(ErrorKind::Refused, "empty the table", error.message()),
                    _ => error,
                })
            }
            IfExists::Append | IfExists::Replace | IfExists::Fail => Ok(()),
        }
    }
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
