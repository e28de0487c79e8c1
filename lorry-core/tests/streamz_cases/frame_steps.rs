//! What is done with each batch of rows before anything is computed of many.

use super::frame_expr::Expr;
use super::frame_input::INDEX;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The rows of which it is true.
    Keep(Expr),
    /// One column more.
    Assign(String, Expr),
    Select(Vec<String>),
    Tail(usize),
    Round(i32),
}

impl Step {
    pub(crate) fn changes_columns(&self) -> bool {
        matches!(self, Self::Assign(..) | Self::Select(_))
    }

    pub(crate) fn apply(&self, mut rows: Vec<Value>) -> Vec<Value> {
        match self {
            Self::Keep(wanted) => rows.retain(|row| wanted.of(row) == true),
            Self::Assign(name, expr) => rows.iter_mut().for_each(|row| row[name] = expr.of(row)),
            Self::Select(names) => {
                let kept = |name: &String| names.contains(name) || name == INDEX;
                rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| row.retain(|name, _| kept(name)));
            }
            Self::Tail(most) => _ = rows.drain(..rows.len().saturating_sub(*most)),
            Self::Round(digits) => rows.iter_mut().filter_map(Value::as_object_mut).for_each(|row| round(row, *digits)),
        }
        rows
    }
}

fn round(row: &mut Map<String, Value>, digits: i32) {
    for cell in row.values_mut().filter(|cell| cell.is_f64()) {
        let factor = 10f64.powi(digits);
        *cell = json!((cell.as_f64().unwrap_or_default() * factor).round_ties_even() / factor);
    }
}
