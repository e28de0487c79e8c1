//! `aggregate_by`: a running value for each group.

use super::Aggregate;
use super::grouped::{MOST, too_many};
use crate::Stream;
use crate::flow::{Item, Operator, Output};
use crate::ops::ordered::Ordered;
use std::fmt;
use std::hash::Hash;

/// A running value for each group, given out with the key for the group of the item alone: constant time, where
/// [`by`](Aggregate::by) makes a table of all groups. Token rule: passed on; an item that is refused is rejected. Holds nothing;
/// remembers the state of up to `max_groups` groups.
pub struct AggregateBy<K, F, A> {
    max_groups: usize,
    forgets: bool,
    key: F,
    fresh: A,
    groups: Ordered<K, A>,
}

impl<K: Hash + Eq + Clone, F, A> AggregateBy<K, F, A> {
    /// Up to 10,000 groups; an item that would begin one more is rejected.
    pub fn new(key: F, aggregate: A) -> Self {
        Self { max_groups: MOST, forgets: false, key, fresh: aggregate, groups: Ordered::default() }
    }

    /// How many groups there may be (at least 1).
    #[must_use]
    pub fn max_groups(mut self, groups: usize) -> Self {
        self.max_groups = groups.max(1);
        self
    }

    /// When there is one group more, that whose last item is the oldest is forgotten, and begins anew if it comes again.
    #[must_use]
    pub fn forget_oldest(mut self) -> Self {
        self.forgets = true;
        self
    }
}

impl<I, K, F, A> Operator<I, (K, A::Output)> for AggregateBy<K, F, A>
where
    K: Hash + Eq + Clone + Send,
    F: FnMut(&I) -> K + Send,
    A: Aggregate<I>,
{
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, (K, A::Output)>) {
        let key = (self.key)(&item.value);
        if !self.groups.contains(&key) {
            if self.groups.len() >= self.max_groups && !self.forgets {
                return item.token.reject(too_many(self.max_groups));
            }
            if self.groups.len() >= self.max_groups {
                self.groups.pop_first();
            }
            self.groups.push(key.clone(), self.fresh.clone());
        } else if self.forgets
            && let Some(group) = self.groups.remove(&key)
        {
            self.groups.push(key.clone(), group);
        }
        let Some(group) = self.groups.get_mut(&key) else { return };
        if A::LIMITED
            && let Err(error) = group.admit(&item.value)
        {
            return item.token.reject(error);
        }
        group.on_new(&item.value);
        out.emit((key, group.result()), item.token);
    }
}

impl<K, F, A> fmt::Debug for AggregateBy<K, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateBy").field("max_groups", &self.max_groups).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// With each item, its key and what is now known of the items with that key.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::aggregate::{Aggregate, AggregateBy, Max}};
    /// # struct Reading { station: String, celsius: f64 }
    /// let (_input, readings) = Stream::<Reading>::input();
    /// let highest = Max::new().of(|reading: &Reading| reading.celsius);
    /// let _records = readings.aggregate_by(|reading| reading.station.clone(), highest);
    /// ```
    ///
    /// For another number of groups: `stream.via(AggregateBy::new(key, aggregate).max_groups(n))`.
    pub fn aggregate_by<K, A>(self, key: impl FnMut(&T) -> K + Send + 'static, aggregate: A) -> Stream<(K, A::Output)>
    where
        K: Hash + Eq + Clone + Send + 'static,
        A: Aggregate<T> + 'static,
        A::Output: Send + 'static,
    {
        self.via_kind("aggregate_by", AggregateBy::new(key, aggregate))
    }
}
