//! `latest`: when it is too much, the newest.

use crate::Stream;
use crate::flow::{Holds, Item, Operator, Output};

/// Keeps the newest item while there is no room below, in place of holding the stream back. Always ends with the newest. Token rule:
/// passed on; an item that a newer one replaces counts as filtered. Holds one, until there is room below.
#[derive(Debug)]
pub struct Latest<T> {
    newest: Option<Item<T>>,
    dropped: u64,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Latest<T> {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self { newest: None, dropped: 0 }
    }
}

impl<T: Send> Operator<T> for Latest<T> {
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        if let Some(older) = self.newest.replace(item) {
            self.dropped += 1;
            older.token.filtered();
        }
        self.tick(out);
    }

    fn tick(&mut self, out: &mut Output<'_, T>) {
        if out.room() > 0
            && let Some(newest) = self.newest.take()
        {
            out.push(newest);
        }
    }

    fn finish(&mut self, out: &mut Output<'_, T>) {
        if let Some(newest) = self.newest.take() {
            out.push(newest);
        }
    }

    fn room(&self, _: usize, _: usize) -> usize {
        usize::MAX
    }

    fn held(&self) -> Option<usize> {
        Some(usize::from(self.newest.is_some()))
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.dropped)
    }

    fn holds(&self) -> Holds {
        Holds::ForATime(1)
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Leaves out what comes while the way down is full, and goes on with the newest as soon as it is not. How much fits below is the
    /// sink's queue: [`Branch::queue`](crate::Branch::queue).
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, positions) = Stream::<(f64, f64)>::input();
    /// let display = positions.latest().sink(|position| println!("{position:?}")).queue(1);
    /// # drop(display);
    /// ```
    pub fn latest(self) -> Self {
        self.via_kind("latest", Latest::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use std::time::Duration;

    #[test]
    fn the_newest_waits_and_the_others_go() {
        let mut bench = Bench::new(Latest::new());
        assert_eq!(bench.push([1]).take(), [1]);
        bench.room = 0;
        let all = [bench.track(2), bench.track(3)];
        assert_eq!(fates(&all), ["filtered", "held"]);
        bench.room = 1;
        assert_eq!(bench.pass(Duration::ZERO).take(), [3]);
        bench.room = 0;
        assert_eq!(bench.push([4, 5]).finish().take(), [5]);
    }
}
