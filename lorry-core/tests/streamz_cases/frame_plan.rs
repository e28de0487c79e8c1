//! What the steps of a data frame say: `emit {x:[1,2,3]} twice -> window(n=4).x.sum()`.

use serde_json::{Map, Value, json};
use std::time::Duration;

/// Batches of rows, and what is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) batches: Vec<Vec<Value>>,
    pub(crate) window: Window,
    /// A result with each row, once the window is full.
    pub(crate) rolling: bool,
    pub(crate) by: Option<String>,
    pub(crate) column: Option<String>,
    pub(crate) what: String,
    pub(crate) args: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Window {
    All,
    Last(usize),
    LastFor(Duration),
}

/// The member of a row that holds its number, or the hour of its time.
pub(crate) const INDEX: &str = "#";

/// None if it is not understood.
pub(crate) fn plan(id: &str, steps: &str) -> Option<Plan> {
    let (input, steps) = steps.split_once(" -> ").unwrap_or(("", steps));
    let (steps, chunks) = steps.split_once(" on chunks ").unwrap_or((steps, ""));
    let batches = if chunks.is_empty() { batches(input).or_else(|| told(id)) } else { numbered(chunks) }?;
    let mut plan = Plan {
        batches,
        window: Window::All,
        rolling: false,
        by: None,
        column: None,
        what: String::new(),
        args: Vec::new(),
    };
    let mut parts = parts(steps.trim_start_matches("...").trim(), '.');
    let (what, args) = call(&parts.pop()?);
    (plan.what, plan.args) = (what, args);
    for part in parts {
        let (name, args) = call(&part);
        let arg = args.first().map(|arg| arg.rsplit('=').next().unwrap_or(arg).trim_matches('\''));
        match (name.as_str(), arg) {
            ("window" | "rolling", Some(size)) => {
                plan.rolling = name == "rolling";
                plan.window = match (size.parse(), size.trim_end_matches('h').parse::<u64>()) {
                    (Ok(rows), _) => Window::Last(rows),
                    (_, Ok(hours)) => Window::LastFor(Duration::from_secs(hours * 3_600)),
                    _ => return None,
                };
            }
            ("expanding", None) => plan.window = Window::All,
            ("groupby", Some(key)) => plan.by = Some(key.to_owned()),
            (column, None) if !part.contains('(') => plan.column = Some(column.to_owned()),
            _ => return None,
        }
    }
    Some(plan)
}

/// Splits where no bracket and no quote is open.
fn parts(text: &str, at: char) -> Vec<String> {
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
pub(crate) fn call(text: &str) -> (String, Vec<String>) {
    match text.trim().strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, "")) => (name.to_owned(), Vec::new()),
        Some((name, args)) => (name.to_owned(), parts(args, ',').iter().map(|arg| arg.trim().to_owned()).collect()),
        None => (text.trim().to_owned(), Vec::new()),
    }
}

/// `emit {x:[1,2,3]} twice`, `emit 3x {…}`, `same x3`, `['a','b'] twice`, `x=[3,1,2],[5,0]`.
fn batches(input: &str) -> Option<Vec<Vec<Value>>> {
    let mut times = 1;
    let mut found = None;
    for word in parts(input, ' ') {
        let word = word.as_str();
        if let Ok(n) = word.trim_matches('x').parse() {
            times = n;
        } else if word == "twice" {
            times = 2;
        } else if word == "same" {
            (found, times) = (Some(vec![standard()]), 2);
        } else if word != "emit" {
            found = Some(columns(word)?);
        }
    }
    found.map(|batches| vec![batches; times].concat())
}

/// The frame that "the same" is.
fn standard() -> Vec<Value> {
    vec![json!({"x": 1, "y": 4}), json!({"x": 2, "y": 5}), json!({"x": 3, "y": 6})]
}

/// `{x:[1,2],y:[3,4]}`, one batch; `x=[1,2],[3]`, several of one column; `['a','b']`, one of a column without a name.
fn columns(text: &str) -> Option<Vec<Vec<Value>>> {
    let text = text.replace('\'', "\"");
    let list = |text: &str| serde_json::from_str::<Vec<Value>>(text).ok();
    let cell = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
    if let Some(columns) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let mut rows = Vec::new();
        for column in parts(columns, ',') {
            let (name, values) = column.split_once(':')?;
            for (row, value) in list(values)?.into_iter().enumerate() {
                rows.resize(rows.len().max(row + 1), Map::new());
                rows[row].insert(name.trim().trim_matches('"').to_owned(), value);
            }
        }
        return Some(vec![rows.into_iter().map(Value::Object).collect()]);
    }
    let (name, lists) = text.split_once('=').map_or((None, &*text), |(name, lists)| (Some(name), lists));
    let row = |value| name.map_or_else(|| Value::clone(&value), |name| Value::Object(cell(name, value.clone())));
    parts(lists, ',').iter().map(|values| Some(list(values)?.into_iter().map(row).collect())).collect()
}

/// `3,5,2`: rows numbered from 0, in batches of these sizes.
fn numbered(sizes: &str) -> Option<Vec<Vec<Value>>> {
    let mut rows = (0..).map(|n: i64| json!({INDEX: n, "x": n}));
    sizes.split(',').map(|size| Some(rows.by_ref().take(size.trim().parse().ok()?).collect())).collect()
}

/// The rows of cases whose steps only hint at them.
fn told(id: &str) -> Option<Vec<Vec<Value>>> {
    let hours = |amounts: &[i64], from: i64| {
        let row = |(amount, hour): (&i64, i64)| json!({INDEX: hour, "amount": amount});
        amounts.iter().zip(from..).filter(|(amount, _)| **amount == 5).map(row).collect()
    };
    let pair = |n: i64| json!({"x": n / 2, "y": 1 + n % 2});
    Some(match id.strip_prefix("streamz.df.")? {
        "assign" => vec![standard()],
        "window_n4_sum_df" => vec![standard(); 3],
        "window_n4_var_ddof1" => numbered("3,3,3,1,0")?,
        "window_time_2h_half_open" => vec![
            hours(&[1, 2, 3], 0),
            hours(&[5, 5, 5], 3),
            hours(&[4, 5, 6], 6),
            hours(&[1, 2, 3], 9),
            hours(&[5, 5, 5], 12),
        ],
        "groupby_sum" => vec![(0..3).map(pair).collect(), (3..5).map(pair).collect()],
        _ => return None,
    })
}
