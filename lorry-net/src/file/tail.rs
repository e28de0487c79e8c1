//! The blocking half of the file source: reading, and noticing that the file was truncated or another one has taken its name.

use super::options::FileSourceOptions;
use crate::error::io_error;
use crate::reader::{Portion, Reader, Stamp};
use lorry_core::relay::{Event, LaneId, LaneKey, Position, Positions};
use lorry_core::{Class, Error, ErrorKind, Result};
use std::fs::{File, Metadata};
use std::io::{ErrorKind as Io, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const OPEN: &str = "open file";
const READ: &str = "read file";

/// A file and who asks for it; the same through rotations.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    pub(super) options: FileSourceOptions,
    pub(super) element: String,
    /// Settled positions of lanes that this or an earlier process read.
    pub(super) start: Positions,
}

/// An open file, read in turns. Each turn may block and is run where that does not hurt.
#[derive(Debug)]
pub(super) struct Tail {
    named: Named,
    file: File,
    inode: u64,
    generation: u64,
    /// Another file has the name: this one is read to its end once more, since it may have grown before it was renamed.
    leaving: bool,
    reader: Reader,
}

/// What follows a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another turn, at once.
    More,
    /// Another turn, after a while.
    Wait,
    /// Nothing.
    End,
}

impl Named {
    /// An error that names the file.
    pub(super) fn trouble(&self, op: &'static str, error: std::io::Error) -> Error {
        io_error(op, error).with("file", self.path.display())
    }

    /// What the name stands for right now.
    pub(super) fn metadata(&self) -> Result<Metadata> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| self.trouble(OPEN, error))?;
        if metadata.is_dir() {
            return Err(Error::config(ErrorKind::Io, OPEN, "it is a folder").with("file", self.path.display()));
        }
        Ok(metadata)
    }

    /// A truncated file begins anew under another key: positions in the old content say nothing about the new.
    pub(super) fn key(&self, inode: u64, generation: u64) -> LaneKey {
        let part = if generation == 0 { inode.to_string() } else { format!("{inode}.{generation}") };
        LaneKey::new(&self.element, &identity(&self.path), &part)
    }

    /// Which generation of the file to go on with, and from where.
    fn resume(&self, inode: u64, length: u64) -> (u64, u64) {
        let known = (0..).map_while(|generation| self.start.get(&self.key(inode, generation)));
        match known.enumerate().last() {
            None => (0, 0),
            Some((generation, Position(at))) if at <= length => (generation as u64, at),
            Some((generation, Position(at))) => {
                tracing::warn!(file = %self.path.display(), position = at, length, "the file is shorter than what was read of it; starting at its beginning");
                (generation as u64 + 1, 0)
            }
        }
    }
}

/// A file's canonical identity: its absolute path.
pub(super) fn identity(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

impl Tail {
    /// Opens the file where it is to be resumed; the event announces its lane.
    pub(super) fn open(named: Named, lane: LaneId) -> Result<(Self, Event)> {
        named.metadata()?;
        let mut file = File::open(&named.path).map_err(|error| named.trouble(OPEN, error))?;
        let metadata = file.metadata().map_err(|error| named.trouble(OPEN, error))?;
        let inode = inode(&metadata);
        let (generation, offset) = named.resume(inode, metadata.len());
        file.seek(SeekFrom::Start(offset)).map_err(|error| named.trouble(OPEN, error))?;
        let stamp = Stamp { address: named.path.display().to_string(), format: named.options.format };
        let reader = Reader::new(lane, stamp, named.options.max_size.bytes(), offset);
        let opened = Event::LaneOpened(lane, named.key(inode, generation));
        Ok((Self { named, file, inode, generation, leaving: false, reader }, opened))
    }

    /// Reads on.
    pub(super) fn turn(&mut self) -> Result<(Portion, Then)> {
        let mut portion = self.reader.turn(&mut self.file).map_err(|error| self.named.trouble(READ, error))?;
        let then = match (portion.ended, self.named.options.follow) {
            (false, _) => Then::More,
            (true, false) => {
                self.reader.finish(&mut portion);
                Then::End
            }
            (true, true) => self.at_end(&mut portion)?,
        };
        Ok((portion, then))
    }

    /// How often a file at its end is looked at.
    pub(super) fn interval(&self) -> std::time::Duration {
        self.named.options.interval.0.max(std::time::Duration::from_millis(1))
    }

    fn at_end(&mut self, portion: &mut Portion) -> Result<Then> {
        let length = self.file.metadata().map_err(|error| self.named.trouble(READ, error))?.len();
        if length < self.reader.framer.read_to() {
            tracing::info!(file = %self.named.path.display(), "truncated; reading from its beginning");
            let path = self.named.path.display().to_string();
            self.file.seek(SeekFrom::Start(0)).map_err(|error| io_error(READ, error).with("file", path))?;
            self.generation += 1;
            self.reader.finish(portion);
            self.reader = self.reader.again();
            portion.ready.push_back(Event::LaneOpened(self.reader.lane, self.named.key(self.inode, self.generation)));
            return Ok(Then::More);
        }
        match std::fs::metadata(&self.named.path) {
            // Between the renaming of the old file and the making of the new.
            Err(error) if error.kind() == Io::NotFound => Ok(Then::Wait),
            Err(error) => Err(self.named.trouble(READ, error).classed(Class::Transient)),
            Ok(metadata) if inode(&metadata) == self.inode => Ok(Then::Wait),
            Ok(_) if !self.leaving => {
                self.leaving = true;
                Ok(Then::More)
            }
            Ok(_) => self.switch(portion),
        }
    }

    fn switch(&mut self, portion: &mut Portion) -> Result<Then> {
        let next = LaneId(self.reader.lane.0 + 1);
        let (new, opened) = match Self::open(self.named.clone(), next) {
            Ok(new) => new,
            // Gone again in between: look again later.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Then::Wait),
            Err(error) => return Err(error),
        };
        tracing::info!(file = %self.named.path.display(), "rotated; reading the new file");
        self.reader.finish(portion);
        portion.ready.push_back(opened);
        *self = new;
        Ok(Then::More)
    }

    /// The lane being read.
    pub(super) fn lane(&self) -> LaneId {
        self.reader.lane
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}
