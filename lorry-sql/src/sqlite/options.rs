//! Where the file is and how it is opened.

use super::writer::SqliteWriter;
use crate::database::Database;
use lorry_core::registry::{Args, Span, Uri};
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Rows a batch; more gain nothing (measured from 100 to 6,000), and make the source wait in larger steps.
const BATCH: usize = 2_000;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Synchronous {
    /// Nothing: a power cut may damage the file.
    Off,
    /// The write-ahead log is synced at checkpoints: nothing is lost when a process dies, a power cut may cost the last commits.
    #[default]
    Normal,
    /// Every commit is synced.
    Full,
}

/// Options of SQLite alone.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct SqliteOptions {
    /// SQLite: what a commit waits for. `normal`: safe when a process dies; `full`: also at a power cut, and slower; `off`: neither.
    pub(crate) synchronous: Synchronous,
    /// SQLite: how long to wait for another process that has the file locked before the batch counts as failed and is tried again.
    pub(crate) busy_timeout: Span,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        // While SQLite waits by itself nobody hears what for.
        Self { synchronous: Synchronous::default(), busy_timeout: Span(Duration::from_secs(1)) }
    }
}

/// Which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In memory, gone with the sink.
    Memory,
    /// A file.
    File(PathBuf),
}

impl Place {
    /// SQLAlchemy's forms: `sqlite://` and `sqlite:///:memory:`, `sqlite:///relative.db`, `sqlite:////absolute.db`.
    pub(crate) fn of(uri: &Uri) -> Result<Self> {
        if let Some(host) = uri.host() {
            return Err(Error::usage(format!("a SQLite address has no host, but here is {host:?}"))
                .hint(format!("write sqlite:///{host} for a relative path, sqlite:////… for an absolute one")));
        }
        let path = uri.path();
        let path = if uri.rest().starts_with("//") { path.strip_prefix('/').unwrap_or(path) } else { path };
        match path {
            "" | ":memory:" => Ok(Self::Memory),
            _ if path.contains('\0') => Err(Error::usage("a path cannot hold a NUL character")),
            _ if path.ends_with('/') => Err(Error::usage(format!("{path:?} is a folder, not a file"))),
            _ => Ok(Self::File(path.into())),
        }
    }
}

/// Takes SQLite's options.
pub(crate) fn database(args: &mut Args) -> Result<Database> {
    let options: SqliteOptions = args.take()?;
    let place = Place::of(args.uri())?;
    let identity = match &place {
        Place::Memory => ":memory:".to_owned(),
        Place::File(path) => std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string(),
    };
    Ok(Database { writer: Box::new(SqliteWriter::new(place, options)), identity, batch: BATCH })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_forms_of_sqlalchemy() {
        let place = |text: &str| Place::of(&Uri::parse(text).unwrap()).unwrap();
        assert_eq!(place("sqlite://"), Place::Memory);
        assert_eq!(place("sqlite:///:memory:?table=t"), Place::Memory);
        assert_eq!(place("sqlite:///data.sqlite"), Place::File("data.sqlite".into()));
        assert_eq!(place("sqlite:///a/b c.db"), Place::File("a/b c.db".into()));
        assert_eq!(place("sqlite:////abs/x.db"), Place::File("/abs/x.db".into()));
        assert_eq!(place("sqlite:///C:\\x.db"), Place::File("C:\\x.db".into()));
        assert_eq!(place("sqlite+pysqlite:////abs/x.db"), Place::File("/abs/x.db".into()));
    }

    #[test]
    fn two_slashes_are_a_host_and_an_error() {
        let error = Place::of(&Uri::parse("sqlite://x.db?table=t").unwrap()).unwrap_err().to_string();
        assert!(error.contains("sqlite:///x.db"), "{error}");
        assert!(Place::of(&Uri::parse("sqlite:////tmp/").unwrap()).is_err());
    }
}
