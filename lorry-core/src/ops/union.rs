//! `union`: several streams become one.

use crate::Stream;
use crate::flow::{Either, Item, Operator, Output};

/// Gives out what comes on any input, as it comes. Token rule: passed on. Holds nothing; ends with its last input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Union;

impl<T> Operator<(usize, T), T> for Union {
    #[inline]
    fn push(&mut self, item: Item<(usize, T)>, out: &mut Output<'_, T>) {
        out.emit(item.value.1, item.token);
    }
}

impl<T> Operator<Either<T, T>, T> for Union {
    #[inline]
    fn push(&mut self, item: Item<Either<T, T>>, out: &mut Output<'_, T>) {
        match item.value {
            Either::Left(value) | Either::Right(value) => out.emit(value, item.token),
        }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// The items of both streams, as they come.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, indoor) = Stream::<f64>::input();
    /// let (_input, outdoor) = Stream::<f64>::input();
    /// let _all = indoor.union(outdoor);
    /// ```
    pub fn union(self, other: Self) -> Self {
        self.join(other, "union", Union)
    }

    /// The items of all these streams, as they come. Of no streams at all there is nothing: the result ends at once.
    pub fn union_all(streams: impl IntoIterator<Item = Self>) -> Self {
        Self::join_all(streams.into_iter().collect(), "union", Union)
    }
}
