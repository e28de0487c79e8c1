//! The task of a source: reads, enters into the ledger, settles.

use super::context::Context;
use super::control::{Control, Phase, SourceState};
use super::pump::ending_on_stop;
use super::queue::Queue;
use super::retry::{Backoff, Next};
use super::source::{Chunk, Event, Guarantee, Source, SourceInfo};
use crate::ack::{Ledger, Weight};
use crate::flow::{Count, Ending, Holds, Info, Item, Node};
use crate::registry::Role;
use crate::sync::lock;
use crate::{Class, Error, ErrorKind, Result};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use tokio::time::sleep;

/// Most messages in one chunk: larger ones gain nothing (measured: `docs/design.md`).
const CHUNK: usize = 256;
/// Most items between a source and the pump.
const FEED: usize = 1_024;

/// The node of a source.
pub(crate) fn source_node<T: Send + 'static>(source: Box<dyn Source<T>>) -> Arc<Node<T>> {
    let kind = source.info(&Default::default()).kind;
    let source = Arc::new(Mutex::new(Some(source)));
    let described = source.clone();
    let describe = move |identity: &_| lock(&described).as_deref().map(|source: &dyn Source<T>| source.info(identity));
    let own = Info::new(Role::Source, kind, Holds::Nothing);
    let meter = own.meter.clone();
    let attach = move |down, name: &Arc<str>, wiring: &mut crate::flow::Wiring| {
        let Some(source) = lock(&source).take() else { return };
        let control = wiring.control.clone();
        let info = source.info(&control.settings.identity);
        let state = Arc::new(SourceState {
            name: name.clone(),
            ledger: Ledger::new(info.settlement, control.settings.on_error.on_rejected(), control.unwanted.clone()),
            max_unacked: info.max_unacked,
            counts_otherwise: AtomicBool::new(false),
            entering: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            ended: AtomicBool::new(false),
        });
        control.add_source(state.clone());
        let queue = Arc::new(Queue::new(FEED));
        wiring.add_root(queue.clone(), down);
        let (counted, ledger) = (queue.clone(), state.clone());
        meter.read_from(move || Count {
            taken: ledger.ledger.tally().received,
            given: counted.counts().1,
            dropped: ledger.refused.load(Ordering::Acquire),
        });
        let context = control.context(name);
        let driver = Driver {
            source,
            info,
            state,
            queue,
            backoff: Backoff::new(context.retry),
            context,
            control,
            surplus: None,
            has_failed: false,
        };
        wiring.sources.push(Box::pin(driver.run()));
    };
    Node::source(own, Box::new(attach), Box::new(describe))
}

struct Driver<T> {
    source: Box<dyn Source<T>>,
    info: SourceInfo,
    state: Arc<SourceState>,
    queue: Arc<Queue<Item<T>>>,
    context: Context,
    backoff: Backoff,
    control: Arc<Control>,
    /// What came beyond what `count` admits (another source was quicker); not in the ledger yet.
    surplus: Option<Chunk<T>>,
    /// The source did not open, or gave an error, and is opened again.
    has_failed: bool,
}

impl<T: Send + 'static> Driver<T> {
    async fn run(mut self) -> Result<()> {
        let outcome = self.read().await;
        self.state.ended.store(true, Ordering::Release);
        // Nothing is kept for it any more.
        self.control.progressed();
        if let Err(error) = outcome {
            self.control.stop_because(error);
        }
        let gives_again = self.info.guarantee >= Guarantee::SurvivesRestart;
        let ending = match self.control.phase() {
            Phase::Running => Ending::EndOfStream,
            Phase::Stopping => {
                if !gives_again {
                    self.state.ledger.keep_lost();
                }
                match self.control.has_ended_counted() {
                    true => Ending::CountedOut,
                    false => ending_on_stop(gives_again),
                }
            }
            Phase::Failed => Ending::Stop,
        };
        if ending == Ending::Stop {
            self.state.ledger.stopping();
        }
        self.queue.close(ending);
        self.settle_the_rest().await;
        self.context.status.ended();
        Ok(())
    }

    /// Reads until the end of the stream (`Ok`), a stop (`Ok`) or an error that ends the relay.
    async fn read(&mut self) -> Result<()> {
        let control = self.control.clone();
        let mut stopped = std::pin::pin!(control.stopped());
        self.context.start = tokio::select! {
            start = control.records.start_of(&self.context.element) => start,
            () = &mut stopped => return Ok(()),
        };
        tokio::select! {
            opened = self.open() => opened?,
            () = &mut stopped => return Ok(()),
        }
        let mut exact = false;
        loop {
            self.settle(std::mem::take(&mut exact)).await?;
            if control.phase() != Phase::Running {
                return Ok(());
            }
            if let Some(chunk) = self.surplus.take() {
                self.admit(chunk);
            }
            let limit = self.limit();
            if limit == 0 || self.surplus.is_some() {
                if control.admits_of(&self.state) == 0 {
                    // Nothing will come of itself to show the pump that it has had the last.
                    self.queue.nudge();
                }
                tokio::select! {
                    () = self.state.ledger.signals.progress.notified() => exact = true,
                    () = room(&self.queue), if self.queue.room() == 0 => {}
                    () = &mut stopped => {}
                }
                continue;
            }
            let event = tokio::select! {
                biased;
                event = self.source.next(limit) => event,
                () = self.state.ledger.signals.progress.notified() => { exact = true; continue }
                () = &mut stopped => continue,
            };
            match event {
                Ok(Event::Chunk(chunk)) => {
                    self.backoff.succeeded();
                    control.arrived();
                    if control.settings.require == Some(Guarantee::Replayable) && !self.state.ledger.has_key(chunk.lane)
                    {
                        return Err(self.has_no_key());
                    }
                    self.admit(chunk);
                }
                Ok(Event::LaneOpened(lane, key)) => {
                    if self.info.guarantee == Guarantee::Replayable {
                        self.state.ledger.supersede_key(&key);
                    }
                    self.state.ledger.open_lane(lane, key);
                }
                Ok(Event::LaneClosing(..)) => exact = true,
                Ok(Event::LaneLost(lane)) => {
                    self.state.ledger.lose(lane);
                    if self.info.guarantee == Guarantee::Replayable {
                        self.state.ledger.supersede(lane);
                    }
                }
                Ok(Event::LaneRepeats(lane)) => self.state.ledger.supersede(lane),
                Ok(Event::End) => return Ok(()),
                // A source that keeps a connection rides out by itself what may pass: this is the end.
                Err(error) if matches!(error.class(), Class::Config | Class::Data) => return Err(error),
                Err(error) => {
                    // What comes again is known when its lane is opened again.
                    self.state.ledger.lose_all();
                    tokio::select! {
                        again = self.again_after(error) => again?,
                        () = &mut stopped => return Ok(()),
                    }
                }
            }
        }
    }

    /// A source that promises more than it keeps.
    fn has_no_key(&self) -> Error {
        let text =
            format!("{} can be replayed, but has given a lane no key under which to keep positions", self.state.name);
        Error::config(ErrorKind::Other, "", text).hint("require at-least-once")
    }

    async fn open(&mut self) -> Result<()> {
        while let Err(error) = self.source.open(self.context.clone()).await {
            self.wait_after(error).await?;
        }
        // One that keeps a connection of its own says itself when that is there.
        match std::mem::take(&mut self.has_failed) {
            true => self.context.status.up(),
            false => self.context.status.ready(),
        }
        Ok(())
    }

    async fn again_after(&mut self, error: Error) -> Result<()> {
        self.wait_after(error).await?;
        self.open().await
    }

    async fn wait_after(&mut self, error: Error) -> Result<()> {
        match self.backoff.failed(&error) {
            Next::Wait(delay) => {
                self.context.status.failed(&error, delay);
                self.has_failed = true;
                sleep(delay).await;
                Ok(())
            }
            Next::GiveUp => Err(error),
        }
    }

    /// How many messages may be read now.
    fn limit(&self) -> usize {
        let ledger = self.state.ledger.room(self.control.settings.bound);
        let admits = usize::try_from(self.control.admits_of(&self.state)).unwrap_or(usize::MAX);
        CHUNK.min(self.queue.room()).min(ledger).min(admits)
    }

    /// Into the ledger and on to the pump, as far as `count` admits.
    fn admit(&mut self, mut chunk: Chunk<T>) {
        let len = self.control.admit(&self.state, chunk.values.len());
        if chunk.values.len() > len {
            self.surplus = Some(chunk.split_off(len));
        }
        if len == 0 {
            return;
        }
        self.state.refused.fetch_add(chunk.refused.len() as u64, Ordering::AcqRel);
        if self.state.max_unacked.is_some() && chunk.values.iter().any(|value| !self.source.is_counted(value)) {
            self.state.counts_otherwise.store(true, Ordering::Release);
        }
        let weight = Weight::of(chunk.values.iter().map(|value| self.source.weigh(value)));
        let mut items = Vec::with_capacity(len);
        self.state.ledger.issue(chunk, weight, &mut items);
        if !items.is_empty() {
            self.queue.push_all(&mut items);
        }
        self.control.entered(&self.state);
    }

    /// Tells the source what has been decided, and applies the policy to what was rejected.
    async fn settle(&mut self, exact: bool) -> Result<()> {
        for (lane, trouble) in self.state.ledger.take_troubles() {
            let error = trouble.error.unwrap_or_else(|| {
                Error::config(ErrorKind::Other, "", "a message was dropped undecided; an operator forgot it")
            });
            let rejected = trouble.outcome == crate::ack::Outcome::Rejected;
            if rejected && self.control.settings.on_error == super::OnError::Drop {
                tracing::warn!(element = %self.state.name, lane = lane.0, position = trouble.position.0, "{error}; message dropped");
                continue;
            }
            let error = error.with("from", format!("{} #{}", self.state.name, trouble.position.0));
            match rejected {
                true => self.control.stop_because(error),
                false => self.control.fail(error),
            }
        }
        let settled = self.state.ledger.take(exact);
        if settled.is_empty() {
            return Ok(());
        }
        match self.source.settle(settled).await {
            Err(error) if error.class() != Class::Transient => Err(error),
            // The lane is lost, and the source will say so; its messages come again.
            _ => Ok(()),
        }
    }

    /// Nothing is read any more: waits until everything is decided, settles it, and closes.
    async fn settle_the_rest(&mut self) {
        loop {
            let decided = self.state.ledger.is_empty();
            if let Err(error) = self.settle(true).await {
                self.control.fail(error);
                break;
            }
            if decided {
                break;
            }
            self.state.ledger.signals.progress.notified().await;
        }
        if let Err(error) = self.source.close().await {
            tracing::warn!(element = %self.state.name, "{error}");
        }
    }
}

/// Ready once there is room in the queue.
async fn room<T>(queue: &Queue<T>) {
    poll_fn(|cx| if queue.poll_room(cx) > 0 { Poll::Ready(()) } else { Poll::Pending }).await;
}
