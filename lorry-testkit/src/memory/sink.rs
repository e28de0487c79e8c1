//! A sink in memory.

use super::lock;
use lorry_core::relay::{
    Batch, Context, Failure, Failures, Identity, LaneKey, Limits, Position, Positions, Receipt, Sink, SinkInfo,
};
use lorry_core::{Class, Error, ErrorKind, Message, Result};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// A sink that keeps what it gets in a [`Store`], and answers as it was told: by script, or not before it is allowed to.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use lorry_core::{Relay, Stream};
/// use lorry_testkit::{MemorySink, MemorySource};
///
/// let sink = MemorySink::new();
/// let store = sink.store();
/// let doubled = Stream::from_source(MemorySource::new(1..=3)).map(|n| n * 2);
/// Relay::new([doubled.to(sink)]).run().await?;
/// assert_eq!(store.values(), [2, 4, 6]);
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
pub struct MemorySink<T = Message> {
    store: Store<T>,
    limits: Limits,
}

/// What a [`MemorySink`] has got. Clones are the same store; it outlives the sink.
pub struct Store<T = Message>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

type Refuses<T> = Box<dyn Fn(&T) -> Option<Error> + Send>;

struct State<T> {
    landed: Vec<T>,
    batches: Vec<Vec<T>>,
    attempts: Vec<Vec<T>>,
    answers: VecDeque<Answer>,
    refuses: Option<Refuses<T>>,
    /// Receipts that may resolve; `None`: all.
    permits: Option<usize>,
    outstanding: usize,
    most_outstanding: usize,
    positions: Option<BTreeMap<LaneKey, Position>>,
    /// The relay ends at the first refused value; so it was told by `open`.
    stops: bool,
    open_failures: VecDeque<Error>,
    opens: usize,
    closed: bool,
}

/// How a [`MemorySink`] answers one batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// It landed.
    Landed,
    /// Nothing landed, for this reason.
    Failed(Error),
    /// These indices did not land, the others did.
    Partly(Vec<(usize, Error)>),
    /// It landed, but the answer says this: a COMMIT whose answer was lost.
    LandedBut(Error),
    /// `send` itself fails: nothing was taken.
    NotTaken(Error),
}

impl<T: Clone + Send + Sync + 'static> MemorySink<T> {
    /// A sink that takes everything.
    pub fn new() -> Self {
        Store::new().sink()
    }

    /// Wants its batches like this.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Has a position ledger: marks are kept with the batch, as in one transaction, and given out by `positions`. If a value is
    /// refused and the relay ends at that, nothing of its batch lands.
    #[must_use]
    pub fn keeps_positions(self) -> Self {
        self.store.state().positions.get_or_insert_default();
        self
    }

    /// Refuses values for which this gives an error, as a database refuses a row; the others of the batch land.
    #[must_use]
    pub fn refuse_if(self, refuses: impl Fn(&T) -> Option<Error> + Send + 'static) -> Self {
        self.store.state().refuses = Some(Box::new(refuses));
        self
    }

    /// The store, to keep when the sink is given to a relay.
    pub fn store(&self) -> Store<T> {
        self.store.clone()
    }
}

impl<T: Clone> State<T> {
    /// Does what the script says, and keeps what lands.
    fn answer(&mut self, batch: &Batch<T>) -> Result<Result<(), Failures>> {
        self.attempts.push(batch.iter().cloned().collect());
        let mut failures: Vec<Failure> = Vec::new();
        let mut instead = None;
        match self.answers.pop_front().unwrap_or(Answer::Landed) {
            Answer::Landed => {}
            Answer::NotTaken(error) => return Err(error),
            Answer::Failed(error) => return Ok(Err(Failures::all(batch.len(), &error))),
            Answer::LandedBut(error) => instead = Some(Failures::all(batch.len(), &error)),
            Answer::Partly(indices) => {
                failures = indices.into_iter().map(|(index, error)| Failure { index, error }).collect();
            }
        }
        if let Some(refuses) = &self.refuses {
            let refused =
                batch.iter().enumerate().filter_map(|(index, value)| Some(Failure { index, error: refuses(value)? }));
            failures.extend(refused);
        }
        if self.positions.is_some() && self.stops && failures.iter().any(|failure| failure.error.class() == Class::Data)
        {
            let left = Failures::all(batch.len(), &Error::transient(ErrorKind::Other, "", "rolled back"));
            return Ok(Err(Failures::some(failures.into_iter().chain(left.into_vec()).collect())));
        }
        let landed: Vec<T> = batch
            .iter()
            .enumerate()
            .filter(|(index, _)| failures.iter().all(|failure| failure.index != *index))
            .map(|(_, value)| value.clone())
            .collect();
        // Refused values never come again.
        let decided = failures.iter().all(|failure| failure.error.class() == Class::Data);
        if let Some(positions) = self.positions.as_mut().filter(|_| decided) {
            positions.extend(batch.marks().iter().cloned());
        }
        if !landed.is_empty() {
            self.landed.extend(landed.iter().cloned());
            self.batches.push(landed);
        }
        Ok(match instead {
            Some(failures) => Err(failures),
            None if failures.is_empty() => Ok(()),
            None => Err(Failures::some(failures)),
        })
    }
}

#[lorry_core::async_trait]
impl<T: Clone + Send + Sync + 'static> Sink<T> for MemorySink<T> {
    fn info(&self, _: &Identity) -> SinkInfo {
        let info = SinkInfo::new("memorysink", "memory");
        if self.store.state().positions.is_some() { info.keeps_positions() } else { info }
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        let mut state = self.store.state();
        state.opens += 1;
        state.stops = context.stop_on_refusal;
        state.open_failures.pop_front().map_or(Ok(()), Err)
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        assert!(!batch.is_empty(), "an empty batch was sent");
        let mut state = self.store.state();
        let limits = self.limits;
        assert!(batch.len() <= limits.items, "a batch of {} values, but the limit is {}", batch.len(), limits.items);
        assert!(state.outstanding < limits.receipts, "more than {} receipts outstanding", limits.receipts);
        let outcome = state.answer(&batch)?;
        state.outstanding += 1;
        state.most_outstanding = state.most_outstanding.max(state.outstanding);
        drop(state);
        self.store.0.changed.notify_waiters();
        let outstanding = Outstanding(self.store.clone());
        Ok(Box::pin(async move {
            outstanding.0.permit().await;
            outcome
        }))
    }

    async fn positions(&mut self) -> Result<Positions> {
        Ok(self.store.positions())
    }

    async fn close(&mut self) -> Result<()> {
        self.store.state().closed = true;
        Ok(())
    }
}

/// A receipt that has not resolved; one that is dropped is outstanding no more.
struct Outstanding<T>(Store<T>);

impl<T> Drop for Outstanding<T> {
    fn drop(&mut self) {
        self.0.state().outstanding -= 1;
    }
}

impl<T: Clone + Send + Sync + 'static> Store<T> {
    /// An empty store.
    pub fn new() -> Self {
        let state = State {
            landed: Vec::new(),
            batches: Vec::new(),
            attempts: Vec::new(),
            answers: VecDeque::new(),
            refuses: None,
            permits: None,
            outstanding: 0,
            most_outstanding: 0,
            positions: None,
            stops: true,
            open_failures: VecDeque::new(),
            opens: 0,
            closed: false,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    /// A sink into this store: another process, or the first.
    pub fn sink(&self) -> MemorySink<T> {
        MemorySink { store: self.clone(), limits: Limits::default() }
    }

    /// What has landed, in order.
    pub fn values(&self) -> Vec<T> {
        self.state().landed.clone()
    }

    /// How many values have landed.
    pub fn len(&self) -> usize {
        self.state().landed.len()
    }

    /// Whether nothing has landed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has landed, batch by batch.
    pub fn batches(&self) -> Vec<Vec<T>> {
        self.state().batches.clone()
    }

    /// The positions on record; see [`MemorySink::keeps_positions`].
    pub fn positions(&self) -> Positions {
        let state = self.state();
        state.positions.iter().flatten().map(|(key, position)| (key.clone(), *position)).collect()
    }

    /// Every batch that was sent, landed or not.
    pub fn attempts(&self) -> Vec<Vec<T>> {
        self.state().attempts.clone()
    }

    /// Answers the next batches like this, one each; after that everything lands.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().answers.extend(answers);
    }

    /// The next `open` fails with this error; several are used one after the other.
    pub fn fail_open(&self, error: Error) {
        self.state().open_failures.push_back(error);
    }

    /// From now on no receipt resolves.
    pub fn hold(&self) {
        self.state().permits = Some(0);
    }

    /// Lets so many held receipts resolve.
    pub fn allow(&self, receipts: usize) {
        if let Some(permits) = &mut self.state().permits {
            *permits += receipts;
        }
        self.0.changed.notify_waiters();
    }

    /// Ends a [`hold`](Self::hold).
    pub fn release(&self) {
        self.state().permits = None;
        self.0.changed.notify_waiters();
    }

    /// How many receipts have not resolved.
    pub fn outstanding(&self) -> usize {
        self.state().outstanding
    }

    /// The most that ever were outstanding at once.
    pub fn most_outstanding(&self) -> usize {
        self.state().most_outstanding
    }

    /// How often a sink of this store was opened, in vain or not.
    pub fn opens(&self) -> usize {
        self.state().opens
    }

    /// Whether a sink of this store was closed.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until so many values have landed (whether or not the receipt has resolved).
    pub async fn wait_for(&self, values: usize) {
        self.wait(|state| (state.landed.len() >= values).then_some(())).await;
    }

    /// Waits until so many batches were sent, landed or not.
    pub async fn wait_attempts(&self, batches: usize) {
        self.wait(|state| (state.attempts.len() >= batches).then_some(())).await;
    }

    async fn permit(&self) {
        self.wait(|state| match &mut state.permits {
            None => Some(()),
            Some(0) => None,
            Some(permits) => {
                *permits -= 1;
                Some(())
            }
        })
        .await;
    }

    async fn wait(&self, mut ready: impl FnMut(&mut State<T>) -> Option<()>) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if ready(&mut self.state()).is_some() {
                return;
            }
            changed.await;
        }
    }
}

impl<T> Store<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.0.state)
    }
}

impl<T: Clone + Send + Sync + 'static> Default for MemorySink<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone + Send + Sync + 'static> Default for Store<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Store").field("landed", &state.landed.len()).field("outstanding", &state.outstanding).finish()
    }
}

impl<T> fmt::Debug for MemorySink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemorySink").field(&self.store).finish()
    }
}
