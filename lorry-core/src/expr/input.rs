//! What an expression sees of a message.

use crate::message::{Headers, Value};
use crate::{Message, Timestamp};
use jaq_json::{Num, Val};
use serde::de::IgnoredAny;
use std::sync::Arc;

/// How deep JSON may nest; the limit of serde_json too. jaq's reader is recursive and has none: a payload of a few thousand brackets
/// would end the process, and, being kept by its broker, end it again after every restart.
pub(super) const DEEPEST: usize = 128;

/// The payload as a value. A tombstone is null.
pub(super) fn payload(message: &Message) -> Result<Val, String> {
    match &message.payload {
        None => Ok(Val::Null),
        Some(bytes) => json(bytes).map_err(|what| format!("the payload is not JSON: {what}")),
    }
}

/// Reads strict JSON. serde_json judges, since jaq's reader also takes `NaN`, comments and byte strings; jaq reads, since it keeps
/// numbers as they were written.
pub(super) fn json(bytes: &[u8]) -> Result<Val, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 after {} bytes", error.valid_up_to()))?;
    if depth(bytes) > DEEPEST {
        return Err(format!("it nests deeper than {DEEPEST}"));
    }
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    jaq_json::read::parse_single(bytes).map_err(|error| error.to_string())
}

/// The deepest nesting of brackets outside of strings.
pub(super) fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut i) = (0_usize, 0, 0);
    while let Some(byte) = bytes.get(i) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                i += 1;
                while let Some(byte) = bytes.get(i) {
                    match byte {
                        b'"' => break,
                        b'\\' => i += 2,
                        _ => i += 1,
                    }
                }
            }
            _ => {}
        }
        i += 1;
    }
    deepest
}

pub(super) fn topic(message: &Message) -> Val {
    if message.address.is_empty() { Val::Null } else { text(message.address.as_str()) }
}

pub(super) fn key(message: &Message) -> Val {
    message.key.as_deref().map_or(Val::Null, bytes)
}

pub(super) fn headers(message: &Message) -> Val {
    table(message.headers())
}

pub(super) fn timestamp(message: &Message) -> Val {
    message.timestamp.map_or(Val::Null, seconds)
}

/// Seconds, since jq's date functions speak seconds; a fraction keeps all nine digits as long as nobody reckons with it.
fn seconds(time: Timestamp) -> Val {
    let (seconds, nanos) = (time.nanos() / 1_000_000_000, time.nanos() % 1_000_000_000);
    if nanos == 0 {
        return Val::Num(Num::from_integral(seconds));
    }
    let sign = if time.nanos() < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    Val::Num(Num::Dec(format!("{sign}{}.{}", seconds.unsigned_abs(), fraction.trim_end_matches('0')).into()))
}

fn table(headers: &Headers) -> Val {
    let mut object = jaq_json::Map::default();
    for (name, value) in headers.iter() {
        object.entry(text(name)).or_insert_with(|| header(value));
    }
    Val::obj(object)
}

fn header(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(value) => Val::Bool(*value),
        Value::Int(value) => Val::Num(Num::from_integral(*value)),
        Value::Float(value) => Val::Num(Num::Float(*value)),
        Value::Text(value) => shared(value),
        Value::Bytes(value) => bytes(value),
        Value::Time(value) => seconds(*value),
        Value::List(values) => values.iter().map(header).collect(),
        Value::Table(headers) => table(headers),
    }
}

fn text(text: &str) -> Val {
    Val::utf8_str(text.to_owned())
}

fn shared(text: &Arc<str>) -> Val {
    Val::utf8_str(text.as_bytes().to_vec())
}

fn bytes(bytes: &[u8]) -> Val {
    let owned = bytes.to_vec();
    if std::str::from_utf8(bytes).is_ok() { Val::utf8_str(owned) } else { Val::byte_str(owned) }
}
