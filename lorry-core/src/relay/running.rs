//! A relay that runs.

use super::control::{Control, Phase};
use super::report::{Report, Snapshot};
use crate::flow::Graph;
use crate::{Error, ErrorKind, Result};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// A source's or sink's task, not spawned yet.
pub(crate) type Task = BoxFuture<'static, Result<()>>;

/// After the drain time-out: how long sources have to settle what was decided.
const SETTLE_GRACE: Duration = Duration::from_secs(2);
/// After a failure: how long receipts that are out may take.
const FAILURE_GRACE: Duration = Duration::from_secs(10);

/// A relay that runs on the caller's runtime. **Dropping it aborts**: nothing more is settled, and what was not settled stays with its
/// source. [`stop`](Running::stop) drains.
#[derive(Debug)]
#[must_use = "dropping it aborts the relay"]
pub struct Running {
    control: Arc<Control>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start(control: Arc<Control>, pump: Task, sources: Vec<Task>, sinks: Vec<Task>) -> Self {
        let mut tasks = Tasks::default();
        tasks.spawn(pump, Kind::Inner);
        sinks.into_iter().for_each(|task| tasks.spawn(task, Kind::Inner));
        sources.into_iter().for_each(|task| tasks.spawn(task, Kind::Source));
        let task = tokio::spawn(supervise(tasks, control.clone()));
        Self { control, task }
    }

    /// A relay that never ran, for this reason.
    pub(crate) fn refused(control: Arc<Control>, error: Error) -> Self {
        control.fail(error);
        Self { control, task: tokio::spawn(async {}) }
    }

    /// Waits for the end: of all sources, or of the relay. Never panics; the reason stands in [`Report::error`].
    pub async fn wait(mut self) -> Report {
        if let Err(error) = (&mut self.task).await {
            self.control.fail(lost(&error));
        }
        self.control.report()
    }

    /// Stops gracefully: reads nothing new, delivers and settles what was read, closes. For the counts of a relay that does not end well,
    /// too: [`stopper`](Running::stopper), then [`wait`](Running::wait).
    ///
    /// # Errors
    /// What ended the relay, or that something was left undelivered after the drain time-out.
    pub async fn stop(self) -> Result<Report> {
        self.control.stop();
        self.wait().await.into_result()
    }

    /// Stops it from elsewhere: a signal handler, another task.
    pub fn stopper(&self) -> Stopper {
        Stopper { control: self.control.clone(), abort: self.task.abort_handle() }
    }

    /// Watches it from elsewhere: a status line, a metrics endpoint.
    pub fn monitor(&self) -> Monitor {
        Monitor(self.control.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Stops a [`Running`] relay.
#[derive(Clone, Debug)]
pub struct Stopper {
    control: Arc<Control>,
    abort: AbortHandle,
}

impl Stopper {
    /// Begins a graceful stop, and returns at once.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// How long a graceful stop waits for sinks: the relay's drain time-out.
    pub fn limit(&self) -> Duration {
        self.control.settings.drain_timeout
    }

    /// Ends it at once. Nothing more is settled.
    pub fn abort(&self) {
        self.abort.abort();
    }
}

/// Watches a [`Running`] relay.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<Control>);

impl Monitor {
    /// Counts and states as of now.
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    /// The graph, with the counters of its operators.
    pub fn graph(&self) -> &Graph {
        &self.0.graph
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Source,
    /// Pump and sinks.
    Inner,
}

#[derive(Default)]
struct Tasks {
    set: JoinSet<Result<()>>,
    handles: Vec<(Kind, AbortHandle)>,
}

impl Tasks {
    fn spawn(&mut self, task: Task, kind: Kind) {
        self.handles.push((kind, self.set.spawn(task)));
    }

    fn abort(&self, kind: Kind) {
        self.handles.iter().filter(|(own, _)| *own == kind).for_each(|(_, handle)| handle.abort());
    }
}

/// How far the end of a relay has come, and until when that may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody has asked it to end.
    Running,
    /// What was read is delivered.
    Draining(Instant),
    /// Sinks did not finish and were ended; sources settle what was decided.
    Settling(Instant),
    /// Everything was ended.
    Aborted,
}

impl Stage {
    /// The stage of a relay in this phase. A failure leaves a drain that is under way no more time than it had.
    fn of(self, phase: Phase, drain: Duration, now: Instant) -> Self {
        match (self, phase) {
            (Self::Running, Phase::Stopping) => Self::Draining(now + drain),
            (Self::Running, Phase::Failed) => Self::Draining(now + drain.min(FAILURE_GRACE)),
            (Self::Draining(until), Phase::Failed) => Self::Draining(until.min(now + FAILURE_GRACE)),
            (stage, _) => stage,
        }
    }
}

/// Waits for all tasks; makes one's failure the relay's; enforces the time limits of a drain.
async fn supervise(mut tasks: Tasks, control: Arc<Control>) {
    let mut phase = control.watch_phase();
    let mut stage = Stage::Running;
    loop {
        stage = stage.of(control.phase(), control.settings.drain_timeout, Instant::now());
        let wake = match stage {
            Stage::Running => idle_at(&control),
            Stage::Draining(until) | Stage::Settling(until) => Some(until),
            Stage::Aborted => None,
        };
        tokio::select! {
            ended = tasks.set.join_next() => match ended {
                None => break,
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => control.fail(error),
                Some(Err(error)) if error.is_cancelled() => {}
                Some(Err(error)) => control.fail(lost(&error)),
            },
            _ = phase.changed() => {}
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => match stage {
                Stage::Running => if idle_at(&control).is_some_and(|at| at <= Instant::now()) { control.stop_idle() },
                Stage::Draining(_) => {
                    // What sinks have is dropped undecided.
                    control.undelivered();
                    tasks.abort(Kind::Inner);
                    stage = Stage::Settling(Instant::now() + SETTLE_GRACE);
                }
                Stage::Settling(_) | Stage::Aborted => {
                    tasks.set.abort_all();
                    stage = Stage::Aborted;
                }
            },
        }
    }
    control.judge_count();
}

/// When the relay is to end because nothing arrives; while messages are on their way it is not idle.
fn idle_at(control: &Control) -> Option<Instant> {
    let limit = control.settings.idle_exit.filter(|_| control.phase() == Phase::Running)?;
    let since = if control.tally().held() > 0 { Instant::now() } else { control.last_arrival() };
    Some(since + limit)
}

fn lost(error: &JoinError) -> Error {
    Error::config(ErrorKind::Panic, "", format!("the relay ended: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_shortens_a_drain_and_never_lengthens_it() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let draining = Stage::Running.of(Phase::Stopping, 30 * second, now);
        assert_eq!(draining, Stage::Draining(now + 30 * second));
        assert_eq!(draining.of(Phase::Stopping, 30 * second, now + second), draining);
        let late = now + 25 * second;
        assert_eq!(draining.of(Phase::Failed, 30 * second, now + second), Stage::Draining(now + 11 * second));
        assert_eq!(draining.of(Phase::Failed, 30 * second, late), draining);
        assert_eq!(Stage::Running.of(Phase::Failed, 3 * second, now), Stage::Draining(now + 3 * second));
        let settling = Stage::Settling(now);
        assert_eq!(settling.of(Phase::Failed, 3 * second, late), settling);
    }
}
