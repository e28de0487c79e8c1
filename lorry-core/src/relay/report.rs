//! What a relay did.

use super::context::State;
use crate::ack::Tally;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// The counts of a relay that has ended, and why it ended if that was not the end of the stream or a stop.
///
/// `received = delivered + filtered + dropped + dead_lettered + failed + held`, in messages of the sources.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Messages admitted to the graph; those that were superseded are counted when they come again.
    pub received: u64,
    /// Every sink has them for good.
    pub delivered: u64,
    /// Removed on purpose.
    pub filtered: u64,
    /// Rejected, and dropped by policy.
    pub dropped: u64,
    /// Rejected, and stored as dead letters.
    pub dead_lettered: u64,
    /// Rejected or failed; not acknowledged.
    pub failed: u64,
    /// Undecided at the end; not acknowledged.
    pub held: u64,
    /// Messages that were sent more than once.
    pub retried: u64,
    /// Messages dropped on their way, since their connection was lost and the source gives them again.
    pub superseded: u64,
    /// Connections that came back.
    pub reconnects: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// What ended it; `None` after the end of the stream or a stop with everything delivered.
    pub error: Option<Error>,
}

/// The counts of a running relay, and how each of its ends is doing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The counts so far, without an error.
    pub counts: Report,
    /// Name and state of sources and sinks.
    pub elements: Vec<(Arc<str>, State)>,
}

impl Report {
    /// The report, or what ended the relay. The counts of one that was ended are lost with it.
    ///
    /// # Errors
    /// [`Report::error`].
    pub fn into_result(mut self) -> Result<Self> {
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(self),
        }
    }

    pub(crate) fn of(tally: Tally, retried: u64, reconnects: u64, elapsed: Duration, error: Option<Error>) -> Self {
        let held = tally.held();
        // Named one by one, so that none is forgotten.
        let Tally { received, delivered, filtered, dropped, dead_lettered, failed, superseded } = tally;
        Self {
            received: received - superseded,
            delivered,
            filtered,
            dropped,
            dead_lettered,
            failed,
            held,
            retried,
            superseded,
            reconnects,
            elapsed,
            error,
        }
    }

    /// The report as one JSON object, `seconds` for the time and `error` as text where there is one.
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "received": self.received,
            "delivered": self.delivered,
            "filtered": self.filtered,
            "dropped": self.dropped,
            "dead_lettered": self.dead_lettered,
            "failed": self.failed,
            "held": self.held,
            "retried": self.retried,
            "superseded": self.superseded,
            "reconnects": self.reconnects,
            "seconds": self.elapsed.as_secs_f64(),
        });
        if let Some(error) = &self.error {
            json["error"] = error.to_string().into();
        }
        json
    }
}
