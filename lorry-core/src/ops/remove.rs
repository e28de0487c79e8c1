//! `remove`: the opposite of `filter`.

use super::Filter;
use crate::Stream;

impl<T: Send + 'static> Stream<T> {
    /// Removes the items for which `out` is true. Token rule: passed on; a removed item counts as filtered.
    ///
    /// ```
    /// # use lorry_core::Stream;
    /// let (_input, lines) = Stream::<String>::input();
    /// let _without_comments = lines.remove(|line| line.starts_with('#'));
    /// ```
    pub fn remove(self, mut out: impl FnMut(&T) -> bool + Send + 'static) -> Self {
        self.via_kind("remove", Filter(move |value: &T| !out(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::ops::testing::{Bench, fates};

    #[test]
    fn what_goes_is_filtered_and_what_stays_is_delivered() {
        let mut bench = Bench::new(Filter(|n: &u32| *n > 1));
        let all = [bench.track(1), bench.track(2)];
        assert_eq!(bench.take(), [2]);
        assert_eq!(fates(&all), ["filtered", "delivered"]);
    }
}
