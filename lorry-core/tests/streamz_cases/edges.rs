//! Which streams lead where: as the description says, and as the events change it.

use super::build::Refusal;
use super::joins::is_join;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A source or a node, before it is built.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// None of a source.
    pub(crate) op: Option<String>,
    pub(crate) args: Value,
    /// As it was made: names of streams, and literals.
    pub(crate) first: Vec<Value>,
    /// Whether elements are put in here.
    pub(crate) is_fed: bool,
}

impl Plan {
    pub(crate) fn is_join(&self) -> bool {
        self.op.as_deref().is_some_and(is_join)
    }
}

pub(crate) struct Edge {
    pub(crate) up: String,
    pub(crate) down: String,
    /// Asked for each element.
    pub(crate) gate: Arc<AtomicBool>,
    /// Whether it is there at the event that is looked at.
    is_there: bool,
}

/// Of a whole case. What is connected before the first element is part of the description; what is connected later has a closed gate
/// until then, what is disconnected later an open one.
#[derive(Default)]
pub(crate) struct Edges {
    pub(crate) plans: Vec<Plan>,
    /// In the order in which they are made: in this order a stream serves them. What is connected anew is a new one.
    pub(crate) order: Vec<Edge>,
    /// By the number of the event: which gates it opens or closes.
    changes: HashMap<usize, Vec<(Arc<AtomicBool>, bool)>>,
    /// The numbers of the events that are refused: they take away an edge that is not there.
    refused: BTreeSet<usize>,
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Edges {
    pub(crate) fn of(case: &Value) -> Result<Self, Refusal> {
        let mut edges = Self::default();
        for source in items(&case["sources"]) {
            edges.add(text(source), None, json!({}), &[]);
        }
        for node in items(&case["nodes"]) {
            edges.add(text(&node["id"]), Some(text(&node["op"])), node["args"].clone(), items(&node["in"]));
        }
        let mut began = None;
        for (number, event) in items(&case["events"]).iter().enumerate() {
            let (what, event) = (text(&event[0]), items(event));
            if what == "emit" {
                edges.plan(&text(&event[1]))?.is_fed = true;
                began = began.or(Some(number));
            }
            // Before the first element nothing is later.
            let late = began.map(|_| number);
            match (what.as_str(), event) {
                ("connect", [_, up, down]) => edges.connect(text(up), text(down), late)?,
                ("disconnect", [_, up, down]) if !edges.disconnect(Some(&text(up)), &text(down), late)? => {
                    edges.refused.insert(number);
                }
                ("destroy", [_, down]) => _ = edges.disconnect(None, &text(down), late)?,
                _ => {}
            }
        }
        Ok(edges)
    }

    fn plan(&mut self, name: &str) -> Result<&mut Plan, Refusal> {
        let plan = self.plans.iter_mut().find(|plan| plan.name == name);
        plan.ok_or_else(|| Refusal::Error(format!("there is no {name}")))
    }

    fn add(&mut self, name: String, op: Option<String>, args: Value, first: &[Value]) {
        let plan = Plan { name: name.clone(), op, args, first: first.to_vec(), is_fed: false };
        for up in first.iter().map(text) {
            let is_stream = self.plans.iter().any(|plan| plan.name == up);
            // Only a join may have the same input twice.
            if is_stream && (plan.is_join() || !self.has(&up, &name)) {
                self.push(up, name.clone(), true);
            }
        }
        self.plans.push(plan);
    }

    fn has(&self, up: &str, down: &str) -> bool {
        self.order.iter().any(|edge| edge.is_there && edge.up == up && edge.down == down)
    }

    fn push(&mut self, up: String, down: String, open: bool) -> Arc<AtomicBool> {
        let gate = Arc::new(AtomicBool::new(open));
        self.order.push(Edge { up, down, gate: gate.clone(), is_there: true });
        gate
    }

    fn connect(&mut self, up: String, down: String, late: Option<usize>) -> Result<(), Refusal> {
        self.plan(&up)?;
        if self.plan(&down)?.is_join() && late.is_some() {
            return Err(rewired());
        }
        if !self.has(&up, &down) {
            let gate = self.push(up, down, late.is_none());
            if let Some(number) = late {
                self.changes.entry(number).or_default().push((gate, true));
            }
        }
        Ok(())
    }

    /// Takes away the edges from one stream or from all; false if there is none.
    fn disconnect(&mut self, up: Option<&str>, down: &str, late: Option<usize>) -> Result<bool, Refusal> {
        let is_join = self.plan(down)?.is_join();
        let is_meant = |edge: &Edge| edge.is_there && edge.down == down && up.is_none_or(|up| edge.up == up);
        let any = self.order.iter().any(is_meant);
        match late {
            None => self.order.retain(|edge| !is_meant(edge)),
            Some(_) if any && is_join && up.is_some() => return Err(rewired()),
            Some(number) => {
                for edge in self.order.iter_mut().filter(|edge| is_meant(edge)) {
                    edge.is_there = false;
                    self.changes.entry(number).or_default().push((edge.gate.clone(), false));
                }
            }
        }
        Ok(any)
    }

    /// Does what an event says; false if it is refused.
    pub(crate) fn change(&self, number: usize) -> bool {
        let changes = self.changes.get(&number).into_iter().flatten();
        changes.for_each(|(gate, open)| gate.store(*open, Ordering::Relaxed));
        !self.refused.contains(&number)
    }
}

fn rewired() -> Refusal {
    Refusal::LeftOut("re-wiring of a running join; a graph is described before it runs".to_owned())
}
