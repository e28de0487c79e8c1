//! What a graph becomes when it is wired: roots for the pump, tasks for sources and sinks.

use super::downstream::Downstream;
use super::input::InputState;
use super::item::Item;
use crate::relay::{Control, Feed, Queue, Root, Task};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Collects what the nodes become.
pub(crate) struct Wiring {
    pub(crate) control: Arc<Control>,
    /// By region: each has a pump of its own.
    pub(crate) roots: BTreeMap<usize, Vec<Box<dyn Root>>>,
    /// The region of the node that is being wired.
    pub(crate) region: usize,
    pub(crate) sources: Vec<Task>,
    pub(crate) sinks: Vec<Task>,
}

impl Wiring {
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control, roots: BTreeMap::new(), region: 0, sources: Vec::new(), sinks: Vec::new() }
    }

    /// A queue from which a source feeds this part of the graph. What waits in it of a lost lane that comes again is dropped.
    pub(crate) fn add_root<T: Send + 'static>(&mut self, queue: Arc<Queue<Item<T>>>, graph: Box<dyn Downstream<T>>) {
        let feed = Feed::new(queue, graph, self.control.unwanted.clone(), self.control.crowded.clone());
        self.roots.entry(self.region).or_default().push(Box::new(feed));
    }

    /// [`add_root`](Wiring::add_root) for a queue in the middle of the graph. Operators have seen what comes out of it, and other arms
    /// of a diamond may be further on with it: nothing of it is superfluous, even if its source gives it again.
    pub(crate) fn add_inner_root<T: Send + 'static>(
        &mut self,
        queue: Arc<Queue<Item<T>>>,
        graph: Box<dyn Downstream<T>>,
    ) {
        let feed = Feed::new(queue, graph, Arc::default(), self.control.crowded.clone());
        self.roots.entry(self.region).or_default().push(Box::new(feed));
    }

    pub(super) fn add_input<T: Send + 'static>(
        &mut self,
        queue: Arc<Queue<Item<T>>>,
        graph: Box<dyn Downstream<T>>,
        state: Arc<InputState>,
    ) {
        self.control.add_input(state);
        self.add_root(queue, graph);
    }
}
