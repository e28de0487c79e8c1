//! What the steps of a data frame say: `emit {x:[1,2,3]} twice -> window(n=4).x.sum()`.

use super::frame_expr::{Expr, is_name};
use super::frame_input::batches;
use super::frame_steps::Step;
use lorry_core::ops::aggregate::EwMean;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Batches of rows, and what is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) batches: Vec<Vec<Value>>,
    pub(crate) steps: Vec<Step>,
    /// Of the rows behind the steps, once that is known.
    pub(crate) columns: BTreeSet<Option<String>>,
    pub(crate) window: Window,
    /// A result with each row, once the window is full.
    pub(crate) rolling: bool,
    /// Older values count less.
    pub(crate) fading: Option<EwMean>,
    pub(crate) by: Option<String>,
    pub(crate) column: Option<String>,
    /// An aggregation, or `rows` for the rows themselves.
    pub(crate) what: String,
    pub(crate) args: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    All,
    Last(usize),
    LastFor(Duration),
}

/// Columns that have no name: of an expression, and of a key that is one.
const VALUE: &str = "=value";
const KEY: &str = "=key";

const AGGREGATIONS: &[&str] = &[
    "sum",
    "mean",
    "count",
    "size",
    "min",
    "max",
    "first",
    "last",
    "var",
    "std",
    "value_counts",
    "cumsum",
    "cummin",
    "cummax",
    "cumprod",
    "apply",
];

/// None if it is not understood.
pub(crate) fn plan(id: &str, steps: &str) -> Option<Plan> {
    let (steps, chunks) = steps.split_once(" on chunks ").unwrap_or((steps, ""));
    let (input, steps) = match (steps.split_once(" -> "), steps.strip_prefix("...")) {
        (Some(both), _) => both,
        (None, Some(steps)) => ("...", steps),
        (None, None) => ("", steps),
    };
    let mut plan = Plan {
        batches: batches(id, input, chunks)?,
        steps: Vec::new(),
        columns: BTreeSet::new(),
        window: Window::All,
        rolling: false,
        fading: None,
        by: None,
        column: None,
        what: "rows".to_owned(),
        args: Vec::new(),
    };
    let mut parts = parts(steps.trim(), '.');
    let (last, args) = call(parts.last()?);
    if AGGREGATIONS.contains(&last.as_str()) {
        (plan.what, plan.args) = (last, args);
        parts.pop();
    }
    parts.iter().try_for_each(|part| plan.read(part.trim()))?;
    Some(plan)
}

impl Plan {
    /// One part of the steps: `x`, `df['x']`, `x[x>1]`, `(x+y)`, `window(n=4)`.
    fn read(&mut self, part: &str) -> Option<()> {
        if let Some((name, inner)) = part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            if !name.is_empty() && name != "df" {
                self.take(name)?;
            }
            return self.pick(inner.trim());
        }
        let (name, args) = call(part);
        match part.contains('(') && is_name(&name) {
            true => self.call(&name, &args),
            false if part == "df" => Some(()),
            false if is_name(part) => self.take(part),
            false => self.assign(VALUE, part).map(|()| self.column = Some(VALUE.to_owned())),
        }
    }

    /// What stands in brackets: a column, several, or the rows that are wanted.
    fn pick(&mut self, inner: &str) -> Option<()> {
        if let Some(name) = quoted(inner) {
            return self.take(name);
        }
        let step = match inner.starts_with('[') {
            true => Step::Select(self.list(inner)?),
            false => Step::Keep(self.expr(inner)?),
        };
        self.steps.push(step);
        Some(())
    }

    fn call(&mut self, name: &str, args: &[String]) -> Option<()> {
        let value =
            |arg: &String| quoted(arg.rsplit('=').next()?).or_else(|| arg.rsplit('=').next()).map(str::to_owned);
        let first = args.first().and_then(value);
        match (name, first.as_deref()) {
            ("window" | "rolling", Some(size)) => {
                self.rolling = name == "rolling";
                self.window = match (size.parse(), size.trim_end_matches('h').parse::<u64>()) {
                    (Ok(rows), _) => Window::Last(rows),
                    (_, Ok(hours)) if !self.rolling => Window::LastFor(Duration::from_secs(hours * 3_600)),
                    _ => return None,
                };
            }
            ("expanding", None) => self.window = Window::All,
            ("ewm", Some(weight)) => {
                let weight = weight.parse().ok()?;
                self.fading = Some(match args.first()?.split_once('=').map_or("com", |(name, _)| name) {
                    "com" => EwMean::com(weight),
                    "span" => EwMean::span(weight),
                    "alpha" => EwMean::alpha(weight),
                    "halflife" => EwMean::half_life(weight),
                    _ => return None,
                });
            }
            ("groupby", Some(_)) => {
                let key = args.first()?;
                let listed = if key.starts_with('[') { self.list(key)?.pop()? } else { String::new() };
                let name = if listed.is_empty() { quoted(key).unwrap_or(key) } else { &listed };
                self.by = Some(match is_name(name) {
                    true => self.known(name)?.to_owned(),
                    false => self.assign(KEY, key).map(|()| KEY.to_owned())?,
                });
            }
            ("assign", Some(_)) => {
                for arg in args {
                    let (name, formula) = arg.split_once('=')?;
                    self.assign(name.trim(), formula)?;
                }
            }
            ("query", Some(_)) => {
                let wanted = self.expr(quoted(args.first()?)?)?;
                self.steps.push(Step::Keep(wanted));
            }
            ("tail", rows) => self.steps.push(Step::Tail(rows.map_or(Some(5), |rows| rows.parse().ok())?)),
            ("round", digits) => self.steps.push(Step::Round(digits.map_or(Some(0), |digits| digits.parse().ok())?)),
            _ => return None,
        }
        Some(())
    }

    fn take(&mut self, column: &str) -> Option<()> {
        self.column = Some(self.known(column)?.to_owned());
        Some(())
    }

    fn assign(&mut self, name: &str, formula: &str) -> Option<()> {
        let expr = self.expr(formula)?;
        self.steps.push(Step::Assign(name.to_owned(), expr));
        Some(())
    }

    /// Of columns that are there.
    fn expr(&self, text: &str) -> Option<Expr> {
        let expr = Expr::parse(text)?;
        expr.columns().into_iter().all(|name| self.known(name).is_some()).then_some(expr)
    }

    /// `['x','y']`, of columns that are there.
    fn list(&self, text: &str) -> Option<Vec<String>> {
        let names: Vec<String> = serde_json::from_str(&text.replace('\'', "\"")).ok()?;
        names.iter().all(|name| self.known(name).is_some()).then_some(names)
    }

    /// None if there is no such column: then the steps are not understood.
    fn known<'a>(&self, name: &'a str) -> Option<&'a str> {
        let is_given = self.batches.iter().flatten().any(|row| row.get(name).is_some());
        let is_assigned = |step: &Step| matches!(step, Step::Assign(other, _) if other == name);
        (is_given || self.steps.iter().any(is_assigned)).then_some(name)
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.trim().strip_prefix('\'')?.strip_suffix('\'')
}

/// Splits where no bracket and no quote is open.
pub(crate) fn parts(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if c == at && depth == 0 && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// `name(a, b)`: the name and the arguments.
fn call(text: &str) -> (String, Vec<String>) {
    match text.trim().strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, "")) => (name.to_owned(), Vec::new()),
        Some((name, args)) => (name.to_owned(), parts(args, ',').iter().map(|arg| arg.trim().to_owned()).collect()),
        None => (text.trim().to_owned(), Vec::new()),
    }
}
