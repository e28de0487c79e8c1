//! For tests of single operators: a bench to put one on, and tokens whose fate can be looked up.

use crate::ack::{Completion, Run, Tally};
use crate::flow::{Item, Operator, Output};
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// An operator, what it gave out, and a clock that stands still until it is moved.
pub(super) struct Bench<Op, O> {
    pub(super) op: Op,
    seen: Vec<Item<O>>,
    pub(super) now: Instant,
    pub(super) room: usize,
}

impl<Op, O: Send> Bench<Op, O> {
    pub(super) fn new(op: Op) -> Self {
        Self { op, seen: Vec::new(), now: Instant::now(), room: usize::MAX }
    }

    fn with(&mut self, call: impl FnOnce(&mut Op, &mut Output<'_, O>)) -> &mut Self {
        let mut out = Output::new(&mut self.seen, self.now, self.room);
        call(&mut self.op, &mut out);
        self
    }

    /// Puts values in that nobody waits for.
    pub(super) fn push<I>(&mut self, values: impl IntoIterator<Item = I>) -> &mut Self
    where
        Op: Operator<I, O>,
    {
        values.into_iter().for_each(|value| {
            self.with(|op, out| op.push(Item::untracked(value), out));
        });
        self
    }

    /// Puts in a value whose fate is of interest.
    pub(super) fn track<I>(&mut self, value: I) -> Fate
    where
        Op: Operator<I, O>,
    {
        let (item, fate) = tracked(value);
        self.with(|op, out| op.push(item, out));
        fate
    }

    /// Moves the clock, and does what the pump does when a deadline has passed.
    pub(super) fn pass<I>(&mut self, time: Duration) -> &mut Self
    where
        Op: Operator<I, O>,
    {
        self.now += time;
        self.with(Op::tick)
    }

    pub(super) fn ended<I>(&mut self, port: usize) -> &mut Self
    where
        Op: Operator<I, O>,
    {
        self.with(|op, out| op.ended(port, out))
    }

    pub(super) fn finish<I>(&mut self) -> &mut Self
    where
        Op: Operator<I, O>,
    {
        self.with(Op::finish)
    }

    /// When it wants to be called, from now.
    pub(super) fn due<I>(&self) -> Option<Duration>
    where
        Op: Operator<I, O>,
    {
        self.op.deadline().map(|at| at.saturating_duration_since(self.now))
    }

    /// Everything given out since the last call, delivered.
    pub(super) fn take(&mut self) -> Vec<O> {
        self.seen
            .drain(..)
            .map(|item| {
                item.token.delivered();
                item.value
            })
            .collect()
    }
}

/// What became of an item.
pub(super) struct Fate {
    counts: Arc<Mutex<Tally>>,
    _told: oneshot::Receiver<crate::Result<()>>,
}

/// An item whose fate can be looked up.
pub(super) fn tracked<T>(value: T) -> (Item<T>, Fate) {
    let counts = Arc::<Mutex<Tally>>::default();
    let (sender, told) = oneshot::channel();
    let completion = Completion::Once { sender: Mutex::new(Some(sender)), counts: counts.clone() };
    let mut items = Vec::with_capacity(1);
    Run::new(1, completion).issue([value], &mut items);
    (items.remove(0), Fate { counts, _told: told })
}

impl Fate {
    /// `held`, `filtered`, `delivered` or `failed` (which is also rejected).
    pub(super) fn get(&self) -> &'static str {
        match *lock(&self.counts) {
            Tally { delivered: 1, .. } => "delivered",
            Tally { filtered: 1, .. } => "filtered",
            Tally { failed: 1, .. } => "failed",
            _ => "held",
        }
    }
}

/// The fates of several.
pub(super) fn fates<'a>(fates: impl IntoIterator<Item = &'a Fate>) -> Vec<&'static str> {
    fates.into_iter().map(Fate::get).collect()
}
