//! A part of a payload by its name: `.temperature`, `main.temp`, `readings[0]`.

use crate::{Error, Result};
use serde_json::Value;

/// Members and places, from the payload downwards. None of them is the payload itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    /// From 0; negative from the end.
    Index(i64),
}

impl Path {
    /// The payload itself.
    pub(super) const WHOLE: Self = Self(Vec::new());

    /// From the value of an option.
    pub(super) fn parse(option: &str, text: &str) -> Result<Self> {
        steps(text).map(Self).ok_or_else(|| {
            Error::usage(format!("option {option:?}: {text:?} names no part of a payload"))
                .hint("write .temperature, main.temp, readings[0] or [\"a name\"]; what must be computed, compute with map before")
        })
    }

    /// That part of a value, where it has one.
    pub(super) fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match (step, value) {
            (Step::Key(key), Value::Object(members)) => members.get(key),
            (Step::Key(key), Value::Array(_)) => at(value, key.parse().ok()?),
            (Step::Index(index), Value::Array(_)) => at(value, *index),
            _ => None,
        })
    }

    /// The name of the last member on the way.
    pub(super) fn name(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }
}

fn at(array: &Value, index: i64) -> Option<&Value> {
    let elements = array.as_array()?;
    let place = if index < 0 { index + i64::try_from(elements.len()).ok()? } else { index };
    elements.get(usize::try_from(place).ok()?)
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = match text {
        "." => return Some(steps),
        _ => text.strip_prefix('.').filter(|rest| !rest.starts_with('.')).unwrap_or(text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut after_point = true;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = bracket(inner)?;
            steps.push(step);
            rest = after;
        } else if after_point {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let name = &rest[..end];
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "_-$@:/%#".contains(c)) {
                return None;
            }
            steps.push(Step::Key(name.to_owned()));
            rest = &rest[end..];
        } else {
            return None;
        }
        after_point = rest.starts_with('.');
        if after_point {
            rest = &rest[1..];
            if rest.is_empty() || rest.starts_with('.') {
                return None;
            }
        }
    }
    Some(steps)
}

/// What stands behind an opening bracket, and what follows the closing one.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if text.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let name = names.next()?.ok()?;
        let rest = text[names.byte_offset()..].strip_prefix(']')?;
        return Some((Step::Key(name), rest));
    }
    let (index, rest) = text.split_once(']')?;
    Some((Step::Index(index.trim().parse().ok()?), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_parts() {
        let value = json!({"a": {"b-c": [1, [2, 3]]}, "ä": null, "x.y": {"1": 4}});
        for (text, expected) in [
            (".", Some(value.clone())),
            ("a.b-c[0]", Some(json!(1))),
            (".a.b-c[1][-1]", Some(json!(3))),
            (".a.b-c.1.0", Some(json!(2))),
            (".a[\"b-c\"][0]", Some(json!(1))),
            ("ä", Some(json!(null))),
            ("[\"x.y\"].1", Some(json!(4))),
            ("[\"x.y\"][1]", None),
            ("a.b-c[2]", None),
            ("a.b-c[-3]", None),
            ("a.b-c.b", None),
            ("ä.b", None),
            ("b", None),
        ] {
            assert_eq!(Path::parse("value", text).unwrap().of(&value), expected.as_ref(), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "..",
            "..a",
            "a.",
            "a..b",
            "a b",
            ".a|.b",
            "a[",
            "a[]",
            "a[x]",
            "a[0",
            "a[0]b",
            "a]",
            "\"a\"",
            "[\"a]",
            "a?",
            "a[99999999999999999999]",
            "{{ a }}",
        ] {
            assert!(Path::parse("value", text).is_err(), "{text:?}");
        }
    }
}
