//! `zip_latest` with any number of streams of one type.

use super::combine_latest::Newest;
use super::zip::Side;
use super::zip_latest::WAITING;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};

/// Each item of the first input, once, with the newest of all others. Items of the first wait until all others have brought something,
/// also when their own input has ended.
/// Token rule: the first input's token goes with its output; the newest of each other is kept, its token cloned into every output it
/// takes part in, and let go of when another replaces it. Holds items until replaced, and up to 1,000 of the first input until the
/// others begin; when they are there, the first stream is held back.
#[derive(Debug)]
pub struct ZipLatestAll<T> {
    first: Side<T>,
    newest: Vec<Newest<T>>,
    over: bool,
    /// Items of the first input that came to nothing.
    dropped: u64,
}

impl<T> ZipLatestAll<T> {
    /// Of so many streams, the first included.
    pub fn new(streams: usize) -> Self {
        Self { first: Side::new(), newest: (1..streams).map(|_| Newest::NONE).collect(), over: false, dropped: 0 }
    }

    fn is_ready(&self) -> bool {
        self.newest.iter().all(Newest::is_there)
    }

    /// Nothing will ask for the newest any more.
    fn let_go_if_done(&mut self) {
        if self.first.ended && self.first.items.is_empty() {
            self.newest.iter_mut().for_each(Newest::let_go);
        }
    }

    fn give_up(&mut self) {
        self.dropped += self.first.items.len() as u64;
        self.first.filter_all();
    }
}

impl<T: Clone + Send> Operator<(usize, T), Vec<T>> for ZipLatestAll<T> {
    fn push(&mut self, item: Item<(usize, T)>, out: &mut Output<'_, Vec<T>>) {
        let (port, value) = item.value;
        let item = Item { value, token: item.token };
        match port.checked_sub(1) {
            None if self.over => {
                self.dropped += 1;
                return item.token.filtered();
            }
            None => self.first.items.push_back(item),
            Some(other) => {
                if let Some(newest) = self.newest.get_mut(other) {
                    newest.renew(item);
                }
            }
        }
        if self.is_ready() {
            for item in self.first.items.drain(..) {
                let others = self.newest.iter_mut().filter_map(Newest::part);
                let (values, tokens) = std::iter::once((item.value, item.token)).chain(others).unzip();
                out.emit(values, Token::join(tokens));
            }
        }
        self.let_go_if_done();
    }

    fn ended(&mut self, port: usize, _: &mut Output<'_, Vec<T>>) {
        match port.checked_sub(1) {
            // What waits for the others to begin waits on.
            None => {
                self.first.ended = true;
                self.let_go_if_done();
            }
            Some(other) if self.newest.get(other).is_some_and(|other| !other.is_there()) => {
                self.over = true;
                self.give_up();
                self.let_go_if_done();
            }
            Some(_) => {}
        }
    }

    fn finish(&mut self, _: &mut Output<'_, Vec<T>>) {
        self.give_up();
        self.newest.iter_mut().for_each(Newest::let_go);
    }

    fn counted_out(&mut self, _: &mut Output<'_, Vec<T>>) {
        self.newest.iter_mut().for_each(Newest::let_go_if_used);
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        match port {
            0 if self.over => usize::MAX,
            0 if !self.is_ready() => WAITING.saturating_sub(self.first.items.len()),
            _ => downstream,
        }
    }

    fn held(&self) -> Option<usize> {
        Some(self.first.items.len() + self.newest.iter().filter(|newest| newest.is_there()).count())
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.dropped + self.newest.iter().map(|newest| newest.unused).sum::<u64>())
    }

    fn holds(&self) -> Holds {
        Holds::UntilReplaced
    }
}

impl<T: Clone + Send + 'static> Stream<T> {
    /// Each item of this stream, once, with the newest of all others; [`zip_latest`](Stream::zip_latest) for any number.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, readings) = Stream::<f64>::input();
    /// let limits: Vec<_> = (0..2).map(|_| Stream::<f64>::input().1).collect();
    /// let _within = readings.zip_latest_all(limits).map(|of| (of[1]..of[2]).contains(&of[0]));
    /// ```
    pub fn zip_latest_all(self, others: Vec<Self>) -> Stream<Vec<T>> {
        let op = ZipLatestAll::new(others.len() + 1);
        Self::join_all(std::iter::once(self).chain(others).collect(), "zip_latest", op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn waits_for_all_others() {
        let mut bench = Bench::new(ZipLatestAll::new(3));
        let all = [(0, 1), (1, 10), (0, 2), (2, 100), (2, 101), (0, 3)].map(|value| bench.track(value));
        assert_eq!(bench.take(), [[1, 10, 100], [2, 10, 100], [3, 10, 101]]);
        assert_eq!(fates(&all), ["delivered", "held", "delivered", "delivered", "held", "delivered"]);
        bench.finish();
        assert_eq!(fates(&all), ["delivered"; 6]);
    }

    #[test]
    fn what_waits_is_not_lost_when_its_own_stream_ends() {
        let mut bench = Bench::new(ZipLatestAll::new(3));
        let all = [(0, 1), (1, 10), (0, 2)].map(|value| bench.track(value));
        bench.ended(0);
        assert_eq!(fates(&all), ["held"; 3]);
        let last = [(2, 100), (2, 101)].map(|value| bench.track(value));
        assert_eq!(bench.take(), [[1, 10, 100], [2, 10, 100]]);
        assert_eq!(fates(&all), ["delivered"; 3]);
        assert_eq!(fates(&last), ["delivered", "filtered"], "nothing will ask for them any more");
    }

    #[test]
    fn an_other_that_never_brings_anything() {
        let mut bench = Bench::new(ZipLatestAll::new(3));
        let (first, other) = (bench.track((0, 1)), bench.track((1, 10)));
        bench.ended(2);
        assert_eq!((first.get(), other.get()), ("filtered", "held"));
        assert_eq!(bench.op.room(0, 0), usize::MAX);
        bench.ended(0);
        assert_eq!(other.get(), "filtered");
    }
}
