//! State that must outlive the process and has no home at a server.

use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

/// Small pieces of state by name: a file source's position, QoS 2 receive ids, a poll cursor. Handed to the relay; a relay without a
/// name keeps it in memory.
///
/// Calls block (a few kilobytes on a local disk); an element that saves often coalesces.
pub trait StateStore: Send + Sync + fmt::Debug {
    /// What was saved under this key last, if anything.
    ///
    /// # Errors
    /// The store cannot be read.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Replaces what is saved under this key, atomically and durably: after a crash the old or the new value is there, whole.
    ///
    /// # Errors
    /// The store cannot be written; the old value stands.
    fn save(&self, key: &str, value: &[u8]) -> Result<()>;

    /// Takes the store for this process until it is dropped.
    ///
    /// # Errors
    /// Another process has it.
    fn lock(&self) -> Result<()>;
}

/// State that ends with the relay.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<HashMap<String, Vec<u8>>>);

impl StateStore for MemoryState {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(crate::sync::lock(&self.0).get(key).cloned())
    }

    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        crate::sync::lock(&self.0).insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn lock(&self) -> Result<()> {
        Ok(())
    }
}

/// The file that a process holds. No key has this name: a dot in one is written as `%2E`.
const LOCK: &str = ".lock";

/// State in a folder, one file a key, one process at a time.
#[derive(Debug)]
pub struct DirState {
    dir: PathBuf,
    lock: Mutex<Option<std::fs::File>>,
}

impl DirState {
    /// State in this folder, which is made when first needed.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), lock: Mutex::new(None) }
    }

    fn path(&self, key: &str) -> PathBuf {
        let safe = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
        self.dir.join(safe)
    }

    fn trouble(&self, op: &'static str, error: std::io::Error) -> Error {
        let dir = self.dir.display().to_string();
        Error::config(ErrorKind::Io, op, &error).with("state folder", dir).caused_by(error)
    }
}

impl StateStore for DirState {
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match std::fs::read(self.path(key)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.trouble("load state", error)),
        }
    }

    fn save(&self, key: &str, value: &[u8]) -> Result<()> {
        use std::io::Write;
        let (path, new) = (self.path(key), self.path(key).with_extension("new"));
        let write = || {
            std::fs::create_dir_all(&self.dir)?;
            let mut file = std::fs::File::create(&new)?;
            file.write_all(value)?;
            file.sync_data()?;
            std::fs::rename(&new, &path)?;
            std::fs::File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| self.trouble("save state", error))
    }

    fn lock(&self) -> Result<()> {
        let take = || {
            std::fs::create_dir_all(&self.dir)?;
            std::fs::File::options().create(true).truncate(false).write(true).open(self.dir.join(LOCK))
        };
        let file = take().map_err(|error| self.trouble("lock state", error))?;
        match file.try_lock() {
            Ok(()) => {
                *crate::sync::lock(&self.lock) = Some(file);
                Ok(())
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                Err(Error::config(ErrorKind::Refused, "", "another process runs a relay of this name")
                    .with("state folder", self.dir.display())
                    .hint("give one of them another --name, or the same with another --instance"))
            }
            Err(std::fs::TryLockError::Error(error)) => Err(self.trouble("lock state", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_key_is_the_lock_or_a_file_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let state = DirState::new(dir.path());
        state.lock().unwrap();
        let keys = ["lock", ".lock", "a", "a.new", "..", "a/b"];
        for key in keys {
            assert_eq!(state.load(key).unwrap(), None, "{key}");
            state.save(key, key.as_bytes()).unwrap();
        }
        for key in keys {
            assert_eq!(state.load(key).unwrap().as_deref(), Some(key.as_bytes()));
        }
        assert_eq!(DirState::new(dir.path()).lock().unwrap_err().kind(), ErrorKind::Refused, "it is still held");
    }
}
