//! The kinds of values that a column has been seen with, and the type that holds them all.

use crate::cells::{Cell, Value};

/// The type that a new column gets; each [dialect](crate::table::Dialect) has its own word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    /// 64-bit signed.
    Int,
    /// Double precision.
    Float,
    /// Integers together with fractions, some of the integers above 2^53: exact only as a decimal number.
    Decimal,
    /// Integers of which some are beyond 64 bits, signed: exact only as a decimal number.
    BigInt,
    Time,
    Text,
    Json,
    Bytes,
}

/// A set of kinds of values. `Null` adds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

const BOOL: u16 = 1;
const INT: u16 = 1 << 1;
const LARGE: u16 = 1 << 2;
const UINT: u16 = 1 << 3;
const FLOAT: u16 = 1 << 4;
const TIME: u16 = 1 << 5;
const TEXT: u16 = 1 << 6;
const JSON: u16 = 1 << 7;
const BYTES: u16 = 1 << 8;

/// Integers up to here have a float of their own.
pub(crate) const EXACT: u64 = 1 << 53;

/// The float that holds an integer without a loss: it is the very number, or what a program that knows floats only would write for it.
pub(crate) fn float_of(value: &Value<'_>) -> Option<f64> {
    let (digits, float) = match value {
        Value::Int(value) if value.unsigned_abs() <= EXACT => return Some(*value as f64),
        Value::Int(value) => (value.to_string(), *value as f64),
        Value::Uint(value) => (value.to_string(), *value as f64),
        Value::Big(digits) => ((*digits).to_owned(), digits.parse().ok()?),
        Value::Float(value) => return Some(*value),
        _ => return None,
    };
    (float.is_finite() && (format!("{float:.0}") == digits || float.to_string() == digits)).then_some(float)
}

/// Whether a column of integers takes this float.
pub(crate) fn is_integer(float: f64) -> bool {
    float.fract() == 0.0 && float.abs() < 9e15
}

/// The type for the numbers among these and other integers, where there is one that a column of 64-bit integers does not take.
pub(crate) fn beyond_integers(cells: &[Cell]) -> Option<Kind> {
    let is_beyond = |cell: &Cell| match cell {
        Cell::Float(float) => !is_integer(*float),
        Cell::Uint(_) | Cell::Big(_) => true,
        _ => false,
    };
    cells.iter().any(is_beyond).then(|| {
        let numbers = cells.iter().filter(|cell| matches!(cell, Cell::Int(_) | Cell::Float(_)) || is_beyond(cell));
        numbers.fold(Kinds(INT), |kinds, cell| kinds.with(*cell)).join()
    })
}

impl Kinds {
    /// With this value's kind.
    #[must_use]
    pub(crate) fn with(self, cell: Cell) -> Self {
        Self(
            self.0
                | match cell {
                    Cell::Null => 0,
                    Cell::Bool(_) => BOOL,
                    Cell::Int(value) if value.unsigned_abs() > EXACT => LARGE | INT,
                    Cell::Int(_) => INT,
                    Cell::Uint(_) | Cell::Big(_) => UINT,
                    Cell::Float(_) => FLOAT,
                    Cell::Time(_) => TIME,
                    Cell::Text(_) => TEXT,
                    Cell::Json(_) => JSON,
                    Cell::Bytes(_) => BYTES,
                },
        )
    }

    /// Whether there was nothing but `Null`.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The narrowest type that holds all of them: integers widen to floats, numbers and texts to text, anything beside nested values
    /// to JSON. Text where nothing but `Null` was seen.
    pub(crate) fn join(self) -> Kind {
        let within = |set: u16| self.0 & !set == 0;
        let has = |set: u16| self.0 & set != 0;
        match self.0 {
            0 => Kind::Text,
            BOOL => Kind::Bool,
            FLOAT => Kind::Float,
            TIME => Kind::Time,
            _ if within(INT | LARGE) => Kind::Int,
            _ if within(INT | FLOAT) => Kind::Float,
            _ if within(INT | LARGE | UINT) => Kind::BigInt,
            _ if within(INT | LARGE | UINT | FLOAT) && has(UINT) => Kind::BigInt,
            _ if within(INT | LARGE | FLOAT) => Kind::Decimal,
            _ if has(BYTES) => Kind::Bytes,
            _ if has(JSON) => Kind::Json,
            _ => Kind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(cells: &[Cell]) -> Kind {
        cells.iter().fold(Kinds::default(), |kinds, cell| kinds.with(*cell)).join()
    }

    #[test]
    fn only_integers_with_a_float_of_their_own_have_one() {
        for value in [0, -1, 1 << 53, 1 << 60, i64::MIN, 9_007_199_254_740_994_000] {
            assert_eq!(float_of(&Value::Int(value)), Some(value as f64), "{value}");
        }
        for value in [(1 << 53) + 1, -(1 << 53) - 1, i64::MAX] {
            assert_eq!(float_of(&Value::Int(value)), None, "{value}");
        }
        assert_eq!(float_of(&Value::Uint(1 << 63)), Some(9_223_372_036_854_775_808.0));
        assert_eq!(float_of(&Value::Uint(u64::MAX)), None);
        // As JavaScript writes its floats.
        assert_eq!(float_of(&Value::Big("123456789012345680000")), Some(123_456_789_012_345_680_000.0));
        assert_eq!(float_of(&Value::Big("123456789012345678901")), None);
        assert_eq!(float_of(&Value::Big(&"9".repeat(400))), None);
    }

    #[test]
    fn what_a_column_of_integers_must_become() {
        let text = Cell::Json(crate::cells::Rows::default().text_since(0).unwrap_or_else(|| unreachable!()));
        assert_eq!(
            beyond_integers(&[Cell::Null, Cell::Int(i64::MAX), Cell::Float(22.0), Cell::Bool(true), text]),
            None
        );
        assert_eq!(beyond_integers(&[Cell::Int(1), Cell::Float(21.5), text]), Some(Kind::Float));
        assert_eq!(beyond_integers(&[Cell::Float(1e300)]), Some(Kind::Float));
        assert_eq!(beyond_integers(&[Cell::Float(1.5), Cell::Int(i64::MAX)]), Some(Kind::Decimal));
        assert_eq!(beyond_integers(&[Cell::Uint(u64::MAX), Cell::Bool(true)]), Some(Kind::BigInt));
    }

    #[test]
    fn the_narrowest_type_that_holds_all() {
        let large = Cell::Int(1 << 60);
        assert_eq!(join(&[]), Kind::Text);
        assert_eq!(join(&[Cell::Null, Cell::Int(1), Cell::Null]), Kind::Int);
        assert_eq!(join(&[large, Cell::Int(1)]), Kind::Int);
        assert_eq!(join(&[Cell::Int(1), Cell::Float(1.5)]), Kind::Float);
        assert_eq!(join(&[large, Cell::Float(1.5)]), Kind::Decimal);
        assert_eq!(join(&[Cell::Uint(u64::MAX), Cell::Int(-1)]), Kind::BigInt);
        assert_eq!(join(&[Cell::Uint(u64::MAX), Cell::Float(1.5)]), Kind::BigInt);
        assert_eq!(join(&[Cell::Bool(true), Cell::Int(1)]), Kind::Text);
        assert_eq!(join(&[Cell::Time(1), Cell::Int(1)]), Kind::Text);
    }
}
