//! Graphs: built from their description.

use super::args::Args;
use super::build::{Refusal, node};
use super::edges::{Edges, Plan, text};
use super::elem::Elem;
use super::joins::{Inputs, join};
use super::raised::Raised;
use lorry_core::ops::{Collected, Flush};
use lorry_core::{Branch, Input, Stream};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

pub(crate) struct Graph {
    pub(crate) edges: Edges,
    pub(crate) raised: Raised,
    pub(crate) inputs: HashMap<String, Input<Elem>>,
    /// Of what nothing leads into: it waits, and has not ended.
    pub(crate) idle: Vec<Input<Elem>>,
    pub(crate) flushes: HashMap<String, Flush>,
    pub(crate) sinks: BTreeMap<String, Collected<Elem>>,
    pub(crate) meta_sinks: BTreeMap<String, Collected<Elem>>,
    pub(crate) branches: Vec<Branch>,
    /// The way of each edge, once it is there: what it leads into takes it from here.
    ways: Vec<Option<Stream<Elem>>>,
}

impl Graph {
    pub(crate) fn build(case: &Value) -> Result<Self, Refusal> {
        let edges = Edges::of(case)?;
        let mut plans = edges.plans.clone();
        let mut graph = Self {
            ways: edges.order.iter().map(|_| None).collect(),
            edges,
            raised: Raised::default(),
            inputs: HashMap::new(),
            idle: Vec::new(),
            flushes: HashMap::new(),
            sinks: BTreeMap::new(),
            meta_sinks: BTreeMap::new(),
            branches: Vec::new(),
        };
        let mut built: HashMap<String, Stream<Elem>> = HashMap::new();
        while !plans.is_empty() {
            let ready = |plan: &Plan| {
                let mut into = graph.edges.order.iter().filter(|edge| edge.down == plan.name);
                into.all(|edge| built.contains_key(&edge.up))
            };
            let Some(place) = plans.iter().position(ready) else {
                return Err(Refusal::Error("the graph has a loop".to_owned()));
            };
            let plan = plans.remove(place);
            let stream = graph.add(&plan)?;
            graph.lead_on(&plan.name, &stream);
            built.insert(plan.name, stream);
        }
        for (kind, of) in [("sinks", false), ("meta_sinks", true)] {
            for (name, of_node) in case[kind].as_object().into_iter().flatten() {
                let node = text(of_node);
                let Some(stream) = built.get(&node) else { return Err(Refusal::Error(format!("there is no {node}"))) };
                let (branch, collected) = stream.clone().map(Elem::seen).collect_vec();
                graph.branches.push(branch);
                let sinks = if of { &mut graph.meta_sinks } else { &mut graph.sinks };
                sinks.insert(name.clone(), collected);
            }
        }
        // What leads nowhere still takes its elements.
        let sinks = ["sinks", "meta_sinks"].map(|kind| case[kind].as_object());
        let sunk: Vec<_> = sinks.into_iter().flatten().flat_map(Map::values).map(text).collect();
        let leads_on = |name: &String| sunk.contains(name) || graph.edges.order.iter().any(|edge| edge.up == *name);
        built.retain(|name, _| !leads_on(name));
        graph.branches.extend(built.into_values().map(|stream| stream.sink(|_| ())));
        Ok(graph)
    }

    /// The edges out of a stream, in the order in which they were made.
    fn lead_on(&mut self, up: &str, stream: &Stream<Elem>) {
        for (edge, way) in self.edges.order.iter().zip(&mut self.ways).filter(|(edge, _)| edge.up == up) {
            let gate = edge.gate.clone();
            *way = Some(stream.clone().filter(move |_| gate.load(Ordering::Relaxed)));
        }
    }

    /// The stream of a source or of a node, once all that leads into it is there.
    fn add(&mut self, plan: &Plan) -> Result<Stream<Elem>, Refusal> {
        let into = self.edges.order.iter().zip(&mut self.ways).filter(|(edge, _)| edge.down == plan.name);
        let ways = into.filter_map(|(edge, way)| Some((edge.up.clone(), way.take()?)));
        let (ups, mut streams): (Vec<_>, Vec<_>) = ways.unzip();
        let own = (plan.is_fed || plan.op.is_none()).then(|| {
            let (input, own) = Stream::input();
            self.inputs.insert(plan.name.clone(), input);
            own
        });
        if plan.op.is_some() && streams.is_empty() {
            let (input, nothing) = Stream::input();
            self.idle.push(input);
            streams.push(nothing);
        }
        let through = match plan.op.as_deref() {
            None => streams,
            Some(op) if plan.is_join() => {
                let places = plan.first.iter().cloned().enumerate();
                let is_literal = |value: &Value| !self.edges.plans.iter().any(|other| value == other.name.as_str());
                let literals: Vec<_> = places.filter(|(_, value)| is_literal(value)).collect();
                let inputs = Inputs { first: &plan.first, literals: &literals, names: &ups };
                vec![join(op, &Args(&plan.args), streams, &inputs)?.named(plan.name.clone())]
            }
            Some(op) => {
                let one = if streams.len() == 1 { streams.remove(0) } else { Stream::union_all(streams) };
                let mut flushes = Vec::new();
                let stream = node(op, &Args(&plan.args), one, &self.raised, &mut flushes)?;
                self.flushes.extend(flushes.into_iter().map(|flush| (plan.name.clone(), flush)));
                vec![stream.named(plan.name.clone())]
            }
        };
        let mut all: Vec<_> = own.into_iter().chain(through).collect();
        Ok(if all.len() == 1 { all.remove(0) } else { Stream::union_all(all) })
    }
}
