//! A graph to a layout: literals are properties, links are links.

use super::{Connection, Fbp, Origin, PortOf, hidden, in_text, secrets_of};
use crate::launch::layout::{At, End, Layout, Placed, Planner, Written};
use crate::launch::{Fault, Property};
use crate::registry::{ElementSpec, Registry, Role};
use crate::{Relay, Result};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::ops::Range;

impl Fbp {
    /// The graph as the launch language has it. Nothing is made.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage), with line, column and caret: no process, an unknown element, a port that it does not have, two
    /// links to one port.
    pub fn layout(&self, registry: &Registry) -> Result<Layout> {
        self.resolved(registry).map_err(|fault| in_text(fault, &self.text, &secrets_of(&self.text)))
    }

    fn resolved(&self, registry: &Registry) -> Result<Layout, Fault> {
        if self.processes.is_empty() {
            return Err(
                Fault::new("the graph is empty", 0..0).hint("write PROCESS(ELEMENT) OUT -> IN PROCESS(ELEMENT)")
            );
        }
        let names = self.processes.iter().map(|process| process.name.clone()).collect();
        let mut planner = Planner::new(registry, names);
        for process in &self.processes {
            let Some(factory) = &process.component else { continue };
            // The caret stands under the element.
            let inside = self.text[process.span.clone()].find('(').map_or(0, |at| at + 1);
            let span = process.span.start + inside..process.span.end;
            planner.spec(factory, &span)?;
            let properties = self.properties_of(&process.name)?;
            let place = planner.place(placed(factory, properties, process.span.clone()))?;
            planner.name(place, Some(&process.name));
        }
        let links = self.links(&mut planner)?;
        planner.link_all(&links)?;
        let mut layout = planner.finish(self.text.clone());
        layout.hidden = hidden(&self.text);
        Ok(layout)
    }

    fn properties_of(&self, process: &str) -> Result<Vec<Property>, Fault> {
        let literals = self.connections.iter().filter_map(|connection| match &connection.from {
            Origin::Literal(data) if connection.to.process == process => Some((connection, data)),
            _ => None,
        });
        let mut properties = Vec::new();
        for (Connection { to, span, .. }, data) in literals {
            let name = to.port.to_lowercase();
            if to.by_default || to.index.is_some() || ["in", "sink"].contains(&&*name) {
                return Err(Fault::new("a literal sets a property, and this port takes messages", span.clone())
                    .hint(format!("name the property: '…' -> LOCATION {process}")));
            }
            let values = match data {
                Json::Array(values) => values.iter().map(plain).collect(),
                value => vec![plain(value)],
            };
            properties.extend(values.into_iter().map(|value| Property {
                name: name.clone(),
                value,
                span: span.clone(),
            }));
        }
        Ok(properties)
    }

    /// The links, with a tee or a funnel where several leave or reach a process that is none.
    fn links(&self, planner: &mut Planner<'_>) -> Result<Vec<Written>, Fault> {
        let links = self.connections.iter().filter_map(|connection| match &connection.from {
            Origin::Process(from) => Some((from, &connection.to, &connection.span)),
            Origin::Literal(_) => None,
        });
        let links: Vec<_> = links.collect();
        let several = |process: &str, out: bool| {
            links.iter().filter(|(from, to, _)| process == if out { &from.process } else { &to.process }).count() > 1
        };
        let mut written = Vec::new();
        let mut stands_in: HashMap<(String, bool), usize> = HashMap::new();
        for process in &self.processes {
            let spec = process.component.as_ref().and_then(|name| planner.registry.element(name));
            let Some(spec) = spec else { continue };
            for out in [true, false] {
                let takes = if out { spec.role() != Role::Sink } else { spec.role() != Role::Source };
                let many = if out { ElementSpec::branches(spec) } else { ElementSpec::joins(spec) };
                if !takes || many || !several(&process.name, out) {
                    continue;
                }
                let factory = if out { "tee" } else { "funnel" };
                let place = planner.place(placed(factory, Vec::new(), process.span.clone()))?;
                planner.name(place, None);
                stands_in.insert((process.name.clone(), out), place);
                let own = end(At::Name(process.name.clone()), Vec::new(), &process.span);
                let new = end(At::Place(place), Vec::new(), &process.span);
                let (from, to) = if out { (own, new) } else { (new, own) };
                written.push(Written { from, to, caps: None, span: process.span.clone() });
            }
        }
        for (from, to, span) in links {
            let side = |port: &PortOf, out: bool| match stands_in.get(&(port.process.clone(), out)) {
                Some(&place) => end(At::Place(place), Vec::new(), &port.span),
                None => end(At::Name(port.process.clone()), pads(port, out), &port.span),
            };
            let (from, to) = (side(from, true), side(to, false));
            written.push(Written { from, to, caps: None, span: (*span).clone() });
        }
        Ok(written)
    }
}

impl Registry {
    /// The relay that a graph in [FBP notation](crate::launch::fbp) describes. Nothing is opened.
    ///
    /// # Errors
    /// As [`parse_launch`](Registry::parse_launch).
    pub fn parse_fbp(&self, text: &str) -> Result<Relay> {
        self.launch_layout(&super::parse(text, super::Case::Ignored)?.layout(self)?, &[])
    }
}

fn placed(factory: &str, properties: Vec<Property>, span: Range<usize>) -> Placed {
    let factory = factory.to_owned();
    Placed { factory, name: String::new(), properties, bin: None, is_bin: false, address: None, span }
}

fn end(at: At, pads: Vec<String>, span: &Range<usize>) -> End {
    End { at, pads, span: span.clone() }
}

/// The pad that a port is.
fn pads(port: &PortOf, out: bool) -> Vec<String> {
    let plain = if out { ["out", "src"] } else { ["in", "sink"] };
    let name = port.port.to_lowercase();
    match port.index {
        _ if port.by_default => Vec::new(),
        Some(index) if plain.contains(&&*name) => vec![format!("{}_{index}", plain[1])],
        Some(index) => vec![format!("{name}[{index}]")],
        None if plain.contains(&&*name) => Vec::new(),
        None => vec![name],
    }
}

/// A literal as the value of a property.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
