//! Columns of integers that a relay made become wider when other numbers come.

use super::catalog;
use super::dialect::Postgres;
use super::error;
use crate::kinds::{EXACT, Kind};
use crate::table::{Dialect, TableName};
use lorry_core::{Class, Result};
use tokio_postgres::Client;

/// Gives columns the type that they would have if all their values had come together: floats, or decimals where floats would change an
/// integer among them. In one transaction, and by what is there once nobody else can change it: of several relays the first one does it,
/// and the others find it done.
pub(super) async fn widen(client: &Client, table: &TableName, columns: &[(&str, Kind)]) -> Result<()> {
    run(client, "BEGIN", Class::Transient).await?;
    let changed = change(client, table, columns).await;
    // The answer to the commit does not matter: without it the table is looked at again.
    let end = if changed.is_ok() { "COMMIT" } else { "ROLLBACK" };
    run(client, end, Class::Transient).await?;
    changed
}

async fn change(client: &Client, table: &TableName, columns: &[(&str, Kind)]) -> Result<()> {
    let name = Postgres.quote_table(table);
    run(client, &format!("LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"), Class::Transient).await?;
    let Some(table) = catalog::describe(client, table).await? else { return Ok(()) };
    let is_ours = |column: &str| table.columns.iter().any(|own| own.name == column && own.widens);
    let columns: Vec<_> = columns.iter().filter(|(column, _)| is_ours(column)).collect();
    if columns.is_empty() {
        return Ok(());
    }
    let quoted: Vec<_> = columns.iter().map(|(column, _)| Postgres.quote(column)).collect();
    let large = quoted.iter().map(|column| format!("bool_or({column} NOT BETWEEN -{EXACT} AND {EXACT})"));
    let large = format!("SELECT {} FROM {name}", large.collect::<Vec<_>>().join(", "));
    let failed = |error| error::running("widen a column", &error, Class::Transient);
    let large = client.query_one(&large, &[]).await.map_err(failed)?;
    let mut alter = Vec::with_capacity(columns.len());
    for (at, ((_, kind), column)) in columns.iter().zip(&quoted).enumerate() {
        let has_large = large.try_get::<_, Option<bool>>(at).map_err(failed)? == Some(true);
        let kind = if *kind == Kind::Float && has_large { Kind::Decimal } else { *kind };
        alter.push(format!("ALTER COLUMN {column} TYPE {}", Postgres.column_type(kind)));
    }
    // The mark has done its duty.
    let unmark = quoted.iter().map(|column| format!("; COMMENT ON COLUMN {name}.{column} IS NULL"));
    let change = format!("ALTER TABLE {name} {}{}", alter.join(", "), unmark.collect::<String>());
    run(client, &change, Class::Transient).await
}

async fn run(client: &Client, sql: &str, lost: Class) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| error::running("widen a column", &error, lost))
}
