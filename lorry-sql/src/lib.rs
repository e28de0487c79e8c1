#![doc = include_str!("../README.md")]
// Without a database nothing drives a writer.
#![cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code))]

mod bisect;
mod cells;
mod database;
mod decode;
#[cfg(feature = "diesel")]
mod diesel_sink;
mod json;
mod keys;
mod kinds;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod session;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;
mod target;
mod writer;

#[cfg(feature = "diesel")]
pub use diesel_sink::{AsyncInsert, DieselSink};
pub use options::{Evolve, IfExists, SqlOptions};
pub use sink::SqlSink;

#[cfg(feature = "postgres")]
use lorry_core::registry::Login;
use lorry_core::registry::{ElementSpec, Registry};
#[cfg(feature = "postgres")]
use lorry_core::tls::TlsOptions;

const SCHEMES: &[&str] = &[
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "postgres")]
    "postgresql",
    #[cfg(feature = "postgres")]
    "postgres",
];

/// Adds `sqlsink` to a registry: the SQL databases this crate was built with.
///
/// ```
/// let mut registry = lorry_core::registry::Registry::new();
/// lorry_sql::register(&mut registry);
/// let sink = registry.sink("sqlite:///hot.db?table=means")?;
/// # Ok::<(), lorry_core::Error>(())
/// ```
pub fn register(registry: &mut Registry) {
    let spec = ElementSpec::sink("sqlsink", |args| Ok(Box::new(SqlSink::from_args(args)?)))
        .schemes(SCHEMES)
        .about("writes messages as rows into a SQL table, which it makes and widens as they need")
        .docs(include_str!("docs.md"))
        .options::<options::TableOptions>();
    #[cfg(feature = "sqlite")]
    let spec = spec.options::<sqlite::SqliteOptions>();
    #[cfg(feature = "postgres")]
    let spec = spec.options::<Login>().options::<TlsOptions>().options::<postgres::PostgresOptions>();
    registry.add(spec);
}
