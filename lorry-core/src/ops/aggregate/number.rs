//! Numbers that can be added up, and how it is done without loss.

use std::fmt;

/// A number that can be added up.
pub trait Number: Copy + Send + fmt::Debug + 'static {
    /// How many of them are added up: exactly if they are whole, else with compensation.
    type Total: Total<Self>;
}

/// A sum that is kept up to date.
pub trait Total<N>: Clone + Default + Send + fmt::Debug {
    /// The sum.
    type Value: Send;

    /// Adds one more.
    fn add(&mut self, number: N);

    /// Takes one away that was added before. False if that costs accuracy.
    fn remove(&mut self, number: N) -> bool;

    /// The sum.
    fn value(&self) -> Self::Value;

    /// The sum, as near as a float comes.
    fn to_f64(&self) -> f64;
}

/// A sum of whole numbers. As wide as it is it does not overflow before 2⁶³ of the largest; it would stay at its limit then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact(i128);

/// A sum of floats with compensation (Neumaier's): the digits that an addition loses are added up beside it. NaN and infinities are only
/// counted, so that the sum is sound again when they have left.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compensated {
    sum: f64,
    lost: f64,
    /// The magnitudes of what is in the sum, and of all that ever was: what the errors are proportional to.
    live: f64,
    past: f64,
    nan: u64,
    plus: u64,
    minus: u64,
}

/// A sum in which less than this part of its past is left is computed anew.
const WORN: f64 = 1.0 / (1 << 20) as f64;

impl Compensated {
    fn other(&mut self, x: f64) -> &mut u64 {
        match x {
            x if x.is_nan() => &mut self.nan,
            x if x > 0.0 => &mut self.plus,
            _ => &mut self.minus,
        }
    }

    fn step(&mut self, x: f64) {
        let sum = self.sum + x;
        self.lost += if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        self.sum = sum;
        self.past += x.abs();
    }
}

impl<N: Into<f64>> Total<N> for Compensated {
    type Value = f64;

    fn add(&mut self, number: N) {
        match number.into() {
            x if x.is_finite() => {
                self.step(x);
                self.live += x.abs();
            }
            x => *self.other(x) += 1,
        }
    }

    fn remove(&mut self, number: N) -> bool {
        match number.into() {
            x if x.is_finite() => {
                self.step(-x);
                self.live -= x.abs();
                self.past.is_finite() && self.live >= self.past * WORN
            }
            x => {
                let count = self.other(x);
                *count = count.saturating_sub(1);
                true
            }
        }
    }

    fn value(&self) -> f64 {
        match (self.nan, self.plus, self.minus) {
            (0, 0, 0) if self.sum.is_finite() => self.sum + self.lost,
            (0, 0, 0) => self.sum,
            (0, _, 0) => f64::INFINITY,
            (0, 0, _) => f64::NEG_INFINITY,
            _ => f64::NAN,
        }
    }

    fn to_f64(&self) -> f64 {
        Total::<N>::value(self)
    }
}

impl Number for f64 {
    type Total = Compensated;
}

impl Number for f32 {
    type Total = Compensated;
}

macro_rules! whole {
    ($($type:ty),+) => {$(
        impl Number for $type {
            type Total = Exact;
        }

        impl Total<$type> for Exact {
            type Value = i128;

            fn add(&mut self, number: $type) {
                self.0 = self.0.saturating_add(number as i128);
            }

            fn remove(&mut self, number: $type) -> bool {
                self.0 = self.0.saturating_sub(number as i128);
                true
            }

            fn value(&self) -> i128 {
                self.0
            }

            fn to_f64(&self) -> f64 {
                self.0 as f64
            }
        }
    )+};
}

whole!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(numbers: &[f64]) -> Compensated {
        let mut sum = Compensated::default();
        numbers.iter().for_each(|x| sum.add(*x));
        sum
    }

    fn value(sum: &Compensated) -> f64 {
        Total::<f64>::value(sum)
    }

    #[test]
    fn small_digits_are_not_lost() {
        assert_eq!(value(&sum(&[1.0, 1e100, 1.0, -1e100])), 2.0);
        assert_eq!(value(&sum(&[0.1; 10])), 1.0);
    }

    #[test]
    fn what_cannot_be_undone_is_found_out() {
        let mut one = sum(&[1e300, 1e200, 1.0]);
        assert!(!one.remove(1e300), "of the 1 nothing is left");
        let mut one = sum(&[f64::MAX, f64::MAX]);
        assert_eq!(value(&one), f64::INFINITY);
        assert!(!one.remove(f64::MAX));
        let mut zeros = sum(&[0.0, 1.0, -1.0, 0.0]);
        assert!(zeros.remove(0.0) && zeros.remove(1.0));
        assert_eq!(value(&zeros), -1.0);
    }

    #[test]
    fn not_numbers_and_infinities_come_and_go() {
        let mut some = sum(&[1.0, f64::NAN, f64::INFINITY]);
        assert!(value(&some).is_nan());
        assert!(some.remove(f64::NAN));
        assert_eq!(value(&some), f64::INFINITY);
        some.add(f64::NEG_INFINITY);
        assert!(value(&some).is_nan());
        assert!(some.remove(f64::INFINITY));
        assert_eq!(value(&some), f64::NEG_INFINITY);
        assert!(some.remove(f64::NEG_INFINITY));
        assert_eq!(value(&some), 1.0);
    }

    #[test]
    fn whole_numbers_are_exact() {
        let mut sum = Exact::default();
        for _ in 0..3 {
            sum.add(u64::MAX);
        }
        assert_eq!(Total::<u64>::value(&sum), 3 * i128::from(u64::MAX));
    }
}
