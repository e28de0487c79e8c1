//! The end of a graph, or of a part of it: from a pump to another task.

use super::control::Control;
use super::queue::Queue;
use super::source::weigh;
use crate::flow::{Downstream, Ending, Item, Status, Turn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Collects what a turn brings, and hands it over with one lock.
pub(crate) struct Staging<T> {
    pub(crate) queue: Arc<Queue<Item<T>>>,
    items: Vec<Item<T>>,
    /// The memory of what is staged, and how much of it is enough for one turn: operators may make much of little.
    bytes: usize,
    enough: usize,
    crowded: Arc<AtomicBool>,
}

impl<T: 'static> Staging<T> {
    /// Before this queue.
    pub(crate) fn new(queue: Arc<Queue<Item<T>>>, control: &Control) -> Self {
        let (enough, crowded) = (control.settings.bound.bytes, control.crowded.clone());
        Self { queue, items: Vec::new(), bytes: 0, enough, crowded }
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item<T>) {
        self.bytes += weigh(&item.value);
        if self.bytes >= self.enough {
            self.crowded.store(true, Ordering::Relaxed);
        }
        self.items.push(item);
    }

    pub(crate) fn hand_over(&mut self) {
        if !self.items.is_empty() {
            self.queue.push_weighed(&mut self.items, std::mem::take(&mut self.bytes));
        }
    }

    pub(crate) fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.hand_over();
        Status { room: self.queue.poll_room(turn.cx), deadline: None }
    }
}

/// The only way into a queue; closes it when it ends.
pub(crate) struct Outlet<T: 'static>(Staging<T>);

impl<T: 'static> Outlet<T> {
    /// Into this queue.
    pub(crate) fn new(queue: Arc<Queue<Item<T>>>, control: &Control) -> Self {
        Self(Staging::new(queue, control))
    }
}

impl<T: Send + 'static> Downstream<T> for Outlet<T> {
    #[inline]
    fn push(&mut self, item: Item<T>, _: Instant) {
        self.0.push(item);
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.0.turn(turn)
    }

    fn finish(&mut self, ending: Ending, _: Instant) {
        self.0.hand_over();
        self.0.queue.close(ending);
    }
}

impl<T: 'static> Drop for Outlet<T> {
    fn drop(&mut self) {
        // After `finish` this changes nothing; after a panic it tells the reader that nothing more comes.
        self.0.queue.close(Ending::Stop);
    }
}
