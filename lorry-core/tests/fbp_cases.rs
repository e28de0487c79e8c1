//! Graphs in the notation of flow-based programming, against what its reference parser makes of the same texts: `tests/cases/fbp.jsonl`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::ErrorKind;
use lorry_core::launch::fbp::{self, Case};
use support::{Outcome, cases, run};

#[test]
fn fbp_jsonl() {
    run("fbp.jsonl", &cases("fbp.jsonl"), 22, |case| {
        let sensitive = case["options"]["caseSensitive"] == true;
        let parsed =
            fbp::parse(case["input"].as_str().unwrap(), if sensitive { Case::Sensitive } else { Case::Ignored });
        match (parsed, case["expect"].get("error")) {
            (Err(error), Some(_)) if error.kind() == ErrorKind::Usage && error.to_string().contains('^') => {
                Outcome::Passed
            }
            (Ok(graph), None) if graph.to_json() == case["expect"] => Outcome::Passed,
            (Ok(graph), _) => Outcome::Failed(graph.to_json().to_string()),
            (Err(error), _) => Outcome::Failed(error.to_string()),
        }
    });
}
