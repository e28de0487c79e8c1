//! SQLite's words.

use crate::kinds::Kind;
use crate::table::Dialect;

/// SQLite's words.
#[derive(Debug)]
pub(crate) struct Sqlite;

impl Dialect for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    /// Any value fits into any column, but the column's affinity may change it: decimal text that does not fit an integer becomes a
    /// float in a numeric column, so integers beyond 64 bits live in text columns.
    fn column_type(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Bool => "BOOLEAN",
            Kind::Int => "BIGINT",
            Kind::Float => "REAL",
            Kind::Decimal => "NUMERIC",
            Kind::Time => "TIMESTAMP",
            Kind::BigInt | Kind::Text | Kind::Json => "TEXT",
            Kind::Bytes => "BLOB",
        }
    }

    /// SQLite itself sets no limit; this one keeps a message from filling the schema.
    fn longest_name(&self) -> usize {
        255
    }

    fn most_columns(&self) -> usize {
        2_000
    }

    fn folds_case(&self) -> bool {
        true
    }
}

/// What a column does to values on their way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Affinity {
    Blob,
    Text,
    Numeric,
    Integer,
    Real,
}

impl Affinity {
    /// By SQLite's rules for the declared type.
    pub(crate) fn of_type(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        match () {
            () if has(&["INT"]) => Self::Integer,
            () if has(&["CHAR", "CLOB", "TEXT"]) => Self::Text,
            () if declared.is_empty() || has(&["BLOB"]) => Self::Blob,
            () if has(&["REAL", "FLOA", "DOUB"]) => Self::Real,
            () => Self::Numeric,
        }
    }

    pub(crate) fn of_id(id: u32) -> Self {
        [Self::Blob, Self::Text, Self::Numeric, Self::Integer, Self::Real]
            .get(id as usize)
            .copied()
            .unwrap_or(Self::Blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities_by_the_declared_type() {
        for (declared, affinity) in [
            ("BIGINT", Affinity::Integer),
            ("varchar(20)", Affinity::Text),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("REAL", Affinity::Real),
            ("BOOLEAN", Affinity::Numeric),
            ("TIMESTAMP", Affinity::Numeric),
            ("BLOB", Affinity::Blob),
        ] {
            assert_eq!(Affinity::of_type(declared), affinity, "{declared}");
            assert_eq!(Affinity::of_id(affinity as u32), affinity);
        }
    }
}
