//! Columns of a batch as arrays in PostgreSQL's binary format, written from the cells without a detour.

use super::column::{Class, Form, Unfit};
use super::time;
use crate::cells::{Rows, Value};
use crate::kinds::float_of;
use bytes::{BufMut, BytesMut};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::error::Error as StdError;
use std::fmt::{self, Write};
use std::ops::Range;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A stretch of a column, as a one-dimensional array.
pub(super) struct Array<'a> {
    rows: &'a Rows,
    column: usize,
    range: Range<usize>,
    class: Class,
    form: Form,
}

impl<'a> Array<'a> {
    /// Looks through the values for the form that takes all of them.
    ///
    /// # Errors
    /// The row whose value no form takes, and why.
    pub(super) fn new(
        rows: &'a Rows,
        column: usize,
        range: Range<usize>,
        class: Class,
    ) -> Result<Self, (usize, Unfit)> {
        let mut form = Form::Binary;
        for (at, value) in rows.values(column, range.clone()).enumerate() {
            match class.form(&value) {
                Ok(Form::Binary) => {}
                Ok(Form::Text) => form = Form::Text,
                Err(why) => return Err((range.start + at, why)),
            }
        }
        Ok(Self { rows, column, range, class, form })
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    fn put(&self, value: Value<'_>, text: &mut String, out: &mut BytesMut) {
        match (self.class, self.form, value) {
            (_, _, Value::Null) => return out.put_i32(-1),
            (Class::Bool, Form::Binary, Value::Bool(value)) => {
                out.put_i32(1);
                return out.put_u8(u8::from(value));
            }
            (Class::Int, Form::Binary, Value::Int(value)) => return put_i64(value, out),
            (Class::Int, Form::Binary, Value::Float(value)) => return put_i64(value as i64, out),
            (Class::Float, Form::Binary, value) => {
                if let Some(float) = float_of(&value) {
                    return put_i64(float.to_bits() as i64, out);
                }
            }
            (Class::Instant | Class::Local, form, value) => {
                if let Some(micros) = micros(value) {
                    if form == Form::Binary {
                        return put_i64(time::wire(micros), out);
                    }
                    text.clear();
                    time::write(micros, text);
                    return put_slice(text.as_bytes(), out);
                }
            }
            (Class::Bytes, _, Value::Bytes(bytes)) => return put_slice(bytes, out),
            _ => {}
        }
        if !matches!(self.class, Class::Json | Class::Array | Class::JsonArray)
            && let Value::Text(plain) | Value::Json(plain) = value
        {
            return put_slice(plain.as_bytes(), out);
        }
        text.clear();
        render(self.class, value, text);
        put_slice(text.as_bytes(), out);
    }
}

fn put_i64(value: i64, out: &mut BytesMut) {
    out.put_i32(8);
    out.put_i64(value);
}

/// Batches are bounded far below what the length cannot tell.
fn put_slice(bytes: &[u8], out: &mut BytesMut) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

fn micros(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Time(nanos) => Some(nanos.div_euclid(1_000)),
        Value::Int(number) => time::from_integer(number),
        Value::Float(number) => time::from_number(number),
        _ => None,
    }
}

/// A value as the server's input functions read it.
fn render(class: Class, value: Value<'_>, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        Value::Null | Value::Bytes(_) => Ok(()),
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Uint(value) => write!(out, "{value}"),
        Value::Big(digits) => out.write_str(digits),
        Value::Float(value) => write!(out, "{value:?}"),
        Value::Time(nanos) if class == Class::Json => {
            out.push('"');
            time::write(nanos.div_euclid(1_000), out);
            out.write_char('"')
        }
        Value::Time(nanos) => {
            time::write(nanos.div_euclid(1_000), out);
            Ok(())
        }
        Value::Text(text) if class == Class::Json => write!(out, "{}", Json::from(text)),
        Value::Json(json) if matches!(class, Class::Array | Class::JsonArray) => {
            let end = out.len();
            array_literal(json, class == Class::JsonArray, out).or_else(|_| {
                // The server says what is wrong with it.
                out.truncate(end);
                out.write_str(json)
            })
        }
        Value::Text(text) | Value::Json(text) => out.write_str(text),
    };
}

/// A JSON array as an array literal: `{1,"a b",NULL,{2}}`; or one of JSON texts: `{"1","\"a b\"",NULL,"[2]"}`. Numbers as they are.
fn array_literal(json: &str, of_json: bool, out: &mut String) -> serde_json::Result<()> {
    let items: Vec<&RawValue> = serde_json::from_str(json)?;
    out.push('{');
    for (i, item) in items.into_iter().map(RawValue::get).enumerate() {
        if i > 0 {
            out.push(',');
        }
        match item.as_bytes().first() {
            Some(b'n') => out.push_str("NULL"),
            _ if of_json => quoted(item, out),
            Some(b'[') => array_literal(item, false, out)?,
            Some(b'"') => quoted(&serde_json::from_str::<String>(item)?, out),
            Some(b'{') => quoted(item, out),
            _ => out.push_str(item),
        }
    }
    out.push('}');
    Ok(())
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

impl ToSql for Array<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let values = self.rows.values(self.column, self.range.clone());
        let (_, element, _) = self.class.element(self.form);
        let len = i32::try_from(values.len())?;
        out.reserve(20 + values.len() * 12);
        out.put_i32(1); // dimensions
        let nulls = out.len();
        out.put_i32(0);
        out.put_u32(element);
        out.put_i32(len);
        out.put_i32(1); // lower bound
        let mut text = String::new();
        let mut null = false;
        for value in values {
            null |= value == Value::Null;
            self.put(value, &mut text, out);
        }
        if null {
            out[nulls + 3] = 1;
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} × {} as {:?}", self.class, self.range.len(), self.form)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn literal(json: &Json) -> String {
        literal_of(Class::Array, json)
    }

    fn literal_of(class: Class, json: &Json) -> String {
        let mut out = String::new();
        render(class, Value::Json(&json.to_string()), &mut out);
        out
    }

    #[test]
    fn json_arrays_as_array_literals() {
        assert_eq!(literal(&json!([1, 2.5, null, true])), "{1,2.5,NULL,true}");
        assert_eq!(literal(&json!([[1, 2], [3, 4]])), "{{1,2},{3,4}}");
        assert_eq!(literal(&json!(["a b", "NULL", "", "q\"b\\", "{,}"])), r#"{"a b","NULL","","q\"b\\","{,}"}"#);
        assert_eq!(literal(&json!([{"a": 1}])), r#"{"{\"a\":1}"}"#);
        assert_eq!(literal(&json!([])), "{}");
        assert_eq!(literal(&json!({"a": 1})), r#"{"a":1}"#);
        let mut out = String::new();
        render(Class::Array, Value::Json("[1,123456789012345678901,[2.50]]"), &mut out);
        assert_eq!(out, "{1,123456789012345678901,{2.50}}");
        assert_eq!(literal_of(Class::JsonArray, &json!([1, "a", null, [2]])), r#"{"1","\"a\"",NULL,"[2]"}"#);
    }

    proptest! {
        /// Read back as PostgreSQL reads quoted elements.
        #[test]
        fn quoting_loses_nothing(text in "\\PC*") {
            let mut out = String::new();
            quoted(&text, &mut out);
            let inner = out.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            let mut read = String::new();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '"');
                read.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            prop_assert_eq!(read, text);
        }
    }
}
