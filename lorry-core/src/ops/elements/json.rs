//! `pluck` and `flatten`: parts of payloads.

use super::{element, malformed, needed};
use crate::flow::{Item, Operator, Output};
use crate::ops::Pick;
use crate::registry::Registry;
use crate::{Bytes, Message, Result};
use schemars::JsonSchema;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct PluckOptions {
    /// The member to take, or the place in an array (from 0, negative from the end). Repeatable: several make an array.
    field: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct NoOptions {}

pub(super) fn register(registry: &mut Registry) {
    registry.add(element("pluck", "puts a part of the payload in its place", |options: PluckOptions| {
        let mut picks: Vec<_> = options.field.iter().map(|field| pick(field)).collect();
        let pick = match picks.len() {
            1 => picks.remove(0),
            _ => Pick::All(needed(Some(picks).filter(|picks| !picks.is_empty()), "pluck", "field", "device")?),
        };
        Ok(Box::new(Pluck(pick)))
    }));
    registry.add(element(
        "flatten",
        "makes a message of each element of a payload that is an array",
        |_: NoOptions| Ok(Box::new(Flatten)),
    ));
}

fn pick(field: &str) -> Pick {
    field.parse().map_or_else(|_| Pick::Key(field.to_owned()), Pick::Index)
}

/// Token rule: passed on; a message without that part is rejected. Holds nothing.
struct Pluck(Pick);

impl Operator<Message> for Pluck {
    fn push(&mut self, mut item: Item<Message>, out: &mut Output<'_, Message>) {
        let value = serde_json::from_slice::<Value>(item.value.bytes())
            .map_err(|error| malformed("pluck", format!("the payload is not JSON: {error}"), &item.value))
            .and_then(|value| self.0.of(&value).map_err(|error| error.at_address(&item.value.address)));
        match value {
            Err(error) => item.token.reject(error),
            Ok(value) => {
                item.value.payload = Some(value.to_string().into());
                out.push(item);
            }
        }
    }

    fn remembers(&self) -> bool {
        false
    }
}

/// Token rule: cloned for each; an empty array counts as filtered; what is no array is rejected. Holds nothing.
struct Flatten;

impl Operator<Message> for Flatten {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        let parts =
            match item.value.payload.as_ref().map(elements).unwrap_or_else(|| Err("it is a tombstone".to_owned())) {
                Ok(parts) => parts,
                Err(what) => {
                    let error = malformed("flatten", format!("the payload is no JSON array: {what}"), &item.value);
                    return item.token.reject(error);
                }
            };
        let Some((last, others)) = parts.split_last() else { return item.token.filtered() };
        for payload in others {
            out.emit(Message { payload: Some(payload.clone()), ..item.value.clone() }, item.token.clone());
        }
        out.emit(Message { payload: Some(last.clone()), ..item.value }, item.token);
    }

    fn remembers(&self) -> bool {
        false
    }
}

/// The elements of an array as they are written, to the last digit.
fn elements(payload: &Bytes) -> Result<Vec<Bytes>, String> {
    let all: Vec<IgnoredAny> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let broken = || "it cannot be taken apart".to_owned();
    let mut at = payload.iter().position(|byte| *byte == b'[').ok_or_else(broken)? + 1;
    let mut parts = Vec::with_capacity(all.len());
    for _ in 0..all.len() {
        let rest = &payload[at..];
        at += rest.len() - rest.trim_ascii_start().len();
        let mut values = serde_json::Deserializer::from_slice(&payload[at..]).into_iter::<IgnoredAny>();
        values.next().and_then(Result::ok).ok_or_else(broken)?;
        let length = values.byte_offset();
        parts.push(payload.slice(at..at + length));
        // The comma, or the end.
        at += length;
        at += payload[at..].iter().position(|byte| matches!(byte, b',' | b']')).ok_or_else(broken)? + 1;
    }
    Ok(parts)
}
