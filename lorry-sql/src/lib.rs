#![doc = include_str!("../README.md")]

mod cells;
mod database;
mod kinds;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;
mod writer;

pub use options::{Evolve, IfExists, SqlOptions};
