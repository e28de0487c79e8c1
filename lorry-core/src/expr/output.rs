//! What an expression gives, as strict JSON.

use super::input::DEEPEST;
use bytes::Bytes;
use jaq_json::{Num, Val};
use serde::de::IgnoredAny;
use std::io::Write as _;

/// Writes a value. Not by jaq's `Display`, which replaces bytes it cannot show, nor by its writer, which writes `NaN`, byte strings and
/// keys that are no strings: the next in line expects JSON.
pub(super) fn write(value: &Val, room: usize) -> Result<Bytes, String> {
    let mut out = Vec::with_capacity(64);
    value_into(&mut out, value, 0, room)?;
    // The last value within may have gone beyond.
    if out.len() > room { Err(TOO_MUCH.to_owned()) } else { Ok(out.into()) }
}

const TOO_MUCH: &str = "more than 256 MiB of output";

fn value_into(out: &mut Vec<u8>, value: &Val, depth: usize, room: usize) -> Result<(), String> {
    if out.len() > room {
        return Err(TOO_MUCH.to_owned());
    }
    if depth > DEEPEST {
        return Err(format!("the output nests deeper than {DEEPEST}"));
    }
    match value {
        Val::Null => out.extend(b"null"),
        Val::Bool(true) => out.extend(b"true"),
        Val::Bool(false) => out.extend(b"false"),
        Val::Num(number) => number_into(out, number)?,
        Val::TStr(text) => string_into(out, text)?,
        Val::BStr(_) => return Err("the output holds a byte string; make it text with @base64".to_owned()),
        Val::Arr(values) => {
            out.push(b'[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                value_into(out, value, depth + 1, room)?;
            }
            out.push(b']');
        }
        Val::Obj(pairs) => {
            out.push(b'{');
            for (i, (key, value)) in pairs.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let Val::TStr(key) = key else {
                    return Err("the output has an object key that is no string; make it one with tostring".to_owned());
                };
                string_into(out, key)?;
                out.push(b':');
                value_into(out, value, depth + 1, room)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn string_into(out: &mut Vec<u8>, text: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(text)
        .map_err(|_| "the output holds a string that is not UTF-8; make it text with @base64")?;
    serde_json::to_writer(out, text).map_err(|error| error.to_string())
}

fn number_into(out: &mut Vec<u8>, number: &Num) -> Result<(), String> {
    let float = match number {
        Num::Int(_) | Num::BigInt(_) => None,
        Num::Float(float) => Some(*float),
        // As it was written, where that is JSON; jaq's own literals may start with a plus or a point.
        Num::Dec(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
            out.extend(text.as_bytes());
            return Ok(());
        }
        Num::Dec(text) => Some(text.parse().map_err(|_| format!("{text:?} is no number"))?),
    };
    match float {
        Some(float) if float.is_nan() => out.extend(b"null"),
        Some(float) if float.is_infinite() => out.extend(format!("{:e}", f64::MAX.copysign(float)).bytes()),
        _ => write!(out, "{number}").map_err(|error| error.to_string())?,
    }
    Ok(())
}
