//! Counts of what became of messages.

use super::token::Outcome;

/// How many messages came in and what became of them. `received = delivered + filtered + dropped + dead_lettered + failed + superseded +
/// held` holds at any time: what is not decided is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages that the source handed over.
    pub(crate) received: u64,
    /// Every destination has them.
    pub(crate) delivered: u64,
    /// Removed on purpose.
    pub(crate) filtered: u64,
    /// Rejected, and dropped by policy.
    pub(crate) dropped: u64,
    /// Rejected, and stored as dead letters.
    pub(crate) dead_lettered: u64,
    /// Rejected or failed, and not acknowledged: they stay with their source.
    pub(crate) failed: u64,
    /// Dropped on their way, since their connection was lost and the source gives them again (and counts them again).
    pub(crate) superseded: u64,
}

impl Tally {
    /// Messages that are not decided: on their way, or held by operators.
    pub(crate) fn held(&self) -> u64 {
        let decided =
            self.delivered + self.filtered + self.dropped + self.dead_lettered + self.failed + self.superseded;
        self.received.saturating_sub(decided)
    }

    /// A value that was received, and has failed, since nothing more is taken: it never came in.
    pub(crate) fn not_taken(&mut self) {
        (self.received, self.failed) = (self.received - 1, self.failed - 1);
    }

    pub(super) fn count(&mut self, outcome: Outcome, dropped: bool) {
        match outcome {
            Outcome::Filtered => self.filtered += 1,
            Outcome::Delivered => self.delivered += 1,
            Outcome::Rejected if dropped => self.dropped += 1,
            Outcome::Rejected | Outcome::Failed => self.failed += 1,
        }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.dropped += other.dropped;
        self.dead_lettered += other.dead_lettered;
        self.failed += other.failed;
        self.superseded += other.superseded;
    }
}
