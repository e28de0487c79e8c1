//! The contract of an operator.

use super::downstream::Downstream;
use super::item::Item;
use crate::ack::Token;
use std::fmt;
use std::task::Waker;
use std::time::Instant;

/// A state machine without I/O and without a clock: items in, items out.
///
/// # Tokens
///
/// Every item carries a [`Token`], and the operator answers for it: pass it on, resolve it, or keep it with what it keeps. A token that
/// is dropped fails its message, so an operator that forgets is found out; it never loses one. See the table at [`Token`].
///
/// # Time
///
/// Time comes from [`Output::now`]. An operator that waits for a moment names it in [`deadline`](Operator::deadline);
/// [`tick`](Operator::tick) is called once it has passed, and may be called at any other time.
///
/// # Back-pressure
///
/// [`room`](Operator::room) says how many items it takes on a port, given how many the way down takes. No more are pushed. The default
/// suits every operator that holds nothing.
///
/// # The end
///
/// At end of stream [`finish`](Operator::finish) is called once, and everything held must go out. When the relay is *stopped* and the
/// sources will give the held items again, `finish` is not called: the operator is dropped with what it holds.
///
/// ```
/// use lorry_core::flow::{Item, Operator, Output};
/// use std::time::Instant;
///
/// /// Lets every second item through.
/// struct EverySecond(bool);
///
/// impl<T> Operator<T> for EverySecond {
///     fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
///         self.0 = !self.0;
///         if self.0 { out.push(item) } else { item.token.filtered() }
///     }
/// }
///
/// let mut seen = Vec::new();
/// let mut out = Output::to(&mut seen, Instant::now());
/// let mut op = EverySecond(false);
/// (1..=4).for_each(|n| op.push(Item::untracked(n), &mut out));
/// assert_eq!(seen.into_iter().map(|item| item.value).collect::<Vec<_>>(), [1, 3]);
/// ```
pub trait Operator<I, O = I>: Send {
    /// Takes an item.
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>);

    /// When it wants to be called although nothing comes in.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// A deadline has passed, or there is room below, or nothing in particular happened.
    fn tick(&mut self, out: &mut Output<'_, O>) {
        let _ = out;
    }

    /// All inputs have ended: give out what is held.
    fn finish(&mut self, out: &mut Output<'_, O>) {
        let _ = out;
    }

    /// Of a join, in place of [`finish`](Operator::finish): the relay has admitted as many messages as it was to
    /// ([`Relay::count`](crate::Relay::count)), and some input was cut short. What has had its part is let go of; what waits for another input
    /// is kept, and stays with its source when the operator is dropped.
    fn counted_out(&mut self, out: &mut Output<'_, O>) {
        let _ = out;
    }

    /// One of several inputs has ended and will bring nothing more, while others go on. A join lets go of what it held for that input,
    /// and must not hold back the others because of it.
    fn ended(&mut self, port: usize, out: &mut Output<'_, O>) {
        let _ = (port, out);
    }

    /// Called once a turn, before [`tick`](Operator::tick), with the waker of the task that drives the graph. For an operator that the
    /// program controls from outside: it keeps a clone, and whoever wants something of it wakes. It says so
    /// by [`has_handle`](Operator::has_handle).
    fn watch(&mut self, waker: &Waker) {
        let _ = waker;
    }

    /// Whether the program has a handle by which it may have it give out something at any time; see [`watch`](Operator::watch). A relay
    /// with such an operator is never taken for one in which nothing can move any more.
    fn has_handle(&self) -> bool {
        false
    }

    /// How many items it takes on this port, when the way down takes `downstream`. An operator with one input has port 0.
    fn room(&self, port: usize, downstream: usize) -> usize {
        let _ = port;
        downstream
    }

    /// Whether what becomes of an item may depend on the items before it: one that counts, compares, groups or keeps. Below such an
    /// operator an item that comes a second time need not fare like the first time (`unique` would remove it), so what waits there is
    /// delivered even if its source gives it again, and the runtime cannot tell by their order which items have passed. The default
    /// is the careful answer.
    fn remembers(&self) -> bool {
        true
    }

    /// How many items it holds back now, for the accounts; `None` if it does not count them.
    fn held(&self) -> Option<usize> {
        (self.holds() == Holds::Nothing).then_some(0)
    }

    /// How many of the items that it took have come to nothing so far: filtered, rejected, let go of before they were part of anything.
    /// Only for an operator of which it cannot be told from what it gives out and holds: one that keeps what it has given out, or that
    /// drops and gives out in one call.
    fn dropped(&self) -> Option<u64> {
        None
    }

    /// How many of the items that it takes one that it gives out may stand for: of a batch its size. What an operator below holds back is
    /// so many times as much.
    fn gathers(&self) -> usize {
        1
    }

    /// How many items it may hold back at most. Where the source's peer bounds what may stay unacknowledged, more is refused.
    fn holds(&self) -> Holds {
        Holds::Nothing
    }
}

/// What an operator may hold back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holds {
    /// Every item leaves, or is resolved, in the call that brought it.
    Nothing,
    /// So many items, for as long as nothing else comes.
    Items(usize),
    /// So many items, but none for ever: a time limit lets go of them, or the way down as soon as it has room.
    ForATime(usize),
    /// An item, until another replaces it; that may be never.
    UntilReplaced,
}

impl<I, O> Operator<I, O> for Box<dyn Operator<I, O>> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        (**self).push(item, out);
    }

    fn deadline(&self) -> Option<Instant> {
        (**self).deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, O>) {
        (**self).tick(out);
    }

    fn finish(&mut self, out: &mut Output<'_, O>) {
        (**self).finish(out);
    }

    fn counted_out(&mut self, out: &mut Output<'_, O>) {
        (**self).counted_out(out);
    }

    fn ended(&mut self, port: usize, out: &mut Output<'_, O>) {
        (**self).ended(port, out);
    }

    fn watch(&mut self, waker: &Waker) {
        (**self).watch(waker);
    }

    fn has_handle(&self) -> bool {
        (**self).has_handle()
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        (**self).room(port, downstream)
    }

    fn holds(&self) -> Holds {
        (**self).holds()
    }

    fn held(&self) -> Option<usize> {
        (**self).held()
    }

    fn dropped(&self) -> Option<u64> {
        (**self).dropped()
    }

    fn gathers(&self) -> usize {
        (**self).gathers()
    }

    fn remembers(&self) -> bool {
        (**self).remembers()
    }
}

/// Where an operator puts what it makes. A concrete type, so that `Operator` is object-safe.
pub struct Output<'a, T> {
    down: &'a mut dyn Downstream<T>,
    now: Instant,
    room: usize,
    given: u64,
}

impl<'a, T: Send> Output<'a, T> {
    /// An output into a vector, for testing an operator by itself. Any `now` will do.
    pub fn to(down: &'a mut Vec<Item<T>>, now: Instant) -> Self {
        Self::new(down, now, usize::MAX)
    }
}

impl<'a, T> Output<'a, T> {
    pub(crate) fn new(down: &'a mut dyn Downstream<T>, now: Instant, room: usize) -> Self {
        Self { down, now, room, given: 0 }
    }

    /// Gives out a value under a token.
    #[inline]
    pub fn emit(&mut self, value: T, token: Token) {
        self.push(Item { value, token });
    }

    /// Gives out an item.
    #[inline]
    pub fn push(&mut self, item: Item<T>) {
        self.room = self.room.saturating_sub(1);
        self.given += 1;
        self.down.push(item, self.now);
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many items the way down still takes; less with each push. To go beyond is allowed (an operator that makes many of one
    /// cannot do otherwise), to hold back until [`tick`](Operator::tick) is better.
    pub fn room(&self) -> usize {
        self.room
    }

    pub(super) fn given(&self) -> u64 {
        self.given
    }

    pub(super) fn room_left(&self) -> usize {
        self.room
    }
}

impl<T> fmt::Debug for Output<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("room", &self.room).finish_non_exhaustive()
    }
}
