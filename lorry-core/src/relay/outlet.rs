//! The end of a graph: from the pump to a sink's task.

use super::queue::Queue;
use crate::flow::{Downstream, Ending, Item, Status, Turn};
use std::sync::Arc;
use std::time::Instant;

/// Collects what a turn brings, and hands it over with one lock.
pub(crate) struct Outlet<T> {
    queue: Arc<Queue<Item<T>>>,
    staged: Vec<Item<T>>,
}

impl<T> Outlet<T> {
    pub(crate) fn new(queue: Arc<Queue<Item<T>>>) -> Self {
        Self { queue, staged: Vec::new() }
    }

    fn hand_over(&mut self) {
        if !self.staged.is_empty() {
            self.queue.push_all(&mut self.staged);
        }
    }
}

impl<T: Send> Downstream<T> for Outlet<T> {
    #[inline]
    fn push(&mut self, item: Item<T>, _: Instant) {
        self.staged.push(item);
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.hand_over();
        Status { room: self.queue.poll_room(turn.cx), deadline: None }
    }

    fn finish(&mut self, ending: Ending, _: Instant) {
        self.hand_over();
        self.queue.close(ending);
    }
}

impl<T> Drop for Outlet<T> {
    fn drop(&mut self) {
        // After `finish` this changes nothing; after a panic it tells the sink that nothing more comes.
        self.queue.close(Ending::Stop);
    }
}
