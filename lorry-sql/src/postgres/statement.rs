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
        };
    }
    let same = have_their_types(part.table, columns);
    format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM (SELECT {arrays}) AS u WHERE CASE WHEN {same} THEN true ELSE current_setting('{TYPES_HAVE_CHANGED}')::bool END"
    )
}

/// A setting that there is not: to ask for it fails, with 42704 and its name.
pub(super) const TYPES_HAVE_CHANGED: &str = "lorry.types_of_columns_have_changed";

/// Whether the columns have the types that the table was described with. If not, assignment would bend the values without a word: a large
/// integer into a column that another relay has made one of floats, a fraction into one that somebody has made one of integers.
///
/// It is part of the plan, which the server makes anew when the table changes; it names no column of the rows, so it is evaluated once a
/// statement; and it needs no right to read the table.
fn have_their_types(table: &Table, columns: &[(&TableColumn, Class, Form)]) -> String {
    let is_same = |(column, ..): &(&TableColumn, Class, Form)| {
        let (row, name, of) = (&table.row_type, Postgres.quote(&column.name), column.type_name.replace('\'', "''"));
        format!("pg_typeof((NULL::{row}).{name}) = '{of}'::regtype")
    };
    columns.iter().map(is_same).collect::<Vec<_>>().join(" AND ")
}
