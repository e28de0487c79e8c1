//! The blocking half of the file source: reading, and noticing that the file was truncated or another one has taken its name.

use super::options::FileSourceOptions;
use crate::error::io_error;
use crate::reader::{Portion, Reader, Stamp};
use lorry_core::relay::{Event, LaneId, LaneKey, Positions};
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
    /// What this process read last under this name.
    pub(super) version: Option<Version>,
}

/// A file, and how often its content was replaced by truncation since it is read: positions in one version say nothing about the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    inode: u64,
    generation: u64,
}

/// An open file, read in turns. Each turn may block and is run where that does not hurt.
#[derive(Debug)]
pub(super) struct Tail {
    named: Named,
    file: File,
    version: Version,
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

    fn key(&self, Version { inode, generation }: Version) -> LaneKey {
        let part = if generation == 0 { inode.to_string() } else { format!("{inode}.{generation}") };
        LaneKey::new(&self.element, &identity(&self.path), &part)
    }

    /// Which version of the file to go on with, and from where.
    fn resume(&self, inode: u64, length: u64) -> (Version, u64) {
        let first = self.version.filter(|version| version.inode == inode).unwrap_or(Version { inode, generation: 0 });
        let versions = (first.generation..).map(|generation| Version { inode, generation });
        let known = versions.map_while(|version| Some((version, self.start.get(&self.key(version))?.0)));
        match known.last() {
            None => (first, 0),
            Some((version, at)) if at <= length => (version, at),
            Some((version, at)) => {
                tracing::warn!(file = %self.path.display(), position = at, length, "the file is shorter than what was read of it; starting at its beginning");
                (Version { inode, generation: version.generation + 1 }, 0)
            }
        }
    }
}

/// A file's canonical identity: its absolute path.
pub(super) fn identity(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

impl Tail {
    /// Opens the file where it is to be resumed, and names the key of its lane.
    pub(super) fn open(named: Named, lane: LaneId) -> Result<(Self, LaneKey)> {
        named.metadata()?;
        let mut file = File::open(&named.path).map_err(|error| named.trouble(OPEN, error))?;
        let metadata = file.metadata().map_err(|error| named.trouble(OPEN, error))?;
        let (version, offset) = named.resume(inode(&metadata), metadata.len());
        file.seek(SeekFrom::Start(offset)).map_err(|error| named.trouble(OPEN, error))?;
        let stamp = Stamp { address: named.path.display().to_string(), format: named.options.format };
        let reader = Reader::new(lane, stamp, named.options.max_size.bytes(), offset);
        let key = named.key(version);
        Ok((Self { named, file, version, leaving: false, reader }, key))
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
            self.version.generation += 1;
            self.reader.finish(portion);
            self.reader = self.reader.again();
            portion.ready.push_back(Event::LaneOpened(self.reader.lane, self.named.key(self.version)));
            return Ok(Then::More);
        }
        match std::fs::metadata(&self.named.path) {
            // Between the renaming of the old file and the making of the new.
            Err(error) if error.kind() == Io::NotFound => Ok(Then::Wait),
            Err(error) => Err(self.named.trouble(READ, error).classed(Class::Transient)),
            Ok(metadata) if inode(&metadata) == self.version.inode => Ok(Then::Wait),
            Ok(_) if !self.leaving => {
                self.leaving = true;
                Ok(Then::More)
            }
            Ok(_) => self.switch(portion),
        }
    }

    fn switch(&mut self, portion: &mut Portion) -> Result<Then> {
        let next = LaneId(self.reader.lane.0 + 1);
        // What takes the name is a new file, even if it has the number of one that was read before and is gone.
        let named = Named { start: Positions::default(), version: None, ..self.named.clone() };
        let (new, key) = match Self::open(named, next) {
            Ok(new) => new,
            // Gone again in between: look again later.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Then::Wait),
            Err(error) => return Err(error),
        };
        tracing::info!(file = %self.named.path.display(), "rotated; reading the new file");
        self.reader.finish(portion);
        portion.ready.push_back(Event::LaneOpened(next, key));
        *self = new;
        Ok(Then::More)
    }

    /// What is being read.
    pub(super) fn version(&self) -> Version {
        self.version
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
