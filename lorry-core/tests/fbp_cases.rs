//! Graphs in the notation of flow-based programming, against what its reference parser makes of the same texts: `tests/cases/fbp.jsonl`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::ErrorKind;
use lorry_core::launch::fbp::{self, Case};
use serde_json::Value;
use support::{Outcome, cases, own_cases, run};

#[test]
fn fbp_jsonl() {
    run("fbp.jsonl", &cases("fbp.jsonl"), 22, outcome);
}

/// What we found by comparing ourselves.
#[test]
fn fbp_own_jsonl() {
    let cases = own_cases("fbp-own.jsonl");
    run("fbp-own.jsonl", &cases, cases.len(), outcome);
}

fn outcome(case: &Value) -> Outcome {
    let sensitive = case["options"]["caseSensitive"] == true;
    let parsed = fbp::parse(case["input"].as_str().unwrap(), if sensitive { Case::Sensitive } else { Case::Ignored });
    match (parsed, case["expect"].get("error")) {
        (Err(error), Some(_)) if error.kind() == ErrorKind::Usage && error.to_string().contains('^') => Outcome::Passed,
        (Ok(graph), None) if graph.to_json() == case["expect"] => Outcome::Passed,
        (Ok(graph), _) => Outcome::Failed(graph.to_json().to_string()),
        (Err(error), _) => Outcome::Failed(error.to_string()),
    }
}
