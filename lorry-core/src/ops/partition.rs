//! `partition`: batches by key.

use super::ordered::Ordered;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Collects items into vectors of a fixed size, for each key by itself, or of what has come within a time limit. Token rule: joined.
/// Holds up to size − 1 for each of `max_keys` keys.
///
/// The time limit of a key counts from the first item of its batch. At end of stream the rest is given out, the oldest batch first.
pub struct Partition<T, K, F> {
    size: usize,
    timeout: Option<Duration>,
    max_keys: usize,
    key: F,
    /// In the order of their first items, and so of their deadlines.
    open: Ordered<K, Open<T>>,
    held: usize,
}

struct Open<T> {
    values: Vec<T>,
    tokens: Vec<Token>,
    due: Option<Instant>,
}

impl<T> Open<T> {
    fn give(self, held: &mut usize, out: &mut Output<'_, Vec<T>>) {
        *held -= self.values.len();
        out.emit(self.values, Token::join(self.tokens));
    }
}

impl<T, K: Hash + Eq + Clone, F> Partition<T, K, F> {
    /// Vectors of `size` items (at least 1; 0 counts as 1) with the same key.
    pub fn new(size: usize, key: F) -> Self {
        Self { size: size.max(1), timeout: None, max_keys: 1_000, key, open: Ordered::default(), held: 0 }
    }

    /// A vector that is not full is given out this long after its first item came.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many batches may be open at a time (at least 1). One more key, and the oldest is given out as it is. Default: 1,000.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys.max(1);
        self
    }
}

impl<T, K, F> Operator<T, Vec<T>> for Partition<T, K, F>
where
    T: Send,
    K: Hash + Eq + Clone + Send,
    F: FnMut(&T) -> K + Send,
{
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        let key = (self.key)(&item.value);
        self.held += 1;
        let Some(batch) = self.open.get_mut(&key) else {
            if self.open.len() >= self.max_keys
                && let Some(oldest) = self.open.pop_first()
            {
                oldest.give(&mut self.held, out);
            }
            let due = self.timeout.and_then(|timeout| out.now().checked_add(timeout));
            let batch = Open { values: vec![item.value], tokens: vec![item.token], due };
            match self.size {
                1 => batch.give(&mut self.held, out),
                _ => drop(self.open.push(key, batch)),
            }
            return;
        };
        batch.values.push(item.value);
        batch.tokens.push(item.token);
        if batch.values.len() >= self.size
            && let Some(full) = self.open.remove(&key)
        {
            full.give(&mut self.held, out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.open.first()?.due
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        while self.open.first().and_then(|batch| batch.due).is_some_and(|due| due <= out.now())
            && let Some(batch) = self.open.pop_first()
        {
            batch.give(&mut self.held, out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.open.take().into_iter().for_each(|batch| batch.give(&mut self.held, out));
    }

    fn held(&self) -> Option<usize> {
        Some(self.held)
    }

    fn gathers(&self) -> usize {
        self.size
    }

    fn holds(&self) -> Holds {
        let items = (self.size - 1).saturating_mul(self.max_keys);
        match (items, self.timeout) {
            (0, _) => Holds::Nothing,
            (items, Some(_)) => Holds::ForATime(items),
            (items, None) => Holds::Items(items),
        }
    }
}

impl<T, K, F> fmt::Debug for Partition<T, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partition").field("size", &self.size).field("max_keys", &self.max_keys).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects items with the same key into vectors of `size`. Without a key it is [`batch`](Stream::batch).
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::Partition};
    /// # use std::time::Duration;
    /// let (_input, readings) = Stream::<(String, f64)>::input();
    /// let by_station = Partition::new(10, |(station, _): &(String, f64)| station.clone());
    /// let _batches = readings.via_kind("partition", by_station.timeout(Duration::from_secs(60)));
    ///
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _even_and_odd = numbers.partition(2, |n| n % 2);
    /// ```
    pub fn partition<K: Hash + Eq + Clone + Send + 'static>(
        self,
        size: usize,
        key: impl FnMut(&T) -> K + Send + 'static,
    ) -> Stream<Vec<T>> {
        self.via_kind("partition", Partition::new(size, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_key_has_its_own_batch_and_clock() {
        let mut bench = Bench::new(Partition::new(2, |n: &u32| n % 2).timeout(SECOND));
        let all = [bench.track(0), bench.track(1)];
        bench.pass::<u32>(SECOND / 2).push([2, 4]);
        assert_eq!(bench.take(), [[0, 2]]);
        assert_eq!(fates(&all), ["delivered", "held"]);
        assert_eq!(bench.due(), Some(SECOND / 2));
        assert_eq!(bench.pass(SECOND / 2).take(), [[1]]);
        assert_eq!(bench.due(), Some(SECOND / 2), "the batch of 4 is half a second old");
        assert_eq!(bench.finish().take(), [[4]]);
        assert_eq!(fates(&all), ["delivered"; 2]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_keys() {
        let mut bench = Bench::new(Partition::new(10, |n: &u32| *n).max_keys(2));
        assert_eq!(bench.op.holds(), Holds::Items(18));
        assert_eq!(bench.push([1, 2, 1, 3]).take(), [[1, 1]]);
        assert_eq!(bench.finish().take(), [[2], [3]]);
    }

    #[test]
    fn sizes_that_make_no_sense_are_the_nearest_that_do() {
        let mut bench = Bench::new(Partition::new(0, |_: &u32| ()).timeout(Duration::MAX));
        assert_eq!(bench.push([1, 2]).take(), [[1], [2]]);
        assert_eq!(bench.op.holds(), Holds::Nothing);
        let mut bench = Bench::new(Partition::new(usize::MAX, |_: &u32| ()).timeout(Duration::MAX));
        assert_eq!(bench.push([1, 2]).finish().take(), [[1, 2]]);
    }
}
