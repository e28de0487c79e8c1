//! `rate_limit`: not more than so often.

use crate::Stream;
use crate::flow::{Holds, Item, Operator, Output};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Lets the first item pass at once, and every further one at least an interval after the one before; meanwhile the stream is held
/// back. Token rule: passed on. Holds one message (of which an operator above may have made several items). At end of stream, what
/// waits is given out at once.
#[derive(Debug)]
pub struct RateLimit<T> {
    interval: Duration,
    waiting: VecDeque<Item<T>>,
    next: Option<Instant>,
}

impl<T> RateLimit<T> {
    /// Items are at least so far apart.
    pub fn new(interval: Duration) -> Self {
        Self { interval, waiting: VecDeque::new(), next: None }
    }

    fn give(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        self.next = (!self.interval.is_zero()).then(|| later(out.now(), self.interval));
        out.push(item);
    }
}

/// Beyond all clocks is as far as they go.
fn later(now: Instant, by: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(by.min(FAR)).unwrap_or(now)
}

impl<T: Send> Operator<T> for RateLimit<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        if self.next.is_none() && self.waiting.is_empty() && out.room() > 0 {
            self.give(item, out);
        } else {
            self.waiting.push_back(item);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn tick(&mut self, out: &mut Output<'_, T>) {
        if self.next.is_some_and(|next| next <= out.now()) {
            self.next = None;
        }
        while self.next.is_none()
            && out.room() > 0
            && let Some(item) = self.waiting.pop_front()
        {
            self.give(item, out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, T>) {
        self.waiting.drain(..).for_each(|item| out.push(item));
    }

    fn room(&self, _: usize, downstream: usize) -> usize {
        if self.next.is_some() || !self.waiting.is_empty() {
            0
        } else if self.interval.is_zero() {
            downstream
        } else {
            downstream.min(1)
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.waiting.len())
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(1)
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Items at least `interval` apart. It holds the stream back, down to the source; to leave out what is too much, see
    /// [`latest`](Stream::latest).
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// # use std::time::Duration;
    /// let (_input, commands) = Stream::<String>::input();
    /// let _ten_a_second = commands.rate_limit(Duration::from_millis(100));
    /// ```
    pub fn rate_limit(self, interval: Duration) -> Self {
        self.via_kind("rate_limit", RateLimit::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_at_a_time() {
        let mut bench = Bench::new(RateLimit::new(SECOND));
        assert_eq!(Operator::<u32>::room(&bench.op, 0, 100), 1);
        let all = [bench.track(1), bench.track(2), bench.track(3)];
        assert_eq!(bench.take(), [1]);
        assert_eq!((bench.op.room(0, 100), bench.due()), (0, Some(SECOND)));
        assert_eq!(bench.pass(SECOND).take(), [2]);
        assert_eq!(bench.finish().take(), [3]);
        assert_eq!(fates(&all), ["delivered"; 3]);
    }

    #[test]
    fn no_room_below_is_no_reason_to_ask_again_and_again() {
        let mut bench = Bench::new(RateLimit::new(SECOND));
        bench.room = 0;
        bench.push([1]);
        assert_eq!((bench.due(), bench.op.room(0, 0)), (None, 0));
        bench.room = 1;
        assert_eq!(bench.pass(SECOND).take(), [1]);
        assert_eq!(bench.due(), Some(SECOND));
    }

    #[test]
    fn intervals_that_make_no_sense() {
        let mut bench = Bench::new(RateLimit::new(Duration::ZERO));
        assert_eq!(bench.push([1, 2, 3]).take(), [1, 2, 3]);
        let mut bench = Bench::new(RateLimit::new(Duration::MAX));
        assert_eq!(bench.push([1, 2]).take(), [1]);
        assert_eq!(bench.finish().take(), [2]);
    }
}
