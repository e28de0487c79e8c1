//! `sliding_window`: each item with those before it.

use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::collections::VecDeque;

/// Gives out the last `size` items with each new one. Token rule: cloned into every window the item is part of, and let go of when it
/// has left its last; the message is delivered when all its windows are. Holds up to size − 1, until others push them out.
#[derive(Debug)]
pub struct SlidingWindow<T> {
    size: usize,
    partial: bool,
    items: VecDeque<Item<T>>,
    /// Items that were in no window, because there was none.
    dropped: u64,
    begun: bool,
}

impl<T> SlidingWindow<T> {
    /// Windows of `size` items (at least 1; 0 counts as 1). The first ones, until there are so many, are shorter.
    pub fn new(size: usize) -> Self {
        Self { size: size.max(1), partial: true, items: VecDeque::new(), dropped: 0, begun: false }
    }

    /// Only windows of the full size.
    #[must_use]
    pub fn full_only(mut self) -> Self {
        self.partial = false;
        self
    }
}

impl<T: Clone + Send> Operator<T, Vec<T>> for SlidingWindow<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, Vec<T>>) {
        self.items.push_back(item);
        let full = self.items.len() >= self.size;
        if full || self.partial {
            self.begun = true;
            let values = self.items.iter().map(|item| item.value.clone()).collect();
            // The oldest leaves with a full window: its own token goes along.
            let oldest = if full { self.items.pop_front() } else { None };
            let mut tokens = Vec::with_capacity(self.size.min(self.items.len() + 1));
            tokens.extend(oldest.map(|item| item.token));
            tokens.extend(self.items.iter().map(|item| item.token.clone()));
            out.emit(values, Token::join(tokens));
        }
    }

    fn finish(&mut self, _: &mut Output<'_, Vec<T>>) {
        // They were in all the windows there are for them; those decide.
        self.dropped += if self.begun { 0 } else { self.items.len() as u64 };
        self.items.drain(..).for_each(|item| item.token.filtered());
    }

    fn held(&self) -> Option<usize> {
        Some(self.items.len())
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.dropped)
    }

    fn holds(&self) -> Holds {
        match self.size {
            1 => Holds::Nothing,
            size => Holds::Items(size - 1),
        }
    }
}

impl<T: Clone + Send + 'static> Stream<T> {
    /// With each item, it and up to `size - 1` before it. The first windows are shorter;
    /// `stream.via(SlidingWindow::new(size).full_only())` leaves them out.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, celsius) = Stream::<f64>::input();
    /// let _moving_mean = celsius.sliding_window(10).map(|last| last.iter().sum::<f64>() / last.len() as f64);
    /// ```
    pub fn sliding_window(self, size: usize) -> Stream<Vec<T>> {
        self.via_kind("sliding_window", SlidingWindow::new(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn an_item_is_held_until_it_has_left_its_last_window() {
        let mut bench = Bench::new(SlidingWindow::new(2));
        let all = [bench.track(1), bench.track(2), bench.track(3)];
        assert_eq!(fates(&all), ["held"; 3]);
        assert_eq!(bench.take(), [vec![1], vec![1, 2], vec![2, 3]]);
        assert_eq!(fates(&all), ["delivered", "delivered", "held"]);
        bench.finish();
        assert!(bench.take().is_empty());
        assert_eq!(fates(&all), ["delivered"; 3]);
    }

    #[test]
    fn full_ones_only() {
        let mut bench = Bench::new(SlidingWindow::new(3).full_only());
        let all = [bench.track(1), bench.track(2)];
        bench.finish();
        assert!(bench.take().is_empty());
        assert_eq!(fates(&all), ["filtered"; 2]);
        let mut bench = Bench::new(SlidingWindow::new(3).full_only());
        assert_eq!(bench.push(0..5).take(), [[0, 1, 2], [1, 2, 3], [2, 3, 4]]);
        let mut bench = Bench::new(SlidingWindow::new(0));
        assert_eq!(bench.push(0..2).take(), [[0], [1]]);
        assert_eq!(bench.op.holds(), Holds::Nothing);
    }
}
