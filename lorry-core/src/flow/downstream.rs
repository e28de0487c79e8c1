//! The way down: what a stage sees of everything below it.

use super::item::Item;
use std::task::Context;
use std::time::Instant;

/// Everything below an edge of the graph, behind one pointer.
pub(crate) trait Downstream<T>: Send {
    /// Takes an item, whether or not there is room.
    fn push(&mut self, item: Item<T>, now: Instant);

    /// Once per turn of the pump: due ticks, staged output goes out, counters are published, room is asked.
    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status;

    /// Nothing more will come.
    fn finish(&mut self, ending: Ending, now: Instant);
}

/// One turn of the pump.
pub(crate) struct Turn<'a, 'b> {
    pub(crate) now: Instant,
    /// Where a full queue registers the pump's waker.
    pub(crate) cx: &'a mut Context<'b>,
}

/// What the way down can take, and when it wants to be called again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) room: usize,
    pub(crate) deadline: Option<Instant>,
}

impl Status {
    /// For several ways down at once: the least room, the first deadline.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { room: self.room.min(other.room), deadline: earliest(self.deadline, other.deadline) }
    }
}

pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// Why nothing more comes. The order matters: over several inputs the larger wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// The relay is stopped, and the source will give again what operators hold: they are dropped with it.
    Stop,
    /// What `count` admits is used up. Operators give out what they hold; but what waits in a join for another input stays with its source,
    /// for that input may have had more.
    CountedOut,
    /// There is nothing behind it: everything held goes out.
    EndOfStream,
}

/// For tests of a single operator.
impl<T: Send> Downstream<T> for Vec<Item<T>> {
    fn push(&mut self, item: Item<T>, _: Instant) {
        Vec::push(self, item);
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: usize::MAX, deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}
