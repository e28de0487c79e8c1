//! `batch`: several items become one vector.

use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::time::{Duration, Instant};

/// Collects items into vectors of a fixed size, or of what has come within a time limit. Token rule: joined. Holds up to size − 1.
#[derive(Debug)]
pub struct Batch<T> {
    size: usize,
    timeout: Option<Duration>,
    values: Vec<T>,
    tokens: Vec<Token>,
    due: Option<Instant>,
}

impl<T> Batch<T> {
    /// Vectors of `size` items (at least 1; 0 counts as 1).
    pub fn new(size: usize) -> Self {
        Self { size: size.max(1), timeout: None, values: Vec::new(), tokens: Vec::new(), due: None }
    }

    /// A vector that is not full is given out this long after its first item came.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn give(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.due = None;
        if !self.values.is_empty() {
            let values = std::mem::replace(&mut self.values, Vec::with_capacity(self.size.min(1_024)));
            out.emit(values, Token::join(std::mem::take(&mut self.tokens)));
        }
    }
}

impl<T: Send> Operator<T, Vec<T>> for Batch<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        if self.values.is_empty() {
            self.due = self.timeout.and_then(|timeout| out.now().checked_add(timeout));
        }
        self.values.push(item.value);
        self.tokens.push(item.token);
        if self.values.len() >= self.size {
            self.give(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.due
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        if self.due.is_some_and(|due| due <= out.now()) {
            self.give(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.give(out);
    }

    fn room(&self, _: usize, downstream: usize) -> usize {
        downstream.saturating_mul(self.size).saturating_sub(self.values.len())
    }

    fn held(&self) -> Option<usize> {
        Some(self.values.len())
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

impl<T: Send + 'static> Stream<T> {
    /// Collects items into vectors of `size`. Sinks batch by themselves; this is for computing over several items at once. At end of
    /// stream the rest is given out.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _sums = numbers.batch(10).map(|ten| ten.iter().sum::<u32>());
    /// ```
    ///
    /// With a time limit: `stream.via(Batch::new(10).timeout(limit))`.
    pub fn batch(self, size: usize) -> Stream<Vec<T>> {
        self.via_kind("batch", Batch::new(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    #[test]
    fn a_time_limit_beyond_all_clocks_is_none() {
        let mut bench = Bench::new(Batch::new(2).timeout(Duration::MAX));
        assert_eq!(bench.push([1]).due(), None);
        assert_eq!(bench.finish().take(), [[1]]);
    }
}
