//! `delay`: each item later.

use super::timed_window::MOST;
use crate::Stream;
use crate::flow::{Holds, Item, Operator, Output};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Gives out each item so much later than it came. Token rule: passed on. Holds up to `max_items` for that time; when they are there,
/// the stream is held back. At end of stream, what waits is given out at once.
#[derive(Debug)]
pub struct Delay<T> {
    by: Duration,
    max_items: usize,
    /// With their times; none where it lies beyond all clocks.
    waiting: VecDeque<(Option<Instant>, Item<T>)>,
    blocked: bool,
}

impl<T> Delay<T> {
    /// Later by this much.
    pub fn new(by: Duration) -> Self {
        Self { by, max_items: MOST, waiting: VecDeque::new(), blocked: false }
    }

    /// How many items may wait (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    fn is_due(&self, now: Instant) -> bool {
        self.waiting.front().and_then(|(due, _)| *due).is_some_and(|due| due <= now)
    }
}

impl<T: Send> Operator<T> for Delay<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        self.waiting.push_back((out.now().checked_add(self.by), item));
    }

    fn deadline(&self) -> Option<Instant> {
        self.waiting.front().and_then(|(due, _)| *due).filter(|_| !self.blocked)
    }

    fn tick(&mut self, out: &mut Output<'_, T>) {
        while out.room() > 0 && self.is_due(out.now()) {
            let Some((_, item)) = self.waiting.pop_front() else { break };
            out.push(item);
        }
        self.blocked = self.is_due(out.now());
    }

    fn finish(&mut self, out: &mut Output<'_, T>) {
        self.waiting.drain(..).for_each(|(_, item)| out.push(item));
    }

    fn room(&self, _: usize, _: usize) -> usize {
        self.max_items.saturating_sub(self.waiting.len())
    }

    fn held(&self) -> Option<usize> {
        Some(self.waiting.len())
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(self.max_items)
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Gives out each item `by` later than it came. (To space items, see [`rate_limit`](Stream::rate_limit).)
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// # use std::time::Duration;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let _a_minute_later = readings.delay(Duration::from_secs(60));
    /// ```
    pub fn delay(self, by: Duration) -> Self {
        self.via_kind("delay", Delay::new(by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_by_as_much() {
        let mut bench = Bench::new(Delay::new(SECOND).max_items(3));
        let first = bench.track(1);
        bench.pass::<u32>(SECOND / 4).push([2]);
        assert!(bench.take().is_empty());
        assert_eq!(bench.op.room(0, 0), 1);
        assert_eq!(bench.pass(SECOND * 3 / 4).take(), [1]);
        assert_eq!(first.get(), "delivered");
        assert_eq!(bench.due(), Some(SECOND / 4));
        assert_eq!(bench.finish().take(), [2]);
    }

    #[test]
    fn waits_for_room_without_asking_again_and_again() {
        let mut bench = Bench::new(Delay::new(SECOND));
        let all = [bench.track(1), bench.track(2)];
        bench.room = 1;
        assert_eq!(bench.pass(SECOND).take(), [1]);
        assert_eq!(bench.due(), None);
        assert_eq!(bench.pass(Duration::ZERO).take(), [2]);
        assert_eq!(fates(&all), ["delivered"; 2]);
    }

    #[test]
    fn for_ever_is_until_the_end() {
        let mut bench = Bench::new(Delay::new(Duration::MAX));
        assert_eq!(bench.push([1]).due(), None);
        assert_eq!(bench.finish().take(), [1]);
    }
}
