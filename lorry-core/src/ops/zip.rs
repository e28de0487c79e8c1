//! `zip`: pairs of two streams.

use crate::flow::{Either, Holds, Item, Operator, Output};
use crate::{Stream, Token};
use std::collections::VecDeque;

/// How many items a zip keeps of an input that is ahead, unless told otherwise.
pub(super) const AHEAD: usize = 10;

/// Pairs the first item of one stream with the first of the other, the second with the second. Token rule: joined; what can have no
/// partner any more (the other stream has ended) counts as filtered. Holds up to `ahead` items of the stream that is ahead; when they
/// are there, that stream is held back.
#[derive(Debug)]
pub struct Zip<A, B> {
    ahead: usize,
    left: Side<A>,
    right: Side<B>,
}

/// One input of a zip.
#[derive(Debug)]
pub(super) struct Side<T> {
    pub(super) items: VecDeque<Item<T>>,
    pub(super) ended: bool,
}

impl<T> Side<T> {
    pub(super) fn new() -> Self {
        Self { items: VecDeque::new(), ended: false }
    }

    /// Nothing will ever come of it.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.items.is_empty()
    }

    pub(super) fn filter_all(&mut self) {
        self.items.drain(..).for_each(|item| item.token.filtered());
    }
}

impl<A, B> Default for Zip<A, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, B> Zip<A, B> {
    /// Lets one stream be 10 items ahead of the other.
    pub fn new() -> Self {
        Self { ahead: AHEAD, left: Side::new(), right: Side::new() }
    }

    /// How far one stream may be ahead of the other (at least 1; 0 counts as 1).
    #[must_use]
    pub fn ahead(mut self, items: usize) -> Self {
        self.ahead = items.max(1);
        self
    }

    fn is_over(&self) -> bool {
        self.left.is_over() || self.right.is_over()
    }

    fn pair(&mut self, out: &mut Output<'_, (A, B)>) {
        while !self.left.items.is_empty() && !self.right.items.is_empty() {
            let (Some(a), Some(b)) = (self.left.items.pop_front(), self.right.items.pop_front()) else { return };
            out.emit((a.value, b.value), Token::pair(a.token, b.token));
        }
        if self.is_over() {
            self.left.filter_all();
            self.right.filter_all();
        }
    }
}

impl<A: Send, B: Send> Operator<Either<A, B>, (A, B)> for Zip<A, B> {
    fn push(&mut self, item: Item<Either<A, B>>, out: &mut Output<'_, (A, B)>) {
        match item.value {
            Either::Left(value) => self.left.items.push_back(Item { value, token: item.token }),
            Either::Right(value) => self.right.items.push_back(Item { value, token: item.token }),
        }
        self.pair(out);
    }

    fn ended(&mut self, port: usize, out: &mut Output<'_, (A, B)>) {
        match port {
            0 => self.left.ended = true,
            _ => self.right.ended = true,
        }
        self.pair(out);
    }

    fn finish(&mut self, _: &mut Output<'_, (A, B)>) {
        self.left.filter_all();
        self.right.filter_all();
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        if self.is_over() {
            return usize::MAX;
        }
        let held = if port == 0 { self.left.items.len() } else { self.right.items.len() };
        self.ahead.saturating_sub(held).min(downstream)
    }

    fn held(&self) -> Option<usize> {
        Some(self.left.items.len() + self.right.items.len())
    }

    fn holds(&self) -> Holds {
        Holds::Items(self.ahead)
    }
}

impl<A: Send + 'static> Stream<A> {
    /// Pairs of the items of both streams, in order. One may be 10 items ahead of the other, then it is held back; to change that:
    /// `a.join(b, "zip", Zip::new().ahead(100))`. When one stream has ended and its last item has its partner, the rest of the other is
    /// filtered.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, celsius) = Stream::<f64>::input();
    /// let (_input, humidity) = Stream::<f64>::input();
    /// let _climate = celsius.zip(humidity).map(|(celsius, humidity)| format!("{celsius} °C, {humidity} %"));
    /// ```
    ///
    /// A value that is always the same needs no stream: put it in with [`map`](Stream::map).
    pub fn zip<B: Send + 'static>(self, other: Stream<B>) -> Stream<(A, B)> {
        self.join(other, "zip", Zip::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use Either::{Left, Right};

    #[test]
    fn pairs_in_order_and_holds_what_is_ahead() {
        let mut bench = Bench::new(Zip::<u32, char>::new());
        let all = [Left(1), Left(2), Right('a')].map(|value| bench.track(value));
        assert_eq!(bench.take(), [(1, 'a')]);
        assert_eq!(fates(&all), ["delivered", "held", "delivered"]);
        assert_eq!(bench.op.room(0, 100), 9);
        assert_eq!(bench.op.room(1, 5), 5);
        bench.finish();
        assert_eq!(all[1].get(), "filtered");
    }

    #[test]
    fn what_can_have_no_partner_is_filtered_and_holds_nobody_back() {
        let mut bench = Bench::new(Zip::<u32, char>::new().ahead(2));
        bench.push([Left(1)]).ended(0);
        assert_eq!(bench.op.room(1, 100), 2, "there is still one to pair");
        assert_eq!(bench.push([Right('a')]).take(), [(1, 'a')]);
        assert_eq!(bench.op.room(1, 100), usize::MAX);
        assert_eq!(bench.track(Right('b')).get(), "filtered");
    }
}
