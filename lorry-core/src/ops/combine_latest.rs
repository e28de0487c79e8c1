//! `combine_latest`: the newest item of each of two streams.

use crate::flow::{Either, Holds, Item, Operator, Output};
use crate::{Stream, Token};

/// Which input makes a join give something out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmitOn {
    /// Either.
    #[default]
    Both,
    /// The stream that was joined.
    Left,
    /// The other one.
    Right,
}

/// With each new item, it and the newest of the other stream, once both have brought one. Token rule: the newest item of each stream is
/// kept, its token cloned into every output it takes part in, and let go of when another replaces it. Holds an item until replaced.
#[derive(Debug)]
pub struct CombineLatest<A, B> {
    emit_on: EmitOn,
    left: Option<Item<A>>,
    right: Option<Item<B>>,
}

impl<A, B> Default for CombineLatest<A, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, B> CombineLatest<A, B> {
    /// Gives out a pair with each new item of either stream.
    pub fn new() -> Self {
        Self { emit_on: EmitOn::Both, left: None, right: None }
    }

    /// Which stream makes it give out a pair.
    #[must_use]
    pub fn emit_on(mut self, emit_on: EmitOn) -> Self {
        self.emit_on = emit_on;
        self
    }
}

/// Replaces the newest item; the one before has taken part in all that it ever will.
pub(super) fn renew<T>(newest: &mut Option<Item<T>>, item: Item<T>) {
    if let Some(before) = newest.replace(item) {
        before.token.filtered();
    }
}

pub(super) fn let_go<T>(newest: &mut Option<Item<T>>) {
    if let Some(item) = newest.take() {
        item.token.filtered();
    }
}

impl<A: Clone + Send, B: Clone + Send> Operator<Either<A, B>, (A, B)> for CombineLatest<A, B> {
    fn push(&mut self, item: Item<Either<A, B>>, out: &mut Output<'_, (A, B)>) {
        let came = match item.value {
            Either::Left(value) => {
                renew(&mut self.left, Item { value, token: item.token });
                EmitOn::Left
            }
            Either::Right(value) => {
                renew(&mut self.right, Item { value, token: item.token });
                EmitOn::Right
            }
        };
        if (self.emit_on == EmitOn::Both || self.emit_on == came)
            && let (Some(a), Some(b)) = (&self.left, &self.right)
        {
            out.emit((a.value.clone(), b.value.clone()), Token::pair(a.token.clone(), b.token.clone()));
        }
    }

    fn finish(&mut self, _: &mut Output<'_, (A, B)>) {
        let_go(&mut self.left);
        let_go(&mut self.right);
    }

    fn holds(&self) -> Holds {
        Holds::UntilReplaced
    }
}

impl<A: Clone + Send + 'static> Stream<A> {
    /// With each new item of either stream, it and the newest of the other. To give out only with those of one:
    /// `a.join(b, "combine_latest", CombineLatest::new().emit_on(EmitOn::Left))`.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, price) = Stream::<f64>::input();
    /// let (_input, amount) = Stream::<u32>::input();
    /// let _worth = price.combine_latest(amount).map(|(price, amount)| price * f64::from(amount));
    /// ```
    pub fn combine_latest<B: Clone + Send + 'static>(self, other: Stream<B>) -> Stream<(A, B)> {
        self.join(other, "combine_latest", CombineLatest::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Bench, fates};
    use Either::{Left, Right};

    #[test]
    fn an_item_is_held_until_it_is_replaced() {
        let mut bench = Bench::new(CombineLatest::<u32, char>::new());
        let all = [Left(1), Left(2), Right('a'), Left(3)].map(|value| bench.track(value));
        assert_eq!(fates(&all), ["filtered", "held", "held", "held"]);
        assert_eq!(bench.take(), [(2, 'a'), (3, 'a')]);
        assert_eq!(fates(&all), ["filtered", "delivered", "held", "held"]);
        bench.finish();
        assert_eq!(fates(&all), ["filtered", "delivered", "delivered", "delivered"]);
    }

    #[test]
    fn gives_out_with_one_of_the_streams() {
        let mut bench = Bench::new(CombineLatest::<u32, char>::new().emit_on(EmitOn::Left));
        assert_eq!(bench.push([Left(1), Right('a'), Left(2), Right('b'), Left(3)]).take(), [(2, 'a'), (3, 'b')]);
    }

    #[test]
    fn the_arms_of_a_diamond_meet_in_one_token() {
        let mut bench = Bench::<_, (u32, u32)>::new(CombineLatest::<u32, u32>::new().emit_on(EmitOn::Right));
        let (item, fate) = crate::ops::testing::tracked(1);
        let other = Item { value: Right(item.value), token: item.token.clone() };
        let mut out = Vec::new();
        let mut output = Output::to(&mut out, bench.now);
        bench.op.push(Item { value: Left(item.value), token: item.token }, &mut output);
        bench.op.push(other, &mut output);
        bench.op.finish(&mut output);
        assert_eq!(fate.get(), "held");
        out.remove(0).token.delivered();
        assert_eq!(fate.get(), "delivered");
    }
}
