//! A clock that stands still.

use std::time::Duration;
use tokio::time::Instant;

/// Tokio's clock, stopped: it moves by [`advance`](Self::advance), and by itself to the next timer when nothing else is left to do.
///
/// For a test that is not `#[tokio::test(start_paused = true)]` all the way. Needs the current-thread runtime.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_testkit::ManualClock;
/// use std::time::Duration;
///
/// let clock = ManualClock::stop();
/// clock.advance(Duration::from_secs(3_600)).await;
/// assert_eq!(clock.elapsed().as_secs(), 3_600);
/// # });
/// ```
#[derive(Debug)]
pub struct ManualClock {
    started: Instant,
}

impl ManualClock {
    /// Stops the clock until this value is dropped.
    ///
    /// # Panics
    /// Outside a current-thread tokio runtime, or when the clock stands already.
    pub fn stop() -> Self {
        tokio::time::pause();
        Self { started: Instant::now() }
    }

    /// Moves it (to the millisecond, as tokio's timers do), and lets everything run that was due by then, timer by timer.
    pub async fn advance(&self, by: Duration) {
        let until = Instant::now() + by;
        // Sleeping, not `tokio::time::advance`: that one jumps over the timers between, so that a timer of a minute which is set
        // again and again would fire once in an hour.
        tokio::time::sleep_until(until).await;
    }

    /// How far it has moved since it was stopped.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for ManualClock {
    fn drop(&mut self) {
        if !std::thread::panicking() && tokio::runtime::Handle::try_current().is_ok() {
            tokio::time::resume();
        }
    }
}
