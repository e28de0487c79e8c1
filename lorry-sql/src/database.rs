//! Which database an address means.

use crate::writer::Writer;
use lorry_core::registry::Args;
use lorry_core::{Error, Result};

/// A database as an address names it, not connected.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) writer: Box<dyn Writer>,
    /// Its canonical identity without credentials and options: a path, `host:port/database`.
    pub(crate) identity: String,
    /// Rows that make a good batch.
    pub(crate) batch: usize,
}

impl Database {
    /// Takes the options of the database that the address's scheme names.
    ///
    /// # Errors
    /// [`Usage`](lorry_core::ErrorKind::Usage): an option that does not fit, a database that was not compiled in.
    pub(crate) fn take(args: &mut Args) -> Result<Self> {
        let scheme = args.uri().scheme().to_owned();
        match scheme.split('+').next().unwrap_or_default() {
            #[cfg(feature = "sqlite")]
            "sqlite" => crate::sqlite::database(args),
            #[cfg(feature = "postgres")]
            "postgresql" | "postgres" => crate::postgres::database(args),
            _ => Err(Error::usage(format!("{scheme:?} is no database of this build"))),
        }
    }
}
