//! The functions that the cases name, as Python has them.

use super::value::Py;
use lorry_core::ops::Pick;
use lorry_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// An exception of this type.
pub(crate) fn raise(exception: &str) -> Error {
    Error::data(ErrorKind::Other, "", exception)
}

fn type_error() -> Error {
    raise("TypeError")
}

/// A function by its name in the cases: `$inc`.
pub(crate) fn call(name: &str, args: &[Py]) -> Result<Py> {
    match (name, args) {
        ("$inc", [x]) => add(x, &Py::Int(1)),
        ("$double", [x]) => double(x),
        ("$add", [a, b]) => add(a, b),
        ("$add10", [x]) => add(x, &Py::Int(10)),
        ("$recip", [x]) => divide(&Py::Int(1), x),
        ("$div", [a, b]) => divide(a, b),
        ("$is_even", [x]) => Ok(Py::Bool(modulo_two(x)? == Py::Int(0))),
        ("$mod2", [x]) => modulo_two(x),
        ("$len", [x]) => Ok(Py::Int(elements(x.clone())?.len() as i128)),
        ("$count", [count, _]) => add(count, &Py::Int(1)),
        ("$acc_pair", [sum, x]) => add(sum, x).map(|sum| Py::Tuple(vec![sum.clone(), sum])),
        _ => Err(type_error()),
    }
}

pub(crate) fn is_function(value: &Py) -> bool {
    matches!(value, Py::Text(name) if name.starts_with('$'))
}

/// What a `key` is of a value: what a function says, or a part.
pub(crate) fn key(of: &Py, value: &Py) -> Result<Py> {
    match of {
        Py::Text(name) if is_function(of) => call(name, std::slice::from_ref(value)),
        part => subscript(value, part),
    }
}

/// One part, or of a list of them a tuple.
pub(crate) fn pluck(pick: &Py, value: &Py) -> Result<Py> {
    match pick {
        Py::List(parts) => Ok(Py::Tuple(parts.iter().map(|part| subscript(value, part)).collect::<Result<_>>()?)),
        part => subscript(value, part),
    }
}

/// `value[part]`. Where it stands is what Lorry's own `Pick` says.
fn subscript(value: &Py, part: &Py) -> Result<Py> {
    match value {
        Py::List(items) | Py::Tuple(items) => item(items, part),
        Py::Text(_) => item(&elements(value.clone())?, part),
        Py::Dict(_) if !part.is_hashable() => Err(type_error()),
        Py::Dict(members) => match part {
            Py::Text(name) => {
                let place = |(at, (key, _)): (usize, &(Py, Py))| match key {
                    Py::Text(key) => Some((key.clone(), at.into())),
                    _ => None,
                };
                let places = Value::Object(members.iter().enumerate().filter_map(place).collect());
                found(&Pick::Key(name.clone()), &places, "KeyError").map(|at| members[at].1.clone())
            }
            other => {
                let member = members.iter().find(|(key, _)| key == other);
                member.map(|(_, value)| value.clone()).ok_or_else(|| raise("KeyError"))
            }
        },
        _ => Err(type_error()),
    }
}

fn item(items: &[Py], part: &Py) -> Result<Py> {
    let index = match part {
        Py::Int(index) => i64::try_from(*index).map_err(|_| raise("IndexError"))?,
        Py::Bool(index) => i64::from(*index),
        _ => return Err(type_error()),
    };
    let places = (0..items.len()).collect();
    found(&Pick::Index(index), &places, "IndexError").map(|at| items[at].clone())
}

fn found(pick: &Pick, places: &Value, exception: &str) -> Result<usize> {
    let place = pick.of(places).ok().and_then(|place| place.as_u64());
    place.map(|at| at as usize).ok_or_else(|| raise(exception))
}

/// The elements of something iterable.
pub(crate) fn elements(value: Py) -> Result<Vec<Py>> {
    match value {
        Py::List(items) | Py::Tuple(items) => Ok(items),
        Py::Text(text) => Ok(text.chars().map(|c| Py::Text(c.to_string())).collect()),
        Py::Dict(members) => Ok(members.into_iter().map(|(key, _)| key).collect()),
        _ => Err(type_error()),
    }
}

/// An integer, if it is one; True is 1.
fn integer(value: &Py) -> Option<i128> {
    match value {
        Py::Bool(truth) => Some((*truth).into()),
        Py::Int(n) => Some(*n),
        _ => None,
    }
}

fn float(value: &Py) -> Result<f64> {
    match (value, integer(value)) {
        (_, Some(n)) => Ok(n as f64),
        (Py::Float(x), _) => Ok(*x),
        _ => Err(type_error()),
    }
}

fn add(a: &Py, b: &Py) -> Result<Py> {
    let chain = |a: &[Py], b: &[Py]| a.iter().chain(b).cloned().collect();
    match (a, b) {
        (Py::Text(a), Py::Text(b)) => Ok(Py::Text(format!("{a}{b}"))),
        (Py::List(a), Py::List(b)) => Ok(Py::List(chain(a, b))),
        (Py::Tuple(a), Py::Tuple(b)) => Ok(Py::Tuple(chain(a, b))),
        _ => match integer(a).zip(integer(b)).and_then(|(a, b)| a.checked_add(b)) {
            Some(sum) => Ok(Py::Int(sum)),
            None => Ok(Py::Float(float(a)? + float(b)?)),
        },
    }
}

/// Twice a list is the list, and once more.
fn double(x: &Py) -> Result<Py> {
    add(x, x)
}

fn divide(a: &Py, b: &Py) -> Result<Py> {
    match (float(a)?, float(b)?) {
        (_, 0.0) => Err(raise("ZeroDivisionError")),
        (a, b) => Ok(Py::Float(a / b)),
    }
}

fn modulo_two(x: &Py) -> Result<Py> {
    match integer(x) {
        Some(n) => Ok(Py::Int(n.rem_euclid(2))),
        None => float(x).map(|x| Py::Float(x.rem_euclid(2.0))),
    }
}
