//! Rows, column by column: what a batch of messages becomes before a database takes it.

use crate::kinds::{Kind, Kinds, beyond_integers};
use std::ops::Range;

/// A stretch of the text or of the bytes of [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.at as usize..self.at as usize + self.len as usize
    }
}

/// One value as it is stored: 16 bytes, texts elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`; smaller ones are `Int`.
    Uint(u64),
    /// An integer beyond 64 bits, or a number larger than any float: by its digits.
    Big(Span),
    Float(f64),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
    Text(Span),
    /// A nested value as compact JSON.
    Json(Span),
    Bytes(Span),
}

/// One value as a database binds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    /// An integer beyond 64 bits, or a number larger than any float: by its digits.
    Big(&'a str),
    Float(f64),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
    Text(&'a str),
    /// An object or an array as compact JSON; never a scalar.
    Json(&'a str),
    Bytes(&'a [u8]),
}

/// One column of a batch. Within a batch its values may be of several kinds.
#[derive(Debug)]
pub(crate) struct Column {
    /// As the messages and the table spell it.
    pub(crate) name: String,
    cells: Vec<Cell>,
}

/// The rows of the messages of a batch for one table. Each column holds one cell a row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    text: String,
    bytes: Vec<u8>,
    len: usize,
    messages: Vec<MessageRows>,
}

/// Which rows came of which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageRows {
    /// The message's index in the batch.
    pub(crate) message: usize,
    first: usize,
    end: usize,
}

/// A state to come back to when a message turns out not to be what it began as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    len: usize,
    text: usize,
    bytes: usize,
    columns: usize,
}

impl Rows {
    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many cells there are, or will be.
    pub(crate) fn cells(&self) -> usize {
        self.len * self.columns.len()
    }

    /// The columns that any message named since the table is known; those that no row of this batch has are all `Null`.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The value of a row in a column.
    #[cfg_attr(not(any(feature = "sqlite", test)), allow(dead_code))]
    pub(crate) fn value(&self, column: usize, row: usize) -> Value<'_> {
        self.resolve(self.columns[column].cells[row])
    }

    /// The values of these rows in a column.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(crate) fn values(&self, column: usize, rows: Range<usize>) -> impl ExactSizeIterator<Item = Value<'_>> {
        self.columns[column].cells[rows].iter().map(|cell| self.resolve(*cell))
    }

    /// Which kinds of values these rows have in a column.
    pub(crate) fn kinds(&self, column: usize) -> Kinds {
        self.columns[column].cells.iter().fold(Kinds::default(), |kinds, cell| kinds.with(*cell))
    }

    /// The type that a column needs for numbers of these rows which it does not take as one of integers, and for those.
    pub(crate) fn beyond_integers(&self, column: usize) -> Option<Kind> {
        beyond_integers(&self.columns[column].cells)
    }

    /// The messages that made rows, by their index in the batch.
    pub(crate) fn messages(&self) -> impl Iterator<Item = usize> + '_ {
        self.messages.iter().map(|of| of.message)
    }

    /// The rows that came of these messages (indices in the batch). A message without rows is in no range.
    pub(crate) fn of_messages(&self, messages: Range<usize>) -> Range<usize> {
        let from = self.messages.partition_point(|of| of.message < messages.start);
        let to = self.messages.partition_point(|of| of.message < messages.end);
        match self.messages.get(from..to) {
            Some([first, .., last]) => first.first..last.end,
            Some([only]) => only.first..only.end,
            _ => 0..0,
        }
    }

    /// The message that a row came of, and which of its rows it is, counted from 0.
    pub(crate) fn message_of(&self, row: usize) -> Option<(usize, usize)> {
        let of = self.messages.get(self.messages.partition_point(|of| of.end <= row))?;
        Some((of.message, row - of.first))
    }

    fn resolve(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Uint(value) => Value::Uint(value),
            Cell::Big(span) => Value::Big(&self.text[span.range()]),
            Cell::Float(value) => Value::Float(value),
            Cell::Time(nanos) => Value::Time(nanos),
            Cell::Text(span) => Value::Text(&self.text[span.range()]),
            Cell::Json(span) => Value::Json(&self.text[span.range()]),
            Cell::Bytes(span) => Value::Bytes(&self.bytes[span.range()]),
        }
    }

    /// Empties it for the next batch; columns and memory stay.
    pub(crate) fn clear(&mut self) {
        self.columns.iter_mut().for_each(|column| column.cells.clear());
        self.text.clear();
        self.bytes.clear();
        self.messages.clear();
        self.len = 0;
    }

    /// Adds a column, all `Null` so far; its index.
    pub(crate) fn add_column(&mut self, name: String) -> usize {
        self.columns.push(Column { name, cells: vec![Cell::Null; self.len] });
        self.columns.len() - 1
    }

    /// Where we are.
    pub(crate) fn mark(&self) -> Mark {
        Mark { len: self.len, text: self.text.len(), bytes: self.bytes.len(), columns: self.columns.len() }
    }

    /// How many rows were ended since then.
    pub(crate) fn rows_since(&self, mark: Mark) -> usize {
        self.len - mark.len
    }

    /// Forgets what came after the mark; columns added since then are gone too. Row ends after it must not have been closed by
    /// [`end_message`](Self::end_message).
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.columns.truncate(mark.columns);
        self.columns.iter_mut().for_each(|column| column.cells.truncate(mark.len));
        self.text.truncate(mark.text);
        self.bytes.truncate(mark.bytes);
        self.len = mark.len;
    }

    /// Puts a value into the current row. One that the row has already is replaced.
    pub(crate) fn put(&mut self, column: usize, cell: Cell) {
        let row = self.len;
        let cells = &mut self.columns[column].cells;
        match cells.get_mut(row) {
            None => {
                cells.resize(row, Cell::Null);
                cells.push(cell);
            }
            Some(own) => *own = cell,
        }
    }

    /// Ends the current row.
    pub(crate) fn end_row(&mut self) {
        self.len += 1;
    }

    /// The rows since `first` came of this message.
    pub(crate) fn end_message(&mut self, message: usize, mark: Mark) {
        if self.len > mark.len {
            self.messages.push(MessageRows { message, first: mark.len, end: self.len });
        }
    }

    /// Ends the batch: every column gets a cell for every row.
    pub(crate) fn finish(&mut self) {
        let len = self.len;
        self.columns.iter_mut().for_each(|column| column.cells.resize(len, Cell::Null));
    }

    /// The text to append to; then [`text_since`](Self::text_since).
    pub(crate) fn text(&mut self) -> &mut String {
        &mut self.text
    }

    /// The text appended since this length; `None` beyond 4 GiB.
    pub(crate) fn text_since(&self, at: usize) -> Option<Span> {
        span(at, self.text.len())
    }

    /// Keeps these bytes; `None` beyond 4 GiB.
    pub(crate) fn keep_bytes(&mut self, bytes: &[u8]) -> Option<Span> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        span(at, self.bytes.len())
    }
}

fn span(at: usize, end: usize) -> Option<Span> {
    u32::try_from(end).ok()?;
    Some(Span { at: u32::try_from(at).ok()?, len: u32::try_from(end - at).ok()? })
}
