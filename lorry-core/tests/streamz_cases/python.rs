//! The functions that the cases name, on JSON values, as Python has them.

use lorry_core::ops::Pick;
use lorry_core::{Error, ErrorKind, Result};
use serde_json::{Number, Value, json};

/// An exception of this type.
pub(crate) fn raise(exception: &str) -> Error {
    Error::data(ErrorKind::Other, "", exception)
}

fn type_error() -> Error {
    raise("TypeError")
}

/// A function by its name in the cases: `$inc`.
pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value> {
    match (name, args) {
        ("$inc", [x]) => add(x, &json!(1)),
        ("$double", [x]) => times_two(x),
        ("$add", [a, b]) => add(a, b),
        ("$add10", [x]) => add(x, &json!(10)),
        ("$recip", [x]) => divide(&json!(1), x),
        ("$div", [a, b]) => divide(a, b),
        ("$is_even", [x]) => Ok(Value::Bool(modulo_two(x)? == 0.0)),
        ("$mod2", [x]) => number(modulo_two(x)?),
        ("$len", [x]) => len(x),
        ("$count", [count, _]) => add(count, &json!(1)),
        ("$acc_pair", [sum, x]) => add(sum, x).map(|sum| json!([sum, sum])),
        _ => Err(type_error()),
    }
}

/// What a `key` or a `pick` finds: a function, or a part.
pub(crate) fn key(of: &Value, value: &Value) -> Result<Value> {
    match of {
        Value::String(name) if name.starts_with('$') => call(name, std::slice::from_ref(value)),
        Value::Array(parts) => parts.iter().map(|part| key(part, value)).collect(),
        part => pick(part)?.of(value).map_err(|_| raise(if value.is_array() { "IndexError" } else { "KeyError" })),
    }
}

fn pick(part: &Value) -> Result<Pick> {
    match part {
        Value::String(key) => Ok(Pick::Key(key.clone())),
        part => part.as_i64().map(Pick::Index).ok_or_else(type_error),
    }
}

pub(crate) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The elements of something iterable.
pub(crate) fn elements(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::String(text) => Ok(text.chars().map(|c| json!(c)).collect()),
        Value::Object(members) => Ok(members.into_iter().map(|(key, _)| Value::String(key)).collect()),
        _ => Err(type_error()),
    }
}

/// Of values that Python has equal, one: 1.0 is 1.
pub(crate) fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(float) if float.is_f64() => float.as_f64().and_then(|x| number(x).ok()).unwrap_or(Value::Null),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), canonical(value))).collect(),
        other => other.clone(),
    }
}

pub(crate) fn same(a: &Value, b: &Value) -> bool {
    canonical(a) == canonical(b)
}

fn number(x: f64) -> Result<Value> {
    if x.fract() == 0.0 && x.abs() < 9e15 {
        return Ok(json!(x as i64));
    }
    Number::from_f64(x).map(Value::Number).ok_or_else(|| raise("OverflowError"))
}

fn numeric(value: &Value) -> Result<f64> {
    match value {
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        other => other.as_f64().ok_or_else(type_error),
    }
}

fn add(a: &Value, b: &Value) -> Result<Value> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(Value::String(format!("{a}{b}"))),
        (Value::Array(a), Value::Array(b)) => Ok(a.iter().chain(b).cloned().collect()),
        _ => number(numeric(a)? + numeric(b)?),
    }
}

fn times_two(x: &Value) -> Result<Value> {
    match x {
        Value::String(_) | Value::Array(_) => add(x, x),
        _ => number(numeric(x)? * 2.0),
    }
}

fn divide(a: &Value, b: &Value) -> Result<Value> {
    match (numeric(a)?, numeric(b)?) {
        (_, 0.0) => Err(raise("ZeroDivisionError")),
        (a, b) => number(a / b),
    }
}

fn modulo_two(x: &Value) -> Result<f64> {
    Ok(numeric(x)?.rem_euclid(2.0))
}

fn len(x: &Value) -> Result<Value> {
    match x {
        Value::String(text) => Ok(json!(text.chars().count())),
        Value::Array(items) => Ok(json!(items.len())),
        Value::Object(members) => Ok(json!(members.len())),
        _ => Err(type_error()),
    }
}
