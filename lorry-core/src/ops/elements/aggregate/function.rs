//! What `aggregate` computes: its functions by name.

use super::number::Num;
use super::row::Row;
use crate::ops::aggregate::{
    Aggregate, Count, EwMean, First, Last, Max, Mean, Min, Quantiles, Std, Sum, ValueCounts, Var,
};
use crate::{Error, Result, did_you_mean};
use serde_json::{Map, Value};

/// One function with its state.
#[derive(Clone, Debug)]
pub(super) enum Function {
    Count(Count),
    Sum(Sum<Num>),
    Mean(Mean<Num>),
    Min(Min<Num>),
    Max(Max<Num>),
    Var(Var),
    Std(Std),
    EwMean(EwMean),
    Quantile(Quantiles),
    First(First<Value>),
    Last(Last<Value>),
    ValueCounts(ValueCounts<String>),
}

/// The names, for errors and hints.
const NAMES: [&str; 13] =
    ["count", "sum", "mean", "min", "max", "var", "std", "ewm-mean", "median", "p99", "first", "last", "value-counts"];

/// What some of the functions need beside their name.
pub(super) struct Settings {
    pub(super) ddof: u64,
    pub(super) ewm: Option<EwMean>,
    pub(super) max_values: usize,
}

/// What a function must find in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    Nothing,
    Value,
    Number,
}

impl Function {
    pub(super) fn new(name: &str, settings: &Settings) -> Result<Self> {
        Ok(match name {
            "count" => Self::Count(Count::new()),
            "sum" => Self::Sum(Sum::new()),
            "mean" => Self::Mean(Mean::new()),
            "min" => Self::Min(Min::new()),
            "max" => Self::Max(Max::new()),
            "var" => Self::Var(Var::new().ddof(settings.ddof)),
            "std" => Self::Std(Std::new().ddof(settings.ddof)),
            "ewm-mean" => Self::EwMean(settings.ewm.ok_or_else(|| {
                Error::usage(
                    "op=ewm-mean of aggregate needs one of alpha=, span=, com= and half-life=, such as span=10",
                )
            })?),
            "median" => Self::Quantile(Quantiles::median()),
            "first" => Self::First(First::new()),
            "last" => Self::Last(Last::new()),
            "value-counts" => Self::ValueCounts(ValueCounts::new(settings.max_values)),
            _ => match percentile(name) {
                Some(place) => Self::Quantile(Quantiles::new([place])),
                None => return Err(unknown(name)),
            },
        })
    }

    pub(super) fn needs(&self) -> Needs {
        match self {
            Self::Count(_) => Needs::Nothing,
            Self::First(_) | Self::Last(_) | Self::ValueCounts(_) => Needs::Value,
            _ => Needs::Number,
        }
    }
}

/// `p99` is 0.99.
fn percentile(name: &str) -> Option<f64> {
    let digits = name.strip_prefix('p').filter(|digits| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    let percent = digits.chars().all(|c| c.is_ascii_digit() || c == '.').then(|| digits.parse::<f64>().ok())??;
    (0.0..=100.0).contains(&percent).then_some(percent / 100.0)
}

fn unknown(name: &str) -> Error {
    let error = Error::usage(format!("option \"op\" of aggregate: {name:?} is not one of {}", NAMES.join(", ")));
    match did_you_mean(name, NAMES) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint("a percentile is p0 to p100"),
    }
}

/// The text by which a value is counted: of a string what is in it, of anything else its JSON.
fn label(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Aggregate<Row> for Function {
    type Output = Value;

    fn sliding(&mut self) {
        match self {
            Self::Min(min) => min.sliding(),
            Self::Max(max) => max.sliding(),
            Self::First(first) => first.sliding(),
            Self::ValueCounts(counts) => counts.sliding(),
            _ => {}
        }
    }

    fn on_new(&mut self, row: &Row) {
        match self {
            Self::Count(count) => count.on_new(row),
            Self::Sum(sum) => sum.on_new(&row.number),
            Self::Mean(mean) => mean.on_new(&row.number),
            Self::Min(min) => min.on_new(&row.number),
            Self::Max(max) => max.on_new(&row.number),
            Self::Var(var) => var.on_new(&row.number),
            Self::Std(std) => std.on_new(&row.number),
            Self::EwMean(mean) => mean.on_new(&row.number),
            Self::Quantile(quantile) => quantile.on_new(&row.number),
            Self::First(first) => first.on_new(&row.value),
            Self::Last(last) => last.on_new(&row.value),
            Self::ValueCounts(counts) => counts.on_new(&label(&row.value)),
        }
    }

    fn on_old(&mut self, row: &Row) -> bool {
        match self {
            Self::Count(count) => count.on_old(row),
            Self::Sum(sum) => sum.on_old(&row.number),
            Self::Mean(mean) => mean.on_old(&row.number),
            Self::Min(min) => min.on_old(&row.number),
            Self::Max(max) => max.on_old(&row.number),
            Self::Var(var) => var.on_old(&row.number),
            Self::Std(std) => std.on_old(&row.number),
            Self::EwMean(mean) => mean.on_old(&row.number),
            Self::Quantile(quantile) => quantile.on_old(&row.number),
            Self::First(first) => first.on_old(&row.value),
            Self::Last(last) => last.on_old(&row.value),
            Self::ValueCounts(counts) => counts.on_old(&label(&row.value)),
        }
    }

    fn result(&self) -> Value {
        match self {
            Self::Count(count) => Aggregate::<Row>::result(count).into(),
            Self::Sum(sum) => sum.result().json(),
            Self::Mean(mean) => mean.result().into(),
            Self::Min(min) => min.result().map(Num::json).into(),
            Self::Max(max) => max.result().map(Num::json).into(),
            Self::Var(var) => Aggregate::<Num>::result(var).into(),
            Self::Std(std) => Aggregate::<Num>::result(std).into(),
            Self::EwMean(mean) => Aggregate::<Num>::result(mean).into(),
            Self::Quantile(quantile) => Aggregate::<Num>::result(quantile).first().copied().flatten().into(),
            Self::First(first) => first.result().into(),
            Self::Last(last) => last.result().into(),
            Self::ValueCounts(counts) => {
                counts.result().into_iter().map(|(value, count)| (value, count.into())).collect::<Map<_, _>>().into()
            }
        }
    }
}
