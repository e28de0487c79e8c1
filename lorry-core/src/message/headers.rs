//! The user's own headers: ordered, a name may repeat.

use crate::Timestamp;
use bytes::Bytes;
use std::sync::Arc;

/// A header's value. The set is what AMQP 0-9-1 tables, Kafka headers and MQTT 5 user properties need together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Bytes),
    /// A point in time.
    Time(Timestamp),
    /// Values in order.
    List(Vec<Value>),
    /// Names and values.
    Table(Headers),
}

impl Value {
    /// The text, if it is text (or UTF-8 bytes).
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Text(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                Self::List(values) => values.iter().map(Self::weight).sum(),
                Self::Table(headers) => headers.weight(),
                _ => 0,
            }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// An ordered multi-map of names and values.
///
/// ```
/// use lorry_core::Headers;
/// let mut headers = Headers::default();
/// headers.push("a", "1");
/// headers.push("b", "2");
/// headers.push("a", "3");
/// assert_eq!(headers.get_all("a").filter_map(|value| value.as_str()).collect::<Vec<_>>(), ["1", "3"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(Arc<str>, Value)>);

impl Headers {
    /// Without headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds one after those there are, whether or not the name exists.
    pub fn push(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.get_all(name).next()
    }

    /// All values of this name, in order.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |(own, _)| **own == *name).map(|(_, value)| value)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn weight(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + size_of::<Arc<str>>() + value.weight()).sum()
    }
}
