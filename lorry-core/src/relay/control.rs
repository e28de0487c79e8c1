//! What the tasks of one relay share: its settings, its phase, its counts.

use super::context::{Context, Identity, State, Status};
use super::policy::OnError;
use super::position::Positions;
use super::queue::Queue;
use super::records::Records;
use super::report::{Report, Snapshot};
use super::retry::Retry;
use super::source::Guarantee;
use super::state::{MemoryState, StateStore};
use crate::ack::{Bound, Ledger, Tally};
use crate::flow::{Ending, Graph, InputState, Meeting};
use crate::registry::Role;
use crate::sync::lock;
use crate::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How a relay is to run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) identity: Identity,
    pub(crate) on_error: OnError,
    pub(crate) count: Option<u64>,
    pub(crate) idle_exit: Option<Duration>,
    pub(crate) drain_timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) bound: Bound,
    pub(crate) require: Option<Guarantee>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            identity: Identity::default(),
            on_error: OnError::default(),
            count: None,
            idle_exit: None,
            drain_timeout: Duration::from_secs(30),
            retry: Retry::default(),
            state: Arc::new(MemoryState::default()),
            bound: Bound { items: 32_768, bytes: 64 << 20 },
            require: None,
        }
    }
}

/// What the relay is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Nothing new is read; what was read is delivered.
    Stopping,
    /// Something is wrong: what is on its way to a sink is awaited, everything else stays with its source.
    Failed,
}

/// A source, as others see it.
pub(crate) struct SourceState {
    pub(crate) name: Arc<str>,
    pub(crate) ledger: Ledger,
    /// How many the peer lets stay unacknowledged in each lane.
    pub(crate) max_unacked: Option<usize>,
    /// There was one that the peer does not count, so when it gives no more cannot be told.
    pub(crate) counts_otherwise: AtomicBool,
    /// Messages that are admitted, and perhaps not in the ledger, or not in the pump's queue yet.
    pub(crate) entering: AtomicUsize,
    /// Messages that the source itself refused, for the accounts.
    pub(crate) refused: AtomicU64,
    pub(crate) ended: AtomicBool,
}

/// How many items a sink has before it.
pub(crate) type Load = Box<dyn Fn() -> usize + Send + Sync>;

/// Shared by all tasks of a relay.
pub(crate) struct Control {
    pub(crate) settings: Settings,
    pub(crate) graph: Graph,
    /// Where sources meet and wait for each other.
    pub(super) meetings: Vec<Meeting>,
    phase: watch::Sender<Phase>,
    pub(super) failure: Mutex<Option<Error>>,
    pub(super) sources: Mutex<Vec<Arc<SourceState>>>,
    inputs: Mutex<Vec<Arc<InputState>>>,
    loads: Mutex<Vec<Load>>,
    statuses: Mutex<Vec<Status>>,
    started: Instant,
    last_arrival: Mutex<Instant>,
    retried: AtomicU64,
    /// What `count` still admits; asked anew when it is used up.
    pub(super) admits: Mutex<u64>,
    /// The sources of a join share no more what `count` admits: all of them waited for each other.
    pub(super) unshared: AtomicBool,
    /// What `count` admits is used up, and the rest of it is held by operators: the stream ends for them.
    pub(super) counted_out: AtomicBool,
    /// The waker of a pump that has nothing to do while a sink has: once the sink is done it must look whether anything can still move.
    watcher: Mutex<Option<Waker>>,
    is_watched: AtomicBool,
    pub(crate) records: Records,
    /// Lanes of which some items on their way are not to go on. While there are none, nobody looks at single items.
    pub(crate) unwanted: Arc<AtomicUsize>,
    /// This turn of the pump has made as much as there is memory for: the next one asks how much room there is.
    pub(crate) crowded: Arc<AtomicBool>,
}

impl Control {
    pub(crate) fn new(settings: Settings, graph: Graph) -> Arc<Self> {
        Arc::new(Self {
            settings,
            meetings: graph.meetings(),
            graph,
            phase: watch::Sender::new(Phase::Running),
            failure: Mutex::default(),
            sources: Mutex::default(),
            inputs: Mutex::default(),
            loads: Mutex::default(),
            statuses: Mutex::default(),
            started: Instant::now(),
            last_arrival: Mutex::new(Instant::now()),
            retried: AtomicU64::new(0),
            admits: Mutex::default(),
            unshared: AtomicBool::new(false),
            counted_out: AtomicBool::new(false),
            watcher: Mutex::default(),
            is_watched: AtomicBool::new(false),
            records: Records::default(),
            unwanted: Arc::default(),
            crowded: Arc::default(),
        })
    }

    // Wiring.

    pub(crate) fn add_source(&self, state: Arc<SourceState>) {
        lock(&self.sources).push(state);
    }

    pub(crate) fn add_input(&self, input: Arc<InputState>) {
        lock(&self.inputs).push(input);
    }

    pub(crate) fn add_load(&self, load: Load) {
        lock(&self.loads).push(load);
    }

    /// A queue behind a pump, for so many items, and as many bytes as the relay's bound says.
    pub(crate) fn queue<T>(&self, items: usize) -> Arc<Queue<T>> {
        Arc::new(Queue::weighed(items, self.settings.bound.bytes))
    }

    pub(crate) fn context(&self, element: &Arc<str>) -> Context {
        let status = Status::new(element.clone());
        lock(&self.statuses).push(status.clone());
        Context {
            identity: self.settings.identity.clone(),
            element: element.clone(),
            start: Positions::default(),
            state: self.settings.state.clone(),
            retry: self.settings.retry,
            status,
            stop_on_refusal: self.settings.on_error == OnError::Stop,
            require: self.settings.require,
        }
    }

    // Phase.

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    fn enter(&self, phase: Phase) {
        let is_later = self.phase.send_if_modified(|now| {
            let later = phase > *now;
            *now = phase.max(*now);
            later
        });
        if is_later {
            lock(&self.inputs).iter().for_each(|input| input.close(Ending::EndOfStream));
        }
    }

    pub(crate) fn stop(&self) {
        self.enter(Phase::Stopping);
    }

    /// Nothing has arrived for as long as that may last. Where that is because a source was never there, it is a failure.
    pub(crate) fn stop_idle(&self) {
        let sources = self.live_sources();
        let statuses = lock(&self.statuses).clone();
        let of_source = statuses.iter().filter(|status| sources.iter().any(|source| *source.name == *status.element()));
        let why = of_source.filter_map(|status| Some((status.element(), status.never_up()?))).next();
        match why {
            None => self.stop(),
            Some((name, why)) => {
                let limit = self.settings.idle_exit.unwrap_or_default().as_secs_f64();
                let text = format!("{name} was never ready within {limit} s: {why}");
                self.stop_because(Error::transient(ErrorKind::Timeout, "", text));
            }
        }
    }

    /// The first failure counts.
    pub(crate) fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.hold_the_rest();
        self.enter(Phase::Failed);
    }

    /// The relay ends because of a message, or because a source can give no more: what was accepted before is delivered, as on any stop.
    pub(crate) fn stop_because(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.enter(Phase::Stopping);
    }

    /// From here on what is dropped undecided stays with its source.
    pub(crate) fn hold_the_rest(&self) {
        lock(&self.sources).iter().for_each(|source| source.ledger.stopping());
    }

    /// The drain time-out has passed.
    pub(crate) fn undelivered(&self) {
        let held = self.tally().held();
        let within = self.settings.drain_timeout.as_secs_f64();
        let statuses = lock(&self.statuses).clone();
        let down = statuses.iter().find_map(|status| match status.state() {
            State::Retrying(error) | State::Degraded(error) => Some(format!("; {}: {error}", status.element())),
            _ => None,
        });
        // A peer that accepts and never answers is no error yet.
        let silent = || {
            let waits = statuses.iter().find(|status| matches!(status.state(), State::Idle | State::Connecting))?;
            Some(format!("; {} is still connecting", waits.element()))
        };
        // One that takes and does not confirm says nothing of itself.
        let unconfirmed = || {
            let sinks = self.graph.nodes().iter().filter(|node| node.role == Role::Sink);
            let held = sinks.filter_map(|node| Some((node.account().held.filter(|held| *held > 0)?, &node.name)));
            held.max().map(|(held, name)| format!("; {held} {} for {name}", if held == 1 { "waits" } else { "wait" }))
        };
        let were = if held == 1 { "message was" } else { "messages were" };
        let why = down.or_else(silent).or_else(unconfirmed).unwrap_or_default();
        let text = format!("{held} {were} left undelivered within {within} s{why}");
        self.fail(Error::transient(ErrorKind::Timeout, "", text));
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        lock(&self.failure).clone()
    }

    /// Ready once the relay has failed.
    pub(crate) async fn failed(&self) {
        let mut phase = self.watch_phase();
        // The sender lives as long as `self`.
        let _ = phase.wait_for(|phase| *phase == Phase::Failed).await;
    }

    /// Ready once nothing new is to be read.
    pub(crate) async fn stopped(&self) {
        let mut phase = self.watch_phase();
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    }

    // Progress and counts.

    /// The task is woken once something was decided.
    pub(crate) fn watch(&self, cx: &std::task::Context<'_>) {
        *lock(&self.watcher) = Some(cx.waker().clone());
        self.is_watched.store(true, Ordering::Release);
    }

    /// Something was decided: sources look at their ledgers.
    pub(crate) fn progressed(&self) {
        if self.is_watched.swap(false, Ordering::AcqRel)
            && let Some(pump) = lock(&self.watcher).take()
        {
            pump.wake();
        }
        for source in &*lock(&self.sources) {
            source.ledger.signals.progress.notify_one();
        }
        // Sources ask by themselves.
        if self.settings.count.is_some_and(|count| self.has_inputs() && self.tally().delivered >= count) {
            self.stop();
        }
    }

    fn has_inputs(&self) -> bool {
        !lock(&self.inputs).is_empty()
    }

    pub(crate) fn arrived(&self) {
        if self.settings.idle_exit.is_some() {
            *lock(&self.last_arrival) = Instant::now();
        }
    }

    pub(crate) fn last_arrival(&self) -> Instant {
        let inputs = lock(&self.inputs).iter().filter_map(|input| input.last_arrival()).max();
        inputs.into_iter().fold(*lock(&self.last_arrival), Instant::max)
    }

    pub(crate) fn retried(&self, items: usize) {
        self.retried.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        self.counts().0
    }

    /// The counts, and whether they are exact: for a moment an item that is decided may still count as undecided.
    pub(super) fn counts(&self) -> (Tally, bool) {
        let (mut tally, mut exact) = (Tally::default(), true);
        for source in &*lock(&self.sources) {
            let (counts, is_exact) = source.ledger.counts();
            tally += counts;
            exact &= is_exact && source.entering.load(Ordering::Acquire) == 0;
        }
        lock(&self.inputs).iter().for_each(|input| tally += input.tally());
        (tally, exact)
    }

    pub(crate) fn report(&self) -> Report {
        let reconnects = lock(&self.statuses).iter().map(Status::reconnects).sum();
        Report::of(
            self.tally(),
            self.retried.load(Ordering::Relaxed),
            reconnects,
            self.started.elapsed(),
            self.failure(),
        )
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let elements = lock(&self.statuses).iter().map(|status| (status.element().into(), status.state())).collect();
        Snapshot { counts: self.report(), elements }
    }

    // Whether anything is on its way.

    /// Nobody outside can put anything in, and no sink has anything before it.
    pub(crate) fn is_idle(&self) -> bool {
        !self.has_inputs() && lock(&self.loads).iter().all(|load| load() == 0)
    }

    pub(crate) fn live_sources(&self) -> Vec<Arc<SourceState>> {
        let sources = lock(&self.sources);
        sources.iter().filter(|source| !source.ended.load(Ordering::Acquire)).cloned().collect()
    }
}
