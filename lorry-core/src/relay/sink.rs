//! The contract of a sink.

use super::context::{Context, Identity};
use super::position::{LaneKey, Position, Positions};
use super::source::weigh;
use crate::{Error, ErrorKind, Message, Result};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// Where messages go.
///
/// A sink sees values, never tokens: it can neither lose nor double an acknowledgement. All it has to do is to be honest in its
/// [`Receipt`]s.
///
/// # Who owns a message
///
/// The runtime does, until the receipt says `Ok`. A sink may keep clones (a [`Batch`] is cheap to clone) for as long as it needs them.
/// It never retries on its own account what it has answered for; the runtime sends it again.
///
/// # The receipt
///
/// It resolves when the destination has the batch **for good**: PUBACK with a good reason code, publisher confirm and not returned,
/// COMMIT, 2xx, fsync where asked. Never when something was merely queued or written to a socket. Errors name messages by their
/// index in the batch. By [class](crate::Class): `transient` and `ambiguous` are sent again, in order, before anything newer;
/// `data` is handed to the error policy; `config` ends the relay, or is retried at long intervals after the first success.
///
/// Up to [`Limits::receipts`] batches are outstanding at once. With `receipts = 1` batches follow each other strictly.
///
/// # Positions
///
/// A sink that [keeps positions](SinkInfo::keeps_positions) makes *effectively once* of a source that can be replayed. It gets its
/// batches one at a time and
///
/// * writes the [marks](Batch::marks) of a batch in the same transaction as its messages: **all or nothing**. What it refuses (class
///   `data`) is left out and counts as done, for it never comes again; but where the relay ends at a refused message
///   ([`Context::stop_on_refusal`]), it rolls the whole batch back, names the guilty message, and answers for the others with a
///   transient error. A batch without marks is written like any other.
/// * gives them back in [`positions`](Sink::positions). If a commit whose answer was lost may still be under way at the server, it
///   makes sure that it is not (by a lock, or by replacing only the position that it knows).
///
/// The runtime does the rest. A mark says: everything of this lane up to this position that goes to this sink is in this batch or was
/// in an earlier one. Where every operator from the source to the sink treats each message by itself
/// ([`Operator::remembers`](crate::flow::Operator::remembers) is false) it is exact: nothing beyond it is in the batch either. There
/// what lies at or below the sink's own record is not sent again (it counts as delivered), whether it comes again after a restart, for
/// the sake of another sink, or in a new lane of the same key; and after an ambiguous answer the record is read again. All that was
/// made of one message goes into one batch; if it is larger than a batch, its parts come twice when the process dies between them.
/// Below any other operator a mark is careful: what is decided in all branches. Then messages may come twice, none is left out.
///
/// The source begins at the lowest position that all sinks below it have of a lane, and by its own knowledge where one of them keeps
/// no positions, or has none of that lane.
///
/// # Cancelling
///
/// | await | when the future is dropped before it is ready |
/// |---|---|
/// | `open` | the sink is dropped or opened again: leave nothing behind |
/// | `send` | the relay is aborted; the batch was not delivered, whatever has happened to it meanwhile |
/// | a receipt | as `send` |
/// | `close` | as `send` |
///
/// Dropping a sink ends its connections at once. Work that cannot be interrupted (a blocking transaction) runs to its end and its
/// outcome is lost: the messages come again.
///
/// # Wrong and right
///
/// ```
/// use lorry_core::relay::{Batch, Context, Failures, Identity, Limits, Receipt, Sink, SinkInfo};
/// use lorry_core::{Error, Message, Result};
/// use std::io::Write;
///
/// struct Log(std::fs::File);
///
/// #[async_trait::async_trait]
/// impl Sink for Log {
///     fn info(&self, _: &Identity) -> SinkInfo {
///         SinkInfo::new("logsink", "log")
///     }
///     fn limits(&self) -> Limits {
///         Limits::default()
///     }
///     async fn open(&mut self, _: Context) -> Result<()> {
///         Ok(())
///     }
///     async fn send(&mut self, batch: Batch) -> Result<Receipt> {
///         let wrote = batch.iter().try_for_each(|message| self.0.write_all(message.bytes()));
///         // Wrong would be `let _ = wrote;`. Right is to answer for what happened:
///         let n = batch.len();
///         Ok(Box::pin(async move { wrote.map_err(|error| Failures::all(n, &Error::from(error))) }))
///     }
/// }
/// ```
#[async_trait]
pub trait Sink<T = Message>: Send
where
    T: Send + 'static,
{
    /// What the runtime and `check` must know before anything is opened.
    fn info(&self, identity: &Identity) -> SinkInfo;

    /// How batches are to be cut. Asked again before each batch, so that it may change with what the peer announced.
    fn limits(&self) -> Limits;

    /// Connects. Ready once the destination was reached for the first time. A networked sink that keeps a connection task waits
    /// here for its first success, and reports meanwhile through [`Context::status`].
    ///
    /// # Errors
    /// `transient` is tried again with back-off, any other class ends the relay.
    async fn open(&mut self, context: Context) -> Result<()>;

    /// Takes a batch and answers with a receipt. It may wait for room, not for the delivery; and not for a receipt that has to be polled:
    /// while `send` is awaited, no receipt is.
    ///
    /// # Errors
    /// Nothing of the batch was taken; treated like a receipt that fails for every message.
    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt>;

    /// The positions that a sink with a [position ledger](SinkInfo::keeps_positions) has on record for this relay. Called after
    /// `open`, before any source is opened, and again when an `ambiguous` answer has left open whether a batch has landed.
    ///
    /// # Errors
    /// As `open`.
    async fn positions(&mut self) -> Result<Positions> {
        Ok(Positions::default())
    }

    /// Ends the connections gracefully. All receipts have resolved. Nothing is called afterwards.
    ///
    /// # Errors
    /// Reported as a warning.
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// The memory that one value holds, in bytes; for [`Limits::bytes`].
    fn weigh(&self, value: &T) -> usize {
        weigh(value)
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> Sink<T> for Box<dyn Sink<T>> {
    fn info(&self, identity: &Identity) -> SinkInfo {
        (**self).info(identity)
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        (**self).open(context).await
    }

    async fn send(&mut self, batch: Batch<T>) -> Result<Receipt> {
        (**self).send(batch).await
    }

    async fn positions(&mut self) -> Result<Positions> {
        (**self).positions().await
    }

    async fn close(&mut self) -> Result<()> {
        (**self).close().await
    }

    fn weigh(&self, value: &T) -> usize {
        (**self).weigh(value)
    }
}

/// What a sink is, before it is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SinkInfo {
    /// Element kind, as in launch text: `sqlsink`.
    pub kind: &'static str,
    /// The destination's canonical identity; never credentials or options.
    pub identity: String,
    /// Whether it writes the positions of a batch together with the batch; see [Positions](Sink#positions). Then [`Limits::receipts`] is 1.
    pub keeps_positions: bool,
    /// What it cannot carry, in words for `check`: "headers", "the key".
    pub loses: Vec<&'static str>,
}

impl SinkInfo {
    /// A sink without a position ledger that carries everything.
    pub fn new(kind: &'static str, identity: impl Into<String>) -> Self {
        Self { kind, identity: identity.into(), keeps_positions: false, loses: Vec::new() }
    }

    /// With these parts of a message lost in translation.
    #[must_use]
    pub fn loses(mut self, parts: impl IntoIterator<Item = &'static str>) -> Self {
        self.loses.extend(parts);
        self
    }

    /// With a position ledger.
    #[must_use]
    pub fn keeps_positions(mut self) -> Self {
        self.keeps_positions = true;
        self
    }
}

/// How a sink wants its batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most messages in a batch. At least 1.
    pub items: usize,
    /// Most bytes in a batch, by [`Sink::weigh`]; a single larger message goes alone.
    pub bytes: usize,
    /// How long a batch that is not full may wait while the sink is **busy**. An idle sink gets what there is at once.
    pub linger: Duration,
    /// Batches whose receipts are outstanding at once. At least 1.
    pub receipts: usize,
}

impl Default for Limits {
    /// 1,000 messages, 8 MiB, no linger, one receipt.
    fn default() -> Self {
        Self { items: 1_000, bytes: 8 << 20, linger: Duration::ZERO, receipts: 1 }
    }
}

/// Resolves when the destination has a batch for good, or with what failed.
pub type Receipt = BoxFuture<'static, Result<(), Failures>>;

/// A batch as a sink gets it: values in order, cheap to clone, and the positions it makes committable.
#[derive(Debug)]
pub struct Batch<T = Message> {
    values: Arc<Vec<T>>,
    /// The indices of a batch that is sent again in part.
    selection: Option<Arc<[u32]>>,
    marks: Arc<[(LaneKey, Position)]>,
}

impl<T> Clone for Batch<T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), selection: self.selection.clone(), marks: self.marks.clone() }
    }
}

impl<T> Batch<T> {
    /// A batch of these values, without positions.
    pub fn new(values: Vec<T>) -> Self {
        Self { values: Arc::new(values), selection: None, marks: Arc::new([]) }
    }

    /// The same batch with the position that becomes committable, per lane, once it has landed.
    #[must_use]
    pub fn with_marks(mut self, marks: impl Into<Arc<[(LaneKey, Position)]>>) -> Self {
        self.marks = marks.into();
        self
    }

    /// How many values.
    pub fn len(&self) -> usize {
        self.selection.as_ref().map_or(self.values.len(), |selection| selection.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at this index of the batch.
    pub fn get(&self, index: usize) -> Option<&T> {
        match &self.selection {
            None => self.values.get(index),
            Some(selection) => selection.get(index).map(|&at| &self.values[at as usize]),
        }
    }

    /// The values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + Clone + '_ {
        (0..self.len()).map(|index| match &self.selection {
            None => &self.values[index],
            Some(selection) => &self.values[selection[index] as usize],
        })
    }

    /// What becomes committable once this batch has landed; empty unless the sink [keeps positions](SinkInfo::keeps_positions).
    pub fn marks(&self) -> &[(LaneKey, Position)] {
        &self.marks
    }

    /// The part of this batch at these indices (ascending), without marks. Nothing is copied but the indices.
    pub fn select(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let selection = indices
            .into_iter()
            .map(|index| self.selection.as_ref().map_or(index as u32, |selection| selection[index]))
            .collect();
        Self { values: self.values.clone(), selection: Some(selection), marks: Arc::new([]) }
    }
}

/// What failed of a batch: indices, ascending, each with its error. The messages not named were delivered.
#[derive(Clone, Debug)]
pub struct Failures(Vec<Failure>);

/// One message that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its index in the batch.
    pub index: usize,
    /// Why.
    pub error: Error,
}

impl Failures {
    /// All messages of a batch of `len` failed for the same reason.
    pub fn all(len: usize, error: &Error) -> Self {
        Self((0..len).map(|index| Failure { index, error: error.clone() }).collect())
    }

    /// These messages failed. Sorted by index; of several failures with one index the first counts.
    pub fn some(mut failures: Vec<Failure>) -> Self {
        failures.sort_by_key(|failure| failure.index);
        failures.dedup_by_key(|failure| failure.index);
        Self(failures)
    }

    /// The failures of a batch of `len` messages. A sink that names one that is not in it cannot be believed about the others.
    pub(crate) fn of_batch(self, len: usize) -> Vec<Failure> {
        match self.0.last() {
            Some(last) if last.index >= len => {
                let text = format!("it answered for message {} of a batch of {len}: {}", last.index, last.error);
                Self::all(len, &Error::config(ErrorKind::Other, "send", text)).0
            }
            _ => self.0,
        }
    }

    /// The failures, by ascending index.
    pub fn into_vec(self) -> Vec<Failure> {
        self.0
    }
}
