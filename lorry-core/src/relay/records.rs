//! What the sinks of a relay have on record, and where its sources resume.

use super::position::Positions;
use crate::sync::lock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The position ledgers of a relay's sinks, as they were when the sinks were opened.
#[derive(Default)]
pub(crate) struct Records {
    /// Sinks whose ledgers have not been read yet.
    to_read: AtomicUsize,
    all_read: Notify,
    records: Mutex<Vec<Record>>,
}

/// What a sink has on record of the sources above it; `None`: it keeps no positions.
struct Record {
    sources: Vec<Arc<str>>,
    positions: Option<Positions>,
}

impl Records {
    /// There is a sink with a ledger.
    pub(crate) fn announce(&self) {
        self.to_read.fetch_add(1, Ordering::AcqRel);
    }

    /// A sink below these sources keeps no positions.
    pub(crate) fn none(&self, sources: Vec<Arc<str>>) {
        lock(&self.records).push(Record { sources, positions: None });
    }

    /// What a sink below these sources has.
    pub(crate) fn read(&self, sources: Vec<Arc<str>>, positions: Positions) {
        lock(&self.records).push(Record { sources, positions: Some(positions) });
        if self.to_read.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_read.notify_waiters();
        }
    }

    /// Where a source resumes; waits until every sink with a ledger has answered. Only what all sinks below the source know counts: where
    /// one keeps no positions, or has none of a lane yet, the source itself must know.
    pub(crate) async fn start_of(&self, source: &str) -> Positions {
        loop {
            let read = self.all_read.notified();
            if self.to_read.load(Ordering::Acquire) == 0 {
                let records = lock(&self.records);
                let mut below = records.iter().filter(|record| record.sources.iter().any(|name| **name == *source));
                let Some(mut start) = below.next().and_then(|record| record.positions.clone()) else {
                    return Positions::default();
                };
                below.for_each(|record| start.meet(record.positions.as_ref().unwrap_or(&Positions::default())));
                return start;
            }
            read.await;
        }
    }
}
