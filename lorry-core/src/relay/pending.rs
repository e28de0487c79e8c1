//! What waits before a sink, and how batches are cut of it.

use super::position::{LaneKey, Position, Positions};
use super::queue::Queue;
use super::sink::Limits;
use crate::ack::{Lane, Token};
use crate::flow::Item;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::Instant;

/// Items taken from the queue and in no batch yet.
pub(super) struct Pending<T> {
    items: VecDeque<Item<T>>,
    pub(super) since: Option<Instant>,
    /// Every operator above treats each item by itself: items come in the order of their lanes, and what its source gives again
    /// fares like the first time.
    direct: bool,
    /// Whether some of the items may be unwanted; see `Control::unwanted`.
    unwanted: Arc<AtomicUsize>,
    /// What the sink has on record, if it keeps positions.
    record: Option<Positions>,
}

/// A batch to be.
pub(super) struct Cut<T> {
    pub(super) values: Vec<T>,
    pub(super) tokens: Vec<Token>,
    /// What becomes committable with it, for a sink that keeps positions.
    pub(super) marks: Vec<(LaneKey, Position)>,
    /// Items that were passed over since they are on record.
    pub(super) on_record: usize,
    pub(super) dropped: Dropped,
}

/// Items that were dropped undecided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// Their source gives them again.
    pub(super) superseded: usize,
    /// A message before them ends the relay: they stay with their source.
    pub(super) barred: usize,
}

impl Dropped {
    pub(super) fn len(self) -> usize {
        self.superseded + self.barred
    }
}

impl<T> Pending<T> {
    pub(super) fn new(direct: bool, keeps_positions: bool, unwanted: Arc<AtomicUsize>) -> Self {
        let record = keeps_positions.then(Positions::default);
        Self { items: VecDeque::new(), since: None, direct, unwanted, record }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
    }

    fn add(&mut self, items: Vec<Item<T>>) {
        if !items.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.items.extend(items);
        }
    }

    pub(super) fn top_up(&mut self, queue: &Queue<Item<T>>) {
        let mut items = Vec::new();
        queue.try_take(&mut items);
        self.add(items);
    }

    /// Waits for items; false when no more will come.
    pub(super) async fn take(&mut self, queue: &Queue<Item<T>>) -> bool {
        let mut items = Vec::new();
        let ending = poll_fn(|cx| queue.poll_take(cx, &mut items)).await;
        self.add(items);
        ending.is_none()
    }

    /// These positions are on record at the sink.
    pub(super) fn on_record<'a>(&mut self, positions: impl IntoIterator<Item = (&'a LaneKey, Position)>) {
        let Some(record) = &mut self.record else { return };
        positions.into_iter().for_each(|(key, position)| record.advance(key.clone(), position));
    }

    /// Whether the sink has the item, by its own record.
    pub(super) fn has(&self, token: &Token) -> bool {
        let (true, Some(record), Some((lane, position))) = (self.direct, &self.record, token.place()) else {
            return false;
        };
        lane.key().and_then(|key| record.get(key)).is_some_and(|up_to| position <= up_to)
    }

    /// Whether this is not to be sent, and why; noted in `dropped`. What is given again is sent all the same if it has gone through an
    /// operator that remembers.
    pub(super) fn is_unwanted(&self, token: &Token, dropped: &mut Dropped) -> bool {
        if self.is_barred(token, dropped) {
            return true;
        }
        let superseded = self.unwanted.load(Ordering::Acquire) > 0 && self.direct && token.is_superseded();
        dropped.superseded += usize::from(superseded);
        superseded
    }

    /// Whether a message before it ends the relay; noted in `dropped`.
    pub(super) fn is_barred(&self, token: &Token, dropped: &mut Dropped) -> bool {
        let barred = self.unwanted.load(Ordering::Acquire) > 0 && token.is_barred();
        dropped.barred += usize::from(barred);
        barred
    }

    /// What becomes committable with these items, for a sink that keeps positions; what waits here comes behind them.
    pub(super) fn marks(&self, tokens: &[Token]) -> Vec<(LaneKey, Position)> {
        match &self.record {
            None => Vec::new(),
            Some(_) if self.direct => in_order(tokens, self.items.front().map(|item| &item.token)),
            Some(record) => decided(tokens, record),
        }
    }

    /// Takes out what goes into the next batch; nothing if all of it was passed over.
    pub(super) fn cut(&mut self, limits: &Limits, weigh: impl Fn(&T) -> usize) -> Cut<T> {
        let room = limits.items.min(self.items.len());
        let (values, tokens) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut cut = Cut { values, tokens, marks: Vec::new(), on_record: 0, dropped: Dropped::default() };
        let keeps_order = self.direct && self.record.is_some();
        let mut lanes = Lanes::default();
        let mut bytes = 0usize;
        while let Some(item) = self.items.front() {
            if self.is_unwanted(&item.token, &mut cut.dropped) {
                if let Some(item) = self.items.pop_front() {
                    item.token.leave();
                }
                continue;
            }
            if keeps_order && self.has(&item.token) {
                if let Some(item) = self.items.pop_front() {
                    item.token.delivered();
                }
                cut.on_record += 1;
                continue;
            }
            if keeps_order && item.token.place().is_some_and(|(lane, _)| !lanes.admit(lane)) {
                break;
            }
            let weight = weigh(&item.value);
            let fits = cut.values.len() < limits.items && bytes.saturating_add(weight) <= limits.bytes;
            if !fits && !cut.values.is_empty() {
                break;
            }
            bytes = bytes.saturating_add(weight);
            if let Some(item) = self.items.pop_front() {
                cut.values.push(item.value);
                cut.tokens.push(item.token);
            }
        }
        if keeps_order {
            self.round(&mut cut);
        }
        cut.marks = self.marks(&cut.tokens);
        self.since = (!self.items.is_empty()).then(Instant::now);
        cut
    }

    /// All that was made of one item goes into one batch, if it fits: a position is on record or it is not.
    fn round(&mut self, cut: &mut Cut<T>) {
        let Some(split) = self.items.front().and_then(|item| item.token.place()) else { return };
        let whole = cut.tokens.iter().rposition(|token| !same(token.place(), Some(split))).map_or(0, |last| last + 1);
        if whole > 0 && whole < cut.tokens.len() {
            let (values, tokens) = (cut.values.drain(whole..), cut.tokens.drain(whole..));
            for (value, token) in values.zip(tokens).rev() {
                self.items.push_front(Item { value, token });
            }
        }
    }
}

fn same(a: Option<(&Arc<Lane>, Position)>, b: Option<(&Arc<Lane>, Position)>) -> bool {
    matches!((a, b), (Some((lane, at)), Some((other, position))) if Arc::ptr_eq(lane, other) && at == position)
}

/// The lanes in one batch. Two with one key (before and after a lost connection) do not go together: what the second gives again is
/// recognised once the first is on record.
#[derive(Default)]
struct Lanes(Vec<Arc<Lane>>);

impl Lanes {
    fn admit(&mut self, lane: &Arc<Lane>) -> bool {
        if self.0.last().is_some_and(|last| Arc::ptr_eq(last, lane)) {
            return true;
        }
        if !self.0.iter().any(|known| Arc::ptr_eq(known, lane)) {
            if lane.key().is_some() && self.0.iter().any(|known| known.key() == lane.key()) {
                return false;
            }
            self.0.push(lane.clone());
        } else {
            self.0.retain(|known| !Arc::ptr_eq(known, lane));
            self.0.push(lane.clone());
        }
        true
    }
}

/// Items come in the order of their lanes, so the last one of a lane says how far the batch reaches. An item of which more is to come
/// does not count.
fn in_order(tokens: &[Token], next: Option<&Token>) -> Vec<(LaneKey, Position)> {
    let mut marks: Vec<(&LaneKey, Position)> = Vec::new();
    let unfinished = next.and_then(Token::place);
    for token in tokens {
        let Some((lane, position)) = token.place() else { continue };
        let Some(key) = lane.key() else { continue };
        if same(Some((lane, position)), unfinished) {
            continue;
        }
        match marks.iter_mut().rev().find(|(known, _)| *known == key) {
            Some((_, last)) => *last = position,
            None => marks.push((key, position)),
        }
    }
    marks.into_iter().map(|(key, position)| (key.clone(), position)).collect()
}

/// Operators between may hold back, reorder and join: sure is only what is decided in all branches.
fn decided(tokens: &[Token], record: &Positions) -> Vec<(LaneKey, Position)> {
    let mut marks = Positions::default();
    let mut seen: Vec<Arc<Lane>> = Vec::new();
    for lane in tokens.iter().flat_map(Token::lanes) {
        if seen.iter().any(|known| Arc::ptr_eq(known, &lane)) {
            continue;
        }
        if let (Some(key), Some(position)) = (lane.key(), lane.settled())
            && record.get(key).is_none_or(|before| before < position)
        {
            marks.advance(key.clone(), position);
        }
        seen.push(lane);
    }
    marks.iter().map(|(key, position)| (key.clone(), position)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ack::{Ledger, OnRejected};
    use crate::relay::{Chunk, LaneId, Settlement};

    fn key() -> LaneKey {
        LaneKey::new("src0", "numbers", "")
    }

    struct Bench(Ledger, Pending<u64>);

    impl Bench {
        fn new() -> Self {
            let unwanted = Arc::default();
            let ledger = Ledger::new(Settlement::InOrder, OnRejected::Hold, Arc::clone(&unwanted));
            Self(ledger, Pending::new(true, true, unwanted))
        }

        fn items(&self, lane: u64, numbers: std::ops::Range<u64>) -> Vec<Item<u64>> {
            let mut items = Vec::new();
            self.0.open_lane(LaneId(lane), key());
            self.0.issue(Chunk::sequential(LaneId(lane), numbers.start, numbers.collect()), 0, &mut items);
            items
        }

        fn cut(&mut self) -> (Vec<u64>, Option<u64>) {
            let cut = self.1.cut(&Limits { items: 100, ..Limits::default() }, |_| 1);
            self.1.on_record(cut.marks.iter().map(|(key, position)| (key, *position)));
            cut.tokens.into_iter().for_each(Token::delivered);
            (cut.values, cut.marks.first().map(|(_, position)| position.0))
        }
    }

    #[test]
    fn nothing_is_sent_from_a_refused_message_on() {
        // Refused before it came here, or by another branch.
        for is_here in [false, true] {
            let mut bench = Bench::new();
            let mut items = bench.items(0, 0..10);
            items[4].token.clone().reject(crate::Error::data(crate::ErrorKind::Malformed, "", "no"));
            if !is_here {
                items.remove(4).token.filtered();
            }
            bench.1.add(items);
            assert_eq!(bench.cut(), ((0..4).collect(), Some(3)));
            assert_eq!(bench.cut(), (vec![], None));
            assert!(bench.1.is_empty());
            let tally = bench.0.tally();
            assert_eq!((tally.delivered, tally.failed, tally.held()), (4, 1, 5));
        }
    }

    #[test]
    fn two_lanes_of_one_key_follow_each_other() {
        let mut bench = Bench::new();
        let (old, new) = (bench.items(0, 5..10), bench.items(1, 3..12));
        bench.1.add(old);
        bench.1.add(new);
        assert_eq!(bench.cut(), ((5..10).collect(), Some(9)));
        assert_eq!(bench.cut(), (vec![10, 11], Some(11)));
    }
}
