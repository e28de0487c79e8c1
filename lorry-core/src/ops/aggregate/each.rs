//! `aggregate_each`: one value for each window.

use super::Aggregate;
use crate::flow::{Holds, Item, Operator, Output};
use crate::ops::interval::Interval;
use crate::ops::timed_window::MOST;
use crate::{Error, ErrorKind, Stream, Token};
use std::fmt;
use std::time::{Duration, Instant};

/// Windows that follow one another, each item in one of them. Only tokens are held, and the state of the aggregate.
#[derive(Clone, Copy, Debug)]
pub struct Every {
    kind: Kind,
    max_items: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Items,
    Interval(Duration),
    Whole,
}

impl Every {
    /// So many items (at least 1; 0 counts as 1). At end of stream a value of the rest is given out. Holds up to one less.
    pub fn items(items: usize) -> Self {
        Self { kind: Kind::Items, max_items: items.max(1) }
    }

    /// What comes within each interval of the clock (at least a millisecond), counted from the first item; for one in which nothing came
    /// nothing is given out. Holds up to [`max_items`](Every::max_items) (65,536) for an interval; when they are there, the stream is
    /// held back until the window closes.
    pub fn interval(interval: Duration) -> Self {
        Self { kind: Kind::Interval(interval), max_items: MOST }
    }

    /// The whole stream: one value when it ends, also if nothing came. For streams that do. Every item stays unacknowledged until then;
    /// beyond [`max_items`](Every::max_items) (2²⁴) they are rejected.
    pub fn whole() -> Self {
        Self { kind: Kind::Whole, max_items: 1 << 24 }
    }

    /// How many items are held at most (at least 1). Windows of a number of items know that by themselves.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        if self.kind != Kind::Items {
            self.max_items = items.max(1);
        }
        self
    }
}

/// One value for each window. Token rule: joined; an item that is refused is rejected, and does not count.
pub struct AggregateEach<A> {
    every: Every,
    clock: Interval,
    fresh: A,
    state: A,
    tokens: Vec<Token>,
}

impl<A: Clone> AggregateEach<A> {
    /// A result for each window.
    pub fn new(every: Every, aggregate: A) -> Self {
        let interval = if let Kind::Interval(interval) = every.kind { interval } else { Duration::MAX };
        Self { every, clock: Interval::new(interval), state: aggregate.clone(), fresh: aggregate, tokens: Vec::new() }
    }

    fn give<I>(&mut self, out: &mut Output<'_, A::Output>)
    where
        A: Aggregate<I>,
    {
        self.clock.stop();
        let state = std::mem::replace(&mut self.state, self.fresh.clone());
        out.emit(state.result(), Token::join(std::mem::take(&mut self.tokens)));
    }

    fn too_many(&self) -> Error {
        let text = format!("more than {} items before the end of the stream: raise max_items", self.every.max_items);
        Error::data(ErrorKind::TooLarge, "aggregate", text)
    }
}

impl<I, A: Aggregate<I>> Operator<I, A::Output> for AggregateEach<A> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, A::Output>) {
        if A::LIMITED
            && let Err(error) = self.state.admit(&item.value)
        {
            return item.token.reject(error);
        }
        if self.every.kind == Kind::Whole && self.tokens.len() >= self.every.max_items {
            return item.token.reject(self.too_many());
        }
        if let Kind::Interval(_) = self.every.kind {
            self.clock.start(out.now());
        }
        self.state.on_new(&item.value);
        self.tokens.push(item.token);
        if self.every.kind == Kind::Items && self.tokens.len() >= self.every.max_items {
            self.give(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, A::Output>) {
        if self.clock.strikes(out.now(), out.room()) {
            self.give(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, A::Output>) {
        if !self.tokens.is_empty() || self.every.kind == Kind::Whole {
            self.give(out);
        }
    }

    fn room(&self, _: usize, downstream: usize) -> usize {
        let held = self.tokens.len();
        match self.every.kind {
            Kind::Items => downstream.saturating_mul(self.every.max_items).saturating_sub(held),
            Kind::Interval(_) => self.every.max_items.saturating_sub(held),
            Kind::Whole => MOST,
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.tokens.len())
    }

    fn gathers(&self) -> usize {
        if self.every.kind == Kind::Items { self.every.max_items } else { 1 }
    }

    fn holds(&self) -> Holds {
        match (self.every.kind, self.every.max_items) {
            (Kind::Items, 1) => Holds::Nothing,
            (Kind::Items, items) => Holds::Items(items - 1),
            (Kind::Interval(_), items) => Holds::ForATime(items),
            (Kind::Whole, items) => Holds::Items(items),
        }
    }
}

impl<A> fmt::Debug for AggregateEach<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateEach")
            .field("every", &self.every)
            .field("held", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// One value for each window: of so many items, of an interval of the clock, of the whole stream.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::aggregate::{Aggregate, Count, Every, Mean}};
    /// # use std::time::Duration;
    /// # struct Reading { station: String, celsius: f64 }
    /// let (_input, readings) = Stream::<Reading>::input();
    /// let both = (Count::new(), Mean::new().of(|reading: &Reading| reading.celsius));
    /// let by_station = both.by(|reading: &Reading| reading.station.clone());
    /// let _per_minute = readings.aggregate_each(Every::interval(Duration::from_secs(60)), by_station);
    /// ```
    pub fn aggregate_each<A>(self, every: Every, aggregate: A) -> Stream<A::Output>
    where
        A: Aggregate<T> + 'static,
        A::Output: Send + 'static,
    {
        self.via_kind("aggregate", AggregateEach::new(every, aggregate))
    }
}
