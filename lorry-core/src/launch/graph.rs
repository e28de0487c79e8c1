//! What a graph must be: whole, without loops, of bearable width.

use super::Fault;
use super::layout::{Layout, Wire, number};
use crate::registry::{ElementSpec, Registry, Role};
use std::collections::BTreeSet;

/// The most ways to one element: that many times a message may come there, and back-pressure is asked.
const MOST_COPIES: u64 = 10_000;

impl Wire {
    /// From `src` to `sink`.
    pub(super) fn plain(from: usize, to: usize) -> Self {
        Self { from, from_pad: "src".to_owned(), to, to_pad: "sink".to_owned() }
    }
}

/// The links of a layout, from both sides.
pub(super) struct Shape<'a> {
    layout: &'a Layout,
    /// For each element the links into it, by the number of the pad.
    into: Vec<Vec<&'a Wire>>,
    from: Vec<Vec<&'a Wire>>,
}

impl<'a> Shape<'a> {
    pub(super) fn of(layout: &'a Layout) -> Self {
        let mut into: Vec<Vec<&Wire>> = vec![Vec::new(); layout.elements.len()];
        let mut from = into.clone();
        for wire in &layout.wires {
            into[wire.to].push(wire);
            from[wire.from].push(wire);
        }
        into.iter_mut().for_each(|wires| wires.sort_by_key(|wire| number(&wire.to_pad, false)));
        Self { layout, into, from }
    }

    /// All that are no bins.
    pub(super) fn elements(&self) -> impl Iterator<Item = usize> {
        self.layout.elements.iter().enumerate().filter(|(_, placed)| !placed.is_bin).map(|(place, _)| place)
    }

    /// What an element gets its messages from, in the order of its pads.
    pub(super) fn inputs(&self, place: usize) -> impl Iterator<Item = usize> {
        self.into[place].iter().map(|wire| wire.from)
    }

    /// Elements that give to nothing.
    ///
    /// # Errors
    /// One that gets nothing, a tee without a branch.
    pub(super) fn open_ends(&self, registry: &Registry) -> Result<Vec<usize>, Fault> {
        let mut open = Vec::new();
        for place in self.elements() {
            let placed = &self.layout.elements[place];
            let spec = registry.element(&placed.factory);
            let role = placed.address.or_else(|| spec.map(ElementSpec::role));
            if role != Some(Role::Source) && self.into[place].is_empty() {
                let role = role.unwrap_or(Role::Operator);
                return Err(Fault::new(format!("no source: this {role} has nothing before it"), placed.span.clone())
                    .hint("a chain begins with a source, and has a ! between its elements"));
            }
            if role != Some(Role::Sink) && self.from[place].is_empty() {
                if spec.is_some_and(ElementSpec::branches) {
                    return Err(Fault::new("this tee has no branch", placed.span.clone())
                        .hint("name it, and link from its name: tee name=t  t. ! …  t. ! …"));
                }
                open.push(place);
            }
        }
        Ok(open)
    }

    /// All elements, each after those it gets its messages from; else in the order of the text.
    ///
    /// # Errors
    /// A loop.
    pub(super) fn order(&self) -> Result<Vec<usize>, Fault> {
        let mut missing: Vec<usize> = self.into.iter().map(Vec::len).collect();
        let mut ready: BTreeSet<usize> = self.elements().filter(|&place| missing[place] == 0).collect();
        let mut order = Vec::new();
        while let Some(place) = ready.pop_first() {
            order.push(place);
            for wire in &self.from[place] {
                missing[wire.to] -= 1;
                if missing[wire.to] == 0 {
                    ready.insert(wire.to);
                }
            }
        }
        match self.elements().find(|&place| missing[place] > 0) {
            None => Ok(order),
            Some(stuck) => Err(self.found_loop(stuck, &missing)),
        }
    }

    /// Back from one that waits, to where the way closes.
    fn found_loop(&self, stuck: usize, missing: &[usize]) -> Fault {
        let (mut way, mut at) = (Vec::new(), stuck);
        while !way.contains(&at) {
            way.push(at);
            let Some(before) = self.inputs(at).find(|&from| missing[from] > 0) else { break };
            at = before;
        }
        let first = way.iter().position(|&place| place == at).unwrap_or_default();
        let closed = std::iter::once(at).chain(way[first..].iter().rev().copied());
        let names: Vec<_> = closed.map(|place| &*self.layout.elements[place].name).collect();
        let span = self.layout.elements[at].span.clone();
        Fault::new(format!("a loop: {}", names.join(" ! ")), span)
            .hint("what has passed an element cannot come back to it")
    }

    /// How many ways lead to an element, through branches that come together again one after the other.
    pub(super) fn copies(&self, registry: &Registry) -> Result<(), Fault> {
        let mut copies = vec![1_u64; self.layout.elements.len()];
        for place in self.order()? {
            let all = self.inputs(place).map(|from| copies[from]);
            copies[place] = all.fold(0_u64, u64::saturating_add).max(1);
            let placed = &self.layout.elements[place];
            if copies[place] > MOST_COPIES && registry.element(&placed.factory).is_some_and(ElementSpec::joins) {
                let what = format!("more than {MOST_COPIES} ways lead from the sources to this element");
                return Err(Fault::new(what, placed.span.clone())
                    .hint("with each tee whose branches come together again there are twice as many"));
            }
        }
        Ok(())
    }
}
