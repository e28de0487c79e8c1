//! What the server says about a table.

use super::column::oid;
use super::dialect::Postgres;
use super::error;
use crate::table::{Dialect, Table, TableColumn, TableName};
use lorry_core::{Class, Error, ErrorKind, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// The columns that can be written, in order: those of generated values cannot. One row without a column if there are none; no row if
/// there is no table. The type without its modifier: a cast to `varchar(3)` would cut what an assignment refuses. Of a domain the name
/// and the number of the type beneath it.
const COLUMNS: &str = "\
WITH RECURSIVE base(attnum, oid, typtype, typbasetype, typcategory, typname) AS (
    SELECT a.attnum, t.oid, t.typtype, t.typbasetype, t.typcategory, t.typname
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0
    UNION ALL
    SELECT base.attnum, t.oid, t.typtype, t.typbasetype, t.typcategory, t.typname
    FROM base JOIN pg_catalog.pg_type t ON t.oid = base.typbasetype
    WHERE base.typtype = 'd'
)
SELECT c.relkind::text, a.attname::text, pg_catalog.format_type(a.atttypid, -1),
       base.oid, base.typcategory::text, base.typname::text
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
LEFT JOIN base ON base.attnum = a.attnum AND base.typtype <> 'd'
WHERE c.oid = to_regclass($1)
ORDER BY a.attnum";

/// Describes a table; `None` when there is none.
pub(super) async fn describe(client: &Client, name: &TableName) -> Result<Option<Table>> {
    let longest = Postgres.longest_name();
    for part in name.schema.iter().chain([&name.name]) {
        if part.len() > longest {
            let text = format!("the name {part:?} has {} bytes; PostgreSQL cuts names to {longest}", part.len());
            return Err(Error::config(ErrorKind::Refused, "open the table", text).hint("choose a shorter one"));
        }
    }
    let quoted = Postgres.quote_table(name);
    let rows = client
        .query_typed(COLUMNS, &[(&quoted, Type::TEXT)])
        .await
        .map_err(|error| error::running("describe the table", &error, Class::Transient))?;
    let wrong = |error| error::running("describe the table", &error, Class::Config);
    let mut columns = Vec::with_capacity(rows.len());
    for row in &rows {
        let kind: &str = row.try_get(0).map_err(wrong)?;
        if !["r", "p", "v", "f"].contains(&kind) {
            return Err(Error::config(ErrorKind::Refused, "open the table", format!("{name} is no table")));
        }
        let Some(column) = row.try_get::<_, Option<String>>(1).map_err(wrong)? else { continue };
        let base: u32 = row.try_get(3).map_err(wrong)?;
        let category: &str = row.try_get(4).map_err(wrong)?;
        let type_id = match (category, row.try_get(5).map_err(wrong)?) {
            ("A", _) if ![oid::JSON_ARRAY, oid::JSONB_ARRAY].contains(&base) => oid::ARRAY,
            (_, "citext") => oid::TEXT,
            _ => base,
        };
        columns.push(TableColumn { name: column, type_name: row.try_get(2).map_err(wrong)?, type_id });
    }
    Ok((!rows.is_empty()).then(|| Table { name: name.clone(), columns }))
}
