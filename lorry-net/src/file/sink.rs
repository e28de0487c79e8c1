//! The file sink.

use super::id::FileId;
use super::options::{FileSinkOptions, Fsync, IfExists};
use super::tail::identity;
use crate::error::io_error;
use crate::framing::Format;
use crate::reader::not_open;
use crate::writer::{Destination, LIMITS, Writer, write_all};
use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Payloads into a file, one a line; one write per batch, behind what is there.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use lorry_core::Message;
/// use lorry_core::relay::{Batch, Context, Sink};
/// use lorry_net::file::{FileSink, FileSinkOptions};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("out.txt");
/// let mut sink = FileSink::new(&path, FileSinkOptions::default());
/// sink.open(Context::detached("filesink0")).await?;
/// sink.send(Batch::new(vec![Message::new("one"), Message::new("two")])).await?.await.unwrap();
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    options: FileSinkOptions,
    writer: Option<Writer>,
    /// It was open before: it is the relay's own file by now, to be appended to.
    known: bool,
}

impl FileSink {
    /// A sink into this file.
    pub fn new(path: impl Into<PathBuf>, options: FileSinkOptions) -> Self {
        Self { path: path.into(), options, writer: None, known: false }
    }
}

#[async_trait]
impl Sink for FileSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        let lost = ["address", "key", "headers", "properties", "event time"];
        SinkInfo::new("filesink", identity(&self.path)).loses(lost)
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        if context.identity.is_durable() && self.options.if_exists == IfExists::Replace {
            return Err(Error::usage(
                "if-exists=replace and a named relay do not go together: a restart would empty the file",
            )
            .with("file", self.path.display())
            .hint("leave one of them out"));
        }
        let if_exists = if self.known { IfExists::Append } else { self.options.if_exists };
        let (path, format, fsync) = (self.path.clone(), self.options.format, self.options.fsync);
        self.writer = Some(Writer::start(format, move || Disk::open(path, if_exists, format, fsync)).await?);
        self.known = true;
        context.status.up();
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        self.writer.as_ref().ok_or_else(not_open)?.send(batch).await
    }

    async fn close(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.close().await,
            None => Ok(()),
        }
    }
}

/// The open file.
pub(super) struct Disk {
    path: PathBuf,
    file: File,
    format: Format,
    fsync: Fsync,
    /// Which file it is, to notice when the path leads elsewhere. A pipe or a device has none: there is nothing to notice.
    id: Option<FileId>,
    /// How long the file was before a write that failed, and how much of that write got into it.
    broken: Option<(u64, usize)>,
}

impl Disk {
    pub(super) fn open(path: PathBuf, if_exists: IfExists, format: Format, fsync: Fsync) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        if if_exists == IfExists::Fail {
            options.create_new(true);
        }
        let file = options.open(&path).map_err(|error| not_opened(&path, error))?;
        let id = file.metadata().ok().filter(Metadata::is_file).map(|metadata| FileId::of(&metadata));
        let mut disk = Self { path, file, format, fsync, id, broken: None };
        if disk.id.is_some() {
            match if_exists {
                IfExists::Replace => disk.file.set_len(0).map_err(|error| disk.trouble("empty file", error))?,
                IfExists::Append | IfExists::Fail if format != Format::Raw => disk.end_last_line()?,
                IfExists::Append | IfExists::Fail => {}
            }
            disk.sync_folder()?;
        }
        Ok(disk)
    }

    /// Whether the path leads to the file that is open.
    fn has_its_name(&self) -> bool {
        let is_it = |id| std::fs::metadata(&self.path).is_ok_and(|metadata| FileId::of(&metadata) == id);
        self.id.is_none_or(is_it)
    }

    /// Goes on in a new file when the one before was moved (rotated), replaced or removed.
    fn find_again(&mut self) -> Result<()> {
        if self.has_its_name() {
            return Ok(());
        }
        *self = Self::open(self.path.clone(), IfExists::Append, self.format, self.fsync)?;
        tracing::warn!(file = %self.path.display(), "moved, replaced or removed while it was in use; going on in a new file of this name");
        Ok(())
    }

    /// Writes behind what is there.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), (usize, Error)> {
        let before = self.file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        if let Err((written, error)) = write_all(&mut self.file, bytes) {
            self.broken = before.map(|before| (before, written));
            return Err((written, self.not_written(error)));
        }
        match self.fsync {
            Fsync::Never => Ok(()),
            // After a failed fsync nobody knows what is on the disk: all of it is written again.
            Fsync::Batch => {
                self.file.sync_data().map_err(|error| (0, self.trouble("fsync file", error).classed(Class::Ambiguous)))
            }
        }
    }

    /// What was written into a file that has no name any more is nowhere. In one that was only moved it stays.
    pub(super) fn check_kept(&self) -> Result<()> {
        if self.has_its_name() || !self.is_removed() {
            return Ok(());
        }
        let text = "the file was removed or replaced while it was written";
        Err(Error::transient(ErrorKind::Io, "write file", text).with("file", self.path.display()))
    }

    #[cfg(unix)]
    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::nlink(&metadata) == 0)
    }

    #[cfg(not(unix))]
    fn is_removed(&self) -> bool {
        false
    }

    /// A process that died in the middle of a write may have left half a line: the next one must not be glued to it.
    fn end_last_line(&mut self) -> Result<()> {
        // A file that we may write but not read is left as it is.
        let Ok(mut reader) = File::open(&self.path) else { return Ok(()) };
        let mut last = [0];
        if reader.seek(SeekFrom::End(-1)).is_ok()
            && reader.read(&mut last).is_ok_and(|count| count == 1)
            && last != [b'\n']
        {
            tracing::warn!(file = %self.path.display(), "its last line has no end; beginning a new one");
            write_all(&mut self.file, b"\n").map_err(|(_, error)| self.trouble("write file", error))?;
        }
        Ok(())
    }

    /// The name of a new file is on the disk only when its folder is.
    fn sync_folder(&self) -> Result<()> {
        if self.fsync == Fsync::Never {
            return Ok(());
        }
        let folder = File::open(folder(&self.path)).and_then(|folder| folder.sync_all());
        folder.map_err(|error| self.trouble("fsync folder", error))
    }

    /// A pipe with a name may get another reader; one without (standard output, by its name) never.
    fn not_written(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::BrokenPipe && std::fs::canonicalize(&self.path).is_err() {
            let closed = Error::config(ErrorKind::Closed, "write file", "its reader has gone").caused_by(error);
            return closed.with("file", self.path.display());
        }
        self.trouble("write file", error)
    }

    fn trouble(&self, op: &'static str, error: io::Error) -> Error {
        io_error(op, error).with("file", self.path.display())
    }
}

impl Destination for Disk {
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, Error)> {
        self.find_again().map_err(|error| (0, error))?;
        self.append(bytes)?;
        self.check_kept().map_err(|error| (0, error))
    }

    fn cut_back(&mut self, torn: usize) {
        let Some((before, written)) = self.broken.take() else { return };
        let end = before + written as u64;
        // Somebody else may append to the file too: what is behind ours stays.
        let ours = self.file.metadata().is_ok_and(|metadata| metadata.len() == end);
        if !ours || self.file.set_len(end - torn as u64).is_err() {
            tracing::warn!(file = %self.path.display(), "half a message stays in the file");
        }
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn not_opened(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            Error::config(ErrorKind::NotFound, "create file", format!("the folder {:?} does not exist", folder(path)))
                .with("file", path.display())
        }
        io::ErrorKind::AlreadyExists => {
            Error::config(ErrorKind::Refused, "create file", "it exists, and if-exists=fail was asked for")
                .with("file", path.display())
        }
        _ => io_error("open file", error).with("file", path.display()),
    }
}
