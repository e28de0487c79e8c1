//! Nested values back to compact JSON text, straight from the parser.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write as _};

/// Appends what it is given to the text, and notes whether there was a number that may be an integer beyond 64 bits.
pub(crate) struct Json<'a>(pub(crate) &'a mut String, pub(crate) &'a mut bool);

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        *self.1 |= may_be_large(value);
        match serde_json::Number::from_f64(value) {
            Some(number) => write!(self.0, "{number}").map_err(E::custom),
            None => self.visit_unit(),
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        push_text(self.0, value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.push('[');
        let mut first = true;
        loop {
            let before = self.0.len();
            if !std::mem::take(&mut first) {
                self.0.push(',');
            }
            if values.next_element_seed(Json(self.0, self.1))?.is_none() {
                self.0.truncate(before);
                break;
            }
        }
        self.0.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push('{');
        let mut first = true;
        loop {
            let before = self.0.len();
            if !std::mem::take(&mut first) {
                self.0.push(',');
            }
            if entries.next_key_seed(Json(self.0, self.1))?.is_none() {
                self.0.truncate(before);
                break;
            }
            self.0.push(':');
            entries.next_value_seed(Json(self.0, self.1))?;
        }
        self.0.push('}');
        Ok(())
    }
}

/// Whether the parser may have made this float of an integer that no 64 bits hold.
pub(crate) fn may_be_large(value: f64) -> bool {
    value.abs() >= i64::MAX as f64
}

/// Whether the text of a JSON number is that of an integer that no 64 bits hold, or of a number larger than any float.
pub(crate) fn is_beyond_64_bits(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit());
    match is_integer {
        true => number.parse::<i64>().is_err() && number.parse::<u64>().is_err(),
        false => number.parse::<f64>().is_ok_and(f64::is_infinite),
    }
}

/// Appends a JSON text without the space between its tokens.
pub(crate) fn compact(json: &str, out: &mut String) {
    let (mut inside, mut escaped) = (false, false);
    out.extend(json.chars().filter(|c| {
        let keep = inside || !c.is_ascii_whitespace();
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = inside,
            '"' => inside = !inside,
            _ => {}
        }
        keep
    }));
}

/// A JSON string with its quotes.
fn push_text(out: &mut String, text: &str) -> fmt::Result {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_same_value_comes_out(value in any_json()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let mut out = String::new();
            Json(&mut out, &mut false).deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap();
            let back: Value = serde_json::from_str(&out).unwrap();
            let expected: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(back, expected);
            prop_assert!(!out.contains('\n'));
            let mut compacted = String::new();
            compact(&text, &mut compacted);
            prop_assert_eq!(compacted, serde_json::to_string(&value).unwrap());
        }
    }
}
