//! The insert statement.

use super::column::{Cast, Class, Form};
use super::dialect::Postgres;
use crate::table::{Dialect, TableColumn};
use crate::writer::Part;
use std::fmt::Write;

/// `INSERT INTO t (…) SELECT … FROM UNNEST($1::…[], …)`: the same text for any number of rows, one parameter a column.
pub(super) fn insert(part: &Part<'_>, columns: &[(&TableColumn, Class, Form)]) -> String {
    let table = Postgres.quote_table(&part.table.name);
    if columns.is_empty() {
        return format!("INSERT INTO {table} SELECT FROM generate_series(1, $1::int8)");
    }
    let (mut names, mut values, mut arrays, mut aliases) = (String::new(), String::new(), String::new(), String::new());
    for (at, (column, class, form)) in columns.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let (element, _, cast) = class.element(*form);
        let number = at + 1;
        // Writing to a string cannot fail.
        let _ = write!(names, "{comma}{}", Postgres.quote(&column.name));
        let _ = write!(arrays, "{comma}${number}::{element}[]");
        let _ = write!(aliases, "{comma}c{number}");
        let _ = match cast {
            Cast::Assign => write!(values, "{comma}u.c{number}"),
            Cast::Own => write!(values, "{comma}CAST(u.c{number} AS {})", column.type_name),
            Cast::Instant => write!(values, "{comma}CAST(u.c{number} AS timestamptz)"),
        };
    }
    format!("INSERT INTO {table} ({names}) SELECT {values} FROM UNNEST({arrays}) AS u({aliases})")
}
