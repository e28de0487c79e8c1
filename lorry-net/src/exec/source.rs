//! The exec source.

use super::client::{CommandLine, Program};
use super::options::ExecSourceOptions;
use crate::reader::{Reader, ReaderThread, Stamp, not_open};
use lorry_core::relay::{Context, Event, Identity, LaneId, Settled, Source, SourceInfo};
use lorry_core::{Class, Result, async_trait};

/// Lines that a program prints.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::relay::{Context, Event, Source};
/// use lorry_net::exec::{CommandLine, ExecSource, ExecSourceOptions};
///
/// let mut source = ExecSource::new(CommandLine::parse("echo 'hello world'")?, ExecSourceOptions::default());
/// source.open(Context::detached("execsrc0")).await?;
/// let Event::Chunk(chunk) = source.next(256).await? else { panic!() };
/// assert_eq!(chunk.values[0].text(), Some("hello world"));
/// assert!(matches!(source.next(256).await?, Event::End));
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct ExecSource {
    command: CommandLine,
    options: ExecSourceOptions,
    lanes: u64,
    running: Option<(Program, ReaderThread)>,
}

impl ExecSource {
    /// A source that runs this program when it is opened.
    pub fn new(command: CommandLine, options: ExecSourceOptions) -> Self {
        Self { command, options, lanes: 0, running: None }
    }
}

#[async_trait]
impl Source for ExecSource {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("execsrc", self.command.program())
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        self.running = None;
        let (program, stdout) = self.command.spawn_reading()?;
        let stamp = Stamp { address: String::new(), format: self.options.format };
        let reader = Reader::new(LaneId(self.lanes), stamp, self.options.max_size.bytes(), 0);
        self.lanes += 1;
        self.running = Some((program, ReaderThread::start("read a program's output", reader, move || Ok(stdout))?));
        context.status.up();
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        let (program, output) = self.running.as_mut().ok_or_else(not_open)?;
        let event = output.next(limit).await?;
        if !matches!(event, Event::End) {
            return Ok(event);
        }
        let status = program.ended().await;
        match program.failure(status) {
            None => Ok(Event::End),
            Some(error) if self.options.restart => Err(error.classed(Class::Transient)),
            Some(error) => Err(error),
        }
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        if let Some((program, output)) = self.running.take() {
            drop(output);
            program.terminate(self.options.grace.0).await;
        }
        Ok(())
    }
}
