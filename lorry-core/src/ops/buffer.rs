//! `buffer`: a queue between what is quick above and slow below.

use crate::Stream;
use crate::flow::{Holds, Item, Operator, Output};
use std::collections::VecDeque;

/// Takes up to so many items more than the way down has room for, and gives them out in order. Token rule: passed on. Holds up to
/// `size`, until there is room below.
#[derive(Debug)]
pub struct Buffer<T> {
    size: usize,
    items: VecDeque<Item<T>>,
}

impl<T> Buffer<T> {
    /// Up to `size` items; with 0 it holds nothing.
    pub fn new(size: usize) -> Self {
        Self { size, items: VecDeque::new() }
    }
}

impl<T: Send> Operator<T> for Buffer<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        if self.size == 0 {
            return out.push(item);
        }
        self.items.push_back(item);
        self.tick(out);
    }

    fn tick(&mut self, out: &mut Output<'_, T>) {
        while out.room() > 0
            && let Some(item) = self.items.pop_front()
        {
            out.push(item);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, T>) {
        self.items.drain(..).for_each(|item| out.push(item));
    }

    fn room(&self, _: usize, downstream: usize) -> usize {
        self.size.saturating_sub(self.items.len()).saturating_add(downstream)
    }

    fn held(&self) -> Option<usize> {
        Some(self.items.len())
    }

    fn holds(&self) -> Holds {
        match self.size {
            0 => Holds::Nothing,
            size => Holds::ForATime(size),
        }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Lets the stream run up to `size` items ahead of what is below. Sinks have queues of their own; this is for a branch or a join
    /// that needs more.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let (archive, display) = readings.tee();
    /// let archive = archive.buffer(10_000);
    /// # drop((archive, display));
    /// ```
    pub fn buffer(self, size: usize) -> Self {
        self.via_kind("buffer", Buffer::new(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use std::time::Duration;

    #[test]
    fn keeps_what_there_is_no_room_for_in_order() {
        let mut bench = Bench::new(Buffer::new(3));
        bench.room = 0;
        assert_eq!(Operator::<u32>::room(&bench.op, 0, 1), 4);
        let all = [bench.track(1), bench.track(2), bench.track(3)];
        assert_eq!(bench.op.room(0, 0), 0);
        bench.room = 2;
        assert_eq!(bench.pass(Duration::ZERO).take(), [1, 2]);
        assert_eq!(fates(&all), ["delivered", "delivered", "held"]);
        assert_eq!(bench.push([4]).finish().take(), [3, 4]);
    }

    #[test]
    fn of_size_zero_is_not_there() {
        let mut bench = Bench::new(Buffer::new(0));
        bench.room = 0;
        assert_eq!(bench.push([1]).take(), [1]);
    }
}
