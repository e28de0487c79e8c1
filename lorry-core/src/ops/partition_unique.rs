//! `partition_unique`: batches of different keys.

use super::ordered::Ordered;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Which of several items with one key stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The first one, in its place.
    #[default]
    First,
    /// The last one, at the end.
    Last,
}

/// Collects items with different keys into vectors of a fixed size. Token rule: joined; an item that another with its key stands for
/// counts as filtered at once. Holds up to size − 1.
pub struct PartitionUnique<T, K, F> {
    size: usize,
    keep: Keep,
    timeout: Option<Duration>,
    key: F,
    distinct: Distinct<T, K>,
    due: Option<Instant>,
}

/// Items with different keys, in order.
pub(super) struct Distinct<T, K> {
    keep: Keep,
    items: Ordered<K, Item<T>>,
}

impl<T, K: Hash + Eq + Clone> Distinct<T, K> {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, items: Ordered::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Adds an item; the one of the two with its key that does not stay is filtered.
    pub(super) fn add(&mut self, key: K, item: Item<T>) {
        let gone = match self.keep {
            Keep::First if self.items.contains(&key) => Some(item),
            Keep::First | Keep::Last => self.items.push(key, item),
        };
        if let Some(gone) = gone {
            gone.token.filtered();
        }
    }

    pub(super) fn give(&mut self, out: &mut Output<'_, Vec<T>>) {
        let items = self.items.take();
        if !items.is_empty() {
            let (values, tokens) = items.into_iter().map(|item| (item.value, item.token)).unzip();
            out.emit(values, Token::join(tokens));
        }
    }
}

impl<T, K: Hash + Eq + Clone, F> PartitionUnique<T, K, F> {
    /// Vectors of `size` items (at least 1; 0 counts as 1) with different keys.
    pub fn new(size: usize, key: F) -> Self {
        let keep = Keep::First;
        Self { size: size.max(1), keep, timeout: None, key, distinct: Distinct::new(keep), due: None }
    }

    /// Which of several items with one key stays.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self.distinct.keep = keep;
        self
    }

    /// A vector that is not full is given out this long after its first item came.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<T, K, F> Operator<T, Vec<T>> for PartitionUnique<T, K, F>
where
    T: Send,
    K: Hash + Eq + Clone + Send,
    F: FnMut(&T) -> K + Send,
{
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        if self.distinct.len() == 0 {
            self.due = self.timeout.and_then(|timeout| out.now().checked_add(timeout));
        }
        let key = (self.key)(&item.value);
        self.distinct.add(key, item);
        if self.distinct.len() >= self.size {
            self.finish(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        if self.due.is_some_and(|due| due <= out.now()) {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.due = None;
        self.distinct.give(out);
    }

    fn held(&self) -> Option<usize> {
        Some(self.distinct.len())
    }

    fn gathers(&self) -> usize {
        self.size
    }

    fn holds(&self) -> Holds {
        match (self.size - 1, self.timeout) {
            (0, _) => Holds::Nothing,
            (items, Some(_)) => Holds::ForATime(items),
            (items, None) => Holds::Items(items),
        }
    }
}

impl<T, K, F> fmt::Debug for PartitionUnique<T, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionUnique").field("size", &self.size).field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects items with different keys into vectors of `size`.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::{Keep, PartitionUnique}};
    /// let (_input, readings) = Stream::<(u32, f64)>::input();
    /// let newest = PartitionUnique::new(5, |(station, _): &(u32, f64)| *station).keep(Keep::Last);
    /// let _newest_of_five_stations = readings.via_kind("partition_unique", newest);
    /// ```
    pub fn partition_unique<K: Hash + Eq + Clone + Send + 'static>(
        self,
        size: usize,
        key: impl FnMut(&T) -> K + Send + 'static,
    ) -> Stream<Vec<T>> {
        self.via_kind("partition_unique", PartitionUnique::new(size, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn the_first_of_a_key_stays() {
        let mut bench = Bench::new(PartitionUnique::new(2, |n: &(u32, char)| n.0));
        let all = [bench.track((1, 'a')), bench.track((1, 'b')), bench.track((2, 'c'))];
        assert_eq!(fates(&all), ["held", "filtered", "held"]);
        assert_eq!(bench.take(), [[(1, 'a'), (2, 'c')]]);
        assert_eq!(fates(&all), ["delivered", "filtered", "delivered"]);
    }

    #[test]
    fn or_the_last_at_the_end() {
        let mut bench = Bench::new(PartitionUnique::new(3, |n: &(u32, char)| n.0).keep(Keep::Last));
        let first = bench.track((1, 'a'));
        bench.push([(2, 'b'), (1, 'c'), (3, 'd')]);
        assert_eq!(first.get(), "filtered");
        assert_eq!(bench.take(), [[(2, 'b'), (1, 'c'), (3, 'd')]]);
    }

    #[test]
    fn what_is_not_full_goes_at_its_time_and_at_the_end() {
        let limit = Duration::from_secs(1);
        let mut bench = Bench::new(PartitionUnique::new(3, |n: &u32| *n).timeout(limit));
        assert_eq!(bench.push([1, 2, 1]).due(), Some(limit));
        assert_eq!(bench.pass(limit).take(), [[1, 2]]);
        assert_eq!(bench.due(), None);
        assert_eq!(bench.push([3]).finish().take(), [[3]]);
    }
}
