//! `ValueCounts`: how often each value is there.

use super::Aggregate;
use crate::ops::ordered::Ordered;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// How often each value is there.
#[derive(Clone)]
pub struct ValueCounts<T> {
    memory: usize,
    counts: Ordered<T, u64>,
}

impl<T: Hash + Eq + Clone> ValueCounts<T> {
    /// Counts up to `memory` different values (at least 1; 0 counts as 1). One more, and the one that was not seen for longest is
    /// forgotten, and counts from 1 when it comes again. Over the last items nothing is forgotten: there the window is the limit.
    pub fn new(memory: usize) -> Self {
        Self { memory: memory.max(1), counts: Ordered::default() }
    }
}

impl<T: Hash + Eq + Clone + Send> Aggregate<T> for ValueCounts<T> {
    type Output = HashMap<T, u64>;

    fn sliding(&mut self) {
        self.memory = usize::MAX;
    }

    fn on_new(&mut self, item: &T) {
        let count = self.counts.remove(item).unwrap_or(0);
        self.counts.push(item.clone(), count + 1);
        if self.counts.len() > self.memory {
            self.counts.pop_first();
        }
    }

    fn on_old(&mut self, item: &T) -> bool {
        match self.counts.get_mut(item) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.counts.remove(item)),
        }
        true
    }

    fn result(&self) -> HashMap<T, u64> {
        self.counts.iter().map(|(value, count)| (value.clone(), *count)).collect()
    }
}

impl<T> fmt::Debug for ValueCounts<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueCounts").field("memory", &self.memory).finish_non_exhaustive()
    }
}
