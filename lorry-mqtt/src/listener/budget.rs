//! The bytes of all devices that are on their way through the relay.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// A limit that everybody draws on. Whoever found no room is woken when there is some again.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    held: AtomicUsize,
    freed: watch::Sender<()>,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), freed: watch::Sender::new(()) }
    }

    /// Changes when room was made where there was none.
    pub(super) fn freed(&self) -> watch::Receiver<()> {
        self.freed.subscribe()
    }

    pub(super) fn has_room(&self) -> bool {
        self.held.load(Ordering::Acquire) < self.limit
    }

    /// Takes what is already in memory.
    pub(super) fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Takes room for what has yet to be read, if there is any room at all: the limit is passed by one such piece at most.
    pub(super) fn try_take(&self, bytes: usize) -> bool {
        let add = |held| (held < self.limit).then_some(held + bytes);
        self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        let before = self.held.fetch_sub(bytes, Ordering::AcqRel);
        if before >= self.limit && before - bytes < self.limit {
            self.freed.send_replace(());
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_found_no_room_is_woken() {
        let budget = Budget::new(100);
        let mut freed = budget.freed();
        assert!(budget.try_take(150), "one piece may pass the limit");
        assert!(!budget.has_room() && !budget.try_take(1));
        budget.give_back(20);
        assert!(!freed.has_changed().is_ok_and(|changed| changed), "still full");
        budget.give_back(60);
        assert!(freed.changed().await.is_ok());
        assert!(budget.has_room() && budget.held() == 70);
    }
}
