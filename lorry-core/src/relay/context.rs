//! What an element learns when it is opened, and how it says how it is doing.

use super::position::Positions;
use super::retry::Retry;
use super::source::Guarantee;
use super::state::{MemoryState, StateStore};
use crate::sync::lock;
use crate::{Class, Error};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// Who the relay is. A name makes it durable: sessions, groups and positions outlive the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The relay's name (`--name`).
    pub name: Option<Arc<str>>,
    /// Tells apart processes that share the work of one name (`--instance`).
    pub instance: Option<Arc<str>>,
}

impl Identity {
    /// Whether the relay leaves something behind to come back to.
    pub fn is_durable(&self) -> bool {
        self.name.is_some()
    }
}

/// Given to an element by `open`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Context {
    /// The relay's name and instance.
    pub identity: Identity,
    /// This element's name within the relay: `mqttsrc0`, or what the user called it. Unique and stable over restarts of the same
    /// pipeline.
    pub element: Arc<str>,
    /// Where sources resume, by lane.
    pub start: Positions,
    /// State that outlives the process if the relay has a name.
    pub state: Arc<dyn StateStore>,
    /// The schedule for reconnecting.
    pub retry: Retry,
    /// Where the element says how it is doing.
    pub status: Status,
    /// Whether the relay ends at the first message that is refused (the policy `stop`). A sink with transactions then commits only
    /// what precedes that message in its batch, and answers for the rest with a transient error; else it commits all that is good.
    pub stop_on_refusal: bool,
    /// What the relay [requires](super::Relay::require) of every source. What a source [promises](super::SourceInfo::guarantee) has
    /// been held against it already; one whose peer then grants less fails with a config error.
    pub require: Option<Guarantee>,
}

impl Context {
    /// A context for an element outside a relay: unnamed, state in memory, default schedule and policy, nothing required. For tests and
    /// one-shot use.
    pub fn detached(element: impl Into<Arc<str>>) -> Self {
        let element = element.into();
        Self {
            identity: Identity::default(),
            start: Positions::default(),
            state: Arc::new(MemoryState::default()),
            retry: Retry::default(),
            status: Status::new(element.clone()),
            stop_on_refusal: true,
            require: None,
            element,
        }
    }
}

/// How an element is doing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum State {
    /// Not opened yet.
    #[default]
    Idle,
    /// Trying to reach its peer.
    Connecting,
    /// Working.
    Up,
    /// Its peer is away; it tries again by itself.
    Retrying(Error),
    /// Something needs a person; it tries again at long intervals.
    Degraded(Error),
    /// Has ended.
    Ended,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Connecting => f.write_str("connecting"),
            Self::Up => f.write_str("up"),
            Self::Retrying(error) => write!(f, "retrying: {error}"),
            Self::Degraded(error) => write!(f, "degraded: {error}"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

/// An element's own voice: its state, for the status line and the report, and the log lines that go with it. The first failure is
/// logged at once, the following ones at growing intervals; so a server that is away for a night does not fill a disk.
#[derive(Clone)]
pub struct Status(Arc<Shared>);

struct Shared {
    element: Arc<str>,
    state: Mutex<State>,
    reconnects: AtomicU64,
    retries: AtomicU64,
    quiet: Mutex<Quiet>,
}

/// When the next repeated failure is worth a line.
#[derive(Default)]
struct Quiet {
    until: Option<Instant>,
    interval: Duration,
    was_up: bool,
    /// As `was_up`, of an element that has no connection to speak of.
    was_open: bool,
}

const QUIET_FIRST: Duration = Duration::from_secs(2);
const QUIET_MAX: Duration = Duration::from_secs(300);

impl Status {
    /// The status of the element of this name.
    pub fn new(element: Arc<str>) -> Self {
        Self(Arc::new(Shared {
            element,
            state: Mutex::default(),
            reconnects: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            quiet: Mutex::default(),
        }))
    }

    /// The element begins to connect.
    pub fn connecting(&self) {
        let mut state = lock(&self.0.state);
        if matches!(*state, State::Idle) {
            *state = State::Connecting;
        }
    }

    /// The element works (again).
    pub fn up(&self) {
        let before = std::mem::replace(&mut *lock(&self.0.state), State::Up);
        let was_up = {
            let mut quiet = lock(&self.0.quiet);
            quiet.until = None;
            std::mem::replace(&mut quiet.was_up, true)
        };
        match before {
            State::Up => {}
            State::Retrying(_) | State::Degraded(_) => {
                if was_up {
                    self.0.reconnects.fetch_add(1, Ordering::Relaxed);
                }
                tracing::info!(element = %self.0.element, "connected again");
            }
            _ => tracing::info!(element = %self.0.element, "connected"),
        }
    }

    /// The element is open. For elements without a connection of their own to report on: they are up, and nothing is logged.
    pub fn ready(&self) {
        let mut state = lock(&self.0.state);
        if matches!(*state, State::Idle) {
            *state = State::Up;
            lock(&self.0.quiet).was_open = true;
        }
    }

    /// Why it has never worked so far, if it has not.
    pub(crate) fn never_up(&self) -> Option<String> {
        let was_up = {
            let quiet = lock(&self.0.quiet);
            quiet.was_up || quiet.was_open
        };
        match &*lock(&self.0.state) {
            State::Idle | State::Connecting if !was_up => Some("still connecting".to_owned()),
            State::Retrying(error) | State::Degraded(error) if !was_up => Some(error.to_string()),
            _ => None,
        }
    }

    /// Whether the last that was heard of it is a failure.
    pub fn is_down(&self) -> bool {
        matches!(*lock(&self.0.state), State::Retrying(_) | State::Degraded(_))
    }

    /// The element failed and tries again after `delay`: [`retrying`](Status::retrying) or [`degraded`](Status::degraded), by the class of
    /// the error.
    pub fn failed(&self, error: &Error, delay: Duration) {
        match error.class() {
            Class::Transient | Class::Ambiguous => self.retrying(error, delay),
            Class::Config | Class::Data => self.degraded(error, delay),
        }
    }

    /// The element lost or did not reach its peer and tries again after `delay`.
    pub fn retrying(&self, error: &Error, delay: Duration) {
        *lock(&self.0.state) = State::Retrying(error.clone());
        self.0.retries.fetch_add(1, Ordering::Relaxed);
        if self.is_worth_a_line() {
            tracing::warn!(element = %self.0.element, retry_in_ms = delay.as_millis() as u64, "{error}; trying again");
        }
    }

    /// The element needs a person and tries again after `delay`.
    pub fn degraded(&self, error: &Error, delay: Duration) {
        *lock(&self.0.state) = State::Degraded(error.clone());
        tracing::error!(element = %self.0.element, retry_in_ms = delay.as_millis() as u64, "{error}; degraded, trying again");
    }

    /// The element has ended.
    pub fn ended(&self) {
        *lock(&self.0.state) = State::Ended;
    }

    /// The element's name.
    pub fn element(&self) -> &str {
        &self.0.element
    }

    /// How it is doing.
    pub fn state(&self) -> State {
        lock(&self.0.state).clone()
    }

    /// How often it came back after it had been up.
    pub fn reconnects(&self) -> u64 {
        self.0.reconnects.load(Ordering::Relaxed)
    }

    /// How often something was tried again.
    pub fn retries(&self) -> u64 {
        self.0.retries.load(Ordering::Relaxed)
    }

    fn is_worth_a_line(&self) -> bool {
        let mut quiet = lock(&self.0.quiet);
        let now = Instant::now();
        match quiet.until {
            Some(until) if now < until => false,
            Some(_) => {
                quiet.interval = (quiet.interval * 2).min(QUIET_MAX);
                quiet.until = Some(now + quiet.interval);
                true
            }
            None => {
                quiet.interval = QUIET_FIRST;
                quiet.until = Some(now + QUIET_FIRST);
                true
            }
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Status").field(&self.0.element).field(&self.state()).finish()
    }
}
