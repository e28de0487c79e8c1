//! One chunk's slots.

use super::lane::Lane;
use super::tally::Tally;
use super::token::{Outcome, Token};
use super::weight::Weight;
use crate::flow::Item;
use crate::relay::At;
use crate::sync::lock;
use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A slot: two bits worst outcome, one bit done, one bit reported, the rest clones outstanding.
const DONE: u32 = 1 << 2;
const REPORTED: u32 = 1 << 3;
const ONE: u32 = 1 << 4;
const COUNT_SHIFT: u32 = 4;

/// The fate of the items that came together. Dropped with its last token; then it reports.
pub(crate) struct Run {
    slots: Slots,
    /// Whether anything but `Filtered` and `Delivered` happened; then the cold paths look at the slots one by one.
    troubled: AtomicBool,
    errors: Mutex<Vec<(u32, Outcome, Error)>>,
    done: Completion,
}

enum Slots {
    One(AtomicU32),
    Many(Box<[AtomicU32]>),
}

/// Who is told when a run ends.
pub(crate) enum Completion {
    /// The ledger of a source lane.
    Lane { lane: Arc<Lane>, seq: u64, at: At, weight: Weight },
    /// A caller of `emit`.
    Once { sender: Mutex<Option<oneshot::Sender<Result<()>>>>, counts: Arc<Mutex<Tally>> },
}

/// What a lane does with rejected items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRejected {
    /// They hold the lane.
    Hold,
    /// They are settled as refused.
    Settle,
}

/// A slot as the ledger sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) outcome: Outcome,
    pub(super) reported: bool,
}

impl Run {
    pub(crate) fn new(len: usize, done: Completion) -> Arc<Self> {
        let slots = match len {
            1 => Slots::One(AtomicU32::new(ONE)),
            _ => Slots::Many((0..len).map(|_| AtomicU32::new(ONE)).collect()),
        };
        Arc::new(Self { slots, troubled: AtomicBool::new(false), errors: Mutex::default(), done })
    }

    /// One token for each of `values`, appended to `into`. There must be as many values as slots.
    pub(crate) fn issue<T>(self: Arc<Self>, values: impl IntoIterator<Item = T>, into: &mut Vec<Item<T>>) {
        let items = values.into_iter().enumerate();
        into.extend(items.map(|(index, value)| Item { value, token: Token::of(self.clone(), index as u32) }));
    }

    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> &[AtomicU32] {
        match &self.slots {
            Slots::One(slot) => std::slice::from_ref(slot),
            Slots::Many(slots) => slots,
        }
    }

    pub(super) fn add_clone(&self, index: u32) {
        self.slots()[index as usize].fetch_add(ONE, Ordering::Relaxed);
    }

    pub(super) fn resolve(&self, index: u32, outcome: Outcome, error: Option<Error>) {
        if outcome > Outcome::Delivered {
            self.trouble(index, outcome, error.as_ref());
            self.tell(index, outcome, error.as_ref());
        }
        self.close(index, outcome);
    }

    /// [`resolve`](Run::resolve) for what was [announced](Run::announce) before.
    pub(super) fn resolve_announced(&self, index: u32, outcome: Outcome, error: Error) {
        self.trouble(index, outcome, Some(&error));
        self.close(index, outcome);
    }

    #[inline]
    fn close(&self, index: u32, outcome: Outcome) {
        let slot = &self.slots()[index as usize];
        let seen = slot.load(Ordering::Acquire);
        if seen >> COUNT_SHIFT == 1 {
            // The last clone, and it is ours: nobody else can touch the slot, so no locked instruction is needed.
            slot.store(decided(seen, outcome), Ordering::Release);
        } else {
            let decide = |seen| Some(decided(seen, outcome));
            let _ = slot.fetch_update(Ordering::AcqRel, Ordering::Acquire, decide);
        }
    }

    #[cold]
    fn trouble(&self, index: u32, outcome: Outcome, error: Option<&Error>) {
        self.troubled.store(true, Ordering::Release);
        if let Some(error) = error {
            lock(&self.errors).push((index, outcome, error.clone()));
        }
    }

    /// Straight to the lane, without waiting for the run: the policy `stop` must stop now.
    pub(super) fn announce(&self, index: u32, outcome: Outcome, error: &Error) {
        self.tell(index, outcome, Some(error));
    }

    fn tell(&self, index: u32, outcome: Outcome, error: Option<&Error>) {
        if let Completion::Lane { lane, at, .. } = &self.done {
            lane.trouble(at.position(index as usize), outcome, error);
        }
    }

    /// The slot, if all of its clones have resolved.
    pub(super) fn decided(&self, index: usize) -> Option<Slot> {
        let bits = self.slots()[index].load(Ordering::Acquire);
        (bits & DONE != 0).then(|| Slot { outcome: Outcome::from_bits(bits), reported: bits & REPORTED != 0 })
    }

    /// Notes that the slot's outcome went to the source; for lanes that are settled item by item.
    pub(super) fn mark_reported(&self, index: usize) {
        self.slots()[index].fetch_or(REPORTED, Ordering::AcqRel);
    }

    pub(super) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Acquire)
    }

    pub(super) fn error(&self, index: usize) -> Option<Error> {
        lock(&self.errors).iter().find(|(at, ..)| *at as usize == index).map(|(.., error)| error.clone())
    }

    /// Whether somebody said of the item that it must come again, rather than nothing at all.
    pub(super) fn has_failed(&self, index: usize) -> bool {
        lock(&self.errors).iter().any(|(at, outcome, _)| *at as usize == index && *outcome == Outcome::Failed)
    }

    /// The memory of its items that are not decided, in bytes.
    pub(super) fn undecided_bytes(&self) -> usize {
        let Completion::Lane { weight, .. } = &self.done else { return 0 };
        weight.part(self.len(), (0..self.len()).filter(|&index| self.decided(index).is_none()))
    }

    pub(super) fn lane(&self) -> Option<&Arc<Lane>> {
        match &self.done {
            Completion::Lane { lane, .. } => Some(lane),
            Completion::Once { .. } => None,
        }
    }

    pub(super) fn at(&self) -> Option<&At> {
        match &self.done {
            Completion::Lane { at, .. } => Some(at),
            Completion::Once { .. } => None,
        }
    }
}

fn decided(seen: u32, outcome: Outcome) -> u32 {
    let worst = (seen & 3).max(outcome as u32);
    let left = (seen >> COUNT_SHIFT) - 1;
    let done = if left == 0 { DONE } else { 0 };
    worst | done | (seen & REPORTED) | (left << COUNT_SHIFT)
}

impl Drop for Run {
    fn drop(&mut self) {
        match &self.done {
            Completion::Lane { lane, seq, weight, .. } => lane.complete(*seq, weight.total(), self),
            Completion::Once { sender, counts } => {
                let outcome = self.decided(0).map_or(Outcome::Failed, |slot| slot.outcome);
                lock(counts).count(outcome, false);
                let Some(sender) = lock(sender).take() else { return };
                let undelivered = || {
                    let text = "the relay ended before the value was delivered";
                    self.error(0).unwrap_or_else(|| Error::transient(crate::ErrorKind::Closed, "emit", text))
                };
                let _ = sender.send(if outcome <= Outcome::Delivered { Ok(()) } else { Err(undelivered()) });
            }
        }
    }
}
