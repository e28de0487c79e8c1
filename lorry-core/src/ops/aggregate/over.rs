//! `aggregate`, `aggregate_batches`: a running value over all items, or over the last.

use super::Aggregate;
use super::rolling::Rolling;
use crate::flow::{Item, Operator, Output};
use crate::ops::event_time::nanos;
use crate::ops::timed_window::MOST;
use crate::{Result, Stream, Timestamp};
use std::fmt;
use std::time::Duration;

/// Of which items a running value tells.
pub struct Over<I>(Kind<I>);

enum Kind<I> {
    All,
    Last(usize),
    LastFor { nanos: i64, max_items: usize, time: TimeOf<I> },
}

type TimeOf<I> = Box<dyn FnMut(&I) -> Timestamp + Send>;

impl<I> Over<I> {
    /// Of all that have come. Remembers no items.
    pub fn all() -> Self {
        Self(Kind::All)
    }

    /// Of the last `items` (at least 1; 0 counts as 1), which are remembered.
    pub fn last(items: usize) -> Self {
        Self(Kind::Last(items.max(1)))
    }

    /// Of those whose time is within `(latest − length, latest]`, where `latest` is the highest time seen; they are remembered. The
    /// length is at least a nanosecond. An item may come later than its successors, as long as it lies within the window (then the value
    /// is computed anew, in the order of time); one that lies before it does not count, and is resolved as filtered.
    pub fn last_for(length: Duration, time: impl FnMut(&I) -> Timestamp + Send + 'static) -> Self {
        Self(Kind::LastFor { nanos: nanos(length).max(1), max_items: MOST, time: Box::new(time) })
    }

    /// How many items [`last_for`](Over::last_for) remembers (at least 1): one more, and the oldest leaves before its time. Default:
    /// 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        if let Kind::LastFor { max_items, .. } = &mut self.0 {
            *max_items = items.max(1);
        }
        self
    }
}

impl<I> fmt::Debug for Over<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::All => f.write_str("Over::all"),
            Kind::Last(items) => write!(f, "Over::last({items})"),
            Kind::LastFor { nanos, .. } => write!(f, "Over::last_for({nanos} ns)"),
        }
    }
}

/// A value that follows the items.
pub(in crate::ops) enum Following<I, A> {
    All(A),
    Last(usize, Rolling<I, A>),
    LastFor { nanos: i64, max_items: usize, time: TimeOf<I>, latest: i64, items: Rolling<I, A> },
}

impl<I, A: Aggregate<I>> Following<I, A> {
    pub(in crate::ops) fn new(over: Over<I>, aggregate: A) -> Self {
        match over.0 {
            Kind::All => Self::All(aggregate),
            Kind::Last(most) => Self::Last(most, Rolling::new(aggregate)),
            Kind::LastFor { nanos, max_items, time } => {
                Self::LastFor { nanos, max_items, time, latest: i64::MIN, items: Rolling::new(aggregate) }
            }
        }
    }

    /// Whether it counts.
    pub(in crate::ops) fn take(&mut self, item: I) -> Result<bool> {
        match self {
            Self::All(state) => {
                if A::LIMITED {
                    state.admit(&item)?;
                }
                state.on_new(&item);
            }
            Self::Last(most, items) => {
                items.insert(0, item);
                if items.len() > *most {
                    items.remove_first();
                }
            }
            Self::LastFor { nanos, max_items, time, latest, items } => {
                let time = time(&item).nanos();
                let newest = time.max(*latest);
                // In 128 bits nothing overflows, whatever the time.
                let is_past = |time: i64| i128::from(time) <= i128::from(newest) - i128::from(*nanos);
                if is_past(time) {
                    return Ok(false);
                }
                *latest = newest;
                items.insert(time, item);
                while items.len() > *max_items || items.first_time().is_some_and(is_past) {
                    items.remove_first();
                }
            }
        }
        Ok(true)
    }

    /// The aggregate as it stands.
    pub(in crate::ops) fn state(&mut self) -> &A {
        match self {
            Self::All(state) => state,
            Self::Last(_, items) | Self::LastFor { items, .. } => items.state(),
        }
    }

    fn result(&mut self) -> A::Output {
        self.state().result()
    }
}

/// A running value. Token rule: passed on; an item that does not count is resolved as filtered, one that is refused is rejected. Holds
/// nothing; what it remembers of items has been given out with them.
pub struct AggregateItems<I, A>(Following<I, A>);

impl<I, A: Aggregate<I>> AggregateItems<I, A> {
    /// A result with each item.
    pub fn new(over: Over<I>, aggregate: A) -> Self {
        Self(Following::new(over, aggregate))
    }
}

impl<I: Send, A: Aggregate<I>> Operator<I, A::Output> for AggregateItems<I, A> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, A::Output>) {
        match self.0.take(item.value) {
            Ok(true) => out.emit(self.0.result(), item.token),
            Ok(false) => item.token.filtered(),
            Err(error) => item.token.reject(error),
        }
    }
}

/// A running value of what is in vectors: a result with each vector, empty ones too. Token rule: passed on; if an item is refused its
/// whole vector is rejected, but those before it count. Holds nothing.
pub struct AggregateBatches<I, A>(Following<I, A>);

impl<I, A: Aggregate<I>> AggregateBatches<I, A> {
    /// A result with each vector.
    pub fn new(over: Over<I>, aggregate: A) -> Self {
        Self(Following::new(over, aggregate))
    }
}

impl<I: Send, A: Aggregate<I>> Operator<Vec<I>, A::Output> for AggregateBatches<I, A> {
    fn push(&mut self, item: Item<Vec<I>>, out: &mut Output<'_, A::Output>) {
        match item.value.into_iter().try_for_each(|one| self.0.take(one).map(drop)) {
            Ok(()) => out.emit(self.0.result(), item.token),
            Err(error) => item.token.reject(error),
        }
    }
}

impl<I, A> fmt::Debug for AggregateItems<I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateItems").finish_non_exhaustive()
    }
}

impl<I, A> fmt::Debug for AggregateBatches<I, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateBatches").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// With each item, what is now known over all, or over the last.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::aggregate::{Aggregate, Count, Max, Mean, Over}};
    /// # #[derive(Clone)] struct Reading { station: String, celsius: f64 }
    /// let (_input, readings) = Stream::<Reading>::input();
    /// let (a, b) = readings.tee();
    /// let celsius = |reading: &Reading| reading.celsius;
    /// let _so_far = a.aggregate(Over::all(), (Count::new(), Max::new().of(celsius)));
    /// let mean_by_station = Mean::new().of(celsius).by(|reading: &Reading| reading.station.clone());
    /// let _of_the_last = b.aggregate(Over::last(100), mean_by_station);
    /// ```
    pub fn aggregate<A>(self, over: Over<T>, aggregate: A) -> Stream<A::Output>
    where
        A: Aggregate<T> + 'static,
        A::Output: Send + 'static,
    {
        self.via_kind("aggregate", AggregateItems::new(over, aggregate))
    }
}

impl<T: Send + 'static> Stream<Vec<T>> {
    /// [`aggregate`](Stream::aggregate) of the items in vectors, with one result for each vector; for one that is empty too.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::aggregate::{Over, Sum}};
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _of_last_1000 = numbers.batch(100).aggregate_batches(Over::last(1_000), Sum::new());
    /// ```
    pub fn aggregate_batches<A>(self, over: Over<T>, aggregate: A) -> Stream<A::Output>
    where
        A: Aggregate<T> + 'static,
        A::Output: Send + 'static,
    {
        self.via_kind("aggregate", AggregateBatches::new(over, aggregate))
    }
}
