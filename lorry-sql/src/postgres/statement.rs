//! The insert statement.

use super::column::{Cast, Class, Form};
use super::dialect::Postgres;
use crate::table::{Dialect, TableColumn};
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
        };
    }
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM (SELECT {arrays}) AS u")
}
