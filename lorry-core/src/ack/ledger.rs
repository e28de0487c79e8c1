//! All lanes of one source.

use super::lane::{Lane, Signals, Trouble};
use super::run::OnRejected;
use super::tally::Tally;
use super::weight::Weight;
use crate::flow::Item;
use crate::relay::{Chunk, LaneId, LaneKey, Settled, Settlement};
use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The ledger of a source: opens its lanes, issues tokens, says what may be settled, and counts.
pub(crate) struct Ledger {
    settlement: Settlement,
    on_rejected: OnRejected,
    lanes: Mutex<Lanes>,
    stopping: AtomicBool,
    pub(crate) signals: Arc<Signals>,
}

#[derive(Default)]
struct Lanes {
    open: BTreeMap<LaneId, Arc<Lane>>,
    /// Lost lanes with items still on their way.
    leaving: Vec<Arc<Lane>>,
    past: Tally,
}

/// How much a source may have undecided in the relay: the bound on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Why a source gives nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Its peer lets only so many be unacknowledged, in each lane.
    Peer(usize),
    /// The relay's bound.
    Items(usize),
    Bytes(usize),
}

/// It cannot be told at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doubt;

impl Ledger {
    /// `unwanted` counts, for the whole relay, lanes of which some items on their way are not to go on: given again by their source, or
    /// behind one that ends the relay.
    pub(crate) fn new(settlement: Settlement, on_rejected: OnRejected, unwanted: Arc<AtomicUsize>) -> Self {
        let signals = Arc::new(Signals { unwanted, ..Signals::default() });
        Self { settlement, on_rejected, lanes: Mutex::default(), stopping: AtomicBool::new(false), signals }
    }

    /// A lane whose positions are kept under this key.
    pub(crate) fn open_lane(&self, id: LaneId, key: LaneKey) {
        let lane = self.lane(id, Some(key));
        lock(&self.lanes).open.entry(id).or_insert(lane);
    }

    /// Whether positions of this lane are kept.
    pub(crate) fn has_key(&self, id: LaneId) -> bool {
        lock(&self.lanes).open.get(&id).is_some_and(|lane| lane.key().is_some())
    }

    fn lane(&self, id: LaneId, key: Option<LaneKey>) -> Arc<Lane> {
        let lane = Lane::new(id, key, self.settlement, self.on_rejected, self.signals.clone());
        if self.stopping.load(Ordering::Acquire) {
            lane.stopping();
        }
        lane
    }

    /// Enters a chunk; its lane is opened if it is not known.
    pub(crate) fn issue<T>(&self, chunk: Chunk<T>, weight: impl Into<Weight>, into: &mut Vec<Item<T>>) {
        let lane = {
            let mut lanes = lock(&self.lanes);
            lanes.open.entry(chunk.lane).or_insert_with(|| self.lane(chunk.lane, None)).clone()
        };
        lane.issue(chunk, weight.into(), into);
    }

    /// The lane is gone: nothing of it can be settled any more.
    pub(crate) fn lose(&self, id: LaneId) {
        {
            let mut lanes = lock(&self.lanes);
            if let Some(lane) = lanes.open.remove(&id) {
                lane.lose();
                lanes.leaving.push(lane);
            }
        }
        self.forget();
    }

    /// All lanes are gone.
    pub(crate) fn lose_all(&self) {
        let ids: Vec<_> = lock(&self.lanes).open.keys().copied().collect();
        ids.into_iter().for_each(|id| self.lose(id));
    }

    /// What was not settled of this lost lane comes again.
    pub(crate) fn supersede(&self, id: LaneId) {
        lock(&self.lanes).leaving.iter().filter(|lane| lane.id() == id).for_each(|lane| lane.supersede());
    }

    /// What was not settled of lost lanes of this key comes again.
    pub(crate) fn supersede_key(&self, key: &LaneKey) {
        lock(&self.lanes).leaving.iter().filter(|lane| lane.key() == Some(key)).for_each(|lane| lane.supersede());
    }

    /// Nothing comes again any more: what is still on its way is wanted after all.
    pub(crate) fn keep_lost(&self) {
        lock(&self.lanes).leaving.iter().for_each(|lane| lane.keep());
    }

    /// What the source may be told now; see [`Lane::take`].
    pub(crate) fn take(&self, exact: bool) -> Vec<Settled> {
        let mut settled = Vec::new();
        if !exact && !self.signals.dirty.swap(false, Ordering::AcqRel) {
            return settled;
        }
        for lane in self.open() {
            lane.take(exact, &mut settled);
        }
        settled
    }

    /// The troubles since the last call.
    pub(crate) fn take_troubles(&self) -> Vec<(LaneId, Trouble)> {
        if !self.signals.troubled.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        let troubles = |lane: Arc<Lane>| lane.take_troubles().into_iter().map(move |trouble| (lane.id(), trouble));
        self.all().into_iter().flat_map(troubles).collect()
    }

    /// The counts of all lanes, past ones included.
    pub(crate) fn tally(&self) -> Tally {
        self.counts().0
    }

    /// The counts, and whether they are exact: see [`Lane::tally`].
    pub(crate) fn counts(&self) -> (Tally, bool) {
        self.forget();
        let (mut tally, lanes) = {
            let lanes = lock(&self.lanes);
            (lanes.past, lanes.all())
        };
        let mut exact = true;
        for (counts, is_exact) in lanes.iter().map(|lane| lane.tally()) {
            tally += counts;
            exact &= is_exact;
        }
        (tally, exact)
    }

    /// How many more items fit under the bound. The quick answer counts whole chunks; where that says none, the exact one is asked.
    pub(crate) fn room(&self, bound: Bound) -> usize {
        let (items, bytes) = self.retained();
        match bound.items.saturating_sub(items) {
            _ if bytes >= bound.bytes && self.undecided_bytes().0 >= bound.bytes => 0,
            0 => bound.items.saturating_sub(self.tally().held() as usize),
            room => room,
        }
    }

    /// Why the source gives nothing more before something is decided. `Err` when it is in doubt, for the moment in which a run ends.
    pub(crate) fn full(&self, bound: Bound, peer: Option<usize>) -> Result<Option<Full>, Doubt> {
        if let Some(most) = peer {
            let lanes = self.open();
            let (mut unsettled, mut exact) = (0, true);
            for (items, is_exact) in lanes.iter().map(|lane| lane.unsettled()) {
                unsettled += items;
                exact &= is_exact;
            }
            if unsettled >= most.saturating_mul(lanes.len().max(1)) {
                return if exact { Ok(Some(Full::Peer(most))) } else { Err(Doubt) };
            }
        }
        let (items, bytes) = self.retained();
        if bytes >= bound.bytes {
            match self.undecided_bytes() {
                (bytes, _) if bytes < bound.bytes => {}
                (_, true) => return Ok(Some(Full::Bytes(bound.bytes))),
                (_, false) => return Err(Doubt),
            }
        }
        if items < bound.items {
            return Ok(None);
        }
        match self.counts() {
            (tally, _) if (tally.held() as usize) < bound.items => Ok(None),
            (_, true) => Ok(Some(Full::Items(bound.items))),
            (_, false) => Err(Doubt),
        }
    }

    /// Whether every item of every lane is decided.
    pub(crate) fn is_empty(&self) -> bool {
        self.retained().0 == 0
    }

    /// From now on what is dropped undecided is held, not failed.
    pub(crate) fn stopping(&self) {
        self.stopping.store(true, Ordering::Release);
        self.all().iter().for_each(|lane| lane.stopping());
    }

    /// Without the part of chunks that is decided.
    fn undecided_bytes(&self) -> (usize, bool) {
        let lanes = self.all().into_iter().map(|lane| lane.undecided_bytes());
        lanes.fold((0, true), |(bytes, exact), (more, is_exact)| (bytes + more, exact && is_exact))
    }

    fn retained(&self) -> (usize, usize) {
        (self.signals.items.load(Ordering::Acquire), self.signals.bytes.load(Ordering::Acquire))
    }

    fn forget(&self) {
        let mut lanes = lock(&self.lanes);
        let (over, leaving): (Vec<_>, Vec<_>) =
            std::mem::take(&mut lanes.leaving).into_iter().partition(|lane| lane.is_over());
        lanes.leaving = leaving;
        over.iter().for_each(|lane| lanes.past += lane.tally().0);
    }

    /// How many lanes it knows.
    #[cfg(test)]
    pub(super) fn lanes(&self) -> usize {
        self.all().len()
    }

    fn open(&self) -> Vec<Arc<Lane>> {
        lock(&self.lanes).open.values().cloned().collect()
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        lock(&self.lanes).all()
    }
}

impl Lanes {
    fn all(&self) -> Vec<Arc<Lane>> {
        self.open.values().chain(&self.leaving).cloned().collect()
    }
}
