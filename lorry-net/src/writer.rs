//! From batches to bytes: the part that all line sinks share.

use crate::error::{io_error, panicked};
use crate::framing::Format;
use lorry_core::relay::{Batch, Failure, Failures, Limits, Receipt};
use lorry_core::{Error, Message, Result};
use std::io::{self, Write};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Where the bytes of batches go. Lives on the writer's thread, so every call may block.
pub(crate) trait Destination: Send + 'static {
    /// Writes all of it, or says how many bytes from the front are there for good, and why not more.
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, Error)>;

    /// Takes back the last so many bytes, half a message, after a failed write; where that is possible.
    fn cut_back(&mut self, _torn: usize) {}

    /// Ends it gracefully.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A thread that writes batches, one write each. A write that never returns (a pipe that nobody reads) keeps neither the runtime
/// nor the process from ending.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Job>,
}

enum Job {
    Write(Batch, oneshot::Sender<Result<(), Failures>>),
    Finish(oneshot::Sender<Result<()>>),
}

/// Batches large enough that a thread's wake-up does not count.
pub(crate) const LIMITS: Limits = Limits { items: 4_096, bytes: 1 << 20, linger: Duration::ZERO, receipts: 1 };

impl Writer {
    /// Starts a thread that opens the destination and waits for it.
    pub(crate) async fn start<D: Destination>(
        format: Format,
        open: impl FnOnce() -> Result<D> + Send + 'static,
    ) -> Result<Self> {
        let (jobs, mut inbox) = mpsc::channel(1);
        let (opened, is_open) = oneshot::channel();
        let work = move || {
            let mut destination = match open() {
                Ok(destination) => destination,
                Err(error) => return drop(opened.send(Err(error))),
            };
            if opened.send(Ok(())).is_err() {
                return;
            }
            let mut bytes = Vec::new();
            while let Some(job) = inbox.blocking_recv() {
                match job {
                    // Nobody listens any more when the relay was aborted; what is written is written.
                    Job::Write(batch, done) => drop(done.send(write(&mut destination, format, &batch, &mut bytes))),
                    Job::Finish(done) => return drop(done.send(destination.finish())),
                }
            }
        };
        let thread = std::thread::Builder::new().name("lorry-write".to_owned()).spawn(work);
        thread.map_err(|error| io_error("start a thread", error))?;
        is_open.await.map_err(|_| gone())??;
        Ok(Self { jobs })
    }

    /// Hands a batch to the thread.
    pub(crate) async fn send(&self, batch: Batch) -> Result<Receipt> {
        let (len, (done, is_done)) = (batch.len(), oneshot::channel());
        self.jobs.send(Job::Write(batch, done)).await.map_err(|_| gone())?;
        Ok(Box::pin(async move { is_done.await.unwrap_or_else(|_| Err(Failures::all(len, &gone()))) }))
    }

    /// Ends the destination gracefully and waits for it.
    pub(crate) async fn close(self) -> Result<()> {
        let (done, is_done) = oneshot::channel();
        self.jobs.send(Job::Finish(done)).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?
    }
}

/// The thread ends by itself only when it was told to.
fn gone() -> Error {
    panicked("write", "the writing thread has panicked")
}

fn write(
    destination: &mut impl Destination,
    format: Format,
    batch: &Batch,
    bytes: &mut Vec<u8>,
) -> Result<(), Failures> {
    bytes.clear();
    for message in batch.iter() {
        encode(message, format, bytes);
    }
    let result = match destination.write(bytes) {
        Ok(()) => Ok(()),
        Err((written, error)) => {
            let (failures, torn) = unwritten(batch, format, written, &error);
            if torn > 0 {
                destination.cut_back(torn);
            }
            Err(failures)
        }
    };
    // One huge message must not stay in memory for ever.
    bytes.truncate(0);
    bytes.shrink_to(2 * LIMITS.bytes);
    result
}

fn encode(message: &Message, format: Format, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(message.bytes());
    if format != Format::Raw {
        bytes.push(b'\n');
    }
}

/// The messages that do not lie wholly within the first `written` bytes, and how many bytes of the first of them do.
fn unwritten(batch: &Batch, format: Format, written: usize, error: &Error) -> (Failures, usize) {
    let line_end = usize::from(format != Format::Raw);
    let (mut end, mut whole, mut failed) = (0, 0, Vec::new());
    for (index, message) in batch.iter().enumerate() {
        end += message.bytes().len() + line_end;
        if end <= written {
            whole = end;
        } else {
            failed.push(Failure { index, error: error.clone() });
        }
    }
    (Failures::some(failed), written - whole)
}

/// Writes all of it, and says how much was written where it fails.
pub(crate) fn write_all(to: &mut impl Write, mut bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let total = bytes.len();
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err((total - bytes.len(), io::ErrorKind::WriteZero.into())),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever gave us the descriptor set it so; there is nothing to wait on but time.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err((total - bytes.len(), error)),
        }
    }
    Ok(())
}
