//! `flatten`: the elements of collections, one by one.

use super::FlatMap;
use crate::Stream;

impl<T: IntoIterator + Send + 'static> Stream<T>
where
    T::Item: Send + 'static,
{
    /// Gives out the elements of each item, in order. Token rule: all elements share the item's token, so it is delivered when every
    /// one of them is; an item without elements counts as filtered.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, batches) = Stream::<Vec<u32>>::input();
    /// let _numbers: Stream<u32> = batches.flatten();
    /// ```
    pub fn flatten(self) -> Stream<T::Item> {
        self.via_kind("flatten", FlatMap(std::convert::identity))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::FlatMap;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn all_elements_share_the_token_and_none_is_filtered() {
        let mut bench = Bench::new(FlatMap(|items: Vec<u32>| items));
        let all = [bench.track(vec![1, 2]), bench.track(vec![]), bench.track(vec![3])];
        assert_eq!(fates(&all), ["held", "filtered", "held"]);
        assert_eq!(bench.take(), [1, 2, 3]);
        assert_eq!(fates(&all), ["delivered", "filtered", "delivered"]);
    }
}
