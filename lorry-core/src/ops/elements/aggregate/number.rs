//! A number of JSON, with whole ones kept exact.

use crate::ops::aggregate::{Compensated, Exact, Number, Total};
use serde_json::Value;
use std::cmp::Ordering;

/// A whole number or a float.
#[derive(Clone, Copy, Debug)]
pub(super) enum Num {
    Whole(i128),
    Float(f64),
}

impl Num {
    pub(super) fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Some(Self::Whole(whole.into())),
            (None, Some(whole)) => Some(Self::Whole(whole.into())),
            (None, None) => number.as_f64().map(Self::Float),
        }
    }

    /// As JSON; what is not finite is null.
    pub(super) fn json(self) -> Value {
        let whole = match self {
            Self::Whole(whole) => serde_json::Number::from_i128(whole),
            Self::Float(_) => None,
        };
        whole.map_or_else(|| f64::from(self).into(), Value::Number)
    }
}

impl From<Num> for f64 {
    fn from(number: Num) -> Self {
        match number {
            Num::Whole(whole) => whole as Self,
            Num::Float(float) => float,
        }
    }
}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(b)),
            _ => f64::from(*self).partial_cmp(&f64::from(*other)),
        }
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl Number for Num {
    type Total = Mixed;
}

/// A sum of both kinds: exact as long as all are whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Mixed {
    whole: Exact,
    floats: Compensated,
    /// How many floats are in the sum.
    count: u64,
}

impl Mixed {
    fn exact(&self) -> i128 {
        Total::<i64>::value(&self.whole)
    }

    fn rest(&self) -> f64 {
        if self.count == 0 { 0.0 } else { Total::<f64>::value(&self.floats) }
    }
}

impl Total<Num> for Mixed {
    type Value = Num;

    fn add(&mut self, number: Num) {
        match number {
            // All come from JSON: none is larger than what 64 bits hold, with or without a sign.
            Num::Whole(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => self.whole.add(whole),
                (_, Ok(whole)) => self.whole.add(whole),
                _ => {}
            },
            Num::Float(float) => {
                self.count += 1;
                self.floats.add(float);
            }
        }
    }

    fn remove(&mut self, number: Num) -> bool {
        match number {
            Num::Whole(whole) => match (i64::try_from(whole), u64::try_from(whole)) {
                (Ok(whole), _) => self.whole.remove(whole),
                (_, Ok(whole)) => self.whole.remove(whole),
                _ => true,
            },
            Num::Float(float) => {
                self.count = self.count.saturating_sub(1);
                self.floats.remove(float)
            }
        }
    }

    fn value(&self) -> Num {
        match self.count {
            0 => Num::Whole(self.exact()),
            _ => Num::Float(self.to_f64()),
        }
    }

    fn to_f64(&self) -> f64 {
        self.exact() as f64 + self.rest()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ops::aggregate::{Aggregate, Max, Min, Sum};
    use serde_json::json;

    fn numbers(values: &[Value]) -> Vec<Num> {
        values.iter().map(|value| Num::of(value).unwrap()).collect()
    }

    #[test]
    fn whole_numbers_stay_exact_and_floats_join_in() {
        let sum = |values: &[Value]| Sum::new().of_all(&numbers(values)).json();
        assert_eq!(sum(&[json!(u64::MAX), json!(-1), json!(i64::MIN)]), json!(u64::MAX as i128 - 1 + i64::MIN as i128));
        assert_eq!(sum(&[json!(9_007_199_254_740_993_i64), json!(0)]), json!(9_007_199_254_740_993_i64));
        assert_eq!(sum(&[json!(1), json!(0.5)]), json!(1.5));
        assert_eq!(sum(&[json!(u64::MAX), json!(u64::MAX)]), json!(2.0 * u64::MAX as f64), "beyond 64 bits a float");
        assert_eq!(sum(&[json!(f64::MAX), json!(f64::MAX)]), json!(null));
        let mut sum = Sum::new();
        numbers(&[json!(1), json!(0.5)]).iter().for_each(|n| sum.on_new(n));
        sum.on_old(&Num::Float(0.5));
        assert_eq!(sum.result().json(), json!(1));
    }

    #[test]
    fn both_kinds_have_one_order() {
        let all = numbers(&[json!(2), json!(2.5), json!(-3), json!(-3.5), json!(u64::MAX)]);
        assert_eq!(Min::new().of_all(&all).unwrap().json(), json!(-3.5));
        assert_eq!(Max::new().of_all(&all).unwrap().json(), json!(u64::MAX));
    }
}
