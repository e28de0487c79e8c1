//! `timed_window_unique`: one item of each key within an interval.

use super::interval::Interval;
use super::partition_unique::{Distinct, Keep};
use super::timed_window::MOST;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Collects one item of each key of what comes within each interval of the clock. Token rule: joined; an item that another with its key
/// stands for counts as filtered at once. Holds up to `max_items` for an interval; when they are there, the stream is held back until
/// the window closes. Windows lie as those of [`TimedWindow`](super::TimedWindow).
pub struct TimedWindowUnique<T, K, F> {
    clock: Interval,
    max_items: usize,
    empty: bool,
    key: F,
    distinct: Distinct<T, K>,
}

impl<T, K: Hash + Eq + Clone, F> TimedWindowUnique<T, K, F> {
    /// Windows of this length (at least a millisecond).
    pub fn new(interval: Duration, keep: Keep, key: F) -> Self {
        Self { clock: Interval::new(interval), max_items: MOST, empty: false, key, distinct: Distinct::new(keep) }
    }

    /// How many items one window takes (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    /// Gives out windows in which nothing came, too; see [`TimedWindow::with_empty`](super::TimedWindow::with_empty).
    #[must_use]
    pub fn with_empty(mut self) -> Self {
        self.empty = true;
        self
    }
}

impl<T, K, F> Operator<T, Vec<T>> for TimedWindowUnique<T, K, F>
where
    T: Send,
    K: Hash + Eq + Clone + Send,
    F: FnMut(&T) -> K + Send,
{
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        self.clock.start(out.now());
        let key = (self.key)(&item.value);
        self.distinct.add(key, item);
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        if self.empty {
            self.clock.begin(out.now());
        }
        if self.clock.strikes(out.now(), out.room()) {
            self.clock.stop();
            if self.empty {
                self.clock.start(out.now());
            }
            match self.empty && self.distinct.len() == 0 {
                true => out.emit(Vec::new(), Token::join(Vec::new())),
                false => self.distinct.give(out),
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.clock.stop();
        self.distinct.give(out);
    }

    fn room(&self, _: usize, _: usize) -> usize {
        self.max_items.saturating_sub(self.distinct.len())
    }

    fn held(&self) -> Option<usize> {
        Some(self.distinct.len())
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(self.max_items)
    }
}

impl<T, K, F> fmt::Debug for TimedWindowUnique<T, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedWindowUnique").field("clock", &self.clock).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects the first, or the last, item of each key within each `interval` of the clock.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::Keep};
    /// # use std::time::Duration;
    /// let (_input, readings) = Stream::<(u32, f64)>::input();
    /// let _newest_of_each = readings.timed_window_unique(Duration::from_secs(60), Keep::Last, |(station, _)| *station);
    /// ```
    pub fn timed_window_unique<K: Hash + Eq + Clone + Send + 'static>(
        self,
        interval: Duration,
        keep: Keep,
        key: impl FnMut(&T) -> K + Send + 'static,
    ) -> Stream<Vec<T>> {
        self.via_kind("timed_window_unique", TimedWindowUnique::new(interval, keep, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn one_of_each_key() {
        let interval = Duration::from_secs(1);
        let mut bench = Bench::new(TimedWindowUnique::new(interval, Keep::Last, |n: &(u32, char)| n.0));
        let all = [(1, 'a'), (2, 'b'), (1, 'c')].map(|value| bench.track(value));
        assert_eq!(fates(&all), ["filtered", "held", "held"]);
        assert_eq!(bench.pass(interval).take(), [[(2, 'b'), (1, 'c')]]);
        assert_eq!(fates(&all), ["filtered", "delivered", "delivered"]);
        bench.push([(1, 'd')]);
        assert_eq!(bench.finish().take(), [[(1, 'd')]]);
    }

    #[test]
    fn empty_ones_where_they_are_asked_for() {
        let interval = Duration::from_secs(1);
        let mut bench = Bench::new(TimedWindowUnique::new(interval, Keep::First, |n: &u32| *n).with_empty());
        assert_eq!(bench.pass(Duration::ZERO).take(), [[0; 0]]);
        assert_eq!(bench.push([1, 1]).pass(interval).take(), [[1]]);
        assert_eq!(bench.pass(interval).take(), [[0; 0]]);
        assert_eq!(bench.due(), Some(interval));
        assert_eq!(bench.push([2]).finish().take(), [[2]]);
    }
}
