//! Notices what becomes of a followed file, whether or not anybody reads: its successors are opened as they appear, since whoever
//! comes later finds them gone.

use super::id::FileId;
use crate::error::io_error;
use lorry_core::relay::Status;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{AbortHandle, spawn_blocking};

/// Files that are open and not read yet. Each keeps a descriptor, and its room on the disk although it was deleted.
const WAITING: usize = 64;

/// A file that has the name, or had it.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) file: File,
    pub(super) id: FileId,
    seen: Mutex<Seen>,
}

/// What was seen of a file so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    length: u64,
    /// How often it has become shorter.
    pub(super) truncations: u64,
    /// How long it was before it did the last time.
    pub(super) before: u64,
}

impl Followed {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let seen = Seen { length: metadata.len(), truncations: 0, before: 0 };
        Ok(Self { file, id: FileId::of(&metadata), seen: Mutex::new(seen) })
    }

    /// Looks whether it has become shorter since the last look.
    pub(super) fn look(&self) -> io::Result<Seen> {
        self.look_after_reading(0, u64::MAX)
    }

    /// As [`look`](Self::look), by who has read up to here since this many truncations: it was at least so long then.
    pub(super) fn look_after_reading(&self, read_to: u64, truncations: u64) -> io::Result<Seen> {
        let mut seen = lock(&self.seen);
        let length = self.file.metadata()?.len();
        let before = if truncations == seen.truncations { seen.length.max(read_to) } else { seen.length };
        if length < before {
            (seen.truncations, seen.before) = (seen.truncations + 1, before);
        }
        seen.length = length;
        Ok(*seen)
    }

    /// What is known without looking.
    pub(super) fn seen(&self) -> Seen {
        *lock(&self.seen)
    }
}

/// The files that get one name after the other.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    interval: Duration,
    status: Status,
    names: Mutex<Names>,
}

#[derive(Debug)]
struct Names {
    /// Is read, or the last that waits.
    newest: Arc<Followed>,
    /// Opened, and to be read next, oldest first.
    waiting: VecDeque<Arc<Followed>>,
    /// Has been seen under the name and is not open.
    unopened: Option<FileId>,
    /// The last look failed.
    troubled: bool,
}

impl Watch {
    /// From this file on, looking so often.
    pub(super) fn new(path: PathBuf, interval: Duration, status: Status, newest: Arc<Followed>) -> Self {
        let names = Names { newest, waiting: VecDeque::new(), unopened: None, troubled: false };
        Self { path, interval, status, names: Mutex::new(names) }
    }

    /// Opens what has the name now, if it is another file than before. Blocks. A file that cannot be looked at or opened is tried again
    /// with the next look: the one before it is still to be read.
    pub(super) fn look(&self) {
        let mut names = lock(&self.names);
        match self.find(&mut names) {
            // Between the renaming of the old file and the making of the new.
            Err(error) if error.kind() == Io::NotFound => {}
            Err(error) if !names.troubled => {
                names.troubled = true;
                let error = io_error("open file", error).with("file", self.path.display());
                self.status.failed(&error, self.interval);
            }
            Err(_) => {}
            Ok(()) => {
                if std::mem::take(&mut names.troubled) {
                    self.status.up();
                }
            }
        }
    }

    fn find(&self, names: &mut Names) -> io::Result<()> {
        // If that fails, whoever reads the file says so.
        let _ = names.newest.look();
        let metadata = std::fs::metadata(&self.path)?;
        let id = FileId::of(&metadata);
        if id == names.newest.id {
            return Ok(());
        }
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file any more"));
        }
        let before = names.unopened.replace(id);
        if before.is_some_and(|before| before != id) {
            self.tell_of_loss();
        }
        if names.waiting.len() >= WAITING {
            if before != Some(id) {
                tracing::warn!(file = %self.path.display(), "rotated while {WAITING} files wait to be read; the new one is opened when there is room, if it is still there");
            }
            return Ok(());
        }
        let opened = Arc::new(Followed::open(&self.path)?);
        names.unopened = None;
        if opened.id != id {
            self.tell_of_loss();
        }
        names.newest = opened.clone();
        names.waiting.push_back(opened);
        Ok(())
    }

    fn tell_of_loss(&self) {
        tracing::warn!(file = %self.path.display(), "rotated before it could be opened: a file that had this name is not read");
    }

    /// Whether the next file is there and is being written to. A program that writes goes on in the old one until it is told of the
    /// new.
    pub(super) fn has_moved_on(&self) -> bool {
        let names = lock(&self.names);
        let is_written = |file: &Arc<Followed>| file.file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        names.waiting.len() > 1 || names.waiting.front().is_some_and(is_written)
    }

    /// The file to be read next.
    pub(super) fn next(&self) -> Option<Arc<Followed>> {
        lock(&self.names).waiting.pop_front()
    }

    /// How many files are yet to be read.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.names).waiting.len()
    }
}

/// A task that looks all the time. Ends with its owner.
#[derive(Debug)]
pub(super) struct Lookout {
    pub(super) watch: Arc<Watch>,
    task: AbortHandle,
}

impl Lookout {
    pub(super) fn start(watch: Arc<Watch>) -> Self {
        let looked = watch.clone();
        let look = async move {
            loop {
                tokio::time::sleep(looked.interval).await;
                let watch = looked.clone();
                // Looking may block, as on a network's file system.
                if spawn_blocking(move || watch.look()).await.is_err() {
                    return;
                }
            }
        };
        Self { watch, task: tokio::spawn(look).abort_handle() }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
