//! `unique`: each value once.

use super::ordered::Ordered;
use crate::Stream;
use crate::flow::{Item, Operator, Output};
use std::fmt;
use std::hash::Hash;

/// Lets an item through when its key is not among the last so many different ones. Token rule: passed on; a repeated item counts as
/// filtered. Remembers keys, holds no items.
pub struct Unique<K, F> {
    memory: usize,
    key: F,
    seen: Ordered<K, ()>,
}

impl<K: Hash + Eq + Clone, F> Unique<K, F> {
    /// Remembers `memory` keys (at least 1; 0 counts as 1). The one that was not seen for longest is forgotten first; with 1, only
    /// repetitions in a row are removed.
    pub fn new(memory: usize, key: F) -> Self {
        Self { memory: memory.max(1), key, seen: Ordered::default() }
    }
}

impl<T, K, F> Operator<T> for Unique<K, F>
where
    K: Hash + Eq + Clone + Send,
    F: FnMut(&T) -> K + Send,
{
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        let key = (self.key)(&item.value);
        // Seen again is seen most recently.
        if self.seen.push(key, ()).is_some() {
            return item.token.filtered();
        }
        if self.seen.len() > self.memory {
            self.seen.pop_first();
        }
        out.push(item);
    }
}

impl<K, F> fmt::Debug for Unique<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unique").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Removes what was among the last `memory` different values.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, words) = Stream::<String>::input();
    /// let _each_once = words.unique(10_000);
    /// ```
    pub fn unique(self, memory: usize) -> Self
    where
        T: Hash + Eq + Clone,
    {
        self.unique_by(memory, T::clone)
    }

    /// Removes what has a key that was among the last `memory` different ones.
    ///
    /// ```
    /// # use lorry_core::{Message, Stream};
    /// let (_input, messages) = Stream::<Message>::input();
    /// let _without_duplicates = messages.unique_by(10_000, |message| message.key.clone());
    /// ```
    pub fn unique_by<K>(self, memory: usize, key: impl FnMut(&T) -> K + Send + 'static) -> Self
    where
        K: Hash + Eq + Clone + Send + 'static,
    {
        self.via_kind("unique", Unique::new(memory, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn a_repetition_is_filtered_and_refreshes_the_memory() {
        let mut bench = Bench::new(Unique::new(2, |n: &u32| *n));
        assert_eq!(bench.push([1, 2, 1, 3, 1, 2]).take(), [1, 2, 3, 2], "2 was forgotten, 1 was not");
        let mut bench = Bench::new(Unique::new(0, |n: &u32| *n));
        let all = [bench.track(1), bench.track(1), bench.track(2), bench.track(1)];
        assert_eq!(bench.take(), [1, 2, 1]);
        assert_eq!(fates(&all), ["delivered", "filtered", "delivered", "delivered"]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut bench = Bench::new(Unique::new(100, |n: &u32| *n));
        bench.push(0..10_000);
        assert_eq!(bench.op.seen.len(), 100);
    }
}
