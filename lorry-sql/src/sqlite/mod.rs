//! SQLite: a file, written by one transaction a batch.

mod dialect;
mod error;
mod options;
mod pace;
mod value;
mod writer;

#[cfg(test)]
pub(crate) use dialect::Sqlite;
pub(crate) use options::{SqliteOptions, database};
