//! For benchmarks alone: a graph without tasks, driven by hand.

use super::downstream::{Downstream, Ending, Status, Turn};
use super::item::Item;
use super::node::{AnyNode, Info, Node};
use super::operator::Holds;
use super::{Stream, Wiring, describe, regions};
use crate::ack::{Ledger, OnRejected};
use crate::registry::Role;
use crate::relay::{Chunk, Control, LaneId, Settings, Settlement};
use crate::sync::lock;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Instant;

/// A source's ledger, operators, and an end that has everything delivered at once.
pub struct Bench<T> {
    graph: Box<dyn Downstream<T>>,
    ledger: Ledger,
    position: u64,
    items: Vec<Item<T>>,
    now: Instant,
}

impl<T: Send + 'static> Bench<T> {
    /// Wires a graph.
    ///
    /// # Errors
    /// What a relay would refuse.
    pub fn new<O: Send + 'static>(build: impl FnOnce(Stream<T>) -> Stream<O>) -> crate::Result<Self> {
        let top = Arc::<Mutex<Option<Box<dyn Downstream<T>>>>>::default();
        let found = top.clone();
        let info = Info::new(Role::Source, "bench", Holds::Nothing);
        let source = Node::new(info, Vec::new(), Box::new(move |down, _, _| *lock(&found) = Some(down)));
        let end = build(Stream::from_node(source)).node;
        end.add(end.branch(), Box::new(End));
        let nodes = describe::sorted(&[end as Arc<dyn AnyNode>]);
        let settings = Settings::default();
        let graph = super::Graph::of(&nodes, &settings.identity);
        let names: Vec<_> = graph.nodes().iter().map(|node| node.name.clone()).collect();
        let mut wiring = Wiring::new(Control::new(settings, graph));
        for ((node, name), region) in nodes.iter().zip(&names).zip(regions(&nodes, &names)?).rev() {
            wiring.region = region;
            node.wire(name, &mut wiring)?;
        }
        let graph = lock(&top).take().ok_or_else(|| crate::Error::usage("the graph does not begin at its source"))?;
        let ledger = Ledger::new(Settlement::InOrder, OnRejected::Settle, Arc::default());
        Ok(Self { graph, ledger, position: 0, items: Vec::new(), now: Instant::now() })
    }

    /// What the pump does with a chunk: tokens, a turn, every item down, what may be settled.
    pub fn feed(&mut self, values: Vec<T>) {
        let len = values.len() as u64;
        self.ledger.issue(Chunk::sequential(LaneId(0), self.position, values), 0, &mut self.items);
        self.position += len;
        self.graph.turn(&mut Turn { now: self.now, cx: &mut Context::from_waker(Waker::noop()) });
        self.items.drain(..).for_each(|item| self.graph.push(item, self.now));
        self.ledger.take(false);
    }

    /// Ends the stream; how many items were delivered, and how many filtered out.
    pub fn finish(mut self) -> (u64, u64) {
        self.graph.finish(Ending::EndOfStream, self.now);
        let tally = self.ledger.tally();
        (tally.delivered, tally.filtered)
    }
}

impl<T> fmt::Debug for Bench<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("position", &self.position).finish_non_exhaustive()
    }
}

/// Everything is delivered.
struct End;

impl<T: Send> Downstream<T> for End {
    #[inline]
    fn push(&mut self, item: Item<T>, _: Instant) {
        item.token.delivered();
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: usize::MAX, deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_goes_in_is_accounted_for() {
        let mut bench = Bench::new(|numbers: Stream<u64>| {
            let (a, b) = numbers.filter(|n| n % 2 == 0).tee();
            a.map(|n| n + 1).zip(b).batch(4)
        });
        let bench_ref = bench.as_mut().unwrap();
        bench_ref.feed((0..10).collect());
        bench_ref.feed((10..13).collect());
        assert_eq!(bench.unwrap().finish(), (7, 6));
    }
}
