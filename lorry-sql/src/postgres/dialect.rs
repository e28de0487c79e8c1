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

    /// No `IF NOT EXISTS`: a column of somebody else's must not be marked.
    fn create(&self, table: &TableName, columns: &[(&str, Kind)]) -> String {
        let made = columns.iter().map(|(name, kind)| format!("{} {}", self.quote(name), self.column_type(*kind)));
        let mut text = format!("CREATE TABLE {} ({})", self.quote_table(table), made.collect::<Vec<_>>().join(", "));
        columns.iter().for_each(|(name, kind)| text += &mark(table, name, *kind));
        text
    }

    fn add_column(&self, table: &TableName, column: &str, kind: Kind) -> String {
        let (to, name, type_name) = (self.quote_table(table), self.quote(column), self.column_type(kind));
        format!("ALTER TABLE {to} ADD COLUMN {name} {type_name}{}", mark(table, column, kind))
    }
}

/// The comment on columns whose type was chosen because there were only integers so far. It is how the next relay knows that nobody else
/// chose it, and people may take it away.
pub(super) const MARK: &str = "Lorry saw only integers so far";

/// The statement that marks a column, behind the one that makes it.
fn mark(table: &TableName, column: &str, kind: Kind) -> String {
    match kind {
        Kind::Int => {
            format!(";\nCOMMENT ON COLUMN {}.{} IS '{MARK}'", Postgres.quote_table(table), Postgres.quote(column))
        }
        _ => String::new(),
    }
}
