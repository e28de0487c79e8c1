//! From launch text to a layout.

use super::ast::{Bin, Chain, Element, Item, Node, Pipeline};
use super::layout::{At, End, Ends, Layout, Placed, Planner, Written};
use super::{Fault, secrets_of, unknown};
use crate::Result;
use crate::registry::{Registry, Role, Uri};
use std::collections::HashSet;
use std::ops::Range;

impl Pipeline {
    /// The graph: elements with their names, references and bins resolved. Nothing is made, so properties are not looked at.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage), with the text and a caret under the place: an unknown element, a reference to nothing, two
    /// elements of one name, two links to one pad, a link that leads out of a sink or into a source, a content type that is none.
    pub fn layout(&self, registry: &Registry) -> Result<Layout> {
        self.resolved(registry).map_err(|fault| {
            let mut secrets = secrets_of(&self.text, self.properties());
            for node in self.elements() {
                if let Item::Url(url) = &node.item {
                    secrets.add_value("", url);
                }
            }
            secrets.cover(unknown::of_pipeline(self, registry));
            fault.in_text(&self.text, &secrets)
        })
    }

    pub(super) fn resolved(&self, registry: &Registry) -> Result<Layout, Fault> {
        let mut resolver = Resolver { planner: Planner::new(registry, self.names()?), written: Vec::new() };
        for chain in &self.chains {
            resolver.chain(chain, None)?;
        }
        let Resolver { mut planner, written } = resolver;
        planner.link_all(&written)?;
        let mut layout = planner.finish(self.text.clone());
        layout.warnings = self.warnings();
        Ok(layout)
    }

    /// The names that the text gives; each once.
    fn names(&self) -> Result<HashSet<String>, Fault> {
        let mut names = HashSet::new();
        for node in self.elements() {
            let Some(property) = node.item.name() else { continue };
            if property.value.is_empty() {
                return Err(Fault::new("a name cannot be empty", property.span.clone()));
            }
            if !names.insert(property.value.clone()) {
                let what = format!("two elements have the name {:?}", property.value);
                return Err(Fault::new(what, property.span.clone()));
            }
        }
        Ok(names)
    }
}

struct Resolver<'a> {
    planner: Planner<'a>,
    written: Vec<Written>,
}

impl Resolver<'_> {
    fn chain(&mut self, chain: &Chain, bin: Option<usize>) -> Result<Ends, Fault> {
        let last = chain.nodes.len() - 1;
        let mut ends = [None; 2];
        let mut before: Option<End> = None;
        for (place, node) in chain.nodes.iter().enumerate() {
            let role = if place == last && last > 0 { Role::Sink } else { Role::Source };
            let at = self.node(node, role, bin)?;
            if let At::Place(here) = at {
                if place == 0 {
                    ends[0] = self.planner.end_of(here, false);
                }
                ends[1] = self.planner.end_of(here, true).filter(|_| place == last);
            }
            let span = node.span.clone();
            if let (Some(from), Some(link)) = (before.take(), place.checked_sub(1).and_then(|i| chain.links.get(i))) {
                // A reference at the end of a chain names the pad that is linked to.
                let pads = if matches!(node.item, Item::Reference(_)) { &node.from } else { &node.into };
                self.written.push(Written {
                    from,
                    to: End { at: at.clone(), pads: pads.clone(), span: span.clone() },
                    caps: link.caps.clone(),
                    span: link.span.clone(),
                });
            }
            before = Some(End { at, pads: node.from.clone(), span });
        }
        Ok(ends)
    }

    fn node(&mut self, node: &Node, role: Role, bin: Option<usize>) -> Result<At, Fault> {
        match &node.item {
            Item::Reference(name) => Ok(At::Name(name.clone())),
            Item::Url(url) => self.url(url, role, &node.span, bin).map(At::Place),
            Item::Element(element) => {
                let place = self.element(element, &node.span, bin)?;
                self.name(place, &node.item)
            }
            Item::Bin(inner) => {
                let place = self.bin(inner, &node.span, bin)?;
                self.name(place, &node.item)
            }
        }
    }

    fn name(&mut self, place: usize, item: &Item) -> Result<At, Fault> {
        self.planner.name(place, item.name().map(|property| &*property.value));
        Ok(At::Place(place))
    }

    fn element(&mut self, element: &Element, span: &Range<usize>, bin: Option<usize>) -> Result<usize, Fault> {
        self.planner.spec(&element.factory, span)?;
        let properties = element.properties.iter().filter(|property| property.name != "name").cloned().collect();
        let factory = element.factory.clone();
        let span = span.clone();
        let placed = Placed { factory, name: String::new(), properties, bin, is_bin: false, address: None, span };
        self.planner.place(placed)
    }

    fn url(&mut self, url: &str, role: Role, span: &Range<usize>, bin: Option<usize>) -> Result<usize, Fault> {
        let spec = Uri::parse(url).and_then(|uri| self.planner.registry.spec_for(&uri, role));
        let spec = spec.map_err(|error| Fault::new(error.to_string(), span.clone()))?;
        let location = super::Property { name: "location".to_owned(), value: url.to_owned(), span: span.clone() };
        let place = self.planner.place(Placed {
            factory: spec.name().to_owned(),
            name: String::new(),
            properties: vec![location],
            bin,
            is_bin: false,
            address: Some(role),
            span: span.clone(),
        })?;
        self.planner.name(place, None);
        Ok(place)
    }

    fn bin(&mut self, inner: &Bin, span: &Range<usize>, bin: Option<usize>) -> Result<usize, Fault> {
        if !["bin", "pipeline"].contains(&inner.factory.as_str()) {
            let end = span.end.min(span.start + inner.factory.len());
            return Err(Fault::new(format!("no bin {:?}", inner.factory), span.start..end)
                .hint("there are bin.( … ) and pipeline.( … ), and ( … ) is a bin"));
        }
        if let Some(property) = inner.properties.iter().find(|property| property.name != "name") {
            let what = format!("unknown option {:?} for {}; it knows name", property.name, inner.factory);
            return Err(Fault::new(what, property.span.clone()));
        }
        let factory = inner.factory.clone();
        let placed = Placed {
            factory,
            name: String::new(),
            properties: Vec::new(),
            bin,
            is_bin: true,
            address: None,
            span: span.clone(),
        };
        let place = self.planner.place(placed)?;
        let mut ends = [None; 2];
        for (number, chain) in inner.chains.iter().enumerate() {
            let [first, last] = self.chain(chain, Some(place))?;
            ends = [if number == 0 { first } else { ends[0] }, last];
        }
        self.planner.set_ends(place, ends);
        Ok(place)
    }
}
