//! The kinds of values that a column has been seen with, and the type that holds them all.

use crate::cells::Cell;

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
    /// Integers of which some are above 2^63: exact only as a decimal number.
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
                    Cell::Uint(_) => UINT,
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
