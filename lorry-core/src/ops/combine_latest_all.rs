//! `combine_latest` of any number of streams of one type.

use super::combine_latest::Newest;
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};

/// With each new item, the newest of every input, once all have brought one. Token rule: the newest item of each input is kept, its
/// token cloned into every output it takes part in, and let go of when another replaces it. Holds items until replaced.
#[derive(Debug)]
pub struct CombineLatestAll<T> {
    newest: Vec<Newest<T>>,
    /// The inputs that make it give something out; none named: all.
    emit_on: Vec<usize>,
}

impl<T> CombineLatestAll<T> {
    /// Of so many streams.
    pub fn new(streams: usize) -> Self {
        Self { newest: (0..streams).map(|_| Newest::NONE).collect(), emit_on: Vec::new() }
    }

    /// Which streams, by their number from 0, make it give out something. Default: all.
    #[must_use]
    pub fn emit_on(mut self, streams: impl IntoIterator<Item = usize>) -> Self {
        self.emit_on.extend(streams);
        self
    }
}

impl<T: Clone + Send> Operator<(usize, T), Vec<T>> for CombineLatestAll<T> {
    fn push(&mut self, item: Item<(usize, T)>, out: &mut Output<'_, Vec<T>>) {
        let (port, value) = item.value;
        if let Some(newest) = self.newest.get_mut(port) {
            newest.renew(Item { value, token: item.token });
        }
        if (self.emit_on.is_empty() || self.emit_on.contains(&port)) && self.newest.iter().all(Newest::is_there) {
            let (values, tokens) = self.newest.iter_mut().filter_map(Newest::part).unzip();
            out.emit(values, Token::join(tokens));
        }
    }

    fn finish(&mut self, _: &mut Output<'_, Vec<T>>) {
        self.newest.iter_mut().for_each(Newest::let_go);
    }

    fn counted_out(&mut self, _: &mut Output<'_, Vec<T>>) {
        self.newest.iter_mut().for_each(Newest::let_go_if_used);
    }

    fn held(&self) -> Option<usize> {
        Some(self.newest.iter().filter(|newest| newest.is_there()).count())
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.newest.iter().map(|newest| newest.unused).sum())
    }

    fn holds(&self) -> Holds {
        Holds::UntilReplaced
    }
}

impl<T: Clone + Send + 'static> Stream<T> {
    /// With each new item of any of these streams, the newest of every one; [`combine_latest`](Stream::combine_latest) for any number.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::CombineLatestAll};
    /// let streams: Vec<_> = (0..3).map(|_| Stream::<f64>::input().1).collect();
    /// let _with_each_of_the_first = Stream::join_all(streams, "combine_latest", CombineLatestAll::new(3).emit_on([0]));
    /// ```
    pub fn combine_latest_all(streams: Vec<Self>) -> Stream<Vec<T>> {
        let op = CombineLatestAll::new(streams.len());
        Self::join_all(streams, "combine_latest", op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn once_all_are_there() {
        let mut bench = Bench::new(CombineLatestAll::new(3).emit_on([0, 2]));
        let all = [(0, 1), (1, 10), (2, 100), (1, 11), (0, 2)].map(|value| bench.track(value));
        assert_eq!(bench.take(), [[1, 10, 100], [2, 11, 100]]);
        assert_eq!(fates(&all), ["delivered", "delivered", "held", "held", "held"]);
        bench.finish();
        assert_eq!(fates(&all), ["delivered"; 5]);
    }
}
