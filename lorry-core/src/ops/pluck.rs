//! `pluck`: a part of a JSON value.

use super::TryMap;
use crate::{Error, ErrorKind, Result, Stream};
use serde_json::Value;
use std::fmt;

/// Which part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The member of an object.
    Key(String),
    /// The element of an array, from 0; negative ones count from the end.
    Index(i64),
    /// Several parts, as an array.
    All(Vec<Pick>),
}

impl Pick {
    /// Takes the part out.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed): there is no such part.
    pub fn of(&self, value: &Value) -> Result<Value> {
        let found = match self {
            Self::Key(key) => value.get(key).cloned(),
            Self::Index(index) => value.as_array().and_then(|array| {
                let from_start = if *index < 0 { index.checked_add(i64::try_from(array.len()).ok()?)? } else { *index };
                array.get(usize::try_from(from_start).ok()?).cloned()
            }),
            Self::All(picks) => Some(Value::Array(picks.iter().map(|pick| pick.of(value)).collect::<Result<_>>()?)),
        };
        found.ok_or_else(|| Error::data(ErrorKind::Malformed, "pluck", format!("there is no {self}")))
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "member {key:?}"),
            Self::Index(index) => write!(f, "element {index}"),
            Self::All(picks) => picks.iter().try_for_each(|pick| pick.fmt(f)),
        }
    }
}

impl From<&str> for Pick {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<i64> for Pick {
    fn from(index: i64) -> Self {
        Self::Index(index)
    }
}

impl<P: Into<Pick>, const N: usize> From<[P; N]> for Pick {
    fn from(picks: [P; N]) -> Self {
        Self::All(picks.into_iter().map(Into::into).collect())
    }
}

impl Stream<Value> {
    /// Keeps one part of each JSON value, or several as an array. Token rule: passed on; a value without that part is rejected. (Of a
    /// type of the program's own a part is taken by [`map`](Stream::map).)
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::Pick};
    /// # use serde_json::{Value, json};
    /// let (_input, readings) = Stream::<Value>::input();
    /// let _celsius = readings.pluck("celsius");
    ///
    /// let reading = json!({"station": 7, "celsius": 21.5, "history": [20, 21]});
    /// assert_eq!(Pick::from(["station", "celsius"]).of(&reading)?, json!([7, 21.5]));
    /// assert_eq!(Pick::from(-1).of(&reading["history"])?, json!(21));
    /// # Ok::<(), lorry_core::Error>(())
    /// ```
    pub fn pluck(self, pick: impl Into<Pick>) -> Self {
        let pick = pick.into();
        self.via_kind("pluck", TryMap(move |value: Value| pick.of(&value)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use serde_json::json;

    #[test]
    fn what_is_not_there_is_rejected() {
        let pick = Pick::from(1);
        let mut bench = Bench::new(TryMap(move |value: Value| pick.of(&value)));
        let all = [json!([1, 2]), json!([1]), json!({"1": 2}), json!(null)].map(|value| bench.track(value));
        assert_eq!(bench.take(), [json!(2)]);
        assert_eq!(fates(&all), ["delivered", "failed", "failed", "failed"]);
        assert!(Pick::from(i64::MIN).of(&json!([1])).is_err());
        let error = Pick::from(["a", "b"]).of(&json!({"a": 1})).unwrap_err();
        assert_eq!(error.to_string(), "pluck: there is no member \"b\"");
    }
}
