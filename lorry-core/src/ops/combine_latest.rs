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
    left: Newest<A>,
    right: Newest<B>,
}

impl<A, B> Default for CombineLatest<A, B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, B> CombineLatest<A, B> {
    /// Gives out a pair with each new item of either stream.
    pub fn new() -> Self {
        Self { emit_on: EmitOn::Both, left: Newest::NONE, right: Newest::NONE }
    }

    /// Which stream makes it give out a pair.
    #[must_use]
    pub fn emit_on(mut self, emit_on: EmitOn) -> Self {
        self.emit_on = emit_on;
        self
    }
}

/// The newest item of an input.
#[derive(Debug)]
pub(super) struct Newest<T> {
    item: Option<Item<T>>,
    /// Whether it has been part of an output.
    used: bool,
    /// How many never were.
    pub(super) unused: u64,
}

impl<T> Newest<T> {
    pub(super) const NONE: Self = Self { item: None, used: false, unused: 0 };

    /// Replaces it; the one before has taken part in all that it ever will.
    pub(super) fn renew(&mut self, item: Item<T>) {
        self.let_go();
        self.item = Some(item);
        self.used = false;
    }

    pub(super) fn let_go(&mut self) {
        if let Some(item) = self.item.take() {
            self.unused += u64::from(!self.used);
            item.token.filtered();
        }
    }

    /// Lets go of one that has been part of an output; another is yet to be.
    pub(super) fn let_go_if_used(&mut self) {
        if self.used {
            self.let_go();
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.item.is_some()
    }
}

impl<T: Clone> Newest<T> {
    /// Its value and a clone of its token, for an output.
    pub(super) fn part(&mut self) -> Option<(T, Token)> {
        let item = self.item.as_ref()?;
        self.used = true;
        Some((item.value.clone(), item.token.clone()))
    }
}

impl<A: Clone + Send, B: Clone + Send> Operator<Either<A, B>, (A, B)> for CombineLatest<A, B> {
    fn push(&mut self, item: Item<Either<A, B>>, out: &mut Output<'_, (A, B)>) {
        let came = match item.value {
            Either::Left(value) => {
                self.left.renew(Item { value, token: item.token });
                EmitOn::Left
            }
            Either::Right(value) => {
                self.right.renew(Item { value, token: item.token });
                EmitOn::Right
            }
        };
        if (self.emit_on == EmitOn::Both || self.emit_on == came)
            && self.left.is_there()
            && self.right.is_there()
            && let (Some((a, left)), Some((b, right))) = (self.left.part(), self.right.part())
        {
            out.emit((a, b), Token::pair(left, right));
        }
    }

    fn finish(&mut self, _: &mut Output<'_, (A, B)>) {
        self.left.let_go();
        self.right.let_go();
    }

    fn counted_out(&mut self, _: &mut Output<'_, (A, B)>) {
        self.left.let_go_if_used();
        self.right.let_go_if_used();
    }

    fn held(&self) -> Option<usize> {
        Some(usize::from(self.left.is_there()) + usize::from(self.right.is_there()))
    }

    fn dropped(&self) -> Option<u64> {
        Some(self.left.unused + self.right.unused)
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
