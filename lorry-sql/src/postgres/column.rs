//! How the values of a column travel: in the binary form of its type where they all fit, else as text that the server casts.

use super::time;
use crate::cells::Value;
use crate::kinds::{float_of, is_integer};
use crate::table::TableColumn;

/// Numbers of the types that are treated in a way of their own.
pub(super) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const ONE_BYTE: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const JSON_ARRAY: u32 = 199;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const JSONB: u32 = 3802;
    pub(crate) const JSONB_ARRAY: u32 = 3807;
    /// Stands for all other arrays (`anyarray`).
    pub(crate) const ARRAY: u32 = 2277;
}

/// What a column's type is to the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Bool,
    Int,
    Float,
    Text,
    Json,
    /// Points in time.
    Instant,
    /// Dates and times without a zone: taken as UTC.
    Local,
    Bytes,
    Array,
    /// Arrays whose elements are JSON texts.
    JsonArray,
    /// Times of day.
    Clock,
    /// `"char"`: one byte; the server cuts off the rest.
    OneByte,
    /// All others: text, cast by the server.
    Other,
}

/// The form in which a column of a batch is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Form {
    Binary,
    Text,
}

impl Class {
    pub(super) fn of(column: &TableColumn) -> Self {
        match column.type_id {
            oid::BOOL => Self::Bool,
            oid::INT2 | oid::INT4 | oid::INT8 => Self::Int,
            oid::FLOAT4 | oid::FLOAT8 => Self::Float,
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME => Self::Text,
            oid::JSON | oid::JSONB => Self::Json,
            oid::TIMESTAMPTZ => Self::Instant,
            oid::TIMESTAMP | oid::DATE => Self::Local,
            oid::TIME | oid::TIMETZ => Self::Clock,
            oid::ONE_BYTE => Self::OneByte,
            oid::BYTEA => Self::Bytes,
            oid::ARRAY => Self::Array,
            oid::JSON_ARRAY | oid::JSONB_ARRAY => Self::JsonArray,
            _ => Self::Other,
        }
    }

    /// The element type of the array that is sent, its number, and the type that the server casts to, if it must.
    pub(super) fn element(self, form: Form) -> (&'static str, u32, Cast) {
        match (self, form) {
            (Self::Bool, Form::Binary) => ("bool", oid::BOOL, Cast::Assign),
            (Self::Int, Form::Binary) => ("int8", oid::INT8, Cast::Assign),
            (Self::Float, Form::Binary) => ("float8", oid::FLOAT8, Cast::Assign),
            (Self::Instant, Form::Binary) => ("timestamptz", oid::TIMESTAMPTZ, Cast::Assign),
            (Self::Local, Form::Binary) => ("timestamp", oid::TIMESTAMP, Cast::Assign),
            (Self::Bytes, _) => ("bytea", oid::BYTEA, Cast::Assign),
            (Self::Text, _) => ("text", oid::TEXT, Cast::Assign),
            // A bare cast to `timestamp` would silently drop the zone of "…+02:00".
            (Self::Local, Form::Text) => ("text", oid::TEXT, Cast::Instant),
            _ => ("text", oid::TEXT, Cast::Own),
        }
    }

    /// How this value can travel.
    ///
    /// # Errors
    /// Why no value of this column can be made of it.
    pub(super) fn form(self, value: &Value<'_>) -> Result<Form, Unfit> {
        self.try_form(value).map_err(|why| match (self, value) {
            (Self::Int, Value::Float(_)) => Unfit { why, wants: Some("double precision") },
            (Self::Int | Self::Float, _) => Unfit { why, wants: Some("numeric") },
            _ => Unfit { why, wants: None },
        })
    }

    fn try_form(self, value: &Value<'_>) -> Result<Form, &'static str> {
        use Form::{Binary, Text};
        Ok(match (self, value) {
            (_, Value::Null) => Binary,
            (Self::Text, Value::Bytes(_)) => return Err("bytes that are not UTF-8, for a column of text"),
            (Self::Json, Value::Bytes(_)) => return Err("bytes that are not UTF-8, for a column of JSON"),
            (Self::Json, _) => Text,
            (Self::Bytes, _) => Binary,
            (_, Value::Text(text) | Value::Json(text)) if text.contains('\0') => {
                return Err("a NUL character, which PostgreSQL's text cannot hold");
            }
            (Self::Text, _) => Binary,
            (Self::Bool, Value::Bool(_))
            | (Self::Int, Value::Int(_))
            | (Self::Float, Value::Float(_))
            | (Self::Instant | Self::Local, Value::Time(_)) => Binary,
            (Self::Int, Value::Float(float)) if is_integer(*float) => Binary,
            (Self::Int, Value::Float(_)) => return Err("a number that is no integer, for a column of integers"),
            (Self::Int, Value::Uint(_) | Value::Big(_)) => return Err("an integer too large for the column"),
            (Self::Float, Value::Int(_) | Value::Uint(_) | Value::Big(_)) => match float_of(value) {
                Some(_) => Binary,
                None => return Err("an integer that would lose digits in a column of floats"),
            },
            (Self::Instant | Self::Local, Value::Int(number)) => match time::from_integer(*number) {
                Some(_) => Binary,
                None => return Err("a number that is no time between the years 1 and 9999"),
            },
            (Self::Instant | Self::Local, Value::Float(number)) => match time::from_number(*number) {
                Some(_) => Binary,
                None => return Err("a number that is no time between the years 1 and 9999"),
            },
            // The server finds some time in `[2003,1,2]` and in 100000.
            (Self::Instant | Self::Local | Self::Clock, Value::Json(_)) => {
                return Err("an array or an object, for a time");
            }
            (Self::Clock, Value::Int(_) | Value::Uint(_) | Value::Big(_) | Value::Float(_)) => {
                return Err("a number, for a time of day");
            }
            (Self::OneByte, Value::Text(text)) if text.len() > 1 => return Err("more than one byte, for a \"char\""),
            (Self::OneByte, value) if !matches!(value, Value::Text(_)) => return Err("no text, for a \"char\""),
            (Self::Array | Self::JsonArray | Self::Clock | Self::Other, Value::Bytes(_)) => {
                return Err("bytes that are not UTF-8");
            }
            _ => Text,
        })
    }
}

/// Why a column does not take a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub(super) why: &'static str,
    /// The type that would take it, where there is one.
    pub(super) wants: Option<&'static str>,
}

/// How the server makes a value of what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// By assignment: lengths and ranges are checked.
    Assign,
    /// By an explicit cast to the column's own type.
    Own,
    /// By an explicit cast to `timestamptz`, then by assignment.
    Instant,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(Class::Int.form(&Value::Int(1)), Ok(Form::Binary));
        assert_eq!(Class::Int.form(&Value::Float(2.0)), Ok(Form::Binary));
        assert_eq!(Class::Int.form(&Value::Float(2.5)).unwrap_err().wants, Some("double precision"));
        assert_eq!(Class::Int.form(&Value::Uint(u64::MAX)).unwrap_err().wants, Some("numeric"));
        assert_eq!(Class::Int.form(&Value::Big("1")).unwrap_err().wants, Some("numeric"));
        assert_eq!(Class::Float.form(&Value::Uint(1 << 63)), Ok(Form::Binary));
        assert_eq!(Class::Float.form(&Value::Uint(u64::MAX)).unwrap_err().wants, Some("numeric"));
        assert_eq!(Class::Other.form(&Value::Big("1")), Ok(Form::Text));
        assert_eq!(Class::Other.form(&Value::Null), Ok(Form::Binary));
        assert_eq!(Class::Instant.form(&Value::Text("2024-01-02")), Ok(Form::Text));
        assert_eq!(Class::Instant.form(&Value::Int(1_704_164_645)), Ok(Form::Binary));
        assert!(Class::Local.form(&Value::Float(1e300)).is_err());
        assert!(Class::Instant.form(&Value::Json("[[1,2],[3]]")).is_err());
        assert!(Class::Clock.form(&Value::Int(100_000)).is_err());
        assert_eq!(Class::Clock.form(&Value::Text("10:00")), Ok(Form::Text));
        assert_eq!(Class::OneByte.form(&Value::Text("a")), Ok(Form::Text));
        assert!(Class::OneByte.form(&Value::Text("ab")).is_err() && Class::OneByte.form(&Value::Int(12)).is_err());
        assert!(Class::Text.form(&Value::Text("a\0b")).is_err());
        assert!(Class::Text.form(&Value::Bytes(b"\xff")).is_err());
        assert_eq!(Class::Bytes.form(&Value::Text("a\0b")), Ok(Form::Binary));
        assert_eq!(Class::Json.form(&Value::Text("a\0b")), Ok(Form::Text));
    }
}
