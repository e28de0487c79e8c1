//! The demo's SQLite file, as somebody else would read it.

use crate::exit::Failure;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// The table that the relay makes and fills.
pub(super) const TABLE: &str = "readings";

/// A file in a folder of its own.
pub(super) struct Rows {
    path: PathBuf,
}

/// One reading.
pub(super) struct Row {
    pub(super) device: String,
    pub(super) number: i64,
    pub(super) celsius: f64,
    pub(super) at: String,
}

impl Rows {
    /// A folder below the temporary one, for this user alone. The file comes with the relay.
    pub(super) fn create() -> Result<Self, Failure> {
        let dir = std::env::temp_dir().join(format!("lorry-demo-{}", std::process::id()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(|error| Failure::Failed(format!("create {}: {error}", dir.display())))?;
        Ok(Self { path: dir.join("demo.db") })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many there are.
    pub(super) fn count(&self) -> Result<u64, Failure> {
        self.query(|file| file.query_row(&format!("SELECT count(*) FROM {TABLE}"), [], |row| row.get::<_, i64>(0)))
            .map(i64::unsigned_abs)
    }

    /// The last of each device, by name.
    pub(super) fn last(&self) -> Result<Vec<Row>, Failure> {
        self.query(|file| {
            // Among the newest only, so that it stays quick however long the demo runs. SQLite takes the bare columns from the row
            // that has the maximum.
            let newest = format!("SELECT * FROM {TABLE} ORDER BY rowid DESC LIMIT 1000");
            let sql =
                format!("SELECT device, max(number), celsius, at FROM ({newest}) GROUP BY device ORDER BY device");
            let mut statement = file.prepare(&sql)?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Row { device: row.get(0)?, number: row.get(1)?, celsius: row.get(2)?, at: row.get(3)? })
            };
            statement.query_map([], row)?.collect()
        })
    }

    /// Reads with a connection of its own. Before the first row there is no table; then there is nothing.
    fn query<T: Default>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Failure> {
        let open = || {
            let file = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            match file.table_exists(None, TABLE)? {
                true => read(&file),
                false => Ok(T::default()),
            }
        };
        open().map_err(|error| Failure::Failed(format!("read {}: {error}", self.path.display())))
    }
}
