//! What Streamz does, and what Lorry does otherwise on purpose: `tests/cases/streamz.jsonl`, or the file of that name in the folder that
//! `LORRY_CASES` names; and cases of our own, `streamz-own.jsonl`, of which none is left out. Graphs and data frames are built from their
//! description; timelines are written by hand, and one that is not known here is left out.
#![allow(clippy::unwrap_used, clippy::panic)]

mod args;
mod build;
mod drive;
mod edges;
mod elem;
mod frame_expr;
mod frame_input;
mod frame_plan;
mod frame_steps;
mod frames;
mod frames_by_hand;
mod graph;
mod joins;
mod python;
mod raised;
#[path = "../support/mod.rs"]
mod support;
mod timelines;
mod value;

use serde_json::Value;
use std::future::Future;
use support::{Outcome, cases, own_cases, run};

/// Cases that are not run, and why not.
const LEFT_OUT: &[(&str, &str)] = &[
    ("streamz.from_textfile.delimiter_kept_and_tail", "a connector: the file source of lorry-net"),
    ("streamz.from_textfile.from_end", "a connector: the file source of lorry-net"),
    ("streamz.from_process.lines_with_end", "a connector: the exec source of lorry-net"),
    ("streamz.from_http_server.post_any_path", "a connector: the HTTP source of lorry-net"),
    ("streamz.sink_to_textfile.lines", "a connector: the file sink of lorry-net"),
    ("streamz.nodes.unreferenced_non_sink_is_collected", "Python's weak references; here the graph owns its nodes"),
    ("streamz.combine_latest.disconnect_emit_on", "re-wiring of a running join; a graph is described before it runs"),
];

#[test]
fn streamz_jsonl() {
    // Of a file of somebody else's it is not known how many there are.
    let at_least = if std::env::var_os("LORRY_CASES").is_some() { 0 } else { 116 };
    run("streamz.jsonl", &cases("streamz.jsonl"), at_least, one);
}

#[test]
fn streamz_own_jsonl() {
    let all = own_cases("streamz-own.jsonl");
    run("streamz-own.jsonl", &all, all.len(), one);
}

fn one(case: &Value) -> Outcome {
    let id = case["id"].as_str().unwrap_or_default();
    if let Some((_, why)) = LEFT_OUT.iter().find(|(left_out, _)| *left_out == id) {
        return Outcome::LeftOut((*why).to_owned());
    }
    let expect = case["deviation"].get("lorry_expect").unwrap_or(&case["expect"]);
    let hangs = || Outcome::Failed("it hangs".to_owned());
    match case["kind"].as_str() {
        Some("stream_graph") => on_virtual_time(drive::run(case, expect)).unwrap_or_else(hangs),
        Some("stream_timeline") => match on_virtual_time(timelines::observe(id)) {
            None => hangs(),
            Some(None) => Outcome::LeftOut("a timeline that is not known here".to_owned()),
            Some(Some(seen)) if value::same(&seen, expect) => Outcome::Passed,
            Some(Some(seen)) => Outcome::Failed(format!("{seen}, not {expect}")),
        },
        Some("stream_dataframe") => on_virtual_time(frames::run(case, expect)).unwrap_or_else(hangs),
        Some("stream_kafka") => Outcome::LeftOut("comes with Kafka".to_owned()),
        kind => Outcome::LeftOut(format!("kind {kind:?}")),
    }
}

/// None if it is still not done after a day: then nothing moves any more.
fn on_virtual_time<T>(what: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let day = std::time::Duration::from_secs(86_400);
    runtime.block_on(async { tokio::time::timeout(day, what).await.ok() })
}

/// Lets everything that can happen now happen, without time passing.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
