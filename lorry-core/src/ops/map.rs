//! `map`: one item becomes one item.

use crate::Stream;
use crate::flow::{Item, Operator, Output};

/// Applies a function to each item. Token rule: passed on.
#[derive(Clone, Debug)]
pub struct Map<F>(pub F);

impl<I, O, F: FnMut(I) -> O + Send> Operator<I, O> for Map<F> {
    #[inline]
    fn push(&mut self, item: Item<I>, out: &mut Output<'_, O>) {
        out.emit((self.0)(item.value), item.token);
    }

    fn remembers(&self) -> bool {
        false
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Applies `f` to each item.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::Map, flow::{Item, Operator, Output}};
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _doubled: Stream<u32> = numbers.map(|n| n * 2);
    /// # let mut seen = Vec::new();
    /// # Map(|n: u32| n * 2).push(Item::untracked(4), &mut Output::to(&mut seen, std::time::Instant::now()));
    /// # assert_eq!(seen[0].value, 8);
    /// ```
    ///
    /// See [`try_map`](Stream::try_map) if it can fail, [`flat_map`](Stream::flat_map) if it makes several.
    pub fn map<O: Send + 'static>(self, f: impl FnMut(T) -> O + Send + 'static) -> Stream<O> {
        self.via_kind("map", Map(f))
    }
}
