//! The insert statement.

use super::column::{Cast, Class, Form};
use super::dialect::Postgres;
use crate::table::{Dialect, Table, TableColumn};
use crate::writer::Part;
use std::fmt::Write;

/// `INSERT INTO t (…) SELECT … FROM (SELECT UNNEST($1::…[]), …)`: the same text for any number of rows, one parameter a column.
///
/// Sets in a list of results are handed on row by row. As `FROM UNNEST($1, …)` the server would first lay down every column in a
/// store of its own, which costs more than the insert itself.
pub(super) fn insert(part: &Part<'_>, columns: &[(&TableColumn, Class, Form)]) -> String {
    let table = Postgres.quote_table(&part.table.name);
    if columns.is_empty() {
        return format!("INSERT INTO {table} SELECT FROM generate_series(1, $1::int8)");
    }
    let (mut names, mut values, mut arrays) = (String::new(), String::new(), String::new());
    for (at, (column, class, form)) in columns.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let (element, _, cast) = class.element(*form);
        let number = at + 1;
        // Writing to a string cannot fail.
        let _ = write!(names, "{comma}{}", Postgres.quote(&column.name));
        let _ = write!(arrays, "{comma}UNNEST(${number}::{element}[]) AS c{number}");
        let _ = match cast {
            Cast::Assign => write!(values, "{comma}u.c{number}"),
            Cast::Own => write!(values, "{comma}CAST(u.c{number} AS {})", column.type_name),
            Cast::Instant => write!(values, "{comma}CAST(u.c{number} AS timestamptz)"),
            Cast::Exact => {
                let (same, otherwise) = (still_has_its_type(part.table, column), TYPE_HAS_CHANGED);
                write!(values, "{comma}CASE WHEN {same} THEN CAST(u.c{number} AS int8) ELSE {otherwise} END")
            }
        };
    }
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM (SELECT {arrays}) AS u")
}

/// An expression that the server evaluates row by row, never while it plans. It fails with 42704, what something missing is called: the
/// table is described again.
const TYPE_HAS_CHANGED: &str = "CAST(pg_catalog.current_setting('lorry.type_of_column_has_changed') AS int8)";

/// Whether the column has the type that the table was described with. It is part of the plan, which the server makes anew when the table
/// changes, and needs no right to read the table.
fn still_has_its_type(table: &Table, column: &TableColumn) -> String {
    let (row, name, of) = (&table.row_type, Postgres.quote(&column.name), column.type_name.replace('\'', "''"));
    format!("pg_catalog.pg_typeof((CAST(NULL AS {row})).{name}) = CAST('{of}' AS pg_catalog.regtype)")
}
