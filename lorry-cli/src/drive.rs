//! Runs a relay to its end: signals, status line, report.

use crate::args::{IdentityFlags, Policy, RelayFlags, Require};
use crate::exit::{FAILED, Failure, LEFT, Outcome};
use crate::output;
use crate::report::{self, Destination};
use crate::signals::Signals;
use crate::state;
use crate::status;
use crate::terminal::Terminal;
use lorry::relay::{Guarantee, OnError, Stopper};
use lorry::{Error, Relay, Result};
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many messages of each source may be on their way. As in the library; what matters to a user is their memory.
const MAX_HELD_MESSAGES: usize = 32_768;

/// Gives the relay what the flags say.
///
/// # Errors
/// Flags that do not go together.
fn configure(relay: Relay, flags: &RelayFlags) -> Result<Relay, Failure> {
    let mut relay = identify(relay, &flags.identity);
    relay = relay.on_error(match (flags.on_error, &flags.dlq) {
        (Policy::Stop, None) => OnError::Stop,
        (Policy::Drop, None) => OnError::Drop,
        (Policy::Dlq, None) => return Err(Error::usage("--on-error dlq needs --dlq URI").into()),
        (Policy::Dlq, Some(_)) => {
            return Err(Error::usage("--dlq: this version cannot write dead letters yet")
                .hint("use --on-error stop or drop")
                .into());
        }
        (Policy::Stop | Policy::Drop, Some(_)) => return Err(Error::usage("--dlq needs --on-error dlq").into()),
    });
    relay = relay.drain_timeout(flags.drain_timeout).bound(MAX_HELD_MESSAGES, flags.max_held.bytes());
    if let Some(count) = flags.count {
        relay = relay.count(count);
    }
    if let Some(idle) = flags.idle_exit {
        relay = relay.idle_exit(idle);
    }
    Ok(require(relay, flags.require))
}

/// Gives the relay its name.
pub(crate) fn identify(relay: Relay, flags: &IdentityFlags) -> Relay {
    let relay = match &flags.name {
        Some(name) => relay.name(name.as_str()),
        None => relay,
    };
    match &flags.instance {
        Some(instance) => relay.instance(instance.as_str()),
        None => relay,
    }
}

/// Checks a relay, runs it as the flags say, and reports.
pub(crate) fn start(host: Host, relay: Relay, flags: &RelayFlags, terminal: &Terminal) -> Outcome {
    let relay = configure(relay, flags)?;
    let state = state::of(&flags.identity)?;
    let relay = match &state {
        Some(state) => relay.state(state.clone()),
        None => relay,
    };
    relay.check()?;
    if let Some(state) = &state {
        state.lock()?;
    }
    let report = flags.report.as_deref().map(Destination::open).transpose()?;
    run(host, relay, report, terminal)
}

/// Runs a relay until its source ends, a flag ends it, or a signal does.
fn run(host: Host, relay: Relay, report: Option<Destination>, terminal: &Terminal) -> Outcome {
    // Where the messages themselves are shown there is no place for a status line.
    let shows_messages = relay.describe().nodes().iter().any(|node| node.kind == "stdoutsink");
    let (summary, monitor) = host.run(async |mut signals| {
        let running = relay.spawn();
        let (stopper, monitor) = (running.stopper(), running.monitor());
        let summary = tokio::select! {
            summary = running.wait() => summary,
            never = obey(&mut signals, &stopper, terminal) => match never {},
            never = status::show(terminal, &monitor), if !shows_messages => match never {},
        };
        Ok((summary, monitor))
    })?;
    terminal.clear();
    let written = report.map_or(Ok(()), |report| report.write(&summary, monitor.graph()));
    report::judge(&summary).and(written)
}

/// How long after the drain time-out a relay may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// Ends the process in so long, whatever the runtime does meanwhile: an expression that never ends holds its threads.
fn leave_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        output::stderr(
            "error: the relay did not end within the drain time-out; an expression or a template may never end",
        );
        std::process::exit(i32::from(FAILED))
    });
}

/// The first signal drains the relay, the second ends the process.
pub(crate) async fn obey(signals: &mut Signals, stopper: &Stopper, terminal: &Terminal) -> Infallible {
    signals.next().await;
    tracing::info!("stopping: what was accepted is delivered first; Ctrl-C again leaves at once");
    leave_after(stopper.limit().saturating_add(GRACE));
    stopper.stop();
    signals.again().await;
    terminal.clear();
    std::process::exit(LEFT)
}

/// What a command runs on: the runtime, and the signals, which are taken over first of all. A signal that comes while a relay is still
/// being put together is kept until somebody asks for it.
pub(crate) struct Host {
    runtime: Runtime,
    signals: Signals,
}

impl Host {
    /// Starts the runtime and takes over the signals.
    pub(crate) fn start() -> Result<Self, Failure> {
        let runtime = runtime()?;
        let signals = {
            let _within = runtime.enter();
            Signals::install().map_err(|error| Failure::Failed(format!("signal handlers: {error}")))?
        };
        Ok(Self { runtime, signals })
    }

    /// Runs this to its end. Threads that still block then (a read of stdin) end with the process.
    pub(crate) fn run<T>(self, work: impl AsyncFnOnce(Signals) -> Result<T, Failure>) -> Result<T, Failure> {
        let result = self.runtime.block_on(work(self.signals));
        self.runtime.shutdown_background();
        result
    }
}

/// Runs this on a runtime, and leaves the signals as they are.
pub(crate) fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime()?.block_on(work)
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("start the runtime: {error}")))
}

/// Has the relay refuse to start without this guarantee.
pub(crate) fn require(relay: Relay, require: Option<Require>) -> Relay {
    match require {
        None => relay,
        Some(Require::AtLeastOnce) => relay.require(Guarantee::UntilExit),
        Some(Require::EffectivelyOnce) => relay.require(Guarantee::Replayable),
    }
}
