//! An operator and its way down.

use super::downstream::{Downstream, Ending, Status, Turn, earliest};
use super::item::Item;
use super::node::Meter;
use super::operator::{Holds, Operator, Output};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

/// A stage owns its operator and everything below it. It counts in plain numbers and publishes them once a turn.
pub(crate) struct Stage<I, O, Op> {
    op: Op,
    down: Box<dyn Downstream<O>>,
    room: usize,
    taken: u64,
    given: u64,
    dropped: u64,
    /// Whether the operator holds anything, and says how much.
    holds: bool,
    says: bool,
    meter: Arc<Meter>,
    // `fn(I)`, so that being Send does not depend on a type that is never stored.
    input: PhantomData<fn(I)>,
}

impl<I, O, Op: Operator<I, O>> Stage<I, O, Op> {
    pub(crate) fn new(op: Op, down: Box<dyn Downstream<O>>, meter: Arc<Meter>) -> Self {
        let (holds, says) = (op.holds() != Holds::Nothing, op.held().is_some());
        Self { op, down, room: 0, taken: 0, given: 0, dropped: 0, holds, says, meter, input: PhantomData }
    }

    fn held(&self) -> u64 {
        if self.holds { self.op.held().unwrap_or(0) as u64 } else { 0 }
    }

    /// Calls the operator, which takes so many items by it. What then is neither given out nor held has been dropped.
    fn run(&mut self, taken: u64, now: Instant, call: impl FnOnce(&mut Op, &mut Output<'_, O>)) {
        let before = taken + self.held();
        let mut out = Output::new(&mut *self.down, now, self.room);
        call(&mut self.op, &mut out);
        let given = out.given();
        self.room = out.room_left();
        self.given += given;
        if given == 0 {
            self.dropped += before.saturating_sub(self.held());
        }
    }

    fn publish(&self) {
        self.meter.publish(self.taken, self.given);
        if self.says {
            self.meter.publish_rest(self.op.dropped().unwrap_or(self.dropped), self.held());
        }
    }

    /// One of several inputs has ended.
    pub(super) fn ended(&mut self, port: usize, now: Instant) {
        self.run(0, now, |op, out| op.ended(port, out));
    }

    /// What the way down took when it was asked last, less what it got since.
    pub(super) fn room_below(&self) -> usize {
        self.room
    }

    /// A turn, and the operator's room on this port.
    pub(crate) fn turn_port(&mut self, turn: &mut Turn<'_, '_>, port: usize) -> Status {
        let mut below = self.down.turn(turn);
        self.room = below.room;
        let before = self.given;
        self.op.watch(turn.cx.waker());
        self.run(0, turn.now, Op::tick);
        if self.given != before {
            // What the tick let go takes its place below.
            below = self.down.turn(turn);
            self.room = below.room;
        }
        self.publish();
        Status { room: self.op.room(port, below.room), deadline: earliest(self.op.deadline(), below.deadline) }
    }
}

impl<I, O, Op: Operator<I, O>> Downstream<I> for Stage<I, O, Op> {
    #[inline]
    fn push(&mut self, item: Item<I>, now: Instant) {
        self.taken += 1;
        self.run(1, now, |op, out| op.push(item, out));
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        self.turn_port(turn, 0)
    }

    fn finish(&mut self, ending: Ending, now: Instant) {
        if ending != Ending::Stop {
            self.run(0, now, Op::finish);
        }
        self.publish();
        self.down.finish(ending, now);
    }
}

impl<I, O, Op: Operator<I, O>> Stage<I, O, Op> {
    /// The end of a join of which some input was cut short.
    pub(super) fn finish_counted_out(&mut self, now: Instant) {
        self.run(0, now, Op::counted_out);
        self.publish();
        self.down.finish(Ending::CountedOut, now);
    }
}
