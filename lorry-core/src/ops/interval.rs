//! A clock that strikes at regular intervals, as long as there is something to strike for.

use std::time::{Duration, Instant};

/// Strikes at `anchor + k × interval`; the anchor is the first start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    every: Duration,
    anchor: Option<Instant>,
    due: Option<Instant>,
    /// It is time, but there is no room below: whoever makes room wakes the pump.
    blocked: bool,
}

impl Interval {
    /// At least a millisecond: a clock that strikes without a pause leaves no time for anything else.
    pub(super) fn new(every: Duration) -> Self {
        Self { every: every.max(Duration::from_millis(1)), anchor: None, due: None, blocked: false }
    }

    /// There is something to strike for.
    pub(super) fn start(&mut self, now: Instant) {
        if self.due.is_none() {
            let since = now.saturating_duration_since(*self.anchor.get_or_insert(now));
            let into = since.as_nanos() % self.every.as_nanos();
            let left = self.every.saturating_sub(Duration::from_nanos(u64::try_from(into).unwrap_or(0)));
            self.due = now.checked_add(left);
        }
    }

    /// It is to strike at once; does nothing if it ever began.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.anchor.is_none() {
            self.anchor = Some(now);
            self.due = Some(now);
        }
    }

    pub(super) fn stop(&mut self) {
        self.due = None;
        self.blocked = false;
    }

    pub(super) fn strikes(&mut self, now: Instant, room: usize) -> bool {
        let due = self.due.is_some_and(|due| due <= now);
        self.blocked = due && room == 0;
        due && room > 0
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.filter(|_| !self.blocked)
    }
}
