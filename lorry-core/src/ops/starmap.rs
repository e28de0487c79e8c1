//! `starmap`: a map whose function takes the parts of a tuple or an array as arguments of its own.

use super::Map;
use crate::Stream;

macro_rules! starmap {
    ($($name:ident: $part:ident),+; $n:literal) => {
        impl<$($part: Send + 'static),+> Stream<($($part),+)> {
            /// Calls `f` with the parts of each tuple. Token rule: passed on.
            ///
            /// ```
            /// # use lorry_core::Stream;
            /// let (_input, pairs) = Stream::<(u32, u32)>::input();
            /// let _sums = pairs.starmap(|a, b| a + b);
            /// ```
            pub fn starmap<Out: Send + 'static>(self, mut f: impl FnMut($($part),+) -> Out + Send + 'static) -> Stream<Out> {
                self.via_kind("starmap", Map(move |($($name),+): ($($part),+)| f($($name),+)))
            }
        }

        impl<T: Send + 'static> Stream<[T; $n]> {
            /// Calls `f` with the elements of each array. Token rule: passed on.
            pub fn starmap<Out: Send + 'static>(self, mut f: impl FnMut($(starmap!(@element $name)),+) -> Out + Send + 'static) -> Stream<Out> {
                self.via_kind("starmap", Map(move |[$($name),+]: [T; $n]| f($($name),+)))
            }
        }
    };
    (@element $name:ident) => { T };
}

starmap!(a: A, b: B; 2);
starmap!(a: A, b: B, c: C; 3);
starmap!(a: A, b: B, c: C, d: D; 4);
