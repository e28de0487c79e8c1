//! A source in memory.

use super::lock;
use lorry_core::relay::{
    At, Chunk, Context, Event, Guarantee, Identity, LaneId, LaneKey, Position, Settled, Settlement, Source, SourceInfo,
};
use lorry_core::{Error, Message, Result};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// A source that gives the values of an [`Origin`], as a broker with a persistent session would: in order, each again in another lane
/// until it is settled. A message's position is its index in the origin, so a test can say in one line what must be settled.
///
/// It watches over its caller: a settlement that the contract of [`Source`] forbids (a position that was not given out, one that goes
/// back, a message settled alone in a lane that is settled in order) is a panic.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::relay::{Context, Event, Settled, Position, Source};
/// use lorry_testkit::MemorySource;
///
/// let mut source = MemorySource::new(["a", "b", "c"]);
/// let origin = source.origin();
/// source.open(Context::detached("memorysrc")).await?;
/// let Event::Chunk(chunk) = source.next(2).await? else { unreachable!() };
/// assert_eq!(chunk.values, ["a", "b"]);
/// source.settle(vec![Settled::UpTo(chunk.lane, Position(0))]).await?;
///
/// // The process is killed and started again: what was not settled comes again.
/// let mut source = origin.source();
/// source.open(Context::detached("memorysrc")).await?;
/// let Event::Chunk(chunk) = source.next(9).await? else { unreachable!() };
/// assert_eq!(chunk.values, ["b", "c"]);
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
pub struct MemorySource<T = Message> {
    origin: Origin<T>,
    /// The lane of this connection, while there is one.
    lane: Option<LaneId>,
    run: u64,
    context: Option<Context>,
}

/// Where a [`MemorySource`] has its values from, and where it says what was settled. Clones are the same origin.
pub struct Origin<T = Message>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    kind: SourceInfo,
    chunk: usize,
    values: Vec<T>,
    ended: bool,
    settled: BTreeSet<usize>,
    refused: BTreeMap<usize, Error>,
    /// What was given out and is not settled, by lanes that live.
    lane: Option<Lane>,
    lanes: u64,
    runs: u64,
    /// Everything below was given out at least once.
    given: usize,
    /// The run that gave it out, for a guarantee that ends with the process.
    gave: u64,
    opens: usize,
    void: usize,
    failures: VecDeque<Error>,
    open_failures: VecDeque<Error>,
    announce: bool,
    lost: Option<LaneId>,
    /// Up to where the last process has settled.
    reached: Option<usize>,
    /// Lost lanes that come again, as is to be announced.
    repeats: Vec<LaneId>,
}

struct Lane {
    id: LaneId,
    /// The next value to give out; what lies before is given out or settled.
    next: usize,
    /// Indices given out in this lane and not settled.
    out: BTreeSet<usize>,
    up_to: Option<usize>,
}

impl<T: Clone + Send + Sync + 'static> MemorySource<T> {
    /// These values, then the end of the stream. Guarantee [`Guarantee::SurvivesRestart`], settled in order.
    pub fn new(values: impl IntoIterator<Item = T>) -> Self {
        let origin = Origin::new();
        origin.extend(values);
        origin.end();
        origin.source()
    }

    /// Without values and without an end, as yet: see [`Origin::push`] and [`Origin::end`].
    pub fn open_ended() -> Self {
        Origin::new().source()
    }

    /// With this guarantee. Under [`Guarantee::Replayable`] the lane has a key, and reading starts after the position that the relay
    /// found for it; under [`Guarantee::BestEffort`] nothing comes twice.
    #[must_use]
    pub fn guarantee(self, guarantee: Guarantee) -> Self {
        self.with(|state| state.kind.guarantee = guarantee)
    }

    /// Settled in this way.
    #[must_use]
    pub fn settlement(self, settlement: Settlement) -> Self {
        self.with(|state| state.kind.settlement = settlement)
    }

    /// Gives no more than this many before some are settled, as a broker's window would.
    #[must_use]
    pub fn max_unacked(self, max: usize) -> Self {
        self.with(|state| state.kind.max_unacked = Some(max))
    }

    /// At most so many values in a chunk.
    #[must_use]
    pub fn chunk(self, values: usize) -> Self {
        self.with(|state| state.chunk = values.max(1))
    }

    fn with(self, change: impl FnOnce(&mut State<T>)) -> Self {
        change(&mut self.origin.state());
        self
    }

    /// The origin, to keep when the source is given to a relay.
    pub fn origin(&self) -> Origin<T> {
        self.origin.clone()
    }

    /// What there is to say right now.
    fn poll(&mut self, limit: usize) -> Result<Option<Event<T>>> {
        let state = &mut *self.origin.state();
        if let Some(lost) = state.lost.take().filter(|lost| self.lane == Some(*lost)) {
            self.lane = None;
            state.repeat(lost);
            return Ok(Some(Event::LaneLost(lost)));
        }
        if let Some(error) = state.failures.pop_front() {
            state.lane = None;
            if let Some(lost) = self.lane.take() {
                state.repeat(lost);
            }
            return Err(error);
        }
        let id = match self.lane {
            Some(id) => id,
            None => {
                let Some(context) = &self.context else { panic!("next was called before open") };
                *self.lane.insert(state.connect(self.run, context))
            }
        };
        if let Some(lost) = state.repeats.pop() {
            return Ok(Some(Event::LaneRepeats(lost)));
        }
        if std::mem::take(&mut state.announce)
            && let Some(context) = &self.context
        {
            return Ok(Some(Event::LaneOpened(id, state.key(context))));
        }
        Ok(state.take(id, limit))
    }
}

impl<T: Clone> State<T> {
    fn key(&self, context: &Context) -> LaneKey {
        LaneKey::new(&context.element, &self.kind.identity, "")
    }

    /// This lane is lost. That what can be replayed comes again is known without a word.
    fn repeat(&mut self, lost: LaneId) {
        if matches!(self.kind.guarantee, Guarantee::UntilExit | Guarantee::SurvivesRestart) {
            self.repeats.push(lost);
        }
    }

    /// A new lane, which begins with what is to come again.
    fn connect(&mut self, run: u64, context: &Context) -> LaneId {
        let survives = match self.kind.guarantee {
            Guarantee::BestEffort => false,
            Guarantee::UntilExit => self.gave == run,
            _ => true,
        };
        let mut next = if survives { 0 } else { self.given };
        if self.kind.guarantee == Guarantee::Replayable {
            self.announce = true;
            // Where this process has come to, or began; else what an earlier one has not settled.
            let start = context.start.get(&self.key(context)).map(|at| at.0 as usize);
            let known = self.reached.filter(|_| self.gave == run).or(start);
            next = known.map_or_else(|| (0..).find(|index| !self.settled.contains(index)).unwrap_or(0), |at| at + 1);
            self.reached = known;
            // From there everything comes, whether or not it was settled before.
            self.settled.retain(|index| *index < next);
        }
        let id = LaneId(self.lanes);
        self.lanes += 1;
        self.lane = Some(Lane { id, next, out: BTreeSet::new(), up_to: None });
        self.gave = run;
        id
    }

    /// The next chunk; `None` when there is nothing to give at the moment.
    fn take(&mut self, id: LaneId, limit: usize) -> Option<Event<T>> {
        let lane = self.lane.as_mut().filter(|lane| lane.id == id)?;
        let room = self.kind.max_unacked.map_or(usize::MAX, |max| max.saturating_sub(lane.out.len()));
        let limit = limit.min(self.chunk).min(room);
        let left = (lane.next..self.values.len()).filter(|index| !self.settled.contains(index));
        let indices: Vec<usize> = left.take(limit).collect();
        let Some((first, last)) = indices.first().copied().zip(indices.last().copied()) else {
            let all_given = (lane.next..self.values.len()).all(|index| self.settled.contains(&index));
            return (self.ended && all_given).then_some(Event::End);
        };
        lane.next = last + 1;
        self.given = self.given.max(last + 1);
        lane.out.extend(&indices);
        let values = indices.iter().map(|&index| self.values[index].clone()).collect();
        let mut chunk = Chunk::sequential(id, first as u64, values);
        if last - first + 1 != indices.len() {
            chunk.at = At::Each(indices.into_iter().map(|index| Position(index as u64)).collect());
        }
        Some(Event::Chunk(chunk))
    }

    fn settle(&mut self, settled: Settled) {
        let in_order = self.kind.settlement == Settlement::InOrder;
        let id = match &settled {
            Settled::UpTo(lane, _) | Settled::Items(lane, _) => *lane,
            other => panic!("a settlement that MemorySource does not know: {other:?}"),
        };
        assert!(id.0 < self.lanes, "{settled:?}: this lane was never opened");
        let Some(lane) = self.lane.as_mut().filter(|lane| lane.id == id) else {
            self.void += 1;
            return;
        };
        match settled {
            Settled::UpTo(_, Position(up_to)) => {
                let up_to = up_to as usize;
                assert!(up_to < lane.next, "settled up to {up_to}, but only {} values were given out", lane.next);
                assert!(lane.up_to.is_none_or(|before| before < up_to), "settled up to {up_to} after {:?}", lane.up_to);
                lane.up_to = Some(up_to);
                self.reached = Some(up_to);
                let rest = lane.out.split_off(&(up_to + 1));
                self.settled.append(&mut std::mem::replace(&mut lane.out, rest));
            }
            Settled::Items(_, verdicts) => {
                for verdict in verdicts {
                    let index = verdict.position.0 as usize;
                    assert!(lane.out.contains(&index), "settled {index}, which is not open");
                    assert!(
                        !in_order || verdict.refused.is_some(),
                        "settled {index} alone in a lane that is settled in order"
                    );
                    if let Some(error) = verdict.refused {
                        self.refused.insert(index, error);
                    }
                    // In order, the prefix that covers it follows.
                    if !in_order {
                        lane.out.remove(&index);
                        self.settled.insert(index);
                    }
                }
            }
            _ => {}
        }
    }
}

#[lorry_core::async_trait]
impl<T: Clone + Send + Sync + 'static> Source<T> for MemorySource<T> {
    fn info(&self, _: &Identity) -> SourceInfo {
        self.origin.state().kind.clone()
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let mut state = self.origin.state();
        state.opens += 1;
        if let Some(error) = state.open_failures.pop_front() {
            return Err(error);
        }
        if let Some(lost) = self.lane.take() {
            state.repeat(lost);
        }
        self.lane = Some(state.connect(self.run, &context));
        drop(state);
        self.context = Some(context);
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event<T>> {
        assert!(limit > 0, "next was called with a limit of 0");
        loop {
            let origin = self.origin.clone();
            let mut changed = std::pin::pin!(origin.0.changed.notified());
            // Before the look, so that no change is missed after it.
            changed.as_mut().enable();
            if let Some(event) = self.poll(limit)? {
                return Ok(event);
            }
            changed.await;
        }
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        let mut state = self.origin.state();
        settled.into_iter().for_each(|settled| state.settle(settled));
        drop(state);
        self.origin.0.changed.notify_waiters();
        Ok(())
    }
}

impl<T: Clone + Send + Sync + 'static> Origin<T> {
    /// An origin without values and without an end, as yet.
    pub fn new() -> Self {
        let kind = SourceInfo::new("memorysrc", "memory").guarantee(Guarantee::SurvivesRestart);
        let state = State {
            kind,
            chunk: usize::MAX,
            values: Vec::new(),
            ended: false,
            settled: BTreeSet::new(),
            refused: BTreeMap::new(),
            lane: None,
            lanes: 0,
            runs: 0,
            given: 0,
            gave: 0,
            opens: 0,
            void: 0,
            failures: VecDeque::new(),
            open_failures: VecDeque::new(),
            announce: false,
            lost: None,
            reached: None,
            repeats: Vec::new(),
        };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// A source of these values: another process, or the first. One source at a time reads an origin.
    pub fn source(&self) -> MemorySource<T> {
        let mut state = self.state();
        state.runs += 1;
        MemorySource { origin: self.clone(), lane: None, run: state.runs, context: None }
    }

    /// Adds a value.
    pub fn push(&self, value: T) {
        self.extend([value]);
    }

    /// Adds values.
    pub fn extend(&self, values: impl IntoIterator<Item = T>) {
        self.change(|state| state.values.extend(values));
    }

    /// Nothing more is added: the stream ends once everything was given out.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }

    /// The connection is lost: the source says so, and what is not settled comes again in another lane. Where that is not
    /// self-evident ([`Guarantee::Replayable`]), [`Event::LaneRepeats`] says it at the beginning of the new lane.
    pub fn lose_lane(&self) {
        self.change(|state| {
            if let Some(lane) = state.lane.take() {
                state.lost = Some(lane.id);
            }
        });
    }

    /// The next `next` fails with this error; several are used one after the other.
    pub fn fail_next(&self, error: Error) {
        self.change(|state| state.failures.push_back(error));
    }

    /// The next `open` fails with this error; several are used one after the other.
    pub fn fail_open(&self, error: Error) {
        self.change(|state| state.open_failures.push_back(error));
    }

    /// The indices that are settled, refused ones included.
    pub fn settled(&self) -> Vec<usize> {
        self.state().settled.iter().copied().collect()
    }

    /// The indices that were refused, each with the reason. In a lane settled in order they count only once they are settled too.
    pub fn refused(&self) -> Vec<(usize, Error)> {
        self.state().refused.iter().map(|(index, error)| (*index, error.clone())).collect()
    }

    /// How many values are given out and not settled.
    pub fn unsettled(&self) -> usize {
        self.state().lane.as_ref().map_or(0, |lane| lane.out.len())
    }

    /// How many values were given out at least once.
    pub fn given(&self) -> usize {
        self.state().given
    }

    /// How often it was opened, in vain or not.
    pub fn opens(&self) -> usize {
        self.state().opens
    }

    /// How many settlements came for a lane that was gone.
    pub fn void_settlements(&self) -> usize {
        self.state().void
    }

    /// Waits until so many values are settled.
    pub async fn wait_settled(&self, values: usize) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.state().settled.len() >= values {
                return;
            }
            changed.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        change(&mut self.state());
        self.0.changed.notify_waiters();
    }
}

impl<T> Origin<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.0.state)
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Origin<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Origin<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Origin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let mut shown = f.debug_struct("Origin");
        shown
            .field("values", &state.values.len())
            .field("given", &state.given)
            .field("settled", &state.settled.len())
            .finish()
    }
}

impl<T> fmt::Debug for MemorySource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemorySource").field(&self.origin).finish()
    }
}
