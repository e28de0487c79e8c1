//! `slice`: items by their number.

use crate::Stream;
use crate::flow::{Item, Operator, Output};
use std::ops::{Bound, RangeBounds};

/// Keeps the items with the numbers of a range, counted from 0, or every so many of them from its start on. Token rule: passed on;
/// everything else counts as filtered. What comes after the end is filtered too: a slice does not end the stream, for its siblings and
/// the source's acknowledgements go on. Holds nothing.
#[derive(Clone, Debug)]
pub struct Slice {
    next: u64,
    start: u64,
    end: Option<u64>,
    step: u64,
}

impl Slice {
    /// The items of these numbers: `2..5`, `10..`, `..=3`, `..`.
    pub fn new(range: impl RangeBounds<u64>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) => end.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => None,
        };
        Self { next: 0, start, end, step: 1 }
    }

    /// Only every so many of them, beginning with the first (at least 1; 0 counts as 1).
    #[must_use]
    pub fn step_by(mut self, step: u64) -> Self {
        self.step = step.max(1);
        self
    }
}

impl<T> Operator<T> for Slice {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        let number = self.next;
        self.next += 1;
        let within = number >= self.start && self.end.is_none_or(|end| number < end);
        if within && (number - self.start).is_multiple_of(self.step) {
            out.push(item);
        } else {
            item.token.filtered();
        }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Keeps the items with the numbers of `range`, counted from 0. Later ones are filtered; the stream does not end.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::Slice};
    /// let (_input, lines) = Stream::<String>::input();
    /// let _without_the_header = lines.slice(1..);
    /// let (_input, readings) = Stream::<f64>::input();
    /// let _every_tenth = readings.via_kind("slice", Slice::new(..).step_by(10));
    /// ```
    pub fn slice(self, range: impl RangeBounds<u64>) -> Self {
        self.via_kind("slice", Slice::new(range))
    }
}

#[cfg(test)]
#[allow(clippy::reversed_empty_ranges)]
mod tests {
    use super::*;
    use crate::ops::testing::Bench;

    fn of_ten(slice: Slice) -> Vec<u32> {
        Bench::new(slice).push(0..10).take()
    }

    #[test]
    fn as_slices_of_python_are() {
        assert_eq!(of_ten(Slice::new(..)), (0..10).collect::<Vec<_>>());
        assert_eq!(of_ten(Slice::new(2..5)), [2, 3, 4]);
        assert_eq!(of_ten(Slice::new(8..)), [8, 9]);
        assert_eq!(of_ten(Slice::new(..=1)), [0, 1]);
        assert_eq!(of_ten(Slice::new(1..6).step_by(2)), [1, 3, 5]);
        assert!(of_ten(Slice::new(..0)).is_empty());
        assert!(of_ten(Slice::new(5..2)).is_empty());
        assert_eq!(of_ten(Slice::new(..3).step_by(0)), [0, 1, 2]);
        assert_eq!(of_ten(Slice::new(9..=u64::MAX).step_by(u64::MAX)), [9]);
    }

    #[test]
    fn what_comes_after_the_end_is_filtered() {
        let mut bench = Bench::new(Slice::new(..1));
        let (first, second) = (bench.track(1), bench.track(2));
        assert_eq!(bench.take(), [1]);
        assert_eq!((first.get(), second.get()), ("delivered", "filtered"));
    }
}
