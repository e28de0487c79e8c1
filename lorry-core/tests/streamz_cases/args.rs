//! The arguments of a node, by name or by place.

use super::build::{Built, Refusal};
use super::python::call;
use super::value::Py;
use lorry_core::Result;
use lorry_core::ops::Keep;
use serde_json::Value;
use std::time::Duration;

pub(crate) struct Args<'a>(pub(crate) &'a Value);

impl<'a> Args<'a> {
    fn places(&self) -> &'a [Value] {
        self.0.get("_pos").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Also where it is null.
    pub(crate) fn given(&self, name: &str, place: usize) -> Option<&'a Value> {
        self.0.get(name).or_else(|| self.places().get(place))
    }

    /// None if it is not there, or null.
    pub(crate) fn get(&self, name: &str, place: usize) -> Option<&'a Value> {
        self.given(name, place).filter(|value| !value.is_null())
    }

    pub(crate) fn value(&self, name: &str, place: usize) -> Option<Py> {
        self.get(name, place).map(|value| Py::from_json(value, false))
    }

    pub(crate) fn size(&self, name: &str, place: usize) -> Built<Option<usize>> {
        let size = |value: &Value| value.as_u64().map(|n| n as usize).ok_or_else(|| Refusal::from("ValueError"));
        self.get(name, place).map(size).transpose()
    }

    pub(crate) fn needed_size(&self, name: &str, place: usize) -> Built<usize> {
        self.size(name, place)?.filter(|size| *size > 0).ok_or_else(|| "ValueError".into())
    }

    pub(crate) fn flag(&self, name: &str, place: usize, default: bool) -> bool {
        self.value(name, place).map_or(default, |value| value.is_true())
    }

    /// Seconds, or a text such as `10ms`.
    pub(crate) fn time(&self, name: &str, place: usize) -> Built<Option<Duration>> {
        self.get(name, place).map(|value| time(value).ok_or_else(|| "ValueError".into())).transpose()
    }

    /// A function, and what else it is called with: the arguments behind it, or all that have no name if it has one.
    pub(crate) fn function(&self, name: &str) -> Built<Function> {
        let (function, rest) = match (self.0.get(name), self.places()) {
            (Some(function), places) => (function, places),
            (None, [function, rest @ ..]) => (function, rest),
            (None, []) => return Err("TypeError".into()),
        };
        let more = rest.iter().map(|value| Py::from_json(value, false)).collect();
        Ok(Function { name: function.as_str().unwrap_or_default().to_owned(), more })
    }

    /// Whatever is not the last is the first.
    pub(crate) fn keep(&self, place: usize) -> Keep {
        if self.get("keep", place).is_some_and(|keep| keep == "last") { Keep::Last } else { Keep::First }
    }
}

/// A function of the cases; of what is none it is found out when it is called, as in Python.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) more: Vec<Py>,
}

impl Function {
    pub(crate) fn call(&self, mut args: Vec<Py>) -> Result<Py> {
        args.extend(self.more.iter().cloned());
        call(&self.name, &args)
    }
}

pub(crate) fn time(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (number, unit) = text.split_at(digits);
            let unit = match unit.trim() {
                "us" => 1e-6,
                "ms" => 1e-3,
                "s" | "" => 1.0,
                "min" | "m" => 60.0,
                "h" => 3_600.0,
                _ => return None,
            };
            number.parse::<f64>().ok()? * unit
        }
        other => other.as_f64()?,
    };
    Duration::try_from_secs_f64(seconds).ok()
}
