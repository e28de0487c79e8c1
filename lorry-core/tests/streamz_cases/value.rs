//! The values of Python, as far as the cases have them.

use serde_json::{Map, Number, Value, json};
use std::hash::{Hash, Hasher};

/// Lists and tuples are two things: only one of them can be a key. 1, 1.0 and True are one.
#[derive(Clone, Debug)]
pub(crate) enum Py {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(Py, Py)>),
}

/// A number as it is compared.
#[derive(PartialEq)]
enum Numeric {
    Int(i128),
    Float(f64),
}

impl Py {
    /// As a case writes it. With `tuples`, lists stand for tuples.
    pub(crate) fn from_json(value: &Value, tuples: bool) -> Self {
        let inner = |value: &Value| Self::from_json(value, tuples);
        match value {
            Value::Null => Self::None,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(n), _) => Self::Int(n.into()),
                (_, Some(n)) => Self::Int(n.into()),
                _ => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(items) if tuples => Self::Tuple(items.iter().map(inner).collect()),
            Value::Array(items) => Self::List(items.iter().map(inner).collect()),
            Value::Object(members) => match members.get("$float").and_then(Value::as_str) {
                Some(float) => Self::Float(float.parse().unwrap_or(f64::NAN)),
                None => {
                    Self::Dict(members.iter().map(|(key, value)| (Self::Text(key.clone()), inner(value))).collect())
                }
            },
        }
    }

    /// As a case writes it: tuples as lists, keys as texts.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Bool(truth) => json!(truth),
            Self::Int(n) => match (i64::try_from(*n), u64::try_from(*n)) {
                (Ok(n), _) => json!(n),
                (_, Ok(n)) => json!(n),
                _ => json!(*n as f64),
            },
            Self::Float(x) if x.is_nan() => json!({"$float": "NaN"}),
            Self::Float(x) => match Number::from_f64(*x) {
                Some(number) => Value::Number(number),
                None => json!({"$float": if *x > 0.0 { "Infinity" } else { "-Infinity" }}),
            },
            Self::Text(text) => json!(text),
            Self::List(items) | Self::Tuple(items) => items.iter().map(Self::to_json).collect(),
            Self::Dict(members) => {
                let member = |(key, value): &(Self, Self)| (key.as_key(), value.to_json());
                Value::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
        }
    }

    /// What JSON makes of it where only a text can stand.
    fn as_key(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            other => other.to_json().to_string(),
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(truth) => *truth,
            Self::Int(n) => *n != 0,
            Self::Float(x) => *x != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(members) => !members.is_empty(),
        }
    }

    /// Whether it can be a key.
    pub(crate) fn is_hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(_) => false,
            Self::Tuple(items) => items.iter().all(Self::is_hashable),
            _ => true,
        }
    }

    fn numeric(&self) -> Option<Numeric> {
        match self {
            Self::Bool(truth) => Some(Numeric::Int((*truth).into())),
            Self::Int(n) => Some(Numeric::Int(*n)),
            Self::Float(x) if x.fract() == 0.0 && x.abs() < 1e30 => Some(Numeric::Int(*x as i128)),
            Self::Float(x) => Some(Numeric::Float(*x)),
            _ => None,
        }
    }
}

impl PartialEq for Py {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => a.len() == b.len() && a.iter().all(|member| b.contains(member)),
            (a, b) => a.numeric().is_some_and(|a| Some(a) == b.numeric()),
        }
    }
}

/// Of NaN it is not true, as in Python: no NaN is found again.
impl Eq for Py {}

impl Hash for Py {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Text(text) => text.hash(state),
            Self::List(items) | Self::Tuple(items) => items.hash(state),
            Self::Dict(members) => members.len().hash(state),
            other => match other.numeric() {
                Some(Numeric::Int(n)) => n.hash(state),
                Some(Numeric::Float(x)) => x.to_bits().hash(state),
                None => 0.hash(state),
            },
        }
    }
}

/// Whether two values of cases are the same: 1.0 is 1, and a float may differ by what reading and writing it costs.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128(), a.as_f64(), b.as_f64()) {
            (Some(a), Some(b), ..) => a == b,
            (.., Some(a), Some(b)) => (a - b).abs() <= 1e-14 * a.abs().max(b.abs()),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
