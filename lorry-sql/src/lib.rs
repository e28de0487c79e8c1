#![doc = include_str!("../README.md")]

mod cells;
mod database;
#[cfg(feature = "diesel")]
mod diesel_sink;
mod kinds;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;
mod writer;

#[cfg(feature = "diesel")]
pub use diesel_sink::{AsyncInsert, DieselSink};
pub use options::{Evolve, IfExists, SqlOptions};
