//! `Var`, `Std`.

use super::Aggregate;

/// The sum of squared distances from the mean, by Welford's method, of values taken relative to the first: far from zero no digits are
/// lost.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u64,
    origin: f64,
    mean: f64,
    squares: f64,
    /// All that was ever part of `squares`: what its errors are proportional to.
    past: f64,
    not_finite: u64,
}

/// Squares of which less than this part of their past is left are computed anew.
const WORN: f64 = 1.0 / 16.0;

impl Moments {
    fn add(&mut self, x: f64) {
        if !x.is_finite() {
            self.not_finite += 1;
            return;
        }
        if self.count == 0 {
            *self = Self { origin: x, not_finite: self.not_finite, ..Self::default() };
        }
        self.count += 1;
        let x = x - self.origin;
        let before = x - self.mean;
        self.mean += before / self.count as f64;
        let more = before * (x - self.mean);
        self.squares += more;
        self.past += more;
    }

    fn remove(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            self.not_finite = self.not_finite.saturating_sub(1);
            return true;
        }
        self.count = self.count.saturating_sub(1);
        if self.count == 0 {
            return true;
        }
        let x = x - self.origin;
        let with = x - self.mean;
        self.mean -= with / self.count as f64;
        self.squares = (self.squares - with * (x - self.mean)).max(0.0);
        self.squares >= self.past * WORN
    }

    fn var(&self, ddof: u64) -> Option<f64> {
        match self.count + self.not_finite {
            count if count <= ddof => None,
            _ if self.not_finite > 0 => Some(f64::NAN),
            count => Some(self.squares / (count - ddof) as f64),
        }
    }
}

macro_rules! spread {
    ($(#[$doc:meta])* $name:ident, $of:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            moments: Moments,
            ddof: u64,
        }

        impl $name {
            /// Of a sample: with one degree of freedom less than there are values.
            pub fn new() -> Self {
                Self { moments: Moments::default(), ddof: 1 }
            }

            /// By how much the degrees of freedom are fewer than the values: 1 for a sample, 0 for the whole population.
            #[must_use]
            pub fn ddof(mut self, ddof: u64) -> Self {
                self.ddof = ddof;
                self
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<N: Copy + Into<f64>> Aggregate<N> for $name {
            type Output = Option<f64>;

            #[inline]
            fn on_new(&mut self, item: &N) {
                self.moments.add((*item).into());
            }

            #[inline]
            fn on_old(&mut self, item: &N) -> bool {
                self.moments.remove((*item).into())
            }

            fn result(&self) -> Option<f64> {
                self.moments.var(self.ddof).map($of)
            }
        }
    };
}

spread! {
    /// The variance; none of no more values than `ddof`.
    Var, |var| var
}

spread! {
    /// The standard deviation; none of no more values than `ddof`.
    Std, f64::sqrt
}
