//! Standard input.

use super::options::StdinOptions;
use crate::reader::{Reader, ReaderThread, Stamp, not_open};
use lorry_core::relay::{Context, Event, Identity, LaneId, Settled, Source, SourceInfo};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::io::Read;

const READ_STDIN: &str = "read stdin";

/// Lines of standard input. Nothing is read before `open`; from then on a thread reads ahead a little.
#[derive(Debug)]
pub struct StdinSource {
    options: StdinOptions,
    lanes: u64,
    thread: Option<ReaderThread>,
}

impl StdinSource {
    /// A source with these options.
    pub fn new(options: StdinOptions) -> Self {
        Self { options, lanes: 0, thread: None }
    }
}

#[async_trait]
impl Source for StdinSource {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("stdinsrc", "stdin")
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let stamp = Stamp { address: String::new(), format: self.options.format };
        let reader = Reader::new(LaneId(self.lanes), stamp, self.options.max_size.bytes(), 0);
        self.lanes += 1;
        self.thread = Some(ReaderThread::start(READ_STDIN, reader, stdin)?);
        context.status.up();
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let thread = self.thread.as_mut().ok_or_else(not_open)?;
        // Trying again would only hide that something is missing.
        let lost = |error: Error| Error::config(ErrorKind::Closed, READ_STDIN, error.message()).caused_by(error);
        thread.next(limit).await.map_err(lost)
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.thread = None;
        Ok(())
    }
}

/// The descriptor itself: the standard library's handle has a small buffer and a lock, which the thread would hold for ever.
#[cfg(unix)]
fn stdin() -> Result<impl Read> {
    use std::os::fd::AsFd;
    let own = std::io::stdin().as_fd().try_clone_to_owned();
    own.map(std::fs::File::from).map_err(|error| crate::error::io_error("open stdin", error).classed(Class::Config))
}

#[cfg(not(unix))]
fn stdin() -> Result<impl Read> {
    Ok::<_, Error>(std::io::stdin())
}
