//! How the program ends.

use lorry::{Error, ErrorKind};

/// Exit code of a relay that failed or left something undelivered.
pub(crate) const FAILED: u8 = 1;
/// Exit code of a wrong request: nothing was started.
pub(crate) const USAGE: u8 = 2;
/// Exit code after a second Ctrl-C.
pub(crate) const LEFT: i32 = 130;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request was wrong; nothing was started.
    Usage(String),
    /// It was started, and something failed. One line for stderr.
    Failed(String),
    /// Help or version was asked for: text for stdout, and success.
    Shown(String),
    /// Nobody reads our stdout any more. No failure.
    StdoutClosed,
}

/// How a command ends.
pub(crate) type Outcome = Result<(), Failure>;

/// By its kind: a usage error before anything was started is a wrong request. Whoever has started something makes
/// [`Failure::Failed`] himself.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Usage => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}
