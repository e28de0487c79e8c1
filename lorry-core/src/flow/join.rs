//! Fan-in: several inputs of one operator.

use super::downstream::{Downstream, Ending, Status, Turn};
use super::item::Item;
use super::operator::Operator;
use super::stage::Stage;
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The input of a join of two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// From the stream that was joined.
    Left(A),
    /// From the other one.
    Right(B),
}

/// The shared end of several ports: an operator over tagged input. The mutex is never contended (one pump) and never taken twice (no
/// cycles).
pub(crate) struct Join<I, O, Op> {
    stage: Stage<I, O, Op>,
    open: usize,
    ending: Ending,
    /// An input was stopped; what is held for it stays with its source.
    stopping: bool,
    /// An input was cut short by `count`.
    counted_out: bool,
}

impl<I, O, Op: Operator<I, O>> Join<I, O, Op> {
    pub(crate) fn new(stage: Stage<I, O, Op>, ports: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { stage, open: ports, ending: Ending::Stop, stopping: false, counted_out: false }))
    }
}

/// One way into a join: tags what comes with where it came from.
pub(crate) struct Port<A, I, O, Op, Tag> {
    join: Arc<Mutex<Join<I, O, Op>>>,
    tag: Tag,
    port: usize,
    from: std::marker::PhantomData<fn(A)>,
}

impl<A, I, O, Op, Tag> Port<A, I, O, Op, Tag> {
    pub(crate) fn new(join: Arc<Mutex<Join<I, O, Op>>>, port: usize, tag: Tag) -> Self {
        Self { join, tag, port, from: std::marker::PhantomData }
    }
}

impl<A, I, O, Op, Tag> Downstream<A> for Port<A, I, O, Op, Tag>
where
    A: Send,
    Op: Operator<I, O>,
    Tag: Fn(A) -> I + Send,
{
    fn push(&mut self, item: Item<A>, now: Instant) {
        let item = Item { value: (self.tag)(item.value), token: item.token };
        lock(&self.join).stage.push(item, now);
    }

    fn turn(&mut self, turn: &mut Turn<'_, '_>) -> Status {
        let mut join = lock(&self.join);
        let mut status = join.stage.turn_port(turn, self.port);
        if join.stopping && status.room == 0 {
            // What it waits for on a stopped input will not come; the others must still get to their end.
            status.room = join.stage.room_below();
        }
        status
    }

    fn finish(&mut self, ending: Ending, now: Instant) {
        let mut join = lock(&self.join);
        join.open -= 1;
        join.ending = join.ending.max(ending);
        join.counted_out |= ending == Ending::CountedOut;
        if join.open == 0 && join.counted_out {
            join.stage.finish_counted_out(now);
        } else if join.open == 0 {
            let ending = join.ending;
            join.stage.finish(ending, now);
        } else if ending == Ending::EndOfStream {
            join.stage.ended(self.port, now);
        } else {
            join.stopping = true;
        }
    }
}
