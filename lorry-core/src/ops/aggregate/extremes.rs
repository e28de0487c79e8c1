//! `Min`, `Max`.

use super::Aggregate;
use std::collections::VecDeque;

/// The best so far; where values leave again, with those that will be the best once it has left, in their order.
#[derive(Clone, Debug)]
struct Best<T> {
    best: Option<T>,
    next: Option<VecDeque<T>>,
}

impl<T: Clone + PartialOrd> Best<T> {
    const NONE: Self = Self { best: None, next: None };

    fn take(&mut self, value: &T, beats: impl Fn(&T, &T) -> bool) {
        // What is not equal to itself (NaN) has no place in an order.
        #[allow(clippy::eq_op)]
        if value != value {
            return;
        }
        if let Some(next) = &mut self.next {
            while next.back().is_some_and(|last| beats(value, last)) {
                next.pop_back();
            }
            next.push_back(value.clone());
        } else if self.best.as_ref().is_none_or(|best| beats(value, best)) {
            self.best = Some(value.clone());
        }
    }

    fn leave(&mut self, value: &T) -> bool {
        let Some(next) = &mut self.next else { return false };
        if next.front() == Some(value) {
            next.pop_front();
        }
        true
    }

    fn get(&self) -> Option<T> {
        self.next.as_ref().map_or(&self.best, |_| &None).clone().or_else(|| self.next.as_ref()?.front().cloned())
    }
}

macro_rules! extreme {
    ($(#[$doc:meta])* $name:ident, $beats:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name<T>(Best<T>);

        impl<T: Clone + PartialOrd> $name<T> {
            /// Of nothing yet.
            pub fn new() -> Self {
                Self(Best::NONE)
            }

            /// From the best of what came before.
            pub fn starting_at(value: T) -> Self {
                Self(Best { best: Some(value), next: None })
            }
        }

        impl<T: Clone + PartialOrd> Default for $name<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T: Clone + PartialOrd + Send> Aggregate<T> for $name<T> {
            type Output = Option<T>;

            fn sliding(&mut self) {
                self.0.next = Some(self.0.best.take().into_iter().collect());
            }

            #[inline]
            fn on_new(&mut self, item: &T) {
                self.0.take(item, $beats);
            }

            #[inline]
            fn on_old(&mut self, item: &T) -> bool {
                self.0.leave(item)
            }

            fn result(&self) -> Option<T> {
                self.0.get()
            }
        }
    };
}

extreme! {
    /// The smallest; none of nothing. NaN is left out. Constant time for each item, over windows too, where it remembers up to a value
    /// for each.
    Min, |new, old| new < old
}

extreme! {
    /// The largest; none of nothing. NaN is left out. Constant time for each item, over windows too, where it remembers up to a value
    /// for each.
    Max, |new, old| new > old
}
