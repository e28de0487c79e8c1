//! The state of an aggregate from whose items the oldest leave.

use super::Aggregate;
use std::collections::VecDeque;

/// How often one may leave before everything is computed anew even of few items.
const FEW: usize = 64;

/// Items, each with its time, and what is known of them. Computed anew when it cannot be undone, and after as many removals as there are
/// items, so that rounding errors do not pile up: that costs one `on_new` more for each item.
pub(in crate::ops) struct Rolling<I, A> {
    fresh: A,
    state: A,
    items: VecDeque<(i64, I)>,
    removed: usize,
    stale: bool,
}

impl<I, A: Aggregate<I>> Rolling<I, A> {
    pub(super) fn new(mut fresh: A) -> Self {
        fresh.sliding();
        Self { state: fresh.clone(), fresh, items: VecDeque::new(), removed: 0, stale: false }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The time of the oldest.
    pub(super) fn first_time(&self) -> Option<i64> {
        self.items.front().map(|(time, _)| *time)
    }

    /// Puts an item in its place by time, behind those of the same time.
    pub(super) fn insert(&mut self, time: i64, item: I) {
        let place = match self.items.back() {
            Some((last, _)) if *last > time => self.items.partition_point(|(other, _)| *other <= time),
            _ => self.items.len(),
        };
        if place < self.items.len() {
            // An aggregate may go by the order.
            self.stale = true;
        } else if !self.stale {
            self.state.on_new(&item);
        }
        self.items.insert(place, (time, item));
    }

    /// The oldest leaves.
    pub(super) fn remove_first(&mut self) {
        if let Some((_, old)) = self.items.pop_front() {
            self.removed += 1;
            self.stale = self.stale || self.removed > self.items.len().max(FEW) || !self.state.on_old(&old);
        }
    }

    pub(super) fn state(&mut self) -> &A {
        if std::mem::take(&mut self.stale) {
            self.removed = 0;
            self.state = self.fresh.clone();
            self.items.iter().for_each(|(_, item)| self.state.on_new(item));
        }
        &self.state
    }
}
