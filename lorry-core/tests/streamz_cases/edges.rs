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
    /// The streams that lead into it when the first element comes.
    pub(crate) ins: Vec<String>,
    /// Whether elements are put in here.
    pub(crate) is_fed: bool,
}

impl Plan {
    pub(crate) fn is_join(&self) -> bool {
        self.op.as_deref().is_some_and(is_join)
    }
}

/// From where to where. An edge is there or not, however often it is made; only a join may have the same input twice.
type Edge = (String, String);

#[derive(Default)]
pub(crate) struct Edges {
    pub(crate) plans: Vec<Plan>,
    /// In the order in which they were made: in this order a stream serves them.
    pub(crate) order: Vec<Edge>,
    /// Those of now.
    open: BTreeSet<Edge>,
    gates: HashMap<Edge, Arc<AtomicBool>>,
    /// The numbers of the events that are refused: they take away an edge that is not there.
    pub(crate) refused: BTreeSet<usize>,
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Edges {
    /// Of the whole case: what is connected before the first element is part of the description, what is connected later has a gate.
    pub(crate) fn of(case: &Value) -> Result<Self, Refusal> {
        let mut edges = Self::default();
        for source in items(&case["sources"]) {
            edges.add(text(source), None, json!({}), &[]);
        }
        for node in items(&case["nodes"]) {
            edges.add(text(&node["id"]), Some(text(&node["op"])), node["args"].clone(), items(&node["in"]));
        }
        let mut began = false;
        for (number, event) in items(&case["events"]).iter().enumerate() {
            let (what, event) = (text(&event[0]), items(event));
            began |= what == "emit";
            let changed = match (what.as_str(), event) {
                ("emit", [_, name, ..]) => edges.plan(&text(name)).map(|plan| plan.is_fed = true).map(|()| true),
                ("connect", [_, up, down]) => edges.connect(text(up), text(down), began)?,
                ("disconnect", [_, up, down]) => edges.disconnect((text(up), text(down)), began)?,
                ("destroy", [_, down]) => edges.destroy(&text(down), began)?,
                _ => Some(true),
            };
            match changed {
                None => return Err(Refusal::Error(format!("event {number} is about something that is not there"))),
                Some(true) => {}
                Some(false) => _ = edges.refused.insert(number),
            }
        }
        // While it runs they are changed again, one event at a time.
        edges.gates = edges.order.iter().map(|edge| (edge.clone(), Arc::new(AtomicBool::new(false)))).collect();
        for plan in &edges.plans {
            plan.ins.iter().for_each(|up| edges.set(up, &plan.name, true));
        }
        Ok(edges)
    }

    fn add(&mut self, name: String, op: Option<String>, args: Value, first: &[Value]) {
        let mut plan = Plan { name, op, args, first: first.to_vec(), ins: Vec::new(), is_fed: false };
        for up in first.iter().map(text).filter(|up| self.plans.iter().any(|plan| plan.name == *up)) {
            let edge = (up.clone(), plan.name.clone());
            if plan.is_join() || !self.open.contains(&edge) {
                plan.ins.push(up);
                self.order.push(edge.clone());
                self.open.insert(edge);
            }
        }
        self.plans.push(plan);
    }

    fn plan(&mut self, name: &str) -> Option<&mut Plan> {
        self.plans.iter_mut().find(|plan| plan.name == name)
    }

    /// None if there is no such node; false if it is refused.
    fn connect(&mut self, up: String, down: String, began: bool) -> Result<Option<bool>, Refusal> {
        let (edge, up_is_there) = ((up.clone(), down.clone()), self.plan(&up).is_some());
        let is_new = self.open.insert(edge.clone());
        let Some(plan) = self.plan(&down).filter(|_| up_is_there) else { return Ok(None) };
        if began && plan.is_join() {
            return Err(rewired());
        }
        if is_new && !began {
            plan.ins.push(up);
        }
        if is_new && (!began || !self.order.contains(&edge)) {
            self.order.push(edge);
        }
        Ok(Some(true))
    }

    fn disconnect(&mut self, edge: Edge, began: bool) -> Result<Option<bool>, Refusal> {
        let Some(plan) = self.plan(&edge.1) else { return Ok(None) };
        let is_join = plan.is_join();
        if !began {
            plan.ins.retain(|up| *up != edge.0);
        }
        let was_there = self.open.remove(&edge);
        if began && is_join && was_there {
            return Err(rewired());
        }
        if !began {
            self.order.retain(|other| *other != edge);
        }
        Ok(Some(was_there))
    }

    fn destroy(&mut self, down: &str, began: bool) -> Result<Option<bool>, Refusal> {
        let Some(plan) = self.plan(down) else { return Ok(None) };
        if !began {
            plan.ins.clear();
            self.order.retain(|edge| edge.1 != down);
        }
        self.open.retain(|edge| edge.1 != down);
        Ok(Some(true))
    }

    pub(crate) fn that_enter(&self, down: &str) -> impl Iterator<Item = &Edge> {
        self.order.iter().filter(move |edge| edge.1 == down)
    }

    /// What an edge asks for each element.
    pub(crate) fn gate(&self, edge: &Edge) -> Arc<AtomicBool> {
        self.gates.get(edge).cloned().unwrap_or_default()
    }

    /// Opens or closes an edge.
    pub(crate) fn set(&self, up: &str, down: &str, open: bool) {
        if let Some(gate) = self.gates.get(&(up.to_owned(), down.to_owned())) {
            gate.store(open, Ordering::Relaxed);
        }
    }

    /// Closes all edges into a node.
    pub(crate) fn close_into(&self, down: &str) {
        let into = self.gates.iter().filter(|((_, other), _)| other == down);
        into.for_each(|(_, gate)| gate.store(false, Ordering::Relaxed));
    }
}

fn rewired() -> Refusal {
    Refusal::LeftOut("re-wiring of a running join; a graph is described before it runs".to_owned())
}
