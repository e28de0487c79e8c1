//! The file source.

use super::options::FileSourceOptions;
use super::tail::{Named, Tail, Then, Version, identity};
use super::watch::Lookout;
use crate::error::panicked;
use crate::reader::{Portion, Reader, ReaderThread, Ready, Stamp, not_open};
use lorry_core::relay::{
    Context, Event, Guarantee, Identity, LaneId, LaneKey, Position, Positions, Settled, Source, SourceInfo,
};
use lorry_core::{Error, Result, async_trait};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

/// Lines of a file. The position of a message is the byte offset behind its line end.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::relay::{Context, Event, Source};
/// use lorry_net::file::{FileSource, FileSourceOptions};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("in.txt");
/// std::fs::write(&path, "one\ntwo\n").unwrap();
/// let mut source = FileSource::new(&path, FileSourceOptions::default());
/// source.open(Context::detached("filesrc0")).await?;
/// assert!(matches!(source.next(256).await?, Event::LaneOpened(..)));
/// let Event::Chunk(chunk) = source.next(256).await? else { panic!() };
/// assert_eq!(chunk.values[1].text(), Some("two"));
/// assert!(matches!(source.next(256).await?, Event::End));
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    options: FileSourceOptions,
    ready: Ready,
    state: State,
    lanes: BTreeMap<LaneId, Lane>,
    next_lane: u64,
    /// What was read last.
    version: Option<Version>,
    /// Looks at a followed file whether or not it is read.
    lookout: Option<Lookout>,
}

/// A lane that is read, or has been read and is not settled yet.
#[derive(Debug)]
struct Lane {
    key: LaneKey,
    /// Of the last message that was handed out.
    last: Option<Position>,
    /// Up to here it is settled. Kept here and not by key: another file may get the number of one that is gone.
    settled: Option<Position>,
}

/// The file again, and what reading it gave.
type Turn = (Box<Tail>, Result<(Portion, Then)>);

#[derive(Debug)]
enum State {
    Closed,
    /// A turn is being read: always one ahead of what is handed out.
    Reading(JoinHandle<Turn>),
    /// At the end of a followed file, until it is time to look again.
    Waiting(Option<Box<Tail>>, Instant),
    /// A pipe or a device: read by a thread that may hang.
    Stream(ReaderThread),
    Ended,
}

impl FileSource {
    /// A source of this file.
    pub fn new(path: impl Into<PathBuf>, options: FileSourceOptions) -> Self {
        Self {
            path: path.into(),
            options,
            ready: Ready::default(),
            state: State::Closed,
            lanes: BTreeMap::new(),
            next_lane: 0,
            version: None,
            lookout: None,
        }
    }

    /// What was settled of each file, the newest of those with the same key: where to go on after an error.
    fn settled(&self) -> BTreeMap<LaneKey, Option<Position>> {
        self.lanes.values().map(|lane| (lane.key.clone(), lane.settled)).collect()
    }

    /// Where to begin: what was settled, or else what the relay knows.
    fn start(&self, context: &Context) -> Positions {
        let own = self.settled();
        let unknown = context.start.iter().filter(|(key, _)| own.get(key).is_none_or(Option::is_none));
        let unknown = unknown.map(|(key, position)| (key.clone(), position));
        unknown.chain(own.iter().filter_map(|(key, position)| Some((key.clone(), (*position)?)))).collect()
    }

    /// Takes note of the lanes that pass by.
    fn hand_out(&mut self, event: Event) -> Event {
        match &event {
            Event::LaneOpened(lane, key) => {
                let new = Lane { key: key.clone(), last: None, settled: None };
                self.lanes.entry(*lane).or_insert(new);
                self.next_lane = self.next_lane.max(lane.0 + 1);
            }
            Event::Chunk(chunk) => {
                if let (Some(lane), Some(last)) = (self.lanes.get_mut(&chunk.lane), chunk.values.len().checked_sub(1)) {
                    lane.last = Some(chunk.at.position(last));
                }
            }
            _ => {}
        }
        event
    }

    /// Forgets a lane that gives nothing more and is settled completely: else there were more of them with each rotation.
    fn retire(&mut self) -> Option<LaneId> {
        let newest = *self.lanes.keys().next_back()?;
        let mut older = self.lanes.range(..newest);
        let (&id, _) = older.find(|(_, lane)| lane.settled >= lane.last)?;
        self.lanes.remove(&id);
        Some(id)
    }
}

fn read(mut tail: Box<Tail>) -> State {
    State::Reading(spawn_blocking(move || {
        let turn = tail.turn();
        (tail, turn)
    }))
}

#[async_trait]
impl Source for FileSource {
    fn info(&self, _: &Identity) -> SourceInfo {
        let stream = std::fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        let guarantee = if stream { Guarantee::BestEffort } else { Guarantee::Replayable };
        SourceInfo::new("filesrc", identity(&self.path)).guarantee(guarantee)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        (self.ready, self.state) = (Ready::default(), State::Closed);
        if let Some(unread) = self.lookout.take().map(|lookout| lookout.watch.waiting()).filter(|unread| *unread > 0) {
            tracing::warn!(file = %self.path.display(), "opened again after an error: what {unread} files that had this name before still hold is not read");
        }
        let named = Named {
            path: self.path.clone(),
            options: self.options.clone(),
            element: context.element.to_string(),
            start: self.start(&context),
            version: self.version,
        };
        let lane = LaneId(self.next_lane);
        self.next_lane += 1;
        if named.metadata()?.is_file() {
            let opening = spawn_blocking(move || Tail::open(named, lane));
            let (mut tail, key) = opening.await.map_err(|error| panicked("read file", error))??;
            if self.options.follow {
                self.lookout = Some(Lookout::start(tail.watch(context.status.clone())));
            }
            // The runtime has given up the lanes before.
            let settled = self.settled().remove(&key).flatten();
            self.lanes = BTreeMap::from([(lane, Lane { key: key.clone(), last: None, settled })]);
            self.version = Some(tail.version());
            self.ready.push(Event::LaneOpened(lane, key));
            self.state = read(Box::new(tail));
        } else if self.options.follow {
            return Err(Error::usage("option \"follow\" needs a regular file").with("file", self.path.display()));
        } else {
            let stamp = Stamp { address: self.path.display().to_string(), format: self.options.format };
            let reader = Reader::new(lane, stamp, self.options.max_size.bytes(), 0);
            let open = move || File::open(&named.path).map_err(|error| named.trouble("open file", error));
            self.state = State::Stream(ReaderThread::start("read file", reader, open)?);
        }
        context.status.up();
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event> {
        loop {
            if let Some(lane) = self.retire() {
                return Ok(Event::LaneLost(lane));
            }
            if let Some(event) = self.ready.take(limit) {
                return Ok(self.hand_out(event));
            }
            match &mut self.state {
                State::Closed => return Err(not_open()),
                State::Ended => return Ok(Event::End),
                State::Stream(thread) => return thread.next(limit).await,
                State::Waiting(tail, until) => {
                    sleep_until(*until).await;
                    self.state = tail.take().map_or(State::Closed, read);
                }
                State::Reading(turn) => {
                    let (tail, turn) = turn.await.map_err(|error| panicked("read file", error))?;
                    self.state = State::Closed;
                    self.next_lane = self.next_lane.max(tail.lane().0 + 1);
                    self.version = Some(tail.version());
                    let (portion, then) = turn?;
                    self.ready.add(portion);
                    self.state = match then {
                        Then::More => read(tail),
                        Then::Wait => {
                            let until = Instant::now() + tail.interval();
                            State::Waiting(Some(tail), until)
                        }
                        Then::End => State::Ended,
                    };
                }
            }
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        for settled in settled {
            if let Settled::UpTo(lane, position) = settled
                && let Some(lane) = self.lanes.get_mut(&lane)
            {
                lane.settled = Some(position);
            }
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<()> {
        self.lookout = None;
        (self.ready, self.state) = (Ready::default(), State::Closed);
        Ok(())
    }
}
