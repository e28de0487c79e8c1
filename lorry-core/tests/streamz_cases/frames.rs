//! Data frames: batches of rows through an aggregation, as the steps of the case write it.

use super::frame_plan::{INDEX, Plan, Window, plan};
use super::support::Outcome;
use lorry_core::ops::aggregate::{Aggregate, Count, First, Last, Max, Mean, Min, Over, Std, Sum, ValueCounts, Var};
use lorry_core::{Message, Relay, Stream, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, VecDeque};

pub(crate) async fn run(case: &Value, expect: &Value) -> Outcome {
    let id = case["id"].as_str().unwrap_or_default();
    let steps = case["steps"].as_str().unwrap_or_default();
    let seen = match by_hand(id).await {
        Some(seen) => Some(seen),
        None => match plan(id, steps) {
            Some(plan) => observe(&plan).await,
            None => None,
        },
    };
    match seen {
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
async fn through<I: Send + 'static, O: Clone + Send + Sync + 'static>(
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
fn number(x: Option<f64>) -> Value {
    x.map_or(Value::Null, |x| json!(x))
}

/// None if there is no such aggregation here.
async fn observe(plan: &Plan) -> Option<Value> {
    Some(match plan.what.as_str() {
        "sum" => numbers(plan, Sum::<f64>::new(), Some).await,
        "mean" => numbers(plan, Mean::<f64>::new(), |mean| mean).await,
        "count" => numbers(plan, Count::new(), |count| Some(count as f64)).await,
        "min" => numbers(plan, Min::<f64>::new(), |min| min).await,
        "max" => numbers(plan, Max::<f64>::new(), |max| max).await,
        "first" => numbers(plan, First::<f64>::new(), |first| first).await,
        "last" => numbers(plan, Last::<f64>::new(), |last| last).await,
        "var" => numbers(plan, Var::new().ddof(ddof(plan)?), |var| var).await,
        "std" => numbers(plan, Std::new().ddof(ddof(plan)?), |std| std).await,
        "size" => {
            let cells = if plan.column.is_some() { 1 } else { columns(plan).len() as u64 };
            let counts = batches(plan, Count::new()).await;
            counts.into_iter().map(|rows| json!(rows * cells)).collect()
        }
        "value_counts" => {
            let column = plan.column.clone();
            let counts = ValueCounts::new(1_000).of(move |row: &Value| text(cell(row, column.as_deref())));
            batches(plan, counts).await.into_iter().map(|counts| json!(counts)).collect()
        }
        "cumsum" => rows(plan, |each| each.aggregate(Over::all(), Sum::new()).map(Some)).await,
        "cummin" => rows(plan, |each| each.aggregate(Over::all(), Min::new())).await,
        "cummax" => rows(plan, |each| each.aggregate(Over::all(), Max::new())).await,
        "cumprod" => rows(plan, |each| each.accumulate_from_first(|product, x| product * x).map(Some)).await,
        "apply" if plan.args == ["identity"] => {
            let by_index = |row: &Value| (text(&row[INDEX]), row["x"].clone());
            let windows = batches(plan, Kept::default()).await;
            windows.iter().map(|window| Value::Object(window.iter().map(by_index).collect())).collect()
        }
        "assign" => assign(plan).await?,
        _ => return None,
    })
}

fn ddof(plan: &Plan) -> Option<u64> {
    match plan.args.first() {
        None => Some(1),
        Some(arg) => arg.strip_prefix("ddof=")?.parse().ok(),
    }
}

/// The names of the columns; one without a name if the rows have none.
fn columns(plan: &Plan) -> BTreeSet<Option<String>> {
    let members = plan.batches.iter().flatten().map(Value::as_object);
    let names = members.flat_map(|row| {
        row.map_or_else(|| vec![None], |row| row.keys().filter(|name| *name != INDEX).cloned().map(Some).collect())
    });
    names.collect()
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
        None => columns(plan).into_iter().filter(|name| *name != plan.by).collect(),
    };
    let one = |name: &Option<String>| {
        let name = name.clone();
        aggregate.clone().of_some(move |row: &Value| cell(row, name.as_deref()).as_f64())
    };
    let all: Vec<_> = names.iter().map(one).collect();
    let scalar = plan.column.is_some();
    let write = move |results: Vec<A::Output>| -> Value {
        let mut values = results.into_iter().map(|result| number(found(result)));
        if scalar {
            return values.next().unwrap_or_default();
        }
        names.iter().map(|name| name.clone().unwrap_or_default()).zip(values).collect::<Map<_, _>>().into()
    };
    if let Some(by) = plan.by.clone() {
        let tables = batches(plan, all.by(move |row: &Value| text(&row[&*by]))).await;
        let table = |table: std::collections::HashMap<_, _>| {
            Value::Object(table.into_iter().map(|(key, results)| (key, write(results))).collect())
        };
        return tables.into_iter().map(table).collect();
    }
    if plan.rolling
        && let Window::Last(full) = plan.window
    {
        let over = over(plan.window);
        let seen = through(plan.batches.concat(), |stream| stream.aggregate(over, (Count::new(), all))).await;
        let row = |(count, results)| if count < full as u64 { Value::Null } else { write(results) };
        return as_batches(plan, seen.into_iter().map(row));
    }
    batches(plan, all).await.into_iter().map(write).collect()
}

/// A running value with each row.
async fn rows(plan: &Plan, graph: impl FnOnce(Stream<f64>) -> Stream<Option<f64>>) -> Value {
    let column = plan.column.clone().or_else(|| columns(plan).into_iter().next().flatten());
    let numbers = plan.batches.concat().iter().filter_map(|row| cell(row, column.as_deref()).as_f64()).collect();
    as_batches(plan, through(numbers, graph).await.into_iter().map(number))
}

/// In as many as the rows came in.
fn as_batches(plan: &Plan, mut values: impl Iterator<Item = Value>) -> Value {
    plan.batches.iter().map(|batch| values.by_ref().take(batch.len()).collect::<Value>()).collect()
}

/// `assign(z=x*2)`: rows with one column more.
async fn assign(plan: &Plan) -> Option<Value> {
    let (name, formula) = plan.args.first()?.split_once('=')?;
    let (column, factor) = formula.split_once('*')?;
    let (name, column, factor) = (name.to_owned(), column.to_owned(), factor.parse::<f64>().ok()?);
    let more = move |mut rows: Vec<Value>| {
        for row in &mut rows {
            row[&*name] = number(row[&*column].as_f64().map(|x| x * factor));
        }
        rows
    };
    let frame = |rows: Vec<Value>| {
        let names: Vec<_> = rows.first().and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
        let cells: Vec<Vec<_>> = rows.iter().map(|row| names.iter().map(|name| &row[*name]).collect()).collect();
        json!({"cols": names, "index": (0..rows.len()).collect::<Vec<_>>(), "rows": cells})
    };
    Some(through(plan.batches.clone(), |stream| stream.map(more)).await.into_iter().map(frame).collect())
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

/// Those that are more than one aggregation.
async fn by_hand(id: &str) -> Option<Value> {
    Some(match id.strip_prefix("streamz.")? {
        "df.start_state" => {
            let all = (Mean::starting_at(10, 2), Count::starting_at(3), Sum::starting_at(10));
            let seen = through(vec![vec![50, 100, 200]], |rows| rows.aggregate_batches(Over::all(), all)).await;
            let (mean, count, sum) = seen.first()?;
            json!([mean, count, *sum as i64])
        }
        "batch.pluck_map_sum" => {
            let rows: Vec<_> = (0..4).map(|x| json!({ "x": x })).collect();
            let one_more = |row: &Value| row["x"].as_i64().unwrap_or_default() + 1;
            let seen = through(vec![rows], |rows| rows.aggregate_batches(Over::all(), Sum::new().of(one_more))).await;
            seen.iter().map(|sum| json!(*sum as i64)).collect()
        }
        "batch.filter_to_stream" => {
            let batches = vec![vec![1, 2, 3, 4], vec![5, 6]];
            json!(through(batches, |rows| rows.flatten().filter(|x| x % 2 == 0)).await)
        }
        "integration.partition_batch_json_df_groupby" => {
            let messages = (0..12).map(|n| Message::new(json!({"x": n % 3, "y": n}).to_string())).collect();
            let bytes = |message: &Message| message.payload.clone().unwrap_or_default();
            let row = move |message: &Message| serde_json::from_slice::<Value>(&bytes(message)).unwrap_or_default();
            let sums = Sum::new().of(|row: &Value| row["y"].as_f64().unwrap_or(f64::NAN));
            let by_x = sums.by(|row: &Value| row["x"].as_i64());
            let tables = through(messages, |messages| {
                let rows = messages.batch(4).map(move |four| four.iter().map(row).collect::<Vec<_>>());
                rows.aggregate_batches(Over::all(), by_x)
            });
            tables.await.iter().map(|table| number(Mean::new().of_all(table.values()))).collect()
        }
        _ => return None,
    })
}
