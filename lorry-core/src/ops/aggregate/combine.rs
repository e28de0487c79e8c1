//! Aggregates of a part of the item, and several in one pass.

use super::Aggregate;
use crate::Result;
use std::fmt;
use std::marker::PhantomData;

/// See [`Aggregate::of`].
pub struct Of<F, A, V> {
    part: F,
    inner: A,
    value: PhantomData<fn() -> V>,
}

/// See [`Aggregate::of_some`].
pub struct OfSome<F, A, V> {
    part: F,
    inner: A,
    value: PhantomData<fn() -> V>,
}

macro_rules! part {
    ($name:ident) => {
        impl<F, A, V> $name<F, A, V> {
            pub(super) fn new(part: F, inner: A) -> Self {
                Self { part, inner, value: PhantomData }
            }
        }

        impl<F: Clone, A: Clone, V> Clone for $name<F, A, V> {
            fn clone(&self) -> Self {
                Self::new(self.part.clone(), self.inner.clone())
            }
        }

        impl<F, A: fmt::Debug, V> fmt::Debug for $name<F, A, V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.inner).finish()
            }
        }
    };
}

part!(Of);
part!(OfSome);

impl<J, V, F: Fn(&J) -> V + Clone + Send, A: Aggregate<V>> Aggregate<J> for Of<F, A, V> {
    type Output = A::Output;
    const LIMITED: bool = A::LIMITED;

    fn admit(&self, item: &J) -> Result<()> {
        self.inner.admit(&(self.part)(item))
    }

    fn sliding(&mut self) {
        self.inner.sliding();
    }

    #[inline]
    fn on_new(&mut self, item: &J) {
        self.inner.on_new(&(self.part)(item));
    }

    #[inline]
    fn on_old(&mut self, item: &J) -> bool {
        self.inner.on_old(&(self.part)(item))
    }

    fn result(&self) -> A::Output {
        self.inner.result()
    }
}

impl<J, V, F: Fn(&J) -> Option<V> + Clone + Send, A: Aggregate<V>> Aggregate<J> for OfSome<F, A, V> {
    type Output = A::Output;
    const LIMITED: bool = A::LIMITED;

    fn admit(&self, item: &J) -> Result<()> {
        (self.part)(item).map_or(Ok(()), |value| self.inner.admit(&value))
    }

    fn sliding(&mut self) {
        self.inner.sliding();
    }

    #[inline]
    fn on_new(&mut self, item: &J) {
        if let Some(value) = (self.part)(item) {
            self.inner.on_new(&value);
        }
    }

    #[inline]
    fn on_old(&mut self, item: &J) -> bool {
        (self.part)(item).is_none_or(|value| self.inner.on_old(&value))
    }

    fn result(&self) -> A::Output {
        self.inner.result()
    }
}

impl<I, A: Aggregate<I>> Aggregate<I> for Vec<A> {
    type Output = Vec<A::Output>;
    const LIMITED: bool = A::LIMITED;

    fn admit(&self, item: &I) -> Result<()> {
        self.iter().try_for_each(|one| one.admit(item))
    }

    fn sliding(&mut self) {
        self.iter_mut().for_each(A::sliding);
    }

    fn on_new(&mut self, item: &I) {
        self.iter_mut().for_each(|one| one.on_new(item));
    }

    fn on_old(&mut self, item: &I) -> bool {
        self.iter_mut().all(|one| one.on_old(item))
    }

    fn result(&self) -> Self::Output {
        self.iter().map(A::result).collect()
    }
}

macro_rules! tuple {
    ($($name:ident $place:tt),+) => {
        impl<I, $($name: Aggregate<I>),+> Aggregate<I> for ($($name,)+) {
            type Output = ($($name::Output,)+);
            const LIMITED: bool = $($name::LIMITED)||+;

            fn admit(&self, item: &I) -> Result<()> {
                $(self.$place.admit(item)?;)+
                Ok(())
            }

            fn sliding(&mut self) {
                $(self.$place.sliding();)+
            }

            #[inline]
            fn on_new(&mut self, item: &I) {
                $(self.$place.on_new(item);)+
            }

            #[inline]
            fn on_old(&mut self, item: &I) -> bool {
                // If one is of no use any more, all are computed anew.
                $(self.$place.on_old(item))&&+
            }

            fn result(&self) -> Self::Output {
                ($(self.$place.result(),)+)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6);
tuple!(A 0, B 1, C 2, D 3, E 4, G 5, H 6, J 7);
