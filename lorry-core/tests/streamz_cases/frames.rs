//! Data frames: batches of rows through an aggregation, as the steps of the case write it.

use super::frame_input::INDEX;
use super::frame_plan::{Plan, Window, plan};
use super::frame_steps::Step;
use super::frames_by_hand;
use super::support::Outcome;
use lorry_core::ops::aggregate::{Aggregate, Count, First, Last, Max, Mean, Min, Over, Std, Sum, ValueCounts, Var};
use lorry_core::{Relay, Stream, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap, VecDeque};

pub(crate) async fn run(case: &Value, expect: &Value) -> Outcome {
    let id = case["id"].as_str().unwrap_or_default();
    let steps = case["steps"].as_str().unwrap_or_default();
    let seen = match frames_by_hand::observe(id).await {
        Some(seen) => Some(seen),
        None => match plan(id, steps) {
            Some(plan) => observe(plan, expect).await,
            None => None,
        },
    };
    match seen {
        None if ["median(", "quantile("].iter().any(|exact| steps.contains(exact)) => {
            Outcome::LeftOut("exact quantiles: those of Lorry come from a sketch, within 1 %".to_owned())
        }
        None => Outcome::LeftOut(format!("steps that are not known here: {steps}")),
        Some(seen) if near(&seen, expect) => Outcome::Passed,
        Some(seen) => Outcome::Failed(format!("{seen}, not {expect}")),
    }
}

/// Equal, or numbers that differ in no digit that the cases write.
fn near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| near(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Puts items in, and takes what comes out.
pub(crate) async fn through<I: Send + 'static, O: Clone + Send + Sync + 'static>(
    items: Vec<I>,
    graph: impl FnOnce(Stream<I>) -> Stream<O>,
) -> Vec<O> {
    let (input, stream) = Stream::input();
    let (branch, seen) = graph(stream).collect_vec();
    let running = Relay::new([branch]).spawn();
    for item in items {
        input.send(item).await.unwrap();
    }
    drop(input);
    let report = running.wait().await;
    assert!(report.error.is_none(), "{:?}", report.error);
    seen.values()
}

fn over(window: Window) -> Over<Value> {
    match window {
        Window::All => Over::all(),
        Window::Last(rows) => Over::last(rows),
        Window::LastFor(length) => Over::last_for(length, |row: &Value| {
            Timestamp::from_millis(row[INDEX].as_i64().unwrap_or_default() * 3_600_000)
        }),
    }
}

/// A column of a row; of rows without columns the row.
fn cell<'a>(row: &'a Value, column: Option<&str>) -> &'a Value {
    column.map_or(row, |column| &row[column])
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An integer where it is one, as in the cases.
pub(crate) fn number(x: Option<f64>) -> Value {
    x.map_or(Value::Null, |x| json!(x))
}

/// None if there is no such aggregation here.
async fn observe(mut plan: Plan, expect: &Value) -> Option<Value> {
    let steps = std::mem::take(&mut plan.steps);
    let header = steps.iter().filter(|step| step.changes_columns());
    plan.columns = columns(&header.fold(plan.batches.concat(), |rows, step| step.apply(rows)));
    let each = |rows, step: Step| Stream::map(rows, move |rows| step.apply(rows));
    plan.batches = through(plan.batches, |stream| steps.into_iter().fold(stream, each)).await;
    let plan = &plan;
    if let Some(mean) = plan.fading {
        // A frame of one row.
        let fits =
            plan.what == "mean" && plan.args.is_empty() && plan.by.is_none() && matches!(plan.window, Window::All);
        let means = numbers(plan, mean, |mean| mean).await;
        return fits.then(|| means.as_array().into_iter().flatten().map(|row| json!({ "0": row })).collect());
    }
    let has_gaps = |row: &Value| row.as_object().is_some_and(|row| row.values().any(Value::is_null));
    if plan.rolling && (plan.by.is_some() || plan.batches.iter().flatten().any(has_gaps)) {
        return None;
    }
    let windowed = plan.rolling || plan.by.is_some() || !matches!(plan.window, Window::All);
    Some(match plan.what.as_str() {
        "var" => numbers(plan, Var::new().ddof(ddof(plan)?), |var| var).await,
        "std" => numbers(plan, Std::new().ddof(ddof(plan)?), |std| std).await,
        "apply" if plan.args == ["identity"] && !plan.rolling && plan.by.is_none() => {
            let by_index = |row: &Value| (text(&row[INDEX]), row["x"].clone());
            let windows = batches(plan, Kept::default()).await;
            windows.iter().map(|window| Value::Object(window.iter().map(by_index).collect())).collect()
        }
        "sum" | "mean" | "count" if !windowed && !plan.args.is_empty() => going_on(plan).await?,
        // Other arguments are not understood.
        _ if !plan.args.is_empty() => return None,
        "sum" => numbers(plan, Sum::<f64>::new(), Some).await,
        "mean" => numbers(plan, Mean::<f64>::new(), |mean| mean).await,
        "count" => numbers(plan, Count::new(), |count| Some(count as f64)).await,
        "min" => numbers(plan, Min::<f64>::new(), |min| min).await,
        "max" => numbers(plan, Max::<f64>::new(), |max| max).await,
        "first" => numbers(plan, First::<f64>::new(), |first| first).await,
        "last" => numbers(plan, Last::<f64>::new(), |last| last).await,
        "size" if !plan.rolling => size(plan).await,
        "value_counts" if !plan.rolling && plan.by.is_none() => value_counts(plan).await?,
        "cumsum" if !windowed => rows(plan, |each| each.aggregate(Over::all(), Sum::new()).map(Some)).await?,
        "cummin" if !windowed => rows(plan, |each| each.aggregate(Over::all(), Min::new())).await?,
        "cummax" if !windowed => rows(plan, |each| each.aggregate(Over::all(), Max::new())).await?,
        "cumprod" if !windowed => {
            rows(plan, |each| each.accumulate_from_first(|product, x| product * x).map(Some)).await?
        }
        "rows" if !windowed => plan.batches.iter().map(|rows| as_they_are(plan, rows, expect)).collect(),
        _ => return None,
    })
}

/// From a state that was kept: `start=10`, of a mean `start=(10, 2)`, the sum and the count.
async fn going_on(plan: &Plan) -> Option<Value> {
    let [start] = plan.args.as_slice() else { return None };
    let numbers_of = start.strip_prefix("start=")?.trim_matches(['(', ')']).split(',');
    let start: Vec<f64> = numbers_of.map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    Some(match (plan.what.as_str(), start.as_slice()) {
        ("sum", [sum]) => numbers(plan, Sum::<f64>::starting_at(*sum), Some).await,
        ("mean", [sum, count]) => numbers(plan, Mean::<f64>::starting_at(*sum, *count as u64), |mean| mean).await,
        ("count", [count]) => numbers(plan, Count::starting_at(*count as u64), |count| Some(count as f64)).await,
        _ => return None,
    })
}

/// The cells of a frame, or its rows; the rows of each group.
async fn size(plan: &Plan) -> Value {
    if let Some(by) = plan.by.clone() {
        let tables = batches(plan, Count::new().by(move |row: &Value| text(&row[&*by]))).await;
        return tables.into_iter().map(|table| json!(table)).collect();
    }
    let cells = if plan.column.is_some() { 1 } else { plan.columns.len() as u64 };
    batches(plan, Count::new()).await.into_iter().map(|rows| json!(rows * cells)).collect()
}

/// Of a window, what has left it counts 0.
async fn value_counts(plan: &Plan) -> Option<Value> {
    let column = the_column(plan)?;
    let counts = ValueCounts::new(1_000).of(move |row: &Value| text(cell(row, column.as_deref())));
    let ever = through(plan.batches.clone(), |stream| stream.aggregate_batches(Over::all(), counts.clone())).await;
    let now = batches(plan, counts).await;
    let table = |(ever, now): (&HashMap<String, u64>, &HashMap<String, u64>)| -> Value {
        ever.keys().map(|value| (value.clone(), json!(now.get(value).unwrap_or(&0)))).collect::<Map<_, _>>().into()
    };
    Some(ever.iter().zip(&now).map(table).collect())
}

/// The one that is meant; `Some(None)` if the rows have none. None if there are several.
fn the_column(plan: &Plan) -> Option<Option<String>> {
    let mut names = plan.columns.iter().cloned();
    match (&plan.column, names.next(), names.next()) {
        (Some(column), ..) => Some(Some(column.clone())),
        (None, Some(only), None) => Some(only),
        _ => None,
    }
}

fn ddof(plan: &Plan) -> Option<u64> {
    match plan.args.first() {
        None => Some(1),
        Some(arg) => arg.trim_start_matches("ddof=").parse().ok(),
    }
}

/// The names of the columns; one without a name if the rows have none.
fn columns(rows: &[Value]) -> BTreeSet<Option<String>> {
    let is_shown = |name: &&String| *name != INDEX && !name.starts_with('=');
    let names = |row: &Value| match row.as_object() {
        None => vec![None],
        Some(row) => row.keys().filter(is_shown).cloned().map(Some).collect(),
    };
    rows.iter().flat_map(names).collect()
}

async fn batches<A: Aggregate<Value> + 'static>(plan: &Plan, aggregate: A) -> Vec<A::Output>
where
    A::Output: Clone + Send + Sync + 'static,
{
    let over = over(plan.window);
    through(plan.batches.clone(), |stream| stream.aggregate_batches(over, aggregate)).await
}

/// An aggregation of numbers: of one column or of all, plain or by groups, with each batch or with each row.
async fn numbers<A: Aggregate<f64> + 'static>(
    plan: &Plan,
    aggregate: A,
    found: impl Fn(A::Output) -> Option<f64> + Clone + Send + 'static,
) -> Value
where
    A::Output: Clone + Send + Sync + 'static,
{
    let names = match &plan.column {
        Some(column) => vec![Some(column.clone())],
        None => plan.columns.iter().filter(|name| name.is_none() || **name != plan.by).cloned().collect(),
    };
    let one = |name: &Option<String>| {
        let name = name.clone();
        aggregate.clone().of_some(move |row: &Value| cell(row, name.as_deref()).as_f64())
    };
    let all: Vec<_> = names.iter().map(one).collect();
    let scalar = plan.column.is_some() || names == [None];
    let row = move |mut values: Vec<Value>| -> Value {
        if scalar {
            return values.swap_remove(0);
        }
        names.iter().map(|name| name.clone().unwrap_or_default()).zip(values).collect::<Map<_, _>>().into()
    };
    let values = move |results: Vec<A::Output>| results.into_iter().map(|result| number(found(result))).collect();
    let write = |results| row(values(results));
    if let Some(by) = plan.by.clone() {
        let tables = batches(plan, all.by(move |row: &Value| text(&row[&*by]))).await;
        let table = |table: HashMap<_, _>| {
            Value::Object(table.into_iter().map(|(key, results)| (key, write(results))).collect())
        };
        return tables.into_iter().map(table).collect();
    }
    if plan.rolling
        && let Window::Last(full) = plan.window
    {
        let over = over(plan.window);
        let seen = through(plan.batches.concat(), |stream| stream.aggregate(over, (Count::new(), all))).await;
        let nothing = |results: Vec<A::Output>| row(results.iter().map(|_| Value::Null).collect());
        let each = |(count, results)| if count < full as u64 { nothing(results) } else { write(results) };
        let batches = as_batches(plan, seen.into_iter().map(each));
        return if scalar { batches } else { batches.as_array().into_iter().flatten().map(numbered).collect() };
    }
    batches(plan, all).await.into_iter().map(write).collect()
}

/// The rows of a frame, by number.
fn numbered(rows: &Value) -> Value {
    let rows = rows.as_array().into_iter().flatten().enumerate();
    rows.map(|(number, row)| (number.to_string(), row.clone())).collect::<Map<_, _>>().into()
}

/// A running value with each row; a row without one changes nothing.
async fn rows(plan: &Plan, graph: impl FnOnce(Stream<f64>) -> Stream<Option<f64>>) -> Option<Value> {
    let column = the_column(plan)?;
    let all = plan.batches.concat();
    let cells = || all.iter().map(|row| cell(row, column.as_deref()).as_f64());
    let mut seen = through(cells().flatten().collect(), graph).await.into_iter().map(number);
    Some(as_batches(plan, cells().map(|cell| cell.and_then(|_| seen.next()).unwrap_or_default())))
}

/// In as many as the rows came in.
fn as_batches(plan: &Plan, mut values: impl Iterator<Item = Value>) -> Value {
    plan.batches.iter().map(|batch| values.by_ref().take(batch.len()).collect::<Value>()).collect()
}

/// A batch of rows: of a column its values, else a frame, in the one or the other way in which the cases write frames.
fn as_they_are(plan: &Plan, rows: &[Value], expect: &Value) -> Value {
    if let Some(column) = &plan.column {
        return rows.iter().map(|row| row[column].clone()).collect();
    }
    let index = |row: &Value| row[INDEX].clone();
    if expect[0].get("cols").is_none() {
        return rows.iter().map(|row| (text(&index(row)), without_index(row))).collect::<Map<_, _>>().into();
    }
    let names: Vec<_> = plan.columns.iter().flatten().cloned().collect();
    let cells: Vec<Vec<_>> = rows.iter().map(|row| names.iter().map(|name| &row[name]).collect()).collect();
    json!({"cols": names, "index": rows.iter().map(index).collect::<Vec<_>>(), "rows": cells})
}

fn without_index(row: &Value) -> Value {
    let mut row = row.clone();
    row.as_object_mut().map(|row| row.remove(INDEX));
    row
}

/// The items themselves: an aggregate of our own.
#[derive(Clone, Default)]
struct Kept(VecDeque<Value>);

impl Aggregate<Value> for Kept {
    type Output = VecDeque<Value>;

    fn on_new(&mut self, row: &Value) {
        self.0.push_back(row.clone());
    }

    fn on_old(&mut self, row: &Value) -> bool {
        self.0.pop_front().as_ref() == Some(row)
    }

    fn result(&self) -> Self::Output {
        self.0.clone()
    }
}
