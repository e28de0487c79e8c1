//! JSON straight into rows, without a tree of values in between.

use crate::cells::{Cell, Rows};
use crate::json::{Json, compact, is_beyond_64_bits, may_be_large};
use crate::keys::Keys;
use lorry_core::{Error, ErrorKind};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Why a payload did not become rows.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It is not JSON, or not an object or array of objects. Why, in words.
    Shape(String),
    /// It is, but it cannot go into the table.
    Refused(Error),
}

/// One object as a row, or each object of an array; rows are ended, the message is not. After an error the rows must be rewound.
pub(crate) fn decode(text: &str, rows: &mut Rows, keys: &mut Keys, each: &mut EachRow<'_>) -> Result<(), Unfit> {
    let (mark, known) = (rows.mark(), keys.len());
    let mut into = Into { rows, keys, each, refused: None, large: false, exact: false };
    let parsed = into.all(text);
    let out_of_range = matches!(&parsed, Err(Unfit::Shape(why)) if why.starts_with(OUT_OF_RANGE));
    if !out_of_range {
        parsed?;
    }
    if into.large || out_of_range {
        // The parser rounds integers beyond 64 bits, and takes no number that is no float: once more, by the text of each value. It takes
        // longer, and is rarely needed.
        into.rows.rewind(mark);
        into.keys.rewind(known, into.rows.columns().len());
        into.exact = true;
        into.all(text)?;
    }
    Ok(())
}

/// What the parser says of a number beyond the range of floats. It has no code for that.
const OUT_OF_RANGE: &str = "number out of range";

/// What is done to each row before it ends.
pub(crate) type EachRow<'a> = dyn FnMut(&mut Rows, &mut Keys) -> Result<(), Error> + 'a;

struct Into<'a, 'e> {
    rows: &'a mut Rows,
    keys: &'a mut Keys,
    each: &'a mut EachRow<'e>,
    refused: Option<Error>,
    /// A float was seen that may have been an integer beyond 64 bits.
    large: bool,
    /// Numbers beyond 64 bits keep their digits.
    exact: bool,
}

impl Into<'_, '_> {
    fn all(&mut self, text: &str) -> Result<(), Unfit> {
        let mut json = serde_json::Deserializer::from_str(text);
        let is_array = text.trim_start().starts_with('[');
        let result = if is_array { json.deserialize_seq(Array(self)) } else { Row(self).deserialize(&mut json) };
        result.and_then(|()| json.end()).map_err(|error| match self.refused.take() {
            Some(refused) => Unfit::Refused(refused),
            None => Unfit::Shape(error.to_string()),
        })
    }

    /// A value by its text, which has been parsed before.
    fn exactly<E: de::Error>(&mut self, json: &str) -> Result<Cell, E> {
        let at = self.rows.text().len();
        match json.as_bytes().first() {
            Some(b'[' | b'{') => {
                compact(json, self.rows.text());
                Value(self).text(at, Cell::Json)
            }
            Some(b'-' | b'0'..=b'9') if is_beyond_64_bits(json) => {
                self.rows.text().push_str(json);
                Value(self).text(at, Cell::Big)
            }
            _ => Value(self).deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(E::custom),
        }
    }

    /// Carries an error past serde, which only knows texts.
    fn or_refuse<T, E: de::Error>(&mut self, result: Result<T, Error>) -> Result<T, E> {
        result.map_err(|error| {
            self.refused = Some(error);
            E::custom("refused")
        })
    }
}

/// An array of rows.
struct Array<'a, 'b, 'e>(&'a mut Into<'b, 'e>);

impl<'de> Visitor<'de> for Array<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(Row(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// An object as a row.
struct Row<'a, 'b, 'e>(&'a mut Into<'b, 'e>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let into = self.0;
        into.keys.begin_row();
        while let Some(column) = entries.next_key_seed(Key(&mut *into))? {
            let Some(column) = column else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let cell = match into.exact {
                false => entries.next_value_seed(Value(&mut *into))?,
                true => into.exactly(entries.next_value::<&RawValue>()?.get())?,
            };
            into.rows.put(column, cell);
        }
        let each = (into.each)(into.rows, into.keys);
        into.or_refuse(each)?;
        into.rows.end_row();
        Ok(())
    }
}

struct Key<'a, 'b, 'e>(&'a mut Into<'b, 'e>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Option<usize>, E> {
        let found = self.0.keys.find(name, self.0.rows);
        self.0.or_refuse(found)
    }
}

struct Value<'a, 'b, 'e>(&'a mut Into<'b, 'e>);

impl Value<'_, '_, '_> {
    fn text<E: de::Error>(self, at: usize, cell: impl FnOnce(crate::cells::Span) -> Cell) -> Result<Cell, E> {
        match self.0.rows.text_since(at) {
            Some(span) => Ok(cell(span)),
            None => self.0.or_refuse(Err(too_large())),
        }
    }
}

/// More text in one batch than there are numbers for.
pub(crate) fn too_large() -> Error {
    Error::data(ErrorKind::TooLarge, "insert rows", "more than 4 GiB in one batch").hint("set a smaller batch-bytes")
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, '_> {
    type Value = Cell;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Cell, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_, '_> {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Cell, E> {
        Ok(Cell::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
        Ok(i64::try_from(value).map_or(Cell::Uint(value), Cell::Int))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Cell, E> {
        self.0.large |= may_be_large(value);
        Ok(Cell::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Cell, E> {
        let at = self.0.rows.text().len();
        self.0.rows.text().push_str(value);
        self.text(at, Cell::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Cell, A::Error> {
        let at = self.0.rows.text().len();
        Json(self.0.rows.text(), &mut self.0.large).visit_seq(values)?;
        self.text(at, Cell::Json)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Cell, A::Error> {
        let at = self.0.rows.text().len();
        Json(self.0.rows.text(), &mut self.0.large).visit_map(entries)?;
        self.text(at, Cell::Json)
    }
}
