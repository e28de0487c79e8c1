//! The graph as a picture: text, DOT, Mermaid, JSON.

use super::node::{AnyNode, Meter};
use super::operator::Holds;
use crate::registry::Role;
use crate::relay::{Guarantee, Identity};
use crate::sync::lock;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// The nodes of a relay, sources first, and how they are linked. A picture of the relay as it is built; with the counters of its
/// operators once it runs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<GraphNode>,
}

/// One node of the picture.
#[derive(Clone)]
#[non_exhaustive]
pub struct GraphNode {
    /// Its unique name: what the user called it, or kind and number (`mqttsrc0`).
    pub name: Arc<str>,
    /// Its kind (`filter`).
    pub kind: &'static str,
    /// Source, operator or sink.
    pub role: Role,
    /// What it is connected to, for sources and sinks; without credentials.
    pub detail: Option<String>,
    /// What a source promises.
    pub guarantee: Option<Guarantee>,
    /// What a sink cannot carry.
    pub loses: Vec<&'static str>,
    /// What it may hold back; for a sink the room before it.
    pub holds: Holds,
    /// How it is set, as far as a text said so: names and values, without passwords.
    pub settings: Vec<(String, String)>,
    /// The nodes whose items it gets, by their place in [`Graph::nodes`].
    pub inputs: Vec<usize>,
    pub(crate) meter: Arc<Meter>,
}

impl fmt::Debug for GraphNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphNode")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("inputs", &self.inputs)
            .finish()
    }
}

/// What a node has done so far: a picture of a relay that runs, complete once it has ended.
///
/// Of an operator that makes at most one item of one, `taken = given + dropped + held`. One that makes several of one gives more; one that
/// makes one of several (a batch, a window, a join) gives less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeCounts {
    /// Items that came in; for a source, messages admitted to the relay.
    pub taken: u64,
    /// Items that went out; for a sink, those it has delivered.
    pub given: u64,
    /// Items that ended here: filtered, rejected (by a source or a sink too), or let go by a queue that leaks. `None` where it cannot be told.
    pub dropped: Option<u64>,
    /// Items held back. `None` where it cannot be told.
    pub held: Option<u64>,
}

impl GraphNode {
    /// Items that it has taken and given out so far.
    pub fn counts(&self) -> (u64, u64) {
        self.meter.read()
    }

    /// What it has done so far.
    pub fn account(&self) -> NodeCounts {
        let ((taken, given), rest) = (self.meter.read(), self.meter.read_rest());
        NodeCounts { taken, given, dropped: rest.map(|(dropped, _)| dropped), held: rest.map(|(_, held)| held) }
    }
}

/// A join that waits for each of its inputs.
pub(crate) struct Meeting {
    /// The sources above each input, by name; of a join above it, those of its inputs.
    pub(crate) inputs: Vec<Vec<Arc<str>>>,
    /// It goes on with the newest of an input, in place of waiting for another each time.
    pub(crate) keeps_the_newest: bool,
}

/// Thin pointers: two vtables of one type may differ.
fn key(node: &Arc<dyn AnyNode>) -> *const () {
    Arc::as_ptr(node).cast()
}

/// All nodes above these ends, each after those it gets its items from.
pub(crate) fn sorted(ends: &[Arc<dyn AnyNode>]) -> Vec<Arc<dyn AnyNode>> {
    let mut seen = BTreeMap::new();
    let mut order = Vec::new();
    // By hand, not by recursion: a parsed pipeline may be long.
    let mut stack: Vec<(Arc<dyn AnyNode>, bool)> = ends.iter().rev().map(|end| (end.clone(), false)).collect();
    while let Some((node, done)) = stack.pop() {
        if done {
            order.push(node);
        } else if seen.insert(key(&node), ()).is_none() {
            stack.push((node.clone(), true));
            stack.extend(node.upstream().iter().rev().map(|up| (up.clone(), false)));
        }
    }
    order
}

impl Graph {
    pub(crate) fn of(nodes: &[Arc<dyn AnyNode>], identity: &Identity) -> Self {
        let places: BTreeMap<_, _> = nodes.iter().enumerate().map(|(place, node)| (key(node), place)).collect();
        let mut numbers = BTreeMap::<&str, usize>::new();
        let mut taken: Vec<Arc<str>> = nodes.iter().filter_map(|node| lock(&node.info().name).clone()).collect();
        let describe = |node: &Arc<dyn AnyNode>| {
            let info = node.info();
            let name = lock(&info.name).clone().unwrap_or_else(|| {
                loop {
                    let number = numbers.entry(info.kind).or_default();
                    let name: Arc<str> = format!("{}{number}", info.kind).into();
                    *number += 1;
                    if !taken.contains(&name) {
                        taken.push(name.clone());
                        break name;
                    }
                }
            });
            let (source, sink) = (node.source_info(identity), node.sink_info(identity));
            let detail = source
                .as_ref()
                .map(|info| &info.identity)
                .or(sink.as_ref().map(|info| &info.identity))
                .map(|identity| crate::registry::without_logins(identity.clone()));
            GraphNode {
                name,
                kind: info.kind,
                role: info.role,
                detail,
                guarantee: source.map(|info| info.guarantee),
                loses: sink.map(|info| info.loses).unwrap_or_default(),
                holds: info.holds,
                settings: lock(&info.settings).clone(),
                inputs: node.upstream().iter().filter_map(|up| places.get(&key(up)).copied()).collect(),
                meter: info.meter.clone(),
            }
        };
        Self { nodes: nodes.iter().map(describe).collect() }
    }

    /// The nodes; each stands after those it gets its items from.
    pub fn nodes(&self) -> &[GraphNode] {
        &self.nodes
    }

    /// The links, by the names of their ends.
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str)> {
        let links = self.nodes.iter().flat_map(|node| node.inputs.iter().map(move |&from| (from, node)));
        links.map(|(from, node)| (&*self.nodes[from].name, &*node.name))
    }

    /// For Graphviz.
    pub fn to_dot(&self) -> String {
        let mut text = String::from("digraph relay {\n  rankdir=LR;\n");
        for node in &self.nodes {
            let shape = if node.role == Role::Operator { "ellipse" } else { "box" };
            let _ = writeln!(text, "  {:?} [shape={shape}, label={:?}];", &*node.name, node.label("\n"));
        }
        for (from, to) in self.edges() {
            let _ = writeln!(text, "  {from:?} -> {to:?};");
        }
        text + "}\n"
    }

    /// For Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (place, node) in self.nodes.iter().enumerate() {
            let label = node.label("<br>").replace('"', "#quot;");
            let _ = match node.role {
                Role::Operator => writeln!(text, "  n{place}(\"{label}\")"),
                Role::Source | Role::Sink => writeln!(text, "  n{place}[\"{label}\"]"),
            };
        }
        for (place, node) in self.nodes.iter().enumerate() {
            for from in &node.inputs {
                let _ = writeln!(text, "  n{from} --> n{place}");
            }
        }
        text
    }

    /// As JSON: `{"nodes": [{id, kind, role, holds, …}], "edges": [[from, to]]}`. `holds` is `{"items": N}`, with `"until"` where it is
    /// anything; `edges` are ids.
    pub fn to_json(&self) -> serde_json::Value {
        let node = |node: &GraphNode| {
            let mut json = serde_json::json!({ "id": &*node.name, "kind": node.kind, "role": node.role, "holds": holds(node.holds) });
            if let Some(detail) = &node.detail {
                json["address"] = detail.as_str().into();
            }
            if let Some(guarantee) = node.guarantee {
                json["guarantee"] = guarantee.to_string().into();
            }
            if !node.loses.is_empty() {
                json["loses"] = node.loses.clone().into();
            }
            if !node.settings.is_empty() {
                let pairs = node.settings.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
                json["settings"] = pairs.collect::<serde_json::Map<_, _>>().into();
            }
            json
        };
        let nodes: Vec<_> = self.nodes.iter().map(node).collect();
        serde_json::json!({ "nodes": nodes, "edges": self.edges().collect::<Vec<_>>() })
    }

    /// The counts of all nodes, as JSON: `{"filter0": {"taken": 3, "given": 2, "dropped": 1, "held": 0}}`. What cannot be told is missing.
    pub fn counts_to_json(&self) -> serde_json::Value {
        let node = |node: &GraphNode| {
            let counts = node.account();
            let mut json = serde_json::json!({ "taken": counts.taken, "given": counts.given });
            for (name, count) in [("dropped", counts.dropped), ("held", counts.held)] {
                if let Some(count) = count {
                    json[name] = count.into();
                }
            }
            (node.name.to_string(), json)
        };
        self.nodes.iter().map(node).collect::<serde_json::Map<_, _>>().into()
    }

    /// In the notation of flow-based programming, which `lorry launch --fbp` reads: the settings as literals, the inputs of a join
    /// numbered. What that notation does not allow in a name is `_`.
    pub fn to_fbp(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for node in &self.nodes {
            let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
            let mut name: String = node.name.chars().map(plain).collect();
            while names.contains(&name) || name.is_empty() {
                name.push('_');
            }
            names.push(name);
        }
        let mut text = String::new();
        for (node, name) in self.nodes.iter().zip(&names) {
            let _ = writeln!(text, "{name}({})", node.kind);
            for (setting, value) in &node.settings {
                let port = setting.to_uppercase().replace('-', "_");
                let _ = writeln!(text, "{} -> {port} {name}", fbp_literal(value));
            }
        }
        for (node, name) in self.nodes.iter().zip(&names) {
            for (input, &from) in node.inputs.iter().enumerate() {
                let port = if node.inputs.len() > 1 { format!("IN[{input}]") } else { "IN".to_owned() };
                let _ = writeln!(text, "{} OUT -> {port} {name}", names[from]);
            }
        }
        text
    }

    /// The joins that hold back what comes on one input until others bring theirs.
    pub(crate) fn meetings(&self) -> Vec<Meeting> {
        let waits = |place: &usize| self.waits_for_each(*place) || self.nodes[*place].holds == Holds::UntilReplaced;
        let meeting = |place: usize| Meeting {
            inputs: self.nodes[place].inputs.iter().flat_map(|&input| self.parties(input)).collect(),
            keeps_the_newest: self.nodes[place].holds == Holds::UntilReplaced,
        };
        let joins = (0..self.nodes.len()).filter(|&place| self.nodes[place].inputs.len() > 1).filter(waits);
        joins.map(meeting).collect()
    }

    fn waits_for_each(&self, place: usize) -> bool {
        let node = &self.nodes[place];
        node.inputs.len() > 1 && !matches!(node.holds, Holds::Nothing | Holds::UntilReplaced)
    }

    /// The sources above an input of a join; apart where they have met in joins of one of each before.
    fn parties(&self, place: usize) -> Vec<Vec<Arc<str>>> {
        match (&self.nodes[place].inputs[..], self.waits_for_each(place)) {
            ([above], _) => self.parties(*above),
            (inputs, true) => inputs.iter().flat_map(|&input| self.parties(input)).collect(),
            _ => vec![self.sources_above(place)],
        }
    }

    /// The sources whose items reach this node, by name.
    pub(crate) fn sources_of(&self, name: &str) -> Vec<Arc<str>> {
        let place = self.nodes.iter().position(|node| *node.name == *name);
        place.map(|place| self.sources_above(place)).unwrap_or_default()
    }

    fn sources_above(&self, place: usize) -> Vec<Arc<str>> {
        let mut above = vec![false; self.nodes.len()];
        above[place] = true;
        // Each stands after its inputs.
        for place in (0..self.nodes.len()).rev() {
            if above[place] {
                self.nodes[place].inputs.iter().for_each(|&input| above[input] = true);
            }
        }
        let sources = self.nodes.iter().zip(above).filter(|(node, above)| *above && node.role == Role::Source);
        sources.map(|(node, _)| node.name.clone()).collect()
    }

    /// The operator that holds most: taken and not given out. What a stalled relay names.
    pub(crate) fn fullest(&self) -> Option<(&GraphNode, u64)> {
        let held = |node: &GraphNode| {
            let counts = node.account();
            counts.held.unwrap_or(counts.taken.saturating_sub(counts.given))
        };
        let operators = self.nodes.iter().filter(|node| node.role == Role::Operator);
        operators.map(|node| (node, held(node))).max_by_key(|(_, held)| *held)
    }
}

/// A literal that reads back as this value.
fn fbp_literal(value: &str) -> String {
    match value.contains(['\\', '\n', '\r']) {
        true => serde_json::Value::from(value).to_string(),
        false => format!("'{}'", value.replace('\'', "\\'")),
    }
}

fn holds(holds: Holds) -> serde_json::Value {
    match holds {
        Holds::Nothing => serde_json::json!({ "items": 0 }),
        Holds::Items(items) => serde_json::json!({ "items": items, "until": "more come" }),
        Holds::ForATime(items) => serde_json::json!({ "items": items, "until": "there is room, or time is up" }),
        Holds::UntilReplaced => serde_json::json!({ "items": 1, "until": "replaced" }),
    }
}

/// For people: `nothing`, `up to 99 until more come`.
impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing | Self::Items(0) | Self::ForATime(0) => f.write_str("nothing"),
            Self::Items(items) => write!(f, "up to {items} until more come"),
            Self::ForATime(items) => write!(f, "up to {items} for a time"),
            Self::UntilReplaced => f.write_str("one until another replaces it"),
        }
    }
}

impl GraphNode {
    fn label(&self, newline: &str) -> String {
        match &self.detail {
            Some(detail) => format!("{}{newline}{detail}", self.name),
            None => self.name.to_string(),
        }
    }
}

/// One line a node, with its inputs.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            write!(f, "{:<9} {}", node.role, node.name)?;
            if let Some(detail) = &node.detail {
                write!(f, "  {detail}")?;
            }
            let inputs: Vec<_> = node.inputs.iter().map(|&from| &*self.nodes[from].name).collect();
            if !inputs.is_empty() {
                write!(f, "  ← {}", inputs.join(", "))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
