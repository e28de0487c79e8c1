//! `timed_window`: what came within an interval.

use super::interval::Interval;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::time::{Duration, Instant};

/// How many items a window takes, unless told otherwise.
pub(super) const MOST: usize = 65_536;

/// Collects what comes within each interval of the clock. Token rule: joined. Holds up to `max_items` for an interval; when they are
/// there, the stream is held back until the window closes.
///
/// Windows follow one another without gaps, counted from the first item. One in which nothing came is not given out, unless
/// [asked for](TimedWindow::with_empty). One that closes while there is no room below stays open until there is.
#[derive(Debug)]
pub struct TimedWindow<T> {
    clock: Interval,
    max_items: usize,
    empty: bool,
    values: Vec<T>,
    tokens: Vec<Token>,
}

impl<T> TimedWindow<T> {
    /// Windows of this length (at least a millisecond).
    pub fn new(interval: Duration) -> Self {
        Self { clock: Interval::new(interval), max_items: MOST, empty: false, values: Vec::new(), tokens: Vec::new() }
    }

    /// How many items one window takes (at least 1). Default: 65,536.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.max(1);
        self
    }

    /// Gives out windows in which nothing came, too, as empty vectors: for what must say each time that there was nothing. Windows are
    /// then counted from when the relay starts; the first one closes at once, so that something is known from the beginning. Of those that
    /// closed while there was no room below one is given out. The end of the stream gives out no empty window. An empty window stands for
    /// no message: nobody waits for what becomes of it.
    #[must_use]
    pub fn with_empty(mut self) -> Self {
        self.empty = true;
        self
    }

    fn give(&mut self, out: &mut Output<'_, Vec<T>>) {
        out.emit(std::mem::take(&mut self.values), Token::join(std::mem::take(&mut self.tokens)));
    }
}

impl<T: Send> Operator<T, Vec<T>> for TimedWindow<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        self.clock.start(out.now());
        self.values.push(item.value);
        self.tokens.push(item.token);
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline()
    }

    fn tick(&mut self, out: &mut Output<'_, Vec<T>>) {
        if self.empty {
            self.clock.begin(out.now());
        }
        if self.clock.strikes(out.now(), out.room()) {
            self.clock.stop();
            if self.empty {
                self.clock.start(out.now());
            }
            if self.empty || !self.values.is_empty() {
                self.give(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_, Vec<T>>) {
        self.clock.stop();
        if !self.values.is_empty() {
            self.give(out);
        }
    }

    fn room(&self, _: usize, _: usize) -> usize {
        self.max_items.saturating_sub(self.values.len())
    }

    fn held(&self) -> Option<usize> {
        Some(self.values.len())
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(self.max_items)
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Collects what comes within each `interval` of the clock; for windows by the time in the data see
    /// [`tumbling_window`](Stream::tumbling_window).
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// # use std::time::Duration;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let _per_second = readings.timed_window(Duration::from_secs(1)).map(|window| window.len());
    /// ```
    pub fn timed_window(self, interval: Duration) -> Stream<Vec<T>> {
        self.via_kind("timed_window", TimedWindow::new(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn windows_lie_on_a_grid_and_empty_ones_are_not_given_out() {
        let mut bench = Bench::new(TimedWindow::new(SECOND));
        assert_eq!(bench.due::<u32>(), None);
        let all = [bench.track(1), bench.track(2)];
        assert_eq!(bench.due(), Some(SECOND));
        assert_eq!(bench.pass(SECOND).take(), [[1, 2]]);
        assert_eq!(fates(&all), ["delivered"; 2]);
        assert_eq!(bench.due(), None);
        assert_eq!(bench.pass(SECOND * 5 / 2).push([3]).due(), Some(SECOND / 2));
        assert_eq!(bench.finish().take(), [[3]]);
    }

    #[test]
    fn a_window_stays_open_while_there_is_no_room_below() {
        let mut bench = Bench::new(TimedWindow::new(SECOND).max_items(2));
        bench.push([1]);
        bench.room = 0;
        assert!(bench.pass(SECOND).take().is_empty());
        assert_eq!((bench.due(), bench.op.room(0, 0)), (None, 1));
        bench.room = 1;
        assert_eq!(bench.push([2]).pass(SECOND).take(), [[1, 2]]);
    }

    #[test]
    fn empty_ones_where_they_are_asked_for() {
        let mut bench = Bench::new(TimedWindow::new(SECOND).with_empty());
        assert_eq!(bench.pass(Duration::ZERO).take(), [[0; 0]]);
        let all = [bench.track(1), bench.track(2)];
        assert_eq!(bench.due(), Some(SECOND));
        assert_eq!(bench.pass(SECOND).take(), [[1, 2]]);
        assert_eq!(fates(&all), ["delivered"; 2]);
        assert_eq!(bench.pass(SECOND).take(), [[0; 0]]);
        bench.room = 0;
        assert!(bench.pass(SECOND * 5 / 2).take().is_empty());
        assert_eq!(bench.due(), None, "it waits for room");
        bench.room = 1;
        assert_eq!(bench.pass(Duration::ZERO).take(), [[0; 0]], "late ones are not made up for");
        assert_eq!(bench.due(), Some(SECOND / 2));
        assert!(bench.finish().take().is_empty());
    }

    #[test]
    fn lengths_that_make_no_sense() {
        let mut bench = Bench::new(TimedWindow::new(Duration::ZERO));
        assert_eq!(bench.push([1]).due(), Some(Duration::from_millis(1)));
        let mut bench = Bench::new(TimedWindow::new(Duration::MAX));
        assert_eq!(bench.push([1]).due(), None);
        assert_eq!(bench.finish().take(), [[1]]);
    }
}
