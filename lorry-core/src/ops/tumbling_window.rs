//! `tumbling_window`: windows of a fixed length by the time in the data.

use super::event_time::{EventTime, Window, nanos};
use super::timed_window::MOST;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Timestamp, Token};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Collects items into windows of event time: `[k × length, (k + 1) × length)`, counted from 1970-01-01T00:00:00Z. Token rule: joined.
///
/// # When a window is given out
///
/// When the highest time seen, less the allowed lateness, reaches its end; windows leave in the order of time. Also when nothing has
/// come for the idle time, if one is set; when more than `max_items` are held (the oldest window goes); and at end of stream.
///
/// # Late items
///
/// An item whose window has been given out counts as filtered, or is rejected if [`reject_late`](TumblingWindow::reject_late) says so.
///
/// # Holds
///
/// Up to `max_items`: until later items come, or with an idle time no longer than that.
pub struct TumblingWindow<T, F> {
    length: i64,
    max_items: usize,
    time: F,
    clock: EventTime,
    open: BTreeMap<i64, (Vec<T>, Vec<Token>)>,
    held: usize,
}

impl<T, F> TumblingWindow<T, F> {
    /// Windows of this length (at least a nanosecond), by the time that a function finds in the items.
    pub fn new(length: Duration, time: F) -> Self {
        let length = nanos(length).max(1);
        Self { length, max_items: MOST, time, clock: EventTime::new(), open: BTreeMap::new(), held: 0 }
    }

    /// How much later than its successors an item may come. Default: not at all.
    #[must_use]
    pub fn lateness(mut self, allowed: Duration) -> Self {
        self.clock.lateness = nanos(allowed);
        self
    }

    /// Late items are rejected (and follow the error policy), not filtered.
    #[must_use]
    pub fn reject_late(mut self) -> Self {
        self.clock.reject_late = true;
        self
    }

    /// All windows are given out when nothing has come for so long.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.clock.idle = Some(idle);
        self
    }

    /// How many items all open windows hold together (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    fn give_first(&mut self, out: &mut Output<'_, Window<T>>) {
        if let Some((start, (items, tokens))) = self.open.pop_first() {
            let end = start.saturating_add(self.length);
            self.clock.close(end);
            self.held -= items.len();
            let (start, end) = (Timestamp::from_nanos(start), Timestamp::from_nanos(end));
            out.emit(Window { start, end, items }, Token::join(tokens));
        }
    }
}

impl<T: Send, F: FnMut(&T) -> Timestamp + Send> Operator<T, Window<T>> for TumblingWindow<T, F> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Window<T>>) {
        let time = (self.time)(&item.value).nanos();
        let start = time.div_euclid(self.length).saturating_mul(self.length);
        if self.clock.is_closed(start.saturating_add(self.length)) {
            return self.clock.refuse(item, time);
        }
        let (items, tokens) = self.open.entry(start).or_default();
        items.push(item.value);
        tokens.push(item.token);
        self.held += 1;
        self.clock.saw(time, out.now());
        while let Some((start, _)) = self.open.first_key_value()
            && self.clock.is_closed(start.saturating_add(self.length))
        {
            self.give_first(out);
        }
        while self.held > self.max_items {
            self.give_first(out);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Window<T>>) {
        if self.clock.is_idle(out.now()) {
            self.finish(out);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Window<T>>) {
        while !self.open.is_empty() {
            self.give_first(out);
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.held)
    }

    fn holds(&self) -> Holds {
        match self.clock.idle {
            Some(_) => Holds::ForATime(self.max_items),
            None => Holds::Items(self.max_items),
        }
    }
}

impl<T, F> fmt::Debug for TumblingWindow<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TumblingWindow").field("length", &self.length).field("held", &self.held).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects items into windows of a fixed length by the time that `time` finds in them.
    ///
    /// ```
    /// # use lorry_core::{Stream, Timestamp, ops::TumblingWindow};
    /// # use std::time::Duration;
    /// # #[derive(Clone)] struct Reading { at: Timestamp, celsius: f64 }
    /// let (_input, readings) = Stream::<Reading>::input();
    /// let minutes = TumblingWindow::new(Duration::from_secs(60), |reading: &Reading| reading.at)
    ///     .lateness(Duration::from_secs(5))
    ///     .idle(Duration::from_secs(120));
    /// let _counts = readings.via_kind("tumbling_window", minutes).map(|window| (window.start, window.items.len()));
    /// ```
    pub fn tumbling_window(
        self,
        length: Duration,
        time: impl FnMut(&T) -> Timestamp + Send + 'static,
    ) -> Stream<Window<T>> {
        self.via_kind("tumbling_window", TumblingWindow::new(length, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);

    fn seconds(n: i64) -> Timestamp {
        Timestamp::from_millis(n * 1_000)
    }

    fn window(start: i64, items: &[i64]) -> Window<i64> {
        Window { start: seconds(start), end: seconds(start + 10), items: items.to_vec() }
    }

    fn tens() -> TumblingWindow<i64, impl FnMut(&i64) -> Timestamp + Send> {
        TumblingWindow::new(10 * SECOND, |n: &i64| seconds(*n))
    }

    #[test]
    fn a_window_is_given_out_when_the_watermark_reaches_its_end() {
        let mut bench = Bench::new(tens().lateness(3 * SECOND));
        let all = [1, 9, 11, 12, 8].map(|n| bench.track(n));
        assert!(bench.take().is_empty());
        assert_eq!(bench.push([13]).take(), [window(0, &[1, 9, 8])]);
        assert_eq!(fates(&all), ["delivered", "delivered", "held", "held", "delivered"]);
        assert_eq!(bench.track(7).get(), "filtered", "too late");
        assert_eq!(bench.finish().take(), [window(10, &[11, 12, 13])]);
    }

    #[test]
    fn windows_leave_in_order_of_time_before_1970_too() {
        let mut bench = Bench::new(tens().lateness(100 * SECOND));
        bench.push([25, -1, 3, -10, -11]);
        assert_eq!(
            bench.finish().take(),
            [window(-20, &[-11]), window(-10, &[-1, -10]), window(0, &[3]), window(20, &[25])]
        );
    }

    #[test]
    fn late_items_can_be_rejected() {
        let mut bench = Bench::new(tens().reject_late());
        bench.push([1, 20]);
        assert_eq!(bench.track(2).get(), "failed");
    }

    #[test]
    fn when_nothing_comes_and_when_too_much_comes() {
        let mut bench = Bench::new(tens().idle(SECOND).max_items(2));
        assert_eq!(bench.op.holds(), Holds::ForATime(2));
        assert_eq!(bench.push([1]).due(), Some(SECOND));
        assert_eq!(bench.pass(SECOND).take(), [window(0, &[1])]);
        assert_eq!(bench.due(), None);
        assert_eq!(bench.track(2).get(), "filtered");
        let mut bench = Bench::new(tens().lateness(100 * SECOND).max_items(2));
        assert_eq!(bench.push([11, 1, 12]).take(), [window(0, &[1])]);
        assert_eq!(bench.op.holds(), Holds::Items(2));
    }

    #[test]
    fn times_at_the_end_of_all_time() {
        for length in [Duration::ZERO, SECOND, Duration::MAX] {
            let mut bench = Bench::new(TumblingWindow::new(length, |n: &i64| Timestamp::from_nanos(*n)));
            bench.push([i64::MIN, 0, i64::MAX]);
            bench.finish();
            bench.take();
        }
    }
}
