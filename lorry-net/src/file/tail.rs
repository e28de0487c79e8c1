//! The blocking half of the file source: reading a file to its end, from its beginning when it was truncated, and then the next that has
//! its name.

use super::options::FileSourceOptions;
use super::watch::{Followed, Watch};
use crate::error::io_error;
use crate::reader::{Portion, Reader, Stamp};
use lorry_core::relay::{Event, LaneId, LaneKey, Positions, Status};
use lorry_core::{Error, ErrorKind, Result};
use std::fs::Metadata;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
    file: Arc<Followed>,
    version: Version,
    /// How many truncations of the file are behind what is read.
    truncations: u64,
    /// What follows the file; `None` when it is read to its end once.
    watch: Option<Arc<Watch>>,
    /// The next file is being written to: this one is read to its end once more, since it may have grown before that.
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
        let file = Followed::open(&named.path).map_err(|error| named.trouble(OPEN, error))?;
        let metadata = file.file.metadata().map_err(|error| named.trouble(OPEN, error))?;
        let (version, offset) = named.resume(file.id.inode, metadata.len());
        (&file.file).seek(SeekFrom::Start(offset)).map_err(|error| named.trouble(OPEN, error))?;
        let stamp = Stamp { address: named.path.display().to_string(), format: named.options.format };
        let reader = Reader::new(lane, stamp, named.options.max_size.bytes(), offset);
        let key = named.key(version);
        let file = Arc::new(file);
        Ok((Self { named, file, version, truncations: 0, watch: None, leaving: false, reader }, key))
    }

    /// Follows it from now on, by what this sees.
    pub(super) fn watch(&mut self, status: Status) -> Arc<Watch> {
        let watch = Watch::new(self.named.path.clone(), self.interval(), status, self.file.clone());
        self.watch.insert(Arc::new(watch)).clone()
    }

    /// Reads on.
    pub(super) fn turn(&mut self) -> Result<(Portion, Then)> {
        if self.watch.is_some() && self.file.seen().truncations > self.truncations {
            let mut portion = Portion::default();
            self.begin_again(&mut portion)?;
            return Ok((portion, Then::More));
        }
        let mut portion = self.reader.turn(&mut &self.file.file).map_err(|error| self.named.trouble(READ, error))?;
        let then = match (portion.ended, self.watch.clone()) {
            (false, _) => Then::More,
            (true, None) => {
                self.reader.finish(&mut portion);
                Then::End
            }
            (true, Some(watch)) => self.at_end(&watch, &mut portion)?,
        };
        Ok((portion, then))
    }

    /// How often a followed file is looked at.
    pub(super) fn interval(&self) -> Duration {
        self.named.options.interval.0.max(Duration::from_millis(1))
    }

    fn at_end(&mut self, watch: &Watch, portion: &mut Portion) -> Result<Then> {
        let seen = self.file.look_after_reading(self.reader.framer.read_to(), self.truncations);
        if seen.map_err(|error| self.named.trouble(READ, error))?.truncations > self.truncations {
            self.begin_again(portion)?;
            return Ok(Then::More);
        }
        watch.look();
        if !watch.has_moved_on() {
            return Ok(Then::Wait);
        }
        if !std::mem::replace(&mut self.leaving, true) {
            return Ok(Then::More);
        }
        match watch.next() {
            Some(file) => self.go_on(file, portion),
            None => return Ok(Then::Wait),
        }
        Ok(Then::More)
    }

    /// The file was truncated.
    fn begin_again(&mut self, portion: &mut Portion) -> Result<()> {
        let (file, seen) = (self.named.path.display(), self.file.seen());
        (&self.file.file).seek(SeekFrom::Start(0)).map_err(|error| self.named.trouble(READ, error))?;
        if seen.truncations > self.truncations + 1 || seen.before > self.reader.framer.read_to() {
            tracing::warn!(%file, "truncated before it was read to its end: the rest is lost; reading from its beginning");
        } else {
            tracing::info!(%file, "truncated; reading from its beginning");
        }
        self.truncations = seen.truncations;
        self.version.generation += 1;
        self.next_lane(portion);
        Ok(())
    }

    /// Another file has the name, and this one is read.
    fn go_on(&mut self, file: Arc<Followed>, portion: &mut Portion) {
        tracing::info!(file = %self.named.path.display(), "rotated; reading the new file");
        self.version = Version { inode: file.id.inode, generation: 0 };
        (self.file, self.truncations, self.leaving) = (file, 0, false);
        self.next_lane(portion);
    }

    fn next_lane(&mut self, portion: &mut Portion) {
        self.reader.finish(portion);
        self.reader = self.reader.again();
        portion.ready.push_back(Event::LaneOpened(self.reader.lane, self.named.key(self.version)));
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
