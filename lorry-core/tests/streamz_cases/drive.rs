//! Graphs, driven by the events of their case.

use super::build::Refusal;
use super::edges::{items, text};
use super::elem::{Elem, Held};
use super::graph::Graph;
use super::settle;
use super::support::Outcome;
use super::value::{Py, same};
use lorry_core::ops::Collected;
use lorry_core::{Error, Relay};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Operators that hold a reference for longer, or less long, than those of Streamz.
const OTHER_REFS: &[(&str, &str)] = &[
    (
        "latest",
        "Streamz holds the newest element, delivered or not, until another comes; here it goes when it is delivered",
    ),
    ("rate_limit", "Streamz holds nothing that waits for its turn; here it is held, or a restart would lose it"),
];

/// Why the references of a case are not those of Streamz, on purpose.
fn other_refs(case: &Value) -> Option<&'static str> {
    let counts = items(&case["events"]).iter().any(|event| event[0] == "refs");
    let is_used = |op: &str| items(&case["nodes"]).iter().any(|node| node["op"] == op);
    let (_, why) = OTHER_REFS.iter().find(|(op, _)| counts && is_used(op))?;
    case["deviation"].get("lorry_expect").is_none().then_some(*why)
}

pub(crate) async fn run(case: &Value, expect: &Value) -> Outcome {
    if let Some(why) = other_refs(case) {
        return Outcome::LeftOut(why.to_owned());
    }
    let is_refused = expect.get("error").is_some() || expect["ok"] == false;
    let graph = match Graph::build(case) {
        Ok(_) if is_refused => return Outcome::Failed("it is not refused".to_owned()),
        Ok(graph) => graph,
        Err(Refusal::LeftOut(why)) => return Outcome::LeftOut(why),
        Err(Refusal::Error(_)) if is_refused => return Outcome::Passed,
        Err(Refusal::Error(error)) => return Outcome::Failed(format!("refused: {error}")),
    };
    match drive(case, expect, graph).await {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

/// A reference counter of a case.
#[derive(Default)]
struct Counter {
    /// How many copies operators hold of what was put in with it.
    holders: Arc<AtomicUsize>,
    /// How much of what was put in with it is not decided.
    undecided: Arc<AtomicUsize>,
}

impl Counter {
    /// What is decided must be held by nobody, and what is not decided counts, whether or not a copy is left.
    fn count(&self) -> usize {
        self.holders.load(Ordering::Acquire).max(self.undecided.load(Ordering::Acquire))
    }
}

type Counters = BTreeMap<String, Counter>;

/// What became of an element that was put in; none as long as it is not decided.
type Fate = Arc<Mutex<Option<Result<(), Error>>>>;

async fn drive(case: &Value, expect: &Value, mut graph: Graph) -> Result<(), String> {
    let running = Relay::new(std::mem::take(&mut graph.branches)).spawn();
    settle().await;
    let mut trace = Vec::new();
    let mut counters = Counters::new();
    let mut fates = Vec::new();
    for (number, event) in items(&case["events"]).iter().enumerate() {
        // 0 is no event.
        let (at, parts) = (number + 1, items(event));
        let name = || text(&parts[1]);
        graph.raised.begin(at);
        match parts[0].as_str() {
            Some("emit") => {
                let elem = elem(case, parts, &mut counters).at(at);
                fates.push((at, emit(&graph, &name(), elem, undecided(parts, &counters))?));
            }
            Some("flush") => match graph.flushes.get(&name()) {
                Some(flush) => flush.flush(),
                None => trace.push(json!(["error", event, "AttributeError"])),
            },
            Some("sleep") => tokio::time::sleep(super::args::time(&parts[1]).ok_or("no time")?).await,
            Some("refs") => {
                let now = counters.iter().map(|(name, counter)| (name.clone(), json!(counter.count())));
                trace.push(json!(["refs", now.collect::<Map<_, _>>()]));
            }
            Some("snapshot") => trace.push(json!(["out", contents(&graph.sinks)])),
            Some("connect" | "disconnect" | "destroy") => {
                if !graph.edges.change(number) {
                    trace.push(json!(["error", event, "KeyError"]));
                }
            }
            other => return Err(format!("event {other:?}")),
        }
        settle().await;
        if let Some(exception) = graph.raised.by(at) {
            trace.push(json!(["error", event, exception]));
        }
    }
    equal("out", &contents(&graph.sinks), &expect["out"])?;
    equal("meta", &metadata(&graph.meta_sinks), &expect["meta"])?;
    equal("trace", &Value::Array(trace), &expect["trace"])?;
    graph.inputs.clear();
    graph.idle.clear();
    let report = running.wait().await;
    settle().await;
    if let Some(after) = expect.get("after_end_of_stream") {
        equal("after the end", &contents(&graph.sinks), after)?;
    }
    for (at, fate) in fates {
        decided(&graph, at, fate.lock().unwrap().as_ref())?;
    }
    match report.error {
        Some(error) => Err(error.to_string()),
        None if report.received != report.delivered + report.filtered + report.failed => Err(format!("{report:?}")),
        None => Ok(()),
    }
}

/// What was raised on an element's way must have failed its message, and nothing else may have.
fn decided(graph: &Graph, at: usize, fate: Option<&Result<(), Error>>) -> Result<(), String> {
    match (fate, graph.raised.by(at)) {
        (None, _) => Err(format!("nobody decided about event {at}")),
        (Some(Ok(())), Some(exception)) => Err(format!("event {at} raised {exception}, and was delivered")),
        (Some(Err(error)), _) if !graph.raised.has(error.message()) => Err(format!("event {at}: {error}")),
        _ => Ok(()),
    }
}

/// The element of an event, which holds its references.
fn elem(case: &Value, parts: &[Value], counters: &mut Counters) -> Elem {
    let mut elem = Elem::new(Py::from_json(&parts[2], case["tuples"] == true));
    for entry in parts.get(3).map_or(&[][..], items) {
        match entry.get("ref") {
            Some(name) => elem.refs.push(Held::new(&counters.entry(text(name)).or_default().holders)),
            None => elem.meta.push(entry.clone()),
        }
    }
    elem
}

fn undecided(parts: &[Value], counters: &Counters) -> Vec<Held> {
    let names = parts.get(3).map_or(&[][..], items).iter().filter_map(|entry| entry.get("ref"));
    names.filter_map(|name| counters.get(&text(name))).map(|counter| Held::new(&counter.undecided)).collect()
}

fn emit(graph: &Graph, name: &str, elem: Elem, undecided: Vec<Held>) -> Result<Fate, String> {
    let input = graph.inputs.get(name).ok_or("there is no such stream")?.clone();
    let fate = Fate::default();
    let told = fate.clone();
    tokio::spawn(async move {
        let taken = input.send(elem).await;
        // The stream ends with its last input, and what waits for its end must not hold it.
        drop(input);
        let outcome = match taken {
            Ok(taken) => taken.await,
            Err(error) => Err(error),
        };
        *told.lock().unwrap() = Some(outcome);
        drop(undecided);
    });
    Ok(fate)
}

fn contents(sinks: &BTreeMap<String, Collected<Elem>>) -> Value {
    let values = |sink: &Collected<Elem>| sink.values().iter().map(|elem| elem.value.to_json()).collect();
    Value::Object(sinks.iter().map(|(name, sink)| (name.clone(), values(sink))).collect())
}

fn metadata(sinks: &BTreeMap<String, Collected<Elem>>) -> Value {
    let lists = |sink: &Collected<Elem>| {
        let with = sink.values().into_iter().filter(|elem| !elem.meta.is_empty());
        with.map(|elem| Value::Array(elem.meta)).collect()
    };
    Value::Object(sinks.iter().map(|(name, sink)| (name.clone(), lists(sink))).collect())
}

fn equal(what: &str, seen: &Value, expected: &Value) -> Result<(), String> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(|sink| sink.as_array().is_some_and(Vec::is_empty)),
        _ => false,
    };
    // A sink of which nothing is said got nothing.
    let strip = |value: &Value| match value {
        Value::Object(members) => {
            members.iter().filter(|(_, sink)| !empty(sink)).map(|(name, sink)| (name.clone(), sink.clone())).collect()
        }
        other => other.clone(),
    };
    let fits = (empty(seen) && empty(expected)) || same(&strip(seen), &strip(expected));
    if fits { Ok(()) } else { Err(format!("{what}: {seen}, not {expected}")) }
}
