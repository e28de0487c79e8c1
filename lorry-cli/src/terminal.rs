//! stderr, and the status line at its end when a person watches.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// stderr as log lines and the status line share it. Clones are the same stderr.
#[derive(Clone, Debug)]
pub(crate) struct Terminal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    watched: bool,
    /// Whether a status line stands there now.
    drawn: Mutex<bool>,
}

/// No wrapping, start of line, text, clear to the end, wrapping on: the terminal itself cuts what does not fit, so its width need not
/// be known.
const DRAW: (&str, &str) = ("\x1b[?7l\r", "\x1b[K\x1b[?7h");
const CLEAR: &str = "\r\x1b[K";

impl Terminal {
    /// A status line is only for somebody who watches: stdout and stderr are both a terminal, and nobody asked for quiet.
    pub(crate) fn new(quiet: bool) -> Self {
        let watched = !quiet && std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        Self(Arc::new(Shared { watched, drawn: Mutex::new(false) }))
    }

    /// Whether a status line would be seen.
    pub(crate) fn is_watched(&self) -> bool {
        self.0.watched
    }

    /// Puts this text in the status line.
    pub(crate) fn draw(&self, text: &str) {
        if self.0.watched {
            *self.drawn() = true;
            put(format!("{}{text}{}", DRAW.0, DRAW.1).as_bytes());
        }
    }

    /// Takes the status line away.
    pub(crate) fn clear(&self) {
        let mut drawn = self.drawn();
        if std::mem::take(&mut *drawn) {
            put(CLEAR.as_bytes());
        }
    }

    fn drawn(&self) -> MutexGuard<'_, bool> {
        self.0.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A whole log line a call.
impl Write for Terminal {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let mut drawn = self.drawn();
        let clear = if std::mem::take(&mut *drawn) { CLEAR.as_bytes() } else { b"" };
        put(&[clear, line].concat());
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// That nobody reads stderr is no reason to fail.
fn put(bytes: &[u8]) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(bytes).and_then(|()| stderr.flush());
}
