//! `scan`, `accumulate`: a state that goes along with the items.

use super::Map;
use crate::flow::{Item, Operator, Output};
use crate::{Result, Stream};

/// Applies a function to a state and each item. Token rule: passed on; the state holds no item back.
#[derive(Clone, Debug)]
pub struct Scan<S, F> {
    state: S,
    f: F,
}

impl<S, F> Scan<S, F> {
    /// `f` gets the state, to change as it likes, and the item; what it returns goes out.
    pub fn new(start: S, f: F) -> Self {
        Self { state: start, f }
    }
}

impl<S: Send, I, O, F: FnMut(&mut S, I) -> O + Send> Operator<I, O> for Scan<S, F> {
    #[inline]
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        out.emit((self.f)(&mut self.state, item.value), item.token);
    }
}

/// [`Scan`] with a function that can fail. Token rule: passed on; an item for which it fails is rejected, and the state stays as it was.
#[derive(Clone, Debug)]
pub struct TryScan<S, F> {
    state: S,
    f: F,
}

impl<S, F> TryScan<S, F> {
    /// `f` gets the state and the item; it returns the next state and what goes out.
    pub fn new(start: S, f: F) -> Self {
        Self { state: start, f }
    }
}

impl<S: Send, I, O, F: FnMut(&S, I) -> Result<(S, O)> + Send> Operator<I, O> for TryScan<S, F> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        match (self.f)(&self.state, item.value) {
            Ok((state, value)) => {
                self.state = state;
                out.emit(value, item.token);
            }
            Err(error) => item.token.reject(error),
        }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Applies `f` to a state and each item, and gives out what it returns.
    ///
    /// ```
    /// # use lorry_core::{ops::Scan, Stream, flow::{Item, Operator, Output}};
    /// let (_input, words) = Stream::<&str>::input();
    /// let _numbered = words.scan(0, |n, word| {
    ///     *n += 1;
    ///     format!("{n} {word}")
    /// });
    /// ```
    pub fn scan<S, O>(self, start: S, f: impl FnMut(&mut S, T) -> O + Send + 'static) -> Stream<O>
    where
        S: Send + 'static,
        O: Send + 'static,
    {
        self.via_kind("scan", Scan::new(start, f))
    }

    /// [`scan`](Stream::scan) with a function that can fail: the item is rejected, the state stays as it was.
    pub fn try_scan<S, O>(self, start: S, f: impl FnMut(&S, T) -> Result<(S, O)> + Send + 'static) -> Stream<O>
    where
        S: Send + 'static,
        O: Send + 'static,
    {
        self.via_kind("scan", TryScan::new(start, f))
    }

    /// [`scan`](Stream::scan) that gives out the state together with the result: what is needed to go on from there.
    pub fn scan_with_state<S, O>(self, start: S, mut f: impl FnMut(&mut S, T) -> O + Send + 'static) -> Stream<(S, O)>
    where
        S: Clone + Send + 'static,
        O: Send + 'static,
    {
        let f = move |state: &mut S, value| {
            let result = f(state, value);
            (state.clone(), result)
        };
        self.via_kind("scan", Scan::new(start, f))
    }

    /// Gives out a running value: `f` makes the next of the last one and the item.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _sums = numbers.accumulate(0, |sum, n| sum + n);
    /// ```
    pub fn accumulate<S: Clone + Send + 'static>(
        self,
        start: S,
        mut f: impl FnMut(&S, T) -> S + Send + 'static,
    ) -> Stream<S> {
        let f = move |state: &mut S, value| {
            *state = f(state, value);
            state.clone()
        };
        self.via_kind("accumulate", Scan::new(start, f))
    }

    /// [`accumulate`](Stream::accumulate) without a start: the first item is the first value.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _highest_so_far = numbers.accumulate_from_first(|highest, n| n.max(*highest));
    /// ```
    pub fn accumulate_from_first(self, mut f: impl FnMut(&T, T) -> T + Send + 'static) -> Self
    where
        T: Clone,
    {
        let f = move |state: &mut Option<T>, value| {
            let next = match state.as_ref() {
                None => value,
                Some(last) => f(last, value),
            };
            *state = Some(next.clone());
            next
        };
        self.via_kind("accumulate", Scan::new(None, f))
    }

    /// Numbers the items from 0.
    pub fn enumerate(self) -> Stream<(u64, T)> {
        let mut next = 0;
        let number = move |value| {
            next += 1;
            (next - 1, value)
        };
        self.via_kind("enumerate", Map(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use crate::{Error, ErrorKind};

    #[test]
    fn the_state_goes_along_and_holds_nothing() {
        let mut bench = Bench::new(Scan::new(10, |state: &mut i32, n: i32| {
            *state += n;
            *state
        }));
        let all = [bench.track(1), bench.track(2)];
        assert_eq!(bench.take(), [11, 13]);
        assert_eq!(fates(&all), ["delivered"; 2]);
    }

    #[test]
    fn an_error_rejects_the_item_and_leaves_the_state() {
        let divide = |state: &i32, n: i32| match n {
            0 => Err(Error::data(ErrorKind::Malformed, "divide", "by zero")),
            n => Ok((state / n, state / n)),
        };
        let mut bench = Bench::new(TryScan::new(8, divide));
        let all = [bench.track(2), bench.track(0), bench.track(2)];
        assert_eq!(bench.take(), [4, 2]);
        assert_eq!(fates(&all), ["delivered", "failed", "delivered"]);
    }
}
