//! `EwMean`: a mean that forgets.

use super::Aggregate;

/// The exponentially weighted mean: each value counts `1 − alpha` times as much as the one after it; none of nothing. Over a window of
/// the last items it is computed anew with each.
#[derive(Clone, Copy, Debug)]
pub struct EwMean {
    keep: f64,
    values: f64,
    weights: f64,
}

impl EwMean {
    /// By the weight of the newest value, more than 0 (what is not counts as the smallest that is), up to 1 (more counts as 1).
    pub fn alpha(alpha: f64) -> Self {
        let alpha = if alpha.is_nan() { 1.0 } else { alpha.clamp(f64::MIN_POSITIVE, 1.0) };
        Self { keep: 1.0 - alpha, values: 0.0, weights: 0.0 }
    }

    /// By the number of values in a plain mean that is as old on average: `alpha = 2 / (span + 1)`, span ≥ 1.
    pub fn span(span: f64) -> Self {
        Self::alpha(2.0 / (span.max(1.0) + 1.0))
    }

    /// By the centre of mass: `alpha = 1 / (com + 1)`, com ≥ 0.
    pub fn com(com: f64) -> Self {
        Self::alpha(1.0 / (com.max(0.0) + 1.0))
    }

    /// By the number of values after which a weight is half of what it was, more than 0.
    pub fn half_life(values: f64) -> Self {
        Self::alpha(1.0 - (-std::f64::consts::LN_2 / values.max(0.0)).exp())
    }
}

impl<N: Copy + Into<f64>> Aggregate<N> for EwMean {
    type Output = Option<f64>;

    fn on_new(&mut self, item: &N) {
        self.values = self.values * self.keep + (*item).into();
        self.weights = self.weights * self.keep + 1.0;
    }

    fn result(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.values / self.weights)
    }
}
