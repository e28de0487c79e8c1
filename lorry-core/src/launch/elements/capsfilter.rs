//! `capsfilter`: only messages of a content type.

use crate::flow::{Item, Operator, Output};
use crate::launch::Caps;
use crate::{Error, ErrorKind, Message, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lets through messages of the content types it names. One that does not say its content type is taken to be of the first, and says so
/// from there on. Token rule: passed on; a message of another content type is rejected. Holds nothing.
#[derive(Clone, Debug)]
pub struct CapsFilter(pub Caps);

impl Operator<Message> for CapsFilter {
    fn push(&mut self, mut item: Item<Message>, out: &mut Output<'_, Message>) {
        let reject = match &item.value.properties().content_type {
            None => None,
            Some(own) if self.0.allow(own) => return out.push(item),
            Some(own) => Some(format!("a message is {own}, but only {} may pass here", self.0)),
        };
        if let Some(what) = reject {
            let error = Error::data(ErrorKind::Malformed, "check the content type", what);
            return item.token.reject(error.at_address(&item.value.address));
        }
        item.value.meta_mut().properties.content_type = Some(self.0.first().into());
        out.push(item);
    }

    fn remembers(&self) -> bool {
        false
    }
}

/// Options of `capsfilter`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct CapsOptions {
    /// The content types that may pass: `application/json; text/csv`. A message that does not say gets the first.
    caps: Option<String>,
}

impl CapsOptions {
    pub(super) fn make(self) -> Result<CapsFilter> {
        let caps = self.caps.ok_or_else(|| Error::usage("capsfilter needs caps=, such as caps=application/json"))?;
        caps.parse().map(CapsFilter).map_err(Error::usage)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Instant;

    fn of(content_type: Option<&str>) -> Message {
        let mut message = Message::new("x");
        if let Some(name) = content_type {
            message.meta_mut().properties.content_type = Some(name.into());
        }
        message
    }

    #[test]
    fn others_are_rejected_and_the_silent_are_named() {
        let mut seen = Vec::new();
        let mut filter = CapsFilter("application/json; text/csv".parse().unwrap());
        let mut out = Output::to(&mut seen, Instant::now());
        for content_type in [None, Some("text/csv"), Some("text/plain"), Some("application/json; charset=utf-8")] {
            filter.push(Item::untracked(of(content_type)), &mut out);
        }
        let types: Vec<_> = seen.iter().map(|item| item.value.properties().content_type.clone().unwrap()).collect();
        assert_eq!(
            types.iter().map(|name| &**name).collect::<Vec<_>>(),
            ["application/json", "text/csv", "application/json; charset=utf-8"]
        );
    }
}
