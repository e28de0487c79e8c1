//! `filter`: lets items through, or not.

use crate::Stream;
use crate::flow::{Item, Operator, Output};

/// Keeps the items for which the predicate holds. Token rule: passed on; a removed item counts as filtered.
#[derive(Clone, Debug)]
pub struct Filter<F>(pub F);

impl<T, F: FnMut(&T) -> bool + Send> Operator<T> for Filter<F> {
    #[inline]
    fn push(&mut self, item: Item<T>, out: &mut Output<'_, T>) {
        if (self.0)(&item.value) {
            out.push(item);
        } else {
            item.token.filtered();
        }
    }
}

impl<T: Send + 'static> Stream<T> {
    /// Keeps the items for which `keep` is true.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, numbers) = Stream::<u32>::input();
    /// let _even = numbers.filter(|n| n % 2 == 0);
    /// ```
    pub fn filter(self, keep: impl FnMut(&T) -> bool + Send + 'static) -> Self {
        self.via_kind("filter", Filter(keep))
    }
}
