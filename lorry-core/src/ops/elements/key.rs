//! What tells messages apart: the options `key` and `by`.

use super::path::Path;
use crate::{Message, Result, Template};
use serde_json::Value;
use std::borrow::Cow;

/// How the key of a message is found.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Payload,
    Part(Path),
    Template(Template),
}

impl Key {
    /// From an option: nothing is the payload, anything with `{{` a template, else a part of the payload.
    pub(super) fn new(option: &str, text: Option<&str>) -> Result<Self> {
        match text {
            None => Ok(Self::Payload),
            Some(text) if text.contains("{{") => Template::parse(text).map(Self::Template),
            Some(text) => Path::parse(option, text).map(Self::Part),
        }
    }

    /// The key. Messages that do not have what it is made of have one key together.
    pub(super) fn of(&self, message: &Message) -> Option<Vec<u8>> {
        match self {
            Self::Payload => message.payload.as_ref().map(|payload| payload.to_vec()),
            Self::Part(path) => match path.of(&serde_json::from_slice(message.bytes()).ok()?)? {
                Value::Null => None,
                Value::String(text) => Some(text.clone().into_bytes()),
                other => Some(other.to_string().into_bytes()),
            },
            Self::Template(template) => template.render(message).ok().map(Cow::into_owned).map(String::into_bytes),
        }
    }

    /// The key as JSON, given the payload as JSON. What a message does not have is null.
    pub(super) fn json(&self, message: &Message, payload: &Value) -> Value {
        match self {
            Self::Payload => payload.clone(),
            Self::Part(path) => path.of(payload).cloned().unwrap_or_default(),
            Self::Template(template) => template.render(message).map_or(Value::Null, |text| text.into_owned().into()),
        }
    }
}
