//! What tells messages apart: the option `key`.

use crate::{Message, Result, Template};
use std::borrow::Cow;

/// How the key of a message is found.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Payload,
    Template(Template),
}

impl Key {
    /// From an option: nothing is the payload, a name is a member of the payload, anything with `{{` a template.
    pub(super) fn new(option: Option<&str>) -> Result<Self> {
        match option {
            None => Ok(Self::Payload),
            Some(text) if text.contains("{{") => Template::parse(text).map(Self::Template),
            Some(text) => Template::parse(&format!("{{{{ payload.{text} }}}}")).map(Self::Template),
        }
    }

    /// The key. Messages that do not have what it is made of have one key together.
    pub(super) fn of(&self, message: &Message) -> Option<Vec<u8>> {
        match self {
            Self::Payload => message.payload.as_ref().map(|payload| payload.to_vec()),
            Self::Template(template) => template.render(message).ok().map(Cow::into_owned).map(String::into_bytes),
        }
    }
}
