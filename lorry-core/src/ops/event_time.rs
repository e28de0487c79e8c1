//! What windows by the time in the data share: the window as it is given out, and the rule for late items.

use crate::flow::Item;
use crate::{Error, ErrorKind, Timestamp};
use std::time::{Duration, Instant};

/// What came within a window of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<T> {
    /// When it begins, itself included.
    pub start: Timestamp,
    /// When it ends, itself not included.
    pub end: Timestamp,
    /// What came within, in the order in which it came.
    pub items: Vec<T>,
}

/// Nanoseconds, as far as they go.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// How far event time has come, and what that means for items and windows.
///
/// The **watermark** is the highest time seen, less the lateness. A window is closed when the watermark reaches its end, and given out
/// then. An item is late when all windows it belongs to are closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct EventTime {
    pub(super) lateness: i64,
    pub(super) reject_late: bool,
    pub(super) idle: Option<Duration>,
    due: Option<Instant>,
    watermark: i64,
}

impl EventTime {
    pub(super) fn new() -> Self {
        Self { lateness: 0, reject_late: false, idle: None, due: None, watermark: i64::MIN }
    }

    /// An item of this time has come.
    pub(super) fn saw(&mut self, time: i64, now: Instant) {
        self.watermark = self.watermark.max(time.saturating_sub(self.lateness));
        self.due = self.idle.and_then(|idle| now.checked_add(idle));
    }

    /// A window with this end was given out before its time.
    pub(super) fn close(&mut self, end: i64) {
        self.watermark = self.watermark.max(end);
    }

    pub(super) fn is_closed(&self, end: i64) -> bool {
        end <= self.watermark
    }

    pub(super) fn refuse<T>(&self, item: Item<T>, time: i64) {
        if self.reject_late {
            let text = format!("late: its window was closed (event time {})", Timestamp::from_nanos(time));
            item.token.reject(Error::data(ErrorKind::Other, "window", text));
        } else {
            item.token.filtered();
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// Whether nothing has come for so long that all windows are given out.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        let idle = self.due.is_some_and(|due| due <= now);
        if idle {
            self.due = None;
        }
        idle
    }
}
