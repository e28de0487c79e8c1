//! How closely the commits of batches follow each other.

use std::time::{Duration, Instant};

/// A commit costs some 50 µs of computing and two switches of threads, whatever it holds. While messages keep coming one by one, it
/// pays to let some gather: half the computing time a message, at 30,000 messages a second. Who comes alone waits for nothing.
const STEP: Duration = Duration::from_micros(500);

/// Remembers the batch before.
#[derive(Debug, Default)]
pub(super) struct Pace {
    free_at: Option<Instant>,
}

impl Pace {
    /// How long to rest after a batch of this beginning and end.
    pub(super) fn rest(&mut self, began: Instant, ended: Instant) -> Duration {
        let flows = self.free_at.is_some_and(|free_at| began.saturating_duration_since(free_at) < STEP);
        let rest = if flows { STEP.saturating_sub(ended.saturating_duration_since(began)) } else { Duration::ZERO };
        self.free_at = Some(ended + rest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_closely_rests() {
        let micros = Duration::from_micros;
        let (start, mut pace) = (Instant::now(), Pace::default());
        let mut rest = |began: u64, took: u64| pace.rest(start + micros(began), start + micros(began + took));
        assert_eq!(rest(0, 100), micros(0), "the first");
        assert_eq!(rest(1_000, 100), micros(0), "one a millisecond later");
        assert_eq!(rest(1_150, 100), micros(400), "one that was waiting");
        assert_eq!(rest(1_700, 100), micros(400), "one that came in the rest");
        assert_eq!(rest(2_250, 800), micros(0), "one that takes longer by itself");
        assert_eq!(rest(9_000, 100), micros(0), "one after a pause");
    }
}
