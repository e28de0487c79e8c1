//! The ledger of one source lane.

use super::run::{Completion, OnRejected, Run, Slot};
use super::tally::Tally;
use super::token::Outcome;
use super::weight::Weight;
use crate::Error;
use crate::flow::Item;
use crate::relay::{Chunk, LaneId, LaneKey, Position, Settled, Settlement, Verdict};
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// Which items of a lane are decided, and what its source may therefore settle: the lowest contiguous position of a lane that is
/// settled in order, single items of any other. It never moves past an item that failed.
///
/// One mutex, taken twice per chunk: when it is issued and when it is done.
pub(crate) struct Lane {
    id: LaneId,
    /// Under which name positions of it are kept.
    key: Option<LaneKey>,
    settlement: Settlement,
    on_rejected: OnRejected,
    /// It is lost, and its source gives again what was not settled.
    superseded: AtomicBool,
    /// The first position that holds the lane for good.
    barrier: AtomicU64,
    /// Something may be settled, or there is trouble: `take` is worth its lock.
    dirty: AtomicBool,
    state: Mutex<State>,
    signals: Arc<Signals>,
}

/// What the lanes of one ledger tell it without a lock.
#[derive(Default)]
pub(crate) struct Signals {
    /// Woken whenever something was decided.
    pub(crate) progress: Notify,
    /// A lane has something to hand out.
    pub(super) dirty: AtomicBool,
    /// A lane has trouble to report.
    pub(super) troubled: AtomicBool,
    /// Items and bytes in runs that are not done.
    pub(super) items: AtomicUsize,
    pub(super) bytes: AtomicUsize,
    /// Of the whole relay: lanes of which some items on their way are unwanted, being superseded or behind a barrier. While there are
    /// none, nobody looks at single items.
    pub(super) unwanted: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    /// Runs from `first` on, in order of issue. In an ordered lane done runs wait here for those before them.
    runs: VecDeque<Entry>,
    first: u64,
    /// Items of the first run that are already counted in `settled`.
    counted: usize,
    items: usize,
    /// Items in `runs`; of an ordered lane those of done runs that wait for one before them too.
    unsettled: usize,
    tally: Tally,
    settled: Option<Position>,
    handed: Option<Position>,
    verdicts: Vec<Verdict>,
    troubles: Vec<Trouble>,
    /// From now on an item that is dropped undecided is held, not failed.
    stopping: bool,
    lost: bool,
    /// An item of an ordered lane failed: nothing behind it is settled in this lane any more.
    broken: bool,
}

enum Entry {
    Open(Weak<Run>),
    Done { len: usize, last: Position, detail: Option<Vec<(Position, Decision)>> },
}

enum Decision {
    Settle,
    Refuse(Error),
    Hold,
}

/// An item that was rejected or failed.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) position: Position,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<Error>,
}

/// Trouble is for a person: the first few say it all.
const TROUBLES_KEPT: usize = 16;

impl Lane {
    pub(crate) fn new(
        id: LaneId,
        key: Option<LaneKey>,
        settlement: Settlement,
        on_rejected: OnRejected,
        signals: Arc<Signals>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            key,
            settlement,
            on_rejected,
            superseded: AtomicBool::new(false),
            barrier: AtomicU64::new(u64::MAX),
            dirty: AtomicBool::new(false),
            state: Mutex::default(),
            signals,
        })
    }

    pub(crate) fn key(&self) -> Option<&LaneKey> {
        self.key.as_ref()
    }

    pub(crate) fn id(&self) -> LaneId {
        self.id
    }

    /// Enters a chunk into the ledger and appends its items, tokens on them, to `into`. Items the source itself refused are rejected
    /// at once and do not appear.
    pub(crate) fn issue<T>(self: &Arc<Self>, chunk: Chunk<T>, weight: Weight, into: &mut Vec<Item<T>>) {
        let Chunk { values, at, refused, .. } = chunk;
        let len = values.len();
        if len == 0 {
            return;
        }
        let run = {
            let mut state = lock(&self.state);
            let seq = state.first + state.runs.len() as u64;
            let bytes = weight.total();
            let run = Run::new(len, Completion::Lane { lane: self.clone(), seq, at, weight });
            state.runs.push_back(Entry::Open(Arc::downgrade(&run)));
            state.items += len;
            state.unsettled += len;
            self.signals.items.fetch_add(len, Ordering::AcqRel);
            self.signals.bytes.fetch_add(bytes, Ordering::AcqRel);
            state.tally.received += len as u64;
            run
        };
        let from = into.len();
        run.issue(values, into);
        for (index, error) in refused.into_iter().rev() {
            into.remove(from + index).token.reject(error);
        }
    }

    /// What the source may be told now and was not told before. With `exact` also what is decided within runs that are still open:
    /// costs a look at their slots, and is what keeps a source going whose window is smaller than what operators hold.
    pub(crate) fn take(&self, exact: bool, into: &mut Vec<Settled>) {
        if exact {
            match self.settlement {
                Settlement::InOrder => self.count_first(),
                Settlement::Each => self.report_open(),
            }
        }
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = lock(&self.state);
        if state.lost {
            state.verdicts.clear();
            return;
        }
        if !state.verdicts.is_empty() {
            into.push(Settled::Items(self.id, std::mem::take(&mut state.verdicts)));
        }
        if let Some(settled) = state.settled
            && state.handed != Some(settled)
        {
            state.handed = Some(settled);
            into.push(Settled::UpTo(self.id, settled));
        }
    }

    fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
        self.signals.dirty.store(true, Ordering::Release);
    }

    /// Counts the decided items at the front of the first run, which is still open.
    fn count_first(&self) {
        let (first, from, run) = {
            let state = lock(&self.state);
            match state.runs.front() {
                Some(Entry::Open(run)) if !state.broken => (state.first, state.counted, run.upgrade()),
                _ => return,
            }
        };
        let Some(run) = run else { return };
        let decisions: Vec<_> = (from..run.len()).map_while(|index| self.settleable(&run, index)).collect();
        // Outside the lock: this may be the run's last reference, and its end takes the lock.
        drop(run);
        if decisions.is_empty() {
            return;
        }
        let mut state = lock(&self.state);
        if state.first == first && state.counted == from {
            state.counted += decisions.len();
            for (position, decision) in decisions {
                state.settle(position, decision);
            }
            self.mark_dirty();
        }
    }

    fn settleable(&self, run: &Run, index: usize) -> Option<(Position, Decision)> {
        let slot = run.decided(index)?;
        match self.decide(run, index, slot) {
            Decision::Hold => None,
            decision => Some((run.at()?.position(index), decision)),
        }
    }

    fn decide(&self, run: &Run, index: usize, slot: Slot) -> Decision {
        match (slot.outcome, self.on_rejected) {
            (Outcome::Filtered | Outcome::Delivered, _) => Decision::Settle,
            (Outcome::Rejected, OnRejected::Settle) => match run.error(index) {
                Some(error) => Decision::Refuse(error),
                None => Decision::Settle,
            },
            (Outcome::Rejected | Outcome::Failed, _) => Decision::Hold,
        }
    }

    /// Reports the decided items of runs that are still open, one by one.
    fn report_open(&self) {
        let (runs, _) = lock(&self.state).open_runs();
        for run in runs {
            let verdicts = self.unreported(&run);
            drop(run);
            if !verdicts.is_empty() {
                lock(&self.state).verdicts.extend(verdicts);
                self.mark_dirty();
            }
        }
    }

    fn unreported(&self, run: &Run) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for index in 0..run.len() {
            let Some(slot) = run.decided(index).filter(|slot| !slot.reported) else { continue };
            let refused = match self.decide(run, index, slot) {
                Decision::Settle => None,
                Decision::Refuse(error) => Some(error),
                Decision::Hold => continue,
            };
            let Some(at) = run.at() else { continue };
            run.mark_reported(index);
            verdicts.push(Verdict { position: at.position(index), refused });
        }
        verdicts
    }

    /// The counts, decided items of open runs too; and whether they are exact, which they are not for the moment in which a run ends:
    /// until it has reported, its items count as undecided.
    pub(crate) fn tally(&self) -> (Tally, bool) {
        let (mut tally, stays, (runs, exact)) = {
            let state = lock(&self.state);
            (state.tally, state.stopping || state.lost, state.open_runs())
        };
        for run in runs {
            for index in 0..run.len() {
                if let Some(slot) = run.decided(index) {
                    self.count(&mut tally, &run, index, slot, stays);
                }
            }
        }
        (tally, exact)
    }

    /// How many items the source has not been told of, or is about to be; and whether that is exact. It is what the source's peer counts
    /// that lets so many stay unacknowledged: in an ordered lane also those that are decided behind one that is not.
    pub(crate) fn unsettled(&self) -> (usize, bool) {
        let (all, counted, (runs, exact)) = {
            let state = lock(&self.state);
            (state.unsettled, state.counted, state.open_runs())
        };
        let decided: usize = match self.settlement {
            Settlement::InOrder => runs.first().map_or(0, |run| {
                counted + (counted..run.len()).take_while(|&index| self.settleable(run, index).is_some()).count()
            }),
            Settlement::Each => {
                runs.iter().map(|run| (0..run.len()).filter(|&index| run.decided(index).is_some()).count()).sum()
            }
        };
        (all.saturating_sub(decided), exact)
    }

    /// The memory of what is not decided, in bytes; and whether that is exact.
    pub(crate) fn undecided_bytes(&self) -> (usize, bool) {
        let (runs, exact) = lock(&self.state).open_runs();
        (runs.iter().map(|run| run.undecided_bytes()).sum(), exact)
    }

    /// `stays`: what is dropped undecided stays with the source, which is no failure.
    fn count(&self, tally: &mut Tally, run: &Run, index: usize, slot: Slot, stays: bool) {
        if slot.outcome == Outcome::Failed && stays {
            if self.is_superseded() {
                // What another branch had to say about it will be said again.
                if self.on_rejected == OnRejected::Settle && !run.has_failed(index) || run.error(index).is_none() {
                    tally.superseded += 1;
                    return;
                }
            } else if run.error(index).is_none() {
                return;
            }
        }
        tally.count(slot.outcome, self.on_rejected == OnRejected::Settle);
    }

    /// The first troubles since the last call.
    pub(crate) fn take_troubles(&self) -> Vec<Trouble> {
        std::mem::take(&mut lock(&self.state).troubles)
    }

    /// From now on what is dropped undecided is held: its source will give it again.
    pub(crate) fn stopping(&self) {
        lock(&self.state).stopping = true;
    }

    /// The connection behind the lane is gone: nothing of it can be settled any more.
    pub(crate) fn lose(&self) {
        lock(&self.state).lost = true;
    }

    /// Of a lost lane: its source gives again what was not settled, so whatever of it waits may be dropped.
    pub(crate) fn supersede(&self) {
        let state = lock(&self.state);
        if state.lost && state.items > 0 && !self.superseded.swap(true, Ordering::AcqRel) {
            self.signals.unwanted.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Takes [`supersede`](Lane::supersede) back: the source gives nothing any more.
    pub(crate) fn keep(&self) {
        let state = lock(&self.state);
        if self.superseded.swap(false, Ordering::AcqRel) && state.items > 0 {
            self.signals.unwanted.fetch_sub(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }

    /// Nothing from this position on may be called done: an item there was refused or has failed, and holds the lane. Known as soon as
    /// it happens, so before anything behind that item goes on; and nothing behind it is to go on.
    pub(crate) fn barrier(&self) -> Position {
        Position(self.barrier.load(Ordering::Acquire))
    }

    /// Up to where everything is decided, in all branches, for good.
    pub(crate) fn settled(&self) -> Option<Position> {
        lock(&self.state).settled
    }

    /// Whether the lane can be forgotten: lost, and all of its items decided.
    pub(crate) fn is_over(&self) -> bool {
        let state = lock(&self.state);
        state.lost && state.items == 0
    }

    pub(super) fn trouble(&self, position: Position, outcome: Outcome, error: Option<&Error>) {
        let mut state = lock(&self.state);
        // What a panic drops is not an operator that forgot; the panic itself ends the relay.
        if error.is_none() && (state.stopping || state.lost || std::thread::panicking()) {
            return;
        }
        if !(outcome == Outcome::Rejected && self.on_rejected == OnRejected::Settle) {
            if self.barrier.load(Ordering::Acquire) == u64::MAX {
                self.signals.unwanted.fetch_add(1, Ordering::AcqRel);
            }
            self.barrier.fetch_min(position.0, Ordering::AcqRel);
            // What is behind it is dropped for a reason.
            state.stopping |= error.is_some();
        }
        if state.troubles.len() < TROUBLES_KEPT {
            state.troubles.push(Trouble { position, outcome, error: error.cloned() });
        }
        drop(state);
        self.signals.troubled.store(true, Ordering::Release);
        self.signals.progress.notify_one();
    }

    /// A run has ended: its last token is gone.
    pub(super) fn complete(&self, seq: u64, bytes: usize, run: &Run) {
        let Some(at) = run.at() else { return };
        let len = run.len();
        let troubled = run.is_troubled();
        let verdicts = match self.settlement {
            Settlement::InOrder => Vec::new(),
            Settlement::Each => self.unreported(run),
        };
        let mut state = lock(&self.state);
        // Before anybody can see that fewer are undecided: who looks then finds what there is to tell, behind the lock.
        self.mark_dirty();
        let stays = state.stopping || state.lost;
        let mut detail = Vec::new();
        for index in 0..len {
            let Some(slot) = run.decided(index) else { continue };
            self.count(&mut state.tally, run, index, slot, stays);
            if troubled {
                detail.push((at.position(index), self.decide(run, index, slot)));
            }
        }
        state.items -= len;
        if state.items == 0 && self.is_superseded() {
            self.signals.unwanted.fetch_sub(1, Ordering::AcqRel);
        }
        self.signals.items.fetch_sub(len, Ordering::AcqRel);
        self.signals.bytes.fetch_sub(bytes, Ordering::AcqRel);
        let place = (seq - state.first) as usize;
        match self.settlement {
            Settlement::InOrder => {
                let last = at.position(len - 1);
                let done = Entry::Done { len, last, detail: troubled.then_some(detail) };
                if let Some(entry) = state.runs.get_mut(place) {
                    *entry = done;
                }
                state.advance();
            }
            Settlement::Each => {
                state.verdicts.extend(verdicts);
                if let Some(entry) = state.runs.get_mut(place) {
                    *entry = Entry::Done { len, last: at.position(len - 1), detail: None };
                }
                state.skip_done();
            }
        }
        drop(state);
        self.signals.progress.notify_one();
    }
}

impl State {
    /// The runs that are not done; and whether these are all, which they are not for the moment in which one ends.
    fn open_runs(&self) -> (Vec<Arc<Run>>, bool) {
        let open = self.runs.iter().filter_map(|entry| match entry {
            Entry::Open(run) => Some(run),
            Entry::Done { .. } => None,
        });
        let alive: Vec<_> = open.clone().filter_map(Weak::upgrade).collect();
        let all = alive.len() == open.count();
        (alive, all)
    }

    fn settle(&mut self, position: Position, decision: Decision) {
        if let Decision::Refuse(error) = decision {
            self.verdicts.push(Verdict { position, refused: Some(error) });
        }
        self.settled = Some(position);
    }

    /// Moves over the done runs at the front, up to the first item that holds the lane.
    fn advance(&mut self) {
        while !self.broken && matches!(self.runs.front(), Some(Entry::Done { .. })) {
            let Some(Entry::Done { len, last, detail }) = self.runs.pop_front() else { return };
            self.first += 1;
            self.unsettled -= len;
            let counted = std::mem::take(&mut self.counted);
            let Some(detail) = detail else {
                self.settled = Some(last);
                continue;
            };
            for (position, decision) in detail.into_iter().skip(counted) {
                if matches!(decision, Decision::Hold) {
                    self.broken = true;
                    break;
                }
                self.settle(position, decision);
            }
        }
        if self.broken {
            // Nothing behind a failed item is ever settled; only the numbers of the runs still count.
            self.skip_done();
        }
    }

    fn skip_done(&mut self) {
        while let Some(&Entry::Done { len, .. }) = self.runs.front() {
            self.runs.pop_front();
            self.first += 1;
            self.unsettled -= len;
        }
    }
}
