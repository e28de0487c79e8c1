//! Graphs: built from their description, driven by their events.

use super::build::{Args, In, Refusal, node};
use super::python::same;
use super::support::Outcome;
use super::{Elem, settle};
use lorry_core::ops::{Collected, Flush};
use lorry_core::{Branch, Error, Input, Relay, Stream};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A source or a node, before it is built.
#[derive(Clone)]
struct Plan {
    name: String,
    op: Option<String>,
    args: Value,
    ins: Vec<Value>,
}

/// Edges that are opened and closed while the graph runs.
type Gates = HashMap<(String, String), Arc<AtomicBool>>;

struct Graph {
    inputs: HashMap<String, Input<Elem>>,
    flushes: HashMap<String, Flush>,
    gates: Gates,
    sinks: BTreeMap<String, Collected<Elem>>,
    meta_sinks: BTreeMap<String, Collected<Elem>>,
    branches: Vec<Branch>,
}

pub(crate) async fn run(case: &Value, expect: &Value) -> Outcome {
    let graph = match build(case) {
        Ok(graph) => graph,
        Err(Refusal::LeftOut(why)) => return Outcome::LeftOut(why),
        Err(Refusal::Error(_)) if expect.get("error").is_some() || expect["ok"] == json!(false) => {
            return Outcome::Passed;
        }
        Err(Refusal::Error(error)) => return Outcome::Failed(format!("refused: {error}")),
    };
    match drive(case, expect, graph).await {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What is connected before the first element is part of the description.
fn plans(case: &Value) -> Result<(Vec<Plan>, Vec<&[Value]>), Refusal> {
    let source = |name: &Value| Plan { name: text(name), op: None, args: json!({}), ins: Vec::new() };
    let node = |node: &Value| Plan {
        name: text(&node["id"]),
        op: Some(text(&node["op"])),
        args: node["args"].clone(),
        ins: items(&node["in"]).to_vec(),
    };
    let mut plans: Vec<_> = items(&case["sources"]).iter().map(source).collect();
    plans.extend(items(&case["nodes"]).iter().map(node));
    let mut late = Vec::new();
    let mut began = false;
    for event in items(&case["events"]) {
        let event = items(event);
        began |= event[0] == "emit";
        let change = matches!(event[0].as_str(), Some("connect" | "disconnect" | "destroy"));
        if change && began {
            late.push(event);
        } else if change {
            let down = if event[0] == "destroy" { &event[1] } else { &event[2] };
            let Some(plan) = plans.iter_mut().find(|plan| plan.name == text(down)) else {
                return Err(Refusal::Error(format!("there is no {down}")));
            };
            match event[0].as_str() {
                Some("connect") => plan.ins.push(event[1].clone()),
                Some("disconnect") => plan.ins.retain(|input| *input != event[1]),
                _ => plan.ins.clear(),
            }
        }
    }
    Ok((plans, late))
}

fn build(case: &Value) -> Result<Graph, Refusal> {
    let (mut plans, late) = plans(case)?;
    let mut gates = Gates::new();
    for event in late {
        let destroyed = event[0] == "destroy";
        let down = text(if destroyed { &event[1] } else { &event[2] });
        let Some(plan) = plans.iter_mut().find(|plan| plan.name == down) else { continue };
        if !destroyed && matches!(plan.op.as_deref(), Some("zip" | "combine_latest" | "zip_latest")) {
            return Err(Refusal::LeftOut("re-wiring of a running join".to_owned()));
        }
        let is_new = !destroyed && !plan.ins.contains(&event[1]);
        if is_new {
            plan.ins.push(event[1].clone());
        }
        for input in &plan.ins {
            let open = !(is_new && *input == event[1]);
            gates.entry((text(input), down.clone())).or_insert_with(|| Arc::new(AtomicBool::new(open)));
        }
    }
    let names: Vec<_> = plans.iter().map(|plan| plan.name.clone()).collect();
    let mut graph = Graph {
        inputs: HashMap::new(),
        flushes: HashMap::new(),
        gates,
        sinks: BTreeMap::new(),
        meta_sinks: BTreeMap::new(),
        branches: Vec::new(),
    };
    let mut built: HashMap<String, Stream<Elem>> = HashMap::new();
    let mut used: HashMap<String, usize> = HashMap::new();
    while !plans.is_empty() {
        let ready = |plan: &Plan| {
            let streams =
                plan.ins.iter().filter(|input| input.as_str().is_some_and(|name| names.iter().any(|n| n == name)));
            streams.map(text).all(|name| built.contains_key(&name))
        };
        let Some(place) = plans.iter().position(ready) else {
            return Err(Refusal::Error("the graph has a loop".to_owned()));
        };
        let plan = plans.remove(place);
        let stream = graph.add(&plan, &built, &mut used)?;
        built.insert(plan.name, stream);
    }
    for (kind, of) in [("sinks", false), ("meta_sinks", true)] {
        for (name, of_node) in case[kind].as_object().into_iter().flatten() {
            let node = text(of_node);
            let Some(stream) = built.get(&node) else { return Err(Refusal::Error(format!("there is no {node}"))) };
            *used.entry(node).or_default() += 1;
            let (branch, collected) = stream.clone().collect_vec();
            graph.branches.push(branch);
            let sinks = if of { &mut graph.meta_sinks } else { &mut graph.sinks };
            sinks.insert(name.clone(), collected);
        }
    }
    // What leads nowhere still takes its elements.
    for (name, stream) in built {
        if !used.contains_key(&name) {
            graph.branches.push(stream.sink(|_| ()));
        }
    }
    Ok(graph)
}

impl Graph {
    fn add(
        &mut self,
        plan: &Plan,
        built: &HashMap<String, Stream<Elem>>,
        used: &mut HashMap<String, usize>,
    ) -> Result<Stream<Elem>, Refusal> {
        let mut ins = Vec::new();
        let mut names = Vec::new();
        for input in &plan.ins {
            let name = text(input);
            let Some(stream) = built.get(&name) else {
                ins.push(In::Literal(input.clone()));
                continue;
            };
            *used.entry(name.clone()).or_default() += 1;
            let mut stream = stream.clone();
            if let Some(gate) = self.gates.get(&(name.clone(), plan.name.clone())).cloned() {
                stream = stream.filter(move |_| gate.load(Ordering::Relaxed));
            }
            ins.push(In::Stream(stream));
            names.push(name);
        }
        let Some(op) = &plan.op else {
            let (input, own) = Stream::input();
            self.inputs.insert(plan.name.clone(), input);
            let others = ins.into_iter().filter_map(|input| match input {
                In::Stream(stream) => Some(stream),
                In::Literal(_) => None,
            });
            let all: Vec<_> = std::iter::once(own.clone()).chain(others).collect();
            return Ok(if all.len() == 1 { own } else { Stream::union_all(all) });
        };
        let mut flushes = Vec::new();
        let stream = node(op, &Args(&plan.args), ins, &names, &mut flushes)?;
        self.flushes.extend(flushes.into_iter().map(|flush| (plan.name.clone(), flush)));
        Ok(stream.named(plan.name.clone()))
    }

    fn contents(&self) -> Value {
        let values = |sink: &Collected<Elem>| sink.values().into_iter().map(|elem| elem.value).collect();
        Value::Object(self.sinks.iter().map(|(name, sink)| (name.clone(), values(sink))).collect())
    }

    fn metadata(&self) -> Value {
        let lists = |sink: &Collected<Elem>| {
            let with = sink.values().into_iter().filter(|elem| !elem.meta.is_empty());
            with.map(|elem| Value::Array(elem.meta)).collect()
        };
        Value::Object(self.meta_sinks.iter().map(|(name, sink)| (name.clone(), lists(sink))).collect())
    }
}

/// An element that was put in, and what became of it.
#[derive(Default)]
struct Emitted {
    error: Mutex<Option<Error>>,
}

async fn drive(case: &Value, expect: &Value, mut graph: Graph) -> Result<(), String> {
    let running = Relay::new(std::mem::take(&mut graph.branches)).spawn();
    settle().await;
    let mut trace = Vec::new();
    let mut counts: BTreeMap<String, Arc<AtomicUsize>> = BTreeMap::new();
    for event in items(&case["events"]) {
        let parts = items(event);
        let name = || text(&parts[1]);
        match parts[0].as_str() {
            Some("emit") => {
                let emitted = emit(&graph, parts, &mut counts)?;
                settle().await;
                if let Some(error) = emitted.error.lock().unwrap().take() {
                    trace.push(json!(["error", event, error.message()]));
                }
            }
            Some("flush") => {
                graph.flushes.get(&name()).ok_or("nothing to flush")?.flush();
                settle().await;
            }
            Some("sleep") => {
                let time = super::build::time(&parts[1]).ok_or("no time")?;
                tokio::time::sleep(time).await;
                settle().await;
            }
            Some("refs") => {
                let now = counts.iter().map(|(name, count)| (name.clone(), json!(count.load(Ordering::Acquire))));
                trace.push(json!(["refs", now.collect::<Map<_, _>>()]));
            }
            Some("snapshot") => trace.push(json!(["out", graph.contents()])),
            Some("connect" | "disconnect") => {
                // Before the first element there is no gate: the edge is, or is not, there.
                if let Some(gate) = graph.gates.get(&(name(), text(&parts[2]))) {
                    gate.store(parts[0] == "connect", Ordering::Relaxed);
                }
            }
            Some("destroy") => {
                let into = graph.gates.iter().filter(|((_, down), _)| *down == name());
                into.for_each(|(_, gate)| gate.store(false, Ordering::Relaxed));
            }
            other => return Err(format!("event {other:?}")),
        }
    }
    equal("out", &graph.contents(), &expect["out"])?;
    equal("meta", &graph.metadata(), &expect["meta"])?;
    equal("trace", &Value::Array(trace), &expect["trace"])?;
    graph.inputs.clear();
    let report = running.wait().await;
    if let Some(after) = expect.get("after_end_of_stream") {
        equal("after the end", &graph.contents(), after)?;
    }
    match report.error {
        Some(error) => Err(error.to_string()),
        None if report.received != report.delivered + report.filtered + report.failed => Err(format!("{report:?}")),
        None => Ok(()),
    }
}

fn emit(
    graph: &Graph,
    parts: &[Value],
    counts: &mut BTreeMap<String, Arc<AtomicUsize>>,
) -> Result<Arc<Emitted>, String> {
    let input = graph.inputs.get(&text(&parts[1])).ok_or("there is no such source")?.clone();
    let metadata = parts.get(3).map_or(&[][..], items);
    let (refs, meta): (Vec<_>, Vec<_>) = metadata.iter().partition(|entry| entry.get("ref").is_some());
    let elem = Elem { value: parts[2].clone(), meta: meta.into_iter().cloned().collect() };
    let held: Vec<_> = refs.iter().map(|entry| counts.entry(text(&entry["ref"])).or_default().clone()).collect();
    held.iter().for_each(|count| _ = count.fetch_add(1, Ordering::AcqRel));
    let emitted = Arc::<Emitted>::default();
    let told = emitted.clone();
    tokio::spawn(async move {
        let taken = input.send(elem).await;
        // The stream ends with its last input, and what waits for its end must not hold it.
        drop(input);
        let outcome = match taken {
            Ok(taken) => taken.await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            *told.error.lock().unwrap() = Some(error);
        }
        held.iter().for_each(|count| _ = count.fetch_sub(1, Ordering::AcqRel));
    });
    Ok(emitted)
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
