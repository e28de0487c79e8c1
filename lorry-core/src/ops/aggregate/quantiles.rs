//! `Quantiles`: the median and its like, from a sketch.

use super::Aggregate;
use sketches_ddsketch::{Config, DDSketch};
use std::fmt;
use std::sync::Arc;

/// Quantiles, each within 1 % of a value that is there (DDSketch); none of nothing. NaN and infinities are left out, and what is
/// nearer to zero than 10⁻⁹ counts as zero.
///
/// A sketch takes up to 32 KiB, however many values went in. If they span more than 2,048 steps of 2 % (17 orders of magnitude) for one
/// sign, those nearest to zero lose accuracy: they count as what is those 17 orders below the largest. Over a window of the last items it is computed anew with each, which takes time in
/// proportion to the window: better once for each window, with [`aggregate_each`](crate::Stream::aggregate_each).
#[derive(Clone)]
pub struct Quantiles {
    at: Arc<[f64]>,
    sketch: DDSketch,
}

impl Quantiles {
    /// At these places, 0 (the smallest) to 1 (the largest); what is outside counts as the nearest, NaN as 0.
    ///
    /// ```
    /// # use lorry_core::{Stream, ops::aggregate::{Every, Quantiles}};
    /// # use std::time::Duration;
    /// let (_input, millis) = Stream::<f64>::input();
    /// let _p50_p99 = millis.aggregate_each(Every::interval(Duration::from_secs(10)), Quantiles::new([0.5, 0.99]));
    /// ```
    pub fn new(at: impl IntoIterator<Item = f64>) -> Self {
        let at = at.into_iter().map(|q| if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) }).collect();
        Self { at, sketch: DDSketch::new(Config::new(0.01, 2_048, 1e-9)) }
    }

    /// The median.
    pub fn median() -> Self {
        Self::new([0.5])
    }
}

impl<N: Copy + Into<f64>> Aggregate<N> for Quantiles {
    type Output = Vec<Option<f64>>;

    fn on_new(&mut self, item: &N) {
        let x = (*item).into();
        if x.is_finite() {
            self.sketch.add(x);
        }
    }

    fn result(&self) -> Vec<Option<f64>> {
        // An error would mean a place outside of 0 to 1.
        self.at.iter().map(|q| self.sketch.quantile(*q).ok().flatten()).collect()
    }
}

impl fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quantiles").field("at", &self.at).field("values", &self.sketch.count()).finish()
    }
}
