//! `flat_map`: one item becomes any number of items.

use crate::Stream;
use crate::flow::{Item, Operator, Output};

/// Applies a function that makes any number of items. Token rule: cloned for each; an item that makes none counts as filtered.
#[derive(Clone, Debug)]
pub struct FlatMap<F>(pub F);

impl<I, O, Many: IntoIterator<Item = O>, F: FnMut(I) -> Many + Send> Operator<I, O> for FlatMap<F> {
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        let mut values = (self.0)(item.value).into_iter();
        let Some(mut value) = values.next() else { return item.token.filtered() };
        for next in values {
            out.emit(std::mem::replace(&mut value, next), item.token.clone());
        }
        // The last one takes the token itself.
        out.emit(value, item.token);
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Applies `f` to each item and gives out everything that it makes, in order. The message is delivered when all of it is.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, lines) = Stream::<String>::input();
    /// let _words = lines.flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    /// ```
    pub fn flat_map<O, Many>(self, f: impl FnMut(T) -> Many + Send + 'static) -> Stream<O>
    where
        O: Send + 'static,
        Many: IntoIterator<Item = O> + 'static,
    {
        self.via_kind("flat_map", FlatMap(f))
    }
}
