//! The message as minijinja sees it.

use crate::Message;
use crate::message::{Address, Headers, Value as Header};
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde, Value};
use minijinja::{Error, ErrorKind};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The variables of one message; each is made when the template asks for it.
#[derive(Debug)]
pub(super) struct Variables {
    message: Message,
    payload: OnceLock<Value>,
}

impl Variables {
    pub(super) fn of(message: &Message) -> Self {
        Self { message: message.clone(), payload: OnceLock::new() }
    }

    fn payload(&self) -> Option<Value> {
        let bytes = self.message.payload.as_ref()?;
        let parse = || match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(json) => Value::from(Serde(&json)),
            Err(error) => wrong(format!("the payload is not JSON: {error}")),
        };
        Some(self.payload.get_or_init(parse).clone())
    }
}

impl Object for Variables {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.get_value_by_str(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let message = &self.message;
        match name {
            "topic" if !message.address.is_empty() => Some(Value::from_object(Topic(message.address.clone()))),
            "key" => message.key.as_deref().map(|key| text(key, "key")),
            "header" => Some(Value::from_object(Named(message.clone()))),
            "payload" => self.payload(),
            "timestamp" => message.timestamp.map(|time| Value::from(time.to_string())),
            _ => None,
        }
    }
}

/// The address: prints as it is, `[n]` is a level.
#[derive(Debug)]
struct Topic(Address);

impl Object for Topic {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, index: &Value) -> Option<Value> {
        self.0.levels().nth(index.as_usize()?).map(Value::from)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.levels().count())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The headers by name. A message rather than its headers: a clone of it copies nothing.
#[derive(Debug)]
struct Named(Message);

impl Object for Named {
    fn get_value(self: &Arc<Self>, name: &Value) -> Option<Value> {
        self.0.headers().get(name.as_str()?).map(header)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(names(self.0.headers()))
    }
}

fn names(headers: &Headers) -> Vec<Value> {
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(Value::from).collect()
}

fn header(value: &Header) -> Value {
    match value {
        Header::Null => Value::from(()),
        Header::Bool(value) => Value::from(*value),
        Header::Int(value) => Value::from(*value),
        Header::Float(value) => Value::from(*value),
        Header::Text(value) => Value::from(&**value),
        Header::Bytes(value) => text(value, "header"),
        Header::Time(value) => Value::from(value.to_string()),
        Header::List(values) => values.iter().map(header).collect(),
        Header::Table(headers) => names(headers)
            .into_iter()
            .filter_map(|name| headers.get(name.as_str()?).map(header).map(|value| (name, value)))
            .collect(),
    }
}

fn text(bytes: &[u8], what: &str) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| wrong(format!("the {what} is not UTF-8")), Value::from)
}

/// A value that is an error wherever it is used.
fn wrong(what: String) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, what))
}
