//! stdout and stderr, with their pipes closing at any time. The `println!` family panics then.

use crate::exit::{Failure, Outcome};
use std::io::{ErrorKind, Write};

/// Writes to stdout, whole.
pub(crate) fn stdout(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::StdoutClosed,
        _ => Failure::Failed(format!("write to stdout: {error}")),
    })
}

/// Writes one line to stderr. That nobody reads it is no reason to fail.
pub(crate) fn stderr(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
