//! PostgreSQL's words.

use crate::kinds::Kind;
use crate::table::{Dialect, TableName};

/// The dialect of PostgreSQL.
#[derive(Debug)]
pub(super) struct Postgres;

impl Dialect for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn column_type(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Bool => "boolean",
            Kind::Int => "bigint",
            Kind::Float => "double precision",
            Kind::Decimal | Kind::BigInt => "numeric",
            Kind::Time => "timestamptz",
            Kind::Text => "text",
            Kind::Json => "jsonb",
            Kind::Bytes => "bytea",
        }
    }

    fn longest_name(&self) -> usize {
        63
    }

    fn most_columns(&self) -> usize {
        1_600
    }

    /// Names are quoted, so only these spellings: `CTID` can be a column.
    fn system_columns(&self) -> &'static [&'static str] {
        &["tableoid", "cmax", "xmax", "cmin", "xmin", "ctid"]
    }

    /// Two relays may add the same column at the same moment.
    fn add_column(&self, table: &TableName, column: &str, kind: Kind) -> String {
        format!(
            "ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}",
            self.quote_table(table),
            self.quote(column),
            self.column_type(kind)
        )
    }
}
