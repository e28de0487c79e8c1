//! When to try again: one schedule for connections, sinks and sources.

use crate::{Class, Error, ErrorKind};
use std::time::Duration;
use tokio::time::Instant;

/// The schedule: exponential from `min` to `max` with full jitter, reset after a healthy period.
///
/// Full jitter (each delay is uniform between zero and the exponential value) spreads the clients that lost a server at the same
/// moment; see "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The first delay's upper end.
    pub min: Duration,
    /// The longest delay's upper end.
    pub max: Duration,
    /// A success that lasts so long starts the schedule anew; after short delays four times as long as the last one could have been will do,
    /// or a second.
    pub healthy: Duration,
    /// The fixed interval while an element is degraded (a config error after its first success).
    pub degraded: Duration,
    /// What a config error before the first success does.
    pub startup: Startup,
}

impl Default for Retry {
    /// 0.1 s to 30 s, healthy after 10 s, degraded every 30 s, startup `fail`.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            min: Duration::from_millis(100),
            max: seconds(30),
            healthy: seconds(10),
            degraded: seconds(30),
            startup: Startup::Fail,
        }
    }
}

/// What a config error before an element's first success does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// It ends the relay: a person is watching and can mend the request.
    #[default]
    Fail,
    /// It is retried: a service that starts before its neighbours are set up.
    Retry,
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again after this long.
    Wait(Duration),
    /// Give up: the error ends the relay.
    GiveUp,
}

/// The state of one element's retries. Time is tokio's, so tests may pause it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::{Backoff, Error, ErrorKind, Next, Retry};
///
/// let mut backoff = Backoff::new(Retry::default());
/// let refused = Error::transient(ErrorKind::Connection, "connect", "refused");
/// assert!(matches!(backoff.failed(&refused), Next::Wait(delay) if delay.as_millis() <= 100));
/// assert!(matches!(backoff.failed(&refused), Next::Wait(delay) if delay.as_millis() <= 200));
///
/// let password = Error::config(ErrorKind::Auth, "connect", "wrong password");
/// assert_eq!(backoff.failed(&password), Next::GiveUp);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    retry: Retry,
    exponent: u32,
    succeeded: bool,
    since: Option<Instant>,
}

impl Backoff {
    /// At the beginning of the schedule.
    pub fn new(retry: Retry) -> Self {
        Self { retry, exponent: 0, succeeded: false, since: None }
    }

    /// Notes a success (connected, delivered). The schedule is reset once the success has lasted [`Retry::healthy`].
    pub fn succeeded(&mut self) {
        self.succeeded = true;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Notes a failure and says what to do. Data errors are not for this schedule: they are treated like config errors. A config
    /// error of kind [`Closed`](ErrorKind::Closed) or [`Panic`](ErrorKind::Panic) is final, whatever went before.
    pub fn failed(&mut self, error: &Error) -> Next {
        if self.since.take().is_some_and(|since| since.elapsed() >= self.healthy()) {
            self.exponent = 0;
        }
        match error.class() {
            // A closed stdout, a program that has ended, a fault in the code: nobody mends that while the process runs.
            Class::Config if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Panic) => Next::GiveUp,
            Class::Transient | Class::Ambiguous => Next::Wait(self.delay()),
            Class::Config | Class::Data if self.succeeded || self.retry.startup == Startup::Retry => {
                Next::Wait(self.retry.degraded)
            }
            Class::Config | Class::Data => Next::GiveUp,
        }
    }

    fn delay(&mut self) -> Duration {
        let ceiling = self.ceiling(self.exponent);
        self.exponent = self.exponent.saturating_add(1);
        ceiling.mul_f64(fastrand::f64())
    }

    fn ceiling(&self, exponent: u32) -> Duration {
        self.retry.min.saturating_mul(1 << exponent.min(20)).min(self.retry.max)
    }

    /// How long a success must last: a server that is restarted now and then, and works between, is not one that cannot work.
    fn healthy(&self) -> Duration {
        let last = self.ceiling(self.exponent.saturating_sub(1));
        last.saturating_mul(4).max(Duration::from_secs(1)).min(self.retry.healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    /// The longest of some delays of copies of this schedule, in milliseconds.
    fn longest(backoff: &Backoff) -> u128 {
        let error = Error::transient(ErrorKind::Connection, "", "lost");
        let delays = (0..200).map(|_| match backoff.clone().failed(&error) {
            Next::Wait(delay) => delay.as_millis(),
            Next::GiveUp => 0,
        });
        delays.max().unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_that_lasts_starts_the_schedule_anew() {
        let error = Error::transient(ErrorKind::Connection, "", "lost");
        // Failures before the success, how long it lasts, and whether that was long enough.
        for (failures, millis, anew) in [
            (1, 900, false),
            (1, 1_000, true),
            (4, 3_100, false),
            (4, 3_200, true),
            (9, 9_900, false),
            (9, 10_000, true),
        ] {
            let mut backoff = Backoff::new(Retry::default());
            for _ in 0..failures {
                backoff.failed(&error);
            }
            backoff.succeeded();
            tokio::time::advance(Duration::from_millis(millis)).await;
            assert_eq!(longest(&backoff) <= 100, anew, "{failures} {millis}");
        }
    }
}
