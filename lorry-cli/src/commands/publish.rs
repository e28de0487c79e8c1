//! `lorry publish SINK`.

use crate::args::PublishArgs;
use crate::drive::{self, Host};
use crate::exit::{Failure, Outcome};
use crate::registry::registry;
use crate::report;
use crate::terminal::Terminal;
use lorry::registry::Span;
use lorry::relay::{Chunk, Context, Event, Identity, LaneId, Monitor, Settled, Source, SourceInfo, State};
use lorry::{Message, Relay, Result, Stream, async_trait};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sends the messages and waits until they are confirmed.
pub(crate) fn run(args: &PublishArgs, terminal: &Terminal) -> Outcome {
    let registry = registry();
    let sink = registry.sink(&args.sink)?;
    let stream = match (&args.data, &args.file) {
        (Some(text), _) => Stream::from_source(Once(Some(Message::new(text.clone())))),
        (None, Some(path)) => Stream::from_source(Once(Some(Message::new(read(path)?)))),
        (None, None) => Stream::from_source(registry.source("-")?),
    };
    let relay = Relay::new([stream.to(sink)]);
    relay.check()?;
    let summary = Host::start()?.run(async |mut signals| {
        let running = relay.spawn();
        let (stopper, monitor) = (running.stopper(), running.monitor());
        tokio::select! {
            summary = running.wait() => Ok(summary),
            error = late(&monitor, args.timeout) => Err(error),
            never = drive::obey(&mut signals, &stopper, terminal) => match never {},
        }
    })?;
    report::judge(&summary)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut content).map(drop),
        false => std::fs::read(path).map(|bytes| content = bytes),
    };
    read.map_err(|error| Failure::Usage(format!("--file {}: {error}", path.display())))?;
    Ok(content)
}

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Ready when what is under way was not confirmed in time. Waiting for input does not count.
async fn late(monitor: &Monitor, timeout: Duration) -> Failure {
    let (mut since, mut settled) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(LOOK.min(timeout)).await;
        let snapshot = monitor.snapshot();
        let open = snapshot.counts.held;
        let now = snapshot.counts.received - open;
        let trouble =
            snapshot.elements.iter().find(|(_, state)| !matches!(state, State::Idle | State::Up | State::Ended));
        if now != settled || (open == 0 && trouble.is_none()) {
            (since, settled) = (Instant::now(), now);
        } else if since.elapsed() >= timeout {
            let why = trouble.map(|(element, state)| format!(" ({element} {state})")).unwrap_or_default();
            return Failure::Failed(format!("not confirmed within {}{why}", Span(timeout)));
        }
    }
}

/// The one message of `--data` and `--file`.
struct Once(Option<Message>);

#[async_trait]
impl Source for Once {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("argument", "the command line")
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self, _: usize) -> Result<Event> {
        Ok(match self.0.take() {
            Some(message) => Event::Chunk(Chunk::sequential(LaneId(0), 0, vec![message])),
            None => Event::End,
        })
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}
