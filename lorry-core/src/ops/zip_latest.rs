//! `zip_latest`: every item of one stream with the newest of another.

use super::combine_latest::Newest;
use super::zip::Side;
use crate::flow::{Either, Holds, Item, Operator, Output};
use crate::{Stream, Token};

/// How many items wait for the first of the other stream, unless told otherwise.
pub(super) const WAITING: usize = 1_000;

/// Each item of the first stream, once, with the newest of the other. Items of the first wait until the other has brought something, also
/// when their own stream has ended.
/// Token rule: the first stream's token goes with its output; the newest of the other is kept, its token cloned into every output it
/// takes part in, and let go of when another replaces it. Holds an item until replaced, and up to `waiting` of the first stream until
/// the other begins; when they are there, the first stream is held back.
#[derive(Debug)]
pub struct ZipLatest<A, B> {
    waiting: usize,
    left: Side<A>,
    right: Newest<B>,
    /// The other stream ended without bringing anything.
    over: bool,
    /// Items of the first stream that came to nothing.
    dropped: u64,
}

impl<A, B> Default for ZipLatest<A, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, B> ZipLatest<A, B> {
    /// Lets 1,000 items of the first stream wait for the other to begin.
    pub fn new() -> Self {
        Self { waiting: WAITING, left: Side::new(), right: Newest::NONE, over: false, dropped: 0 }
    }

    /// How many items of the first stream may wait for the other to begin (at least 1; 0 counts as 1).
    #[must_use]
    pub fn waiting(mut self, items: usize) -> Self {
        self.waiting = items.max(1);
        self
    }

    /// Nothing will ask for the newest any more.
    fn let_go_if_done(&mut self) {
        if self.left.ended && self.left.items.is_empty() {
            self.right.let_go();
        }
    }

    fn give_up(&mut self) {
        self.dropped += self.left.items.len() as u64;
        self.left.filter_all();
    }
}

impl<A: Send, B: Clone + Send> Operator<Either<A, B>, (A, B)> for ZipLatest<A, B> {
    fn push(&mut self, item: Item<Either<A, B>>, out: &mut Output<'_, (A, B)>) {
        match item.value {
            Either::Left(_) if self.over => {
                self.dropped += 1;
                return item.token.filtered();
            }
            Either::Left(value) => self.left.items.push_back(Item { value, token: item.token }),
            Either::Right(value) => self.right.renew(Item { value, token: item.token }),
        }
        if self.right.is_there() {
            for item in self.left.items.drain(..) {
                let Some((newest, token)) = self.right.part() else { break };
                out.emit((item.value, newest), Token::pair(item.token, token));
            }
        }
        self.let_go_if_done();
    }

    fn ended(&mut self, port: usize, _: &mut Output<'_, (A, B)>) {
        match port {
            // What waits for the other to begin waits on.
            0 => {
                self.left.ended = true;
                self.let_go_if_done();
            }
            _ if !self.right.is_there() => {
                self.over = true;
                self.give_up();
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &mut Output<'_, (A, B)>) {
        self.give_up();
        self.right.let_go();
    }

    fn counted_out(&mut self, _: &mut Output<'_, (A, B)>) {
        self.right.let_go_if_used();
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        match port {
            0 if self.over => usize::MAX,
            0 if !self.right.is_there() => self.waiting.saturating_sub(self.left.items.len()),
            _ => downstream,
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.left.items.len() + usize::from(self.right.is_there()))
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.dropped + self.right.unused)
    }

    fn holds(&self) -> Holds {
        Holds::UntilReplaced
    }
}

impl<A: Send + 'static> Stream<A> {
    /// Each item of this stream, once, with the newest of the other.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, orders) = Stream::<u32>::input();
    /// let (_input, price) = Stream::<f64>::input();
    /// let _worth = orders.zip_latest(price).map(|(amount, price)| price * f64::from(amount));
    /// ```
    pub fn zip_latest<B: Clone + Send + 'static>(self, other: Stream<B>) -> Stream<(A, B)> {
        self.join(other, "zip_latest", ZipLatest::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use Either::{Left, Right};

    #[test]
    fn each_item_once_with_the_newest() {
        let mut bench = Bench::new(ZipLatest::<u32, char>::new());
        let all = [Left(1), Left(2), Right('a'), Right('b'), Left(3)].map(|value| bench.track(value));
        assert_eq!(fates(&all), ["held"; 5]);
        assert_eq!(bench.take(), [(1, 'a'), (2, 'a'), (3, 'b')]);
        assert_eq!(fates(&all), ["delivered", "delivered", "delivered", "held", "delivered"]);
        bench.finish();
        assert_eq!(all[3].get(), "delivered");
    }

    #[test]
    fn what_waits_is_not_lost_when_its_own_stream_ends() {
        let mut bench = Bench::new(ZipLatest::<u32, char>::new());
        let all = [Left(1), Left(2)].map(|value| bench.track(value));
        bench.ended(0);
        assert_eq!(fates(&all), ["held"; 2]);
        let others = [Right('a'), Right('b')].map(|value| bench.track(value));
        assert_eq!(bench.take(), [(1, 'a'), (2, 'a')]);
        assert_eq!(fates(&all), ["delivered"; 2]);
        assert_eq!(fates(&others), ["delivered", "filtered"], "nothing will ask for them any more");
    }

    #[test]
    fn the_other_never_brings_anything() {
        let mut bench = Bench::new(ZipLatest::<u32, char>::new().waiting(2));
        let all = [Left(1), Left(2)].map(|value| bench.track(value));
        assert_eq!(bench.op.room(0, 100), 0);
        assert_eq!(bench.op.room(1, 100), 100);
        bench.ended(1);
        assert_eq!(fates(&all), ["filtered"; 2]);
        assert_eq!(bench.op.room(0, 100), usize::MAX);
        assert_eq!(bench.track(Left(3)).get(), "filtered");
    }
}
