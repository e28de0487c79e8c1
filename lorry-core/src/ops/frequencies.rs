//! `frequencies`: how often each value has come.

use super::ordered::Ordered;
use crate::Stream;
use crate::flow::{Item, Operator, Output};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// Counts values, and gives out all counts with each item. Token rule: passed on. Keeps counts of up to `memory` values, holds no
/// items.
pub struct Frequencies<T> {
    memory: usize,
    counts: Ordered<T, u64>,
}

impl<T: Hash + Eq + Clone> Frequencies<T> {
    /// Counts up to `memory` different values (at least 1; 0 counts as 1). One more, and the one that was not seen for longest is
    /// forgotten, and counts from 1 when it comes again.
    pub fn new(memory: usize) -> Self {
        Self { memory: memory.max(1), counts: Ordered::default() }
    }
}

impl<T: Hash + Eq + Clone + Send> Operator<T, HashMap<T, u64>> for Frequencies<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, HashMap<T, u64>>) {
        let count = self.counts.remove(&item.value).unwrap_or(0);
        self.counts.push(item.value, count + 1);
        if self.counts.len() > self.memory {
            self.counts.pop_first();
        }
        out.emit(self.counts.iter().map(|(value, count)| (value.clone(), *count)).collect(), item.token);
    }
}

impl<T> fmt::Debug for Frequencies<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frequencies").field("memory", &self.memory).finish_non_exhaustive()
    }
}

impl<T: Hash + Eq + Clone + Send + 'static> Stream<T> {
    /// With each item, how often each of the last `memory` different values has come so far.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, words) = Stream::<String>::input();
    /// let _counts = words.frequencies(1_000);
    /// ```
    pub fn frequencies(self, memory: usize) -> Stream<HashMap<T, u64>> {
        self.via_kind("frequencies", Frequencies::new(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn counts_and_forgets_what_was_not_seen_for_longest() {
        let mut bench = Bench::new(Frequencies::new(2));
        let counts = bench.push(["a", "b", "a", "c"]).take();
        assert_eq!(counts[2], HashMap::from([("a", 2), ("b", 1)]));
        assert_eq!(counts[3], HashMap::from([("a", 2), ("c", 1)]));
    }
}
