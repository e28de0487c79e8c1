//! PostgreSQL: one connection, a batch as one statement over arrays, which is one transaction.

mod catalog;
mod client;
mod column;
mod dialect;
mod encode;
mod error;
mod options;
mod statement;
mod time;
mod widen;
mod writer;

pub(crate) use options::{PostgresOptions, database};
