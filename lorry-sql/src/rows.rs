//! What rows a message makes.

use crate::cells::{Cell, Rows};
use crate::decode::{Unfit, decode, too_large};
use crate::keys::Keys;
use crate::options::{Content, Evolve, Field, Settings};
use crate::table::{Dialect, Table};
use lorry_core::{Error, ErrorKind, Message, Result, Value};

/// The column of everything that is no object.
pub(crate) const PAYLOAD: &str = "payload";

/// Cells that one message may make (16 bytes each): `[{},{},…]` makes a row of every three bytes.
const MOST_CELLS: usize = 1 << 23;
/// Spellings of names to remember: in a table of 2,000 columns each may be spelt in many ways.
const MOST_KEYS: usize = 1 << 14;

/// Makes the rows of a batch for one table.
///
/// | payload | rows |
/// |---|---|
/// | JSON object | one; nested values as JSON; of duplicate keys the last wins |
/// | JSON array of objects | one each; `[]` none |
/// | other JSON, text, bytes | one, in the column `payload`: text if UTF-8, else bytes |
/// | empty | one, `payload` = empty text |
/// | tombstone | one, `payload` NULL |
#[derive(Debug)]
pub(crate) struct RowMaker {
    pub(crate) rows: Rows,
    keys: Keys,
    /// What the table's absence has to do with new keys: the first message makes the columns, whatever `evolve` says.
    founding: Option<Evolve>,
}

impl RowMaker {
    /// For a table that looks like this; `None` for one that is to be made from the first message.
    pub(crate) fn new(dialect: &'static dyn Dialect, evolve: Evolve, table: Option<&Table>) -> Self {
        let founding = (table.is_none() && evolve != Evolve::Add).then_some(evolve);
        let evolve = if table.is_none() { Evolve::Add } else { evolve };
        Self { rows: Rows::default(), keys: Keys::new(dialect, evolve, table), founding }
    }

    /// Whether so many spellings of names are remembered that it is time to begin anew.
    pub(crate) fn has_too_many_keys(&self) -> bool {
        self.keys.len() > MOST_KEYS
    }

    /// Takes note of the columns that the table has now.
    pub(crate) fn learn(&mut self, table: &Table) {
        self.keys.learn(table);
    }

    /// Adds the rows of the message at this index of the batch.
    ///
    /// # Errors
    /// Class `data`; the rows are as they were.
    pub(crate) fn add(&mut self, index: usize, message: &Message, settings: &Settings) -> Result<()> {
        let (mark, keys) = (self.rows.mark(), self.keys.len());
        let mut made = self.try_add(message, settings);
        if let Err(Unfit::Shape(why)) = made {
            self.rows.rewind(mark);
            self.keys.rewind(keys, self.rows.columns().len());
            made = match content(message, settings) {
                Content::Json => Err(Unfit::Refused(not_rows(&why, message))),
                Content::Guess | Content::Opaque => self.payload(message, settings).map_err(Unfit::Refused),
            };
        }
        match made {
            Ok(()) => {
                self.rows.end_message(index, mark);
                if self.rows.rows_since(mark) > 0
                    && let Some(evolve) = self.founding.take()
                {
                    self.keys.evolve(evolve);
                }
                Ok(())
            }
            Err(Unfit::Refused(error)) => {
                self.rows.rewind(mark);
                self.keys.rewind(keys, self.rows.columns().len());
                Err(error)
            }
            Err(Unfit::Shape(why)) => Err(not_rows(&why, message)),
        }
    }

    fn try_add(&mut self, message: &Message, settings: &Settings) -> Result<(), Unfit> {
        let content = content(message, settings);
        let Some(payload) = &message.payload else { return self.payload(message, settings).map_err(Unfit::Refused) };
        let starts = payload.iter().find(|byte| !byte.is_ascii_whitespace());
        match (content, starts) {
            (Content::Guess | Content::Json, Some(b'{' | b'[')) => {
                let text = std::str::from_utf8(payload).map_err(|error| Unfit::Shape(error.to_string()))?;
                let mark = self.rows.mark();
                let mut each = |rows: &mut Rows, keys: &mut Keys| {
                    if (rows.rows_since(mark) + 1) * rows.columns().len() > MOST_CELLS {
                        return Err(too_many(rows.rows_since(mark)));
                    }
                    fields(message, settings, rows, keys)
                };
                decode(text, &mut self.rows, &mut self.keys, &mut each)
            }
            (Content::Json, _) => Err(Unfit::Shape("it is neither an object nor an array of objects".into())),
            (Content::Guess | Content::Opaque, _) => self.payload(message, settings).map_err(Unfit::Refused),
        }
    }

    /// The whole payload in one column.
    fn payload(&mut self, message: &Message, settings: &Settings) -> Result<()> {
        self.keys.begin_row();
        if let Some(column) = self.keys.find(PAYLOAD, &mut self.rows)? {
            let cell = match (&message.payload, message.text()) {
                (None, _) => Cell::Null,
                (Some(_), Some(text)) => {
                    let at = self.rows.text().len();
                    self.rows.text().push_str(text);
                    Cell::Text(self.rows.text_since(at).ok_or_else(too_large)?)
                }
                (Some(bytes), None) => Cell::Bytes(self.rows.keep_bytes(bytes).ok_or_else(too_large)?),
            };
            self.rows.put(column, cell);
        }
        fields(message, settings, &mut self.rows, &mut self.keys)?;
        self.rows.end_row();
        Ok(())
    }
}

fn too_many(rows: usize) -> Error {
    let text = format!("one message makes more than {rows} rows, too many to be written together");
    Error::data(ErrorKind::TooLarge, "decode JSON", text).hint("send it in parts")
}

fn not_rows(why: &str, message: &Message) -> Error {
    Error::data(ErrorKind::Malformed, "decode JSON", format!("not an object or an array of objects: {why}"))
        .with("payload", excerpt(message))
}

/// The beginning of a payload, for an error.
pub(crate) fn excerpt(message: &Message) -> String {
    const MOST: usize = 80;
    let bytes = message.bytes();
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MOST)]);
    let mut out: String = start.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if start.chars().nth(MOST).is_some() || bytes.len() > 4 * MOST {
        out.push('…');
    }
    out
}

fn content(message: &Message, settings: &Settings) -> Content {
    match (settings.content, &message.properties().content_type) {
        (Some(content), _) => content,
        (None, Some(media_type)) => Content::of_media_type(media_type),
        (None, None) => Content::Guess,
    }
}

/// Adds the message's own fields to the row under way. They win over a key of the same spelling.
fn fields(message: &Message, settings: &Settings, rows: &mut Rows, keys: &mut Keys) -> Result<()> {
    for (name, field) in &settings.fields {
        let Some(column) = keys.find(name, rows)? else { continue };
        let cell = match field {
            Field::Address => text(rows, message.address.as_str())?,
            Field::Key => match &message.key {
                None => Cell::Null,
                Some(key) => match std::str::from_utf8(key) {
                    Ok(key) => text(rows, key)?,
                    Err(_) => Cell::Bytes(rows.keep_bytes(key).ok_or_else(too_large)?),
                },
            },
            Field::Timestamp => message.timestamp.map_or(Cell::Null, |time| Cell::Time(time.nanos())),
            Field::ContentType => match &message.properties().content_type {
                None => Cell::Null,
                Some(content_type) => text(rows, content_type)?,
            },
            Field::Header(header) => match message.headers().get(header) {
                None => Cell::Null,
                Some(value) => header_cell(rows, value)?,
            },
        };
        rows.put(column, cell);
    }
    Ok(())
}

fn header_cell(rows: &mut Rows, value: &Value) -> Result<Cell> {
    Ok(match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Text(value) => text(rows, value)?,
        Value::Bytes(value) => match std::str::from_utf8(value) {
            Ok(value) => text(rows, value)?,
            Err(_) => Cell::Bytes(rows.keep_bytes(value).ok_or_else(too_large)?),
        },
        Value::Time(time) => Cell::Time(time.nanos()),
        Value::List(_) | Value::Table(_) => {
            return Err(Error::data(
                ErrorKind::Malformed,
                "insert rows",
                "a header that is a list or a table cannot be a column",
            ));
        }
        _ => Cell::Null,
    })
}

fn text(rows: &mut Rows, text: &str) -> Result<Cell> {
    let at = rows.text().len();
    rows.text().push_str(text);
    Ok(Cell::Text(rows.text_since(at).ok_or_else(too_large)?))
}

#[cfg(test)]
mod tests;
