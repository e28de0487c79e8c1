//! Standard output.

use super::options::StdoutOptions;
use crate::error::io_error;
use crate::writer::{Destination, LIMITS, Writer, write_all};
use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::io::{self, Write};

const WRITE_STDOUT: &str = "write stdout";

/// Payloads on standard output, one a line and nothing else.
#[derive(Debug)]
pub struct StdoutSink {
    options: StdoutOptions,
    writer: Option<Writer>,
}

impl StdoutSink {
    /// A sink with these options.
    pub fn new(options: StdoutOptions) -> Self {
        Self { options, writer: None }
    }
}

#[async_trait]
impl Sink for StdoutSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("stdoutsink", "stdout").loses(["address", "key", "headers", "properties", "event time"])
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.writer = Some(Writer::start(self.options.format, || stdout().map(Stdout)).await?);
        context.status.up();
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        self.writer.as_ref().ok_or_else(crate::reader::not_open)?.send(batch).await
    }

    async fn close(&mut self) -> Result<()> {
        match self.writer.take() {
            Some(writer) => writer.close().await,
            None => Ok(()),
        }
    }
}

/// Standard output, or what stands for it in a test.
pub(super) struct Stdout<W>(pub(super) W);

impl<W: Write + Send + 'static> Destination for Stdout<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, Error)> {
        write_all(&mut self.0, bytes).map_err(|(written, error)| (written, trouble(error)))
    }
}

/// Nobody can mend standard output while the process runs.
fn trouble(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            Error::config(ErrorKind::Closed, WRITE_STDOUT, "its reader has gone").caused_by(error)
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => io_error(WRITE_STDOUT, error),
        _ => io_error(WRITE_STDOUT, error).classed(Class::Config),
    }
}

/// The descriptor itself: the standard library's handle buffers by lines.
#[cfg(unix)]
fn stdout() -> Result<impl Write + Send + 'static> {
    use std::os::fd::AsFd;
    let own = std::io::stdout().as_fd().try_clone_to_owned();
    own.map(std::fs::File::from).map_err(|error| io_error("open stdout", error).classed(Class::Config))
}

#[cfg(not(unix))]
fn stdout() -> Result<impl Write + Send + 'static> {
    Ok::<_, Error>(std::io::stdout())
}
