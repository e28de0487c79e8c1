//! `zip` of any number of streams of one type.

use super::zip::{AHEAD, Side};
use crate::flow::{Holds, Item, Operator, Output};
use crate::{Stream, Token};

/// Makes a vector of the first items of all inputs, then of the second ones. Token rule: joined; what can have no partner any more
/// counts as filtered. Holds up to `ahead` items of each input but one.
#[derive(Debug)]
pub struct ZipAll<T> {
    ahead: usize,
    sides: Vec<Side<T>>,
    /// Values that are always the same, each with its place in the vector.
    literals: Vec<(usize, T)>,
}

impl<T> ZipAll<T> {
    /// Of so many streams. Each may be 10 items ahead of the others.
    pub fn new(streams: usize) -> Self {
        Self { ahead: AHEAD, sides: (0..streams).map(|_| Side::new()).collect(), literals: Vec::new() }
    }

    /// How far a stream may be ahead of the others (at least 1; 0 counts as 1).
    #[must_use]
    pub fn ahead(mut self, items: usize) -> Self {
        self.ahead = items.max(1);
        self
    }

    /// A value that is always the same, at this place of the vector (beyond its end: at the end). Literals are put in by ascending place.
    #[must_use]
    pub fn literal(mut self, place: usize, value: T) -> Self {
        let at = self.literals.partition_point(|(other, _)| *other <= place);
        self.literals.insert(at, (place, value));
        self
    }

    fn is_over(&self) -> bool {
        self.sides.iter().any(Side::is_over)
    }
}

impl<T: Clone> ZipAll<T> {
    fn line_up(&mut self, out: &mut Output<'_, Vec<T>>) {
        while self.sides.iter().all(|side| !side.items.is_empty()) && !self.sides.is_empty() {
            let firsts = self.sides.iter_mut().filter_map(|side| side.items.pop_front());
            let (mut values, tokens): (Vec<_>, Vec<_>) = firsts.map(|item| (item.value, item.token)).unzip();
            for (place, value) in &self.literals {
                values.insert((*place).min(values.len()), value.clone());
            }
            out.emit(values, Token::join(tokens));
        }
        if self.is_over() {
            self.sides.iter_mut().for_each(Side::filter_all);
        }
    }
}

impl<T: Clone + Send> Operator<(usize, T), Vec<T>> for ZipAll<T> {
    fn push(&mut self, item: Item<(usize, T)>, out: &mut Output<'_, Vec<T>>) {
        let (port, value) = item.value;
        if let Some(side) = self.sides.get_mut(port) {
            side.items.push_back(Item { value, token: item.token });
        }
        self.line_up(out);
    }

    fn ended(&mut self, port: usize, out: &mut Output<'_, Vec<T>>) {
        if let Some(side) = self.sides.get_mut(port) {
            side.ended = true;
        }
        self.line_up(out);
    }

    fn finish(&mut self, _: &mut Output<'_, Vec<T>>) {
        self.sides.iter_mut().for_each(Side::filter_all);
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        if self.is_over() {
            return usize::MAX;
        }
        let held = self.sides.get(port).map_or(0, |side| side.items.len());
        self.ahead.saturating_sub(held).min(downstream)
    }

    fn held(&self) -> Option<usize> {
        Some(self.sides.iter().map(|side| side.items.len()).sum())
    }

    fn holds(&self) -> Holds {
        match self.sides.len() {
            0 | 1 => Holds::Nothing,
            sides => Holds::Items(self.ahead.saturating_mul(sides - 1)),
        }
    }
}

impl<T: Clone + Send + 'static> Stream<T> {
    /// Vectors of the items of all these streams, in order; [`zip`](Stream::zip) for any number.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::ZipAll};
    /// let streams: Vec<_> = (0..3).map(|_| Stream::<f64>::input().1).collect();
    /// let _sums = Stream::zip_all(streams).map(|three| three.iter().sum::<f64>());
    ///
    /// let streams: Vec<_> = (0..2).map(|_| Stream::<u32>::input().1).collect();
    /// let _with_a_literal = Stream::join_all(streams, "zip", ZipAll::new(2).literal(1, 42).ahead(100));
    /// ```
    pub fn zip_all(streams: Vec<Self>) -> Stream<Vec<T>> {
        let op = ZipAll::new(streams.len());
        Self::join_all(streams, "zip", op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn vectors_with_literals_in_their_places() {
        let mut bench = Bench::new(ZipAll::new(2).literal(1, 99).literal(7, 77));
        let all = [(0, 1), (0, 2), (1, 10)].map(|value| bench.track(value));
        assert_eq!(bench.take(), [[1, 99, 10, 77]]);
        assert_eq!(fates(&all), ["delivered", "held", "delivered"]);
        bench.ended(1);
        assert_eq!(all[1].get(), "filtered");
        assert_eq!(bench.op.room(0, 0), usize::MAX);
    }

    #[test]
    fn one_stream_is_held_nowhere() {
        let mut bench = Bench::new(ZipAll::new(1));
        assert_eq!(bench.push([(0, 1), (0, 2)]).take(), [[1], [2]]);
        assert_eq!(bench.op.holds(), Holds::Nothing);
    }
}
