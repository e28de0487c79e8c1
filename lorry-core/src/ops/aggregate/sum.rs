//! `Sum`, `Count`, `Mean`.

use super::{Aggregate, Number, Total};

/// The sum: exact for whole numbers of up to 64 bits (as `i128`, which 2⁶³ of the largest fill), compensated for floats (as `f64`). One NaN makes it NaN
/// for as long as it is there; [`of_some`](Aggregate::of_some) can leave it out.
#[derive(Clone, Debug)]
pub struct Sum<N: Number> {
    total: N::Total,
}

impl<N: Number> Sum<N> {
    /// From nothing.
    pub fn new() -> Self {
        Self { total: N::Total::default() }
    }

    /// From what was summed up before.
    pub fn starting_at(sum: N) -> Self {
        let mut new = Self::new();
        new.total.add(sum);
        new
    }
}

impl<N: Number> Default for Sum<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Number> Aggregate<N> for Sum<N> {
    type Output = <N::Total as Total<N>>::Value;

    #[inline]
    fn on_new(&mut self, item: &N) {
        self.total.add(*item);
    }

    #[inline]
    fn on_old(&mut self, item: &N) -> bool {
        self.total.remove(*item)
    }

    fn result(&self) -> Self::Output {
        self.total.value()
    }
}

/// How many items.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count(u64);

impl Count {
    /// From 0.
    pub fn new() -> Self {
        Self(0)
    }

    /// From what was counted before.
    pub fn starting_at(count: u64) -> Self {
        Self(count)
    }
}

impl<I> Aggregate<I> for Count {
    type Output = u64;

    #[inline]
    fn on_new(&mut self, _: &I) {
        self.0 += 1;
    }

    #[inline]
    fn on_old(&mut self, _: &I) -> bool {
        self.0 = self.0.saturating_sub(1);
        true
    }

    fn result(&self) -> u64 {
        self.0
    }
}

/// The arithmetic mean; none of nothing.
#[derive(Clone, Debug)]
pub struct Mean<N: Number> {
    total: N::Total,
    count: u64,
}

impl<N: Number> Mean<N> {
    /// From nothing.
    pub fn new() -> Self {
        Self { total: N::Total::default(), count: 0 }
    }

    /// From the sum and the number of what came before.
    pub fn starting_at(sum: N, count: u64) -> Self {
        let mut new = Self::new();
        new.total.add(sum);
        new.count = count;
        new
    }
}

impl<N: Number> Default for Mean<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<N: Number> Aggregate<N> for Mean<N> {
    type Output = Option<f64>;

    #[inline]
    fn on_new(&mut self, item: &N) {
        self.total.add(*item);
        self.count += 1;
    }

    #[inline]
    fn on_old(&mut self, item: &N) -> bool {
        self.count = self.count.saturating_sub(1);
        self.total.remove(*item)
    }

    fn result(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total.to_f64() / self.count as f64)
    }
}
