//! Data frames whose case is more than one aggregation, each by hand.

use super::frames::{number, through};
use lorry_core::Message;
use lorry_core::ops::aggregate::{Aggregate, Count, Mean, Over, Sum};
use serde_json::{Value, json};

/// None if it is not one of them.
pub(crate) async fn observe(id: &str) -> Option<Value> {
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
