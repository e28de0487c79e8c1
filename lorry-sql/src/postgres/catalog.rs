//! What the server says about a table.

use super::column::oid;
use super::dialect::{MARK, Postgres};
use super::error;
use crate::table::{Dialect, Table, TableColumn, TableName};
use lorry_core::{Class, Error, ErrorKind, Result};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

/// The columns, in order, and which of them the server alone writes. One row without a column if there are none; no row if there is no
/// table. The type without its modifier: a cast to `varchar(3)` would cut what an assignment refuses. Of a domain the name
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
       base.oid, base.typcategory::text, base.typname::text,
       a.attgenerated <> '' OR a.attidentity = 'a', c.relnatts::int4,
       c.relkind = 'r' AND a.atttypid = 20 AND col_description(c.oid, a.attnum) = $2,
       format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
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
        .query_typed(COLUMNS, &[(&quoted, Type::TEXT), (&MARK, Type::TEXT)])
        .await
        .map_err(|error| error::running("describe the table", &error, Class::Transient))?;
    let wrong = |error| error::running("describe the table", &error, Class::Config);
    let mut table = Table { name: name.clone(), ..Table::default() };
    for row in &rows {
        let kind: &str = row.try_get(0).map_err(wrong)?;
        if !["r", "p", "v", "f"].contains(&kind) {
            return Err(Error::config(ErrorKind::Refused, "open the table", format!("{name} is no table")));
        }
        table.is_view = kind == "v";
        table.row_type = row.try_get(9).map_err(wrong)?;
        // Those dropped count, too.
        table.width = usize::try_from(row.try_get::<_, i32>(7).map_err(wrong)?).unwrap_or_default();
        let Some(column) = row.try_get::<_, Option<String>>(1).map_err(wrong)? else { continue };
        if row.try_get::<_, Option<bool>>(6).map_err(wrong)? == Some(true) {
            table.computed.push(column);
            continue;
        }
        let base: u32 = row.try_get(3).map_err(wrong)?;
        let category: &str = row.try_get(4).map_err(wrong)?;
        let type_id = match (category, row.try_get(5).map_err(wrong)?) {
            ("A", _) if ![oid::JSON_ARRAY, oid::JSONB_ARRAY].contains(&base) => oid::ARRAY,
            (_, "citext") => oid::TEXT,
            _ => base,
        };
        let widens = row.try_get::<_, Option<bool>>(8).map_err(wrong)? == Some(true);
        table.columns.push(TableColumn { name: column, type_name: row.try_get(2).map_err(wrong)?, type_id, widens });
    }
    if table.is_view {
        part_computed(client, &mut table).await?;
    }
    Ok((!rows.is_empty()).then_some(table))
}

/// A view says of none of its columns that it is computed, be it by an expression or by the table beneath; the server says so when it is
/// asked for an insert. Where it takes none at all, the real one tells why.
async fn part_computed(client: &Client, table: &mut Table) -> Result<()> {
    let all: Vec<_> = table.columns.iter().map(|column| column.name.as_str()).collect();
    if all.is_empty() || takes(client, &table.name, &all).await? {
        return Ok(());
    }
    let (mut written, mut computed) = (Vec::new(), Vec::new());
    for column in &table.columns {
        let to = if takes(client, &table.name, &[&column.name]).await? { &mut written } else { &mut computed };
        to.push(column.clone());
    }
    if !written.is_empty() {
        table.columns = written;
        table.computed.extend(computed.into_iter().map(|column| column.name));
    }
    Ok(())
}

/// What the server says to an insert into a column that it computes.
const COMPUTED: [SqlState; 2] = [SqlState::GENERATED_ALWAYS, SqlState::FEATURE_NOT_SUPPORTED];

/// Whether an insert into these columns gets past the server's rewriting of views.
async fn takes(client: &Client, table: &TableName, columns: &[&str]) -> Result<bool> {
    let names: Vec<_> = columns.iter().map(|column| Postgres.quote(column)).collect();
    let nulls = vec!["NULL"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {} ({}) SELECT {nulls}", Postgres.quote_table(table), names.join(", "));
    match client.prepare(&insert).await {
        Ok(_) => Ok(true),
        Err(error) if COMPUTED.iter().any(|code| error.code() == Some(code)) => Ok(false),
        Err(error) if error.as_db_error().is_some() => Ok(true),
        Err(error) => Err(error::running("describe the table", &error, Class::Transient)),
    }
}
