//! The contract of a source.

use super::context::{Context, Identity};
use super::position::{LaneId, LaneKey, Position};
use crate::{Error, Message, Result};
use async_trait::async_trait;
use std::any::Any;
use std::time::Duration;

/// Where messages come from.
///
/// # Who owns an unacknowledged message
///
/// The source does, until [`settle`](Source::settle) names it. The runtime may drop a message at any moment (a panic, an abort, the
/// process killed); what was not settled must then come again by itself, if the origin is able to give it again: a broker
/// redelivers, a file is read again. A source never acknowledges on its own account: not on receipt, not on drop, not in `close`.
///
/// # Lanes
///
/// Messages that share one order and one acknowledgement form a *lane*: a Kafka partition, one connection of an MQTT session, an
/// AMQP channel, a file. The source numbers its lanes with [`LaneId`]s of its own, each used once in its life: a reconnect is a
/// **new lane**, so that a late settlement can never touch a message of the new connection. The first chunk of an unknown lane
/// opens it; [`Event::LaneOpened`] does so explicitly where the lane has a key of its own.
///
/// A message that the source finds undeliverable (larger than a limit, malformed) still has its place in the lane: it stands in the
/// chunk and is named in [`Chunk::refused`], so that the error policy decides about it like about any other.
///
/// Within a lane positions only grow. In a lane that is settled [in order](Settlement::InOrder) `UpTo(lane, p)` covers every
/// message with a position `≤ p`.
///
/// # Cancelling
///
/// | await | when the future is dropped before it is ready |
/// |---|---|
/// | `open` | the source is dropped or opened again: leave nothing behind |
/// | `next` | **must lose nothing**: the runtime drops it whenever it has a settlement to hand over, and calls it again |
/// | `settle` | only when the relay is aborted: unsettled messages stay with the origin |
/// | `close` | as `settle` |
///
/// Dropping a source ends its connections without settling anything.
///
/// # Connections and errors
///
/// A networked source runs its connection in a task of its own, which reads, pings and reconnects (by [`Backoff`](crate::Backoff),
/// told to [`Status`](super::Status)) whether or not `next` is polled; `next` takes from a bounded queue. A lost connection is no
/// error but [`Event::LaneLost`]. An error from `open` or `next`: `transient` has the runtime call `open` again after a delay, any
/// other ends the relay, `data` too: a message that cannot be delivered stands in [`Chunk::refused`].
///
/// # Wrong and right
///
/// ```compile_fail
/// // Wrong: the message is taken out before the await. When `next` is cancelled there, it is gone.
/// async fn next(&mut self, limit: usize) -> Result<Event<Message>> {
///     let message = self.queue.pop();
///     self.socket.flush().await?;
///     Ok(Event::Chunk(Chunk::sequential(LaneId(0), 0, vec![message])))
/// }
/// ```
///
/// ```
/// use lorry_core::relay::{Chunk, Context, Event, Identity, LaneId, Settled, Source, SourceInfo};
/// use lorry_core::{Message, Result};
///
/// /// Right: counts from 0 to 9, then ends. State changes only where no await follows.
/// struct Ten(u64);
///
/// #[async_trait::async_trait]
/// impl Source for Ten {
///     fn info(&self, _: &Identity) -> SourceInfo {
///         SourceInfo::new("tensrc", "ten")
///     }
///     async fn open(&mut self, _: Context) -> Result<()> {
///         Ok(())
///     }
///     async fn next(&mut self, limit: usize) -> Result<Event<Message>> {
///         let from = self.0;
///         let to = (from + limit as u64).min(10);
///         if from == to {
///             return Ok(Event::End);
///         }
///         self.0 = to;
///         Ok(Event::Chunk(Chunk::sequential(LaneId(0), from, (from..to).map(|n| Message::new(n.to_string())).collect())))
///     }
///     async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
///         Ok(()) // nothing to acknowledge
///     }
/// }
/// ```
#[async_trait]
pub trait Source<T = Message>: Send
where
    T: Send + 'static,
{
    /// What the runtime and `check` must know before anything is opened. `identity` says whether the relay has a name, which
    /// decides about guarantees.
    fn info(&self, identity: &Identity) -> SourceInfo;

    /// Connects, or begins to. Called once before the first `next`, and again after a transient error. Positions to resume from
    /// are in [`Context::start`].
    ///
    /// # Errors
    /// `transient` is tried again with back-off, `config` ends the relay.
    async fn open(&mut self, context: Context) -> Result<()>;

    /// What is ready: waits for at least one message (or another event), and takes no more than `limit` messages. It never waits
    /// for a chunk to fill. `limit` is at least 1.
    ///
    /// # Errors
    /// See the trait. After [`Event::End`] it is not called again.
    async fn next(&mut self, limit: usize) -> Result<Event<T>>;

    /// What has been decided: acknowledge, commit, refuse. Called often, with little; a source may coalesce, but must have told
    /// its peer by the end of `close`.
    ///
    /// # Errors
    /// `transient` is ignored by the runtime (the lane is lost, its messages come again), others end the relay.
    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()>;

    /// Flushes what `settle` was told and ends the connections gracefully. Nothing is called afterwards.
    ///
    /// # Errors
    /// Reported as a warning: at this point the messages are delivered.
    async fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// The memory that one value holds while it is in the relay, in bytes; for the byte limit of a lane.
    fn weigh(&self, value: &T) -> usize {
        weigh(value)
    }

    /// Whether this value counts among those that the peer lets stay unacknowledged ([`SourceInfo::max_unacked`]); of MQTT those of
    /// QoS 0 do not. Once one does not, a relay cannot tell any more whether its peer gives nothing more for that.
    fn is_counted(&self, _value: &T) -> bool {
        true
    }
}

#[async_trait]
impl<T: Send + 'static> Source<T> for Box<dyn Source<T>> {
    fn info(&self, identity: &Identity) -> SourceInfo {
        (**self).info(identity)
    }

    async fn open(&mut self, context: Context) -> Result<()> {
        (**self).open(context).await
    }

    async fn next(&mut self, limit: usize) -> Result<Event<T>> {
        (**self).next(limit).await
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        (**self).settle(settled).await
    }

    async fn close(&mut self) -> Result<()> {
        (**self).close().await
    }

    fn weigh(&self, value: &T) -> usize {
        (**self).weigh(value)
    }

    fn is_counted(&self, value: &T) -> bool {
        (**self).is_counted(value)
    }
}

/// [`Message::weight`] for messages and vectors of them, the size of the type for everything else.
pub(crate) fn weigh<T: 'static>(value: &T) -> usize {
    let any = value as &dyn Any;
    if let Some(message) = any.downcast_ref::<Message>() {
        return message.weight();
    }
    let messages = any.downcast_ref::<Vec<Message>>();
    size_of::<T>() + messages.map_or(0, |messages| messages.iter().map(Message::weight).sum())
}

/// What a source is, before it is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Element kind, as in launch text: `mqttsrc`.
    pub kind: &'static str,
    /// The origin's canonical identity: host and topic, a path; never credentials or options. Part of every [`LaneKey`].
    pub identity: String,
    /// How its lanes are acknowledged.
    pub settlement: Settlement,
    /// How many messages the *peer* lets stay unacknowledged per lane; `None` without such a bound. Operators that would hold more
    /// are refused when the graph is wired.
    pub max_unacked: Option<usize>,
    /// What survives what.
    pub guarantee: Guarantee,
}

impl SourceInfo {
    /// A source without acknowledgement: in order, unbounded, best effort.
    pub fn new(kind: &'static str, identity: impl Into<String>) -> Self {
        let (settlement, guarantee) = (Settlement::InOrder, Guarantee::BestEffort);
        Self { kind, identity: identity.into(), settlement, max_unacked: None, guarantee }
    }

    /// With this guarantee.
    #[must_use]
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// With this way of acknowledging.
    #[must_use]
    pub fn settlement(mut self, settlement: Settlement) -> Self {
        self.settlement = settlement;
        self
    }

    /// With this bound on unacknowledged messages.
    #[must_use]
    pub fn max_unacked(mut self, max: usize) -> Self {
        self.max_unacked = Some(max);
        self
    }
}

/// How a lane is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Only as a prefix: everything up to a position (Kafka offsets, files, MQTT's acknowledgement order).
    InOrder,
    /// Each message by itself, in any order (AMQP).
    Each,
}

/// What a source promises about messages that were not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Guarantee {
    /// They are gone (UDP, stdin, QoS 0).
    BestEffort,
    /// They come again while this process lives (an unnamed MQTT session).
    UntilExit,
    /// They come again to the next process of the same name (a persistent session, a consumer group, a queue).
    SurvivesRestart,
    /// Everything can be read again from any position (Kafka, a file). Each lane is [opened](Event::LaneOpened) with a key that stays
    /// the same over restarts, and begins behind the position that [`Context::start`] has of it.
    Replayable,
}

impl std::fmt::Display for Guarantee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::BestEffort => "best effort",
            Self::UntilExit => "at least once, until the process ends",
            Self::SurvivesRestart => "at least once, across restarts",
            Self::Replayable => "at least once, can be replayed",
        })
    }
}

/// What a source has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T = Message> {
    /// Messages.
    Chunk(Chunk<T>),
    /// A lane with a key of its own begins. Before its first chunk. Sinks keep its position under this key.
    LaneOpened(LaneId, LaneKey),
    /// The lane will be taken away (a rebalance): settle what can be settled within this time. Nothing more comes from it.
    LaneClosing(LaneId, Duration),
    /// The lane is gone (a lost connection), and settling it is void. What was not settled comes again in another lane, as far as the
    /// [`Guarantee`] goes. What is on its way is delivered all the same: the origin may have forgotten it together with the connection.
    /// Only of a [replayable](Guarantee::Replayable) source it is dropped at once. A source says so too of a lane that has come to its
    /// end and is settled completely (a file that was rotated away): then it is forgotten.
    LaneLost(LaneId),
    /// It is certain that **everything** of this lost lane that was not settled is given again (the server has kept the session, and
    /// nothing was sent without acknowledgement). Whatever of it waits is dropped, so that a slow sink is not busy with repetitions:
    /// what waits for the graph, and what waits for a sink unless an operator between [remembers](crate::flow::Operator::remembers).
    /// Batches under way and what operators hold go on. The dropped messages are counted as *superseded*.
    LaneRepeats(LaneId),
    /// The source has ended for good.
    End,
}

/// Messages of one lane, with their positions.
#[derive(Debug)]
#[non_exhaustive]
pub struct Chunk<T = Message> {
    /// Which lane.
    pub lane: LaneId,
    /// The messages, in order. Not empty.
    pub values: Vec<T>,
    /// The position of each.
    pub at: At,
    /// Messages that the source itself finds undeliverable (too large, malformed), by ascending index, each with an error of class
    /// data. They take their place in the ledger and go straight to the error policy.
    pub refused: Vec<(usize, Error)>,
}

/// The positions of a chunk's messages.
#[derive(Clone, Debug)]
pub enum At {
    /// The first message has this position, each next one the next number.
    From(Position),
    /// Each has its own; growing, as many as there are messages.
    Each(Vec<Position>),
}

impl At {
    /// The position of message `index` of the chunk.
    pub fn position(&self, index: usize) -> Position {
        match self {
            Self::From(first) => Position(first.0 + index as u64),
            Self::Each(positions) => positions[index],
        }
    }
}

impl<T> Chunk<T> {
    /// Messages numbered consecutively from `first`.
    pub fn sequential(lane: LaneId, first: u64, values: Vec<T>) -> Self {
        Self { lane, values, at: At::From(Position(first)), refused: Vec::new() }
    }

    /// Messages with positions of their own, one each.
    pub fn positioned(lane: LaneId, values: Vec<T>, positions: Vec<Position>) -> Self {
        debug_assert_eq!(values.len(), positions.len());
        Self { lane, values, at: At::Each(positions), refused: Vec::new() }
    }

    /// Keeps the first `at` messages, and gives the others.
    pub fn split_off(&mut self, at: usize) -> Self {
        let values = self.values.split_off(at);
        let rest = match &mut self.at {
            At::From(first) => At::From(Position(first.0 + at as u64)),
            At::Each(positions) => At::Each(positions.split_off(at)),
        };
        let moved = self.refused.iter().position(|(index, _)| *index >= at).unwrap_or(self.refused.len());
        let refused = self.refused.split_off(moved).into_iter().map(|(index, error)| (index - at, error)).collect();
        Self { lane: self.lane, values, at: rest, refused }
    }

    /// Has the message at `index`, which is larger than those refused before, rejected instead of delivered.
    pub fn refuse(&mut self, index: usize, error: Error) {
        self.refused.push((index, error));
    }
}

/// What has been decided about messages.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Settled {
    /// Everything of this lane up to and including this position.
    UpTo(LaneId, Position),
    /// Single messages. In a lane that is settled in order these are only the *refused* ones; they precede the `UpTo` that covers
    /// them, and a source that cannot refuse ignores them.
    Items(LaneId, Vec<Verdict>),
}

/// What became of one message.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which message.
    pub position: Position,
    /// Why it was refused; `None` when it was delivered or filtered out.
    pub refused: Option<Error>,
}
