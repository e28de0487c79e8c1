//! A program that prints messages, one a line, while the test goes on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A client that prints what it gets; ended when dropped.
#[derive(Debug)]
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run a client: {error}"));
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines }
    }

    /// The next `count` lines, as soon as they have come.
    ///
    /// # Panics
    /// Fewer come within 30 s.
    pub fn lines(&self, count: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(30);
        let mut lines = Vec::with_capacity(count);
        while lines.len() < count {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => lines.push(line),
                Err(_) => panic!(
                    "only {} of {count} messages came; the last ones: {:?}",
                    lines.len(),
                    lines.iter().rev().take(3).collect::<Vec<_>>()
                ),
            }
        }
        lines
    }

    /// The lines that have come by now and in a further pause: for asserting that nothing more comes.
    pub fn rest(&self, pause: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(pause) {
            lines.push(line);
        }
        lines
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
