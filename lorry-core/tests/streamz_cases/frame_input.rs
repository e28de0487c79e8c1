//! The batches of rows of a data frame, as its case writes them or only hints at them.

use super::frame_plan::parts;
use serde_json::{Map, Value, json};

/// The member of a row that holds its number, or the hour of its time.
pub(crate) const INDEX: &str = "#";

/// None if it is not understood.
pub(crate) fn batches(id: &str, input: &str, chunks: &str) -> Option<Vec<Vec<Value>>> {
    let batches = match chunks {
        "" => written(input).or_else(|| hinted(input)).or_else(|| told(id)),
        sizes => numbered(sizes),
    };
    Some(batches?.into_iter().map(with_index).collect())
}

/// `emit {x:[1,2,3]} twice`, `emit 3x {…}`, `emit {…}, {…}`, `same x3`, `['a','b'] twice`, `x=[3,1,2],[5,0]`.
fn written(input: &str) -> Option<Vec<Vec<Value>>> {
    let mut times = 1;
    let mut found = Vec::new();
    for word in parts(input, ' ') {
        let word = word.trim_end_matches([',', ';']);
        if let Ok(n) = word.trim_matches('x').parse() {
            times = n;
            continue;
        }
        match word {
            "emit" | "then" | "and" | "times" => {}
            "twice" => times = 2,
            "same" => (found, times) = (vec![standard()], 2),
            frame => found.extend(columns(frame)?),
        }
    }
    (!found.is_empty()).then(|| vec![found; times].concat())
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

/// Rows that have no number get that within their batch.
fn with_index(mut rows: Vec<Value>) -> Vec<Value> {
    for (number, row) in rows.iter_mut().enumerate() {
        if let Some(row) = row.as_object_mut() {
            row.entry(INDEX).or_insert(json!(number));
        }
    }
    rows
}

/// `3,5,2`: rows numbered from 0, in batches of these sizes.
fn numbered(sizes: &str) -> Option<Vec<Vec<Value>>> {
    let mut rows = (0..).map(|n: i64| json!({INDEX: n, "x": n}));
    sizes.split(',').map(|size| Some(rows.by_ref().take(size.trim().parse().ok()?).collect())).collect()
}

/// Rows that the case describes.
fn hinted(input: &str) -> Option<Vec<Vec<Value>>> {
    let hours = |amounts: &[i64], from: i64| {
        let row = |(amount, hour): (&i64, i64)| json!({INDEX: hour, "amount": amount});
        amounts.iter().zip(from..).filter(|(amount, _)| **amount == 5).map(row).collect()
    };
    let pair = |n: i64| json!({"x": n / 2, "y": 1 + n % 2});
    Some(match input {
        "..." => numbered("3,3,3,1,0")?,
        "hourly rows, keep amount==5" => vec![
            hours(&[1, 2, 3], 0),
            hours(&[5, 5, 5], 3),
            hours(&[4, 5, 6], 6),
            hours(&[1, 2, 3], 9),
            hours(&[5, 5, 5], 12),
        ],
        "x=0..9//2, y=1,2*5 chunks" => vec![(0..3).map(pair).collect(), (3..5).map(pair).collect()],
        _ => return None,
    })
}

/// The rows of cases that say nothing of them.
fn told(id: &str) -> Option<Vec<Vec<Value>>> {
    match id.strip_prefix("streamz.df.")? {
        "assign" => Some(vec![standard()]),
        "window_n4_sum_df" => Some(vec![standard(); 3]),
        _ => None,
    }
}
