//! Ctrl-C and its relatives.

use std::time::Duration;

/// `timeout -s INT` and some supervisors deliver one request twice, once to the process and once to its group; nobody presses Ctrl-C
/// twice so quickly.
const SAME_REQUEST: Duration = Duration::from_millis(20);

/// The requests to end that this process gets: SIGINT and SIGTERM.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// A file beyond the limit of this process (`ulimit -f`): taken over so that the write fails, in place of the process.
    #[cfg(unix)]
    _too_large: tokio::signal::unix::Signal,
}

/// SIGXFSZ, of the same number on all systems of today.
#[cfg(unix)]
const FILE_TOO_LARGE: i32 = 25;

impl Signals {
    /// Takes the signals over. From here on they no longer end the process by themselves.
    ///
    /// # Errors
    /// The operating system refuses.
    #[cfg(unix)]
    pub(crate) fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// Takes the signals over.
    #[cfg(not(unix))]
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// The next request.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }

    /// The second request, after the first.
    pub(crate) async fn again(&mut self) {
        while tokio::time::timeout(SAME_REQUEST, self.next()).await.is_ok() {}
        self.next().await;
    }
}
