//! The exec sink.

use super::client::{CommandLine, Program};
use super::options::ExecSinkOptions;
use crate::error::io_error;
use crate::reader::not_open;
use crate::writer::{Destination, LIMITS, Writer, write_all};
use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Class, Error, ErrorKind, Result, async_trait};
use std::io;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A program that closes its input is mostly about to end: so long is waited to learn how.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Payloads to a program's input, one a line.
#[derive(Debug)]
pub struct ExecSink {
    command: CommandLine,
    options: ExecSinkOptions,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    program: Arc<Program>,
    writer: Option<Writer>,
    gone: Arc<AtomicBool>,
}

impl ExecSink {
    /// A sink that runs this program when it is opened.
    pub fn new(command: CommandLine, options: ExecSinkOptions) -> Self {
        Self { command, options, running: None }
    }

    async fn start(&mut self) -> Result<()> {
        self.running = None;
        let (program, stdin) = self.command.spawn_writing()?;
        let (program, gone) = (Arc::new(program), Arc::new(AtomicBool::new(false)));
        let input =
            Input { stdin: Some(stdin), program: program.clone(), gone: gone.clone(), restart: self.options.restart };
        let writer = Some(Writer::start(self.options.format, move || Ok(input)).await?);
        self.running = Some(Running { program, writer, gone });
        Ok(())
    }
}

#[async_trait]
impl Sink for ExecSink {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("execsink", self.command.program()).loses([
            "address",
            "key",
            "headers",
            "properties",
            "event time",
        ])
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.start().await?;
        context.status.up();
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        if self.options.restart && self.running.as_ref().is_none_or(|running| running.gone.load(Ordering::Acquire)) {
            self.start().await?;
        }
        let writer = self.running.as_ref().and_then(|running| running.writer.as_ref());
        writer.ok_or_else(not_open)?.send(batch).await
    }

    async fn close(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        if let Some(writer) = running.writer.take() {
            writer.close().await?;
        }
        let program = &running.program;
        let over = program.is_over_within(self.options.grace.0).await;
        // Before it is ended: that is no failure of its own.
        let failure = program.status().and_then(|status| program.failure(status));
        if !over {
            program.terminate(self.options.grace.0).await;
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The thread may be stuck in a write to a program that does not read: only the program's end frees it.
impl Drop for Running {
    fn drop(&mut self) {
        self.program.kill();
    }
}

/// The program's input.
struct Input {
    stdin: Option<ChildStdin>,
    program: Arc<Program>,
    gone: Arc<AtomicBool>,
    restart: bool,
}

impl Destination for Input {
    fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, Error)> {
        let Some(stdin) = &mut self.stdin else { return Err((0, not_open())) };
        write_all(stdin, bytes).map_err(|(written, error)| (written, self.trouble(error)))
    }

    fn finish(&mut self) -> Result<()> {
        self.stdin = None;
        Ok(())
    }
}

impl Input {
    fn trouble(&self, error: io::Error) -> Error {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return io_error("write to a program", error);
        }
        self.gone.store(true, Ordering::Release);
        let how = match self.program.ended_within(LAST_WORDS) {
            Some(status) => format!("it ended with {status}"),
            None => "it has closed its input".to_owned(),
        };
        let class = if self.restart { Class::Transient } else { Class::Config };
        Error::new(ErrorKind::Closed, class, "write to a program", how).with("program", self.program.name())
    }
}
