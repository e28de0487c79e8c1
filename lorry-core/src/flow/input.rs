//! Values that the program itself puts in.

use super::Ending;
use super::item::Item;
use super::node::{Info, Node};
use super::operator::Holds;
use super::stream::Stream;
use crate::ack::{Completion, Run, Tally};
use crate::registry::Role;
use crate::relay::Queue;
use crate::sync::lock;
use crate::{Error, ErrorKind, Result};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The entrance of a stream whose values come from the program. Clones share it; when the last one is dropped the stream ends. When the
/// relay is stopped it takes nothing more.
///
/// ```
/// # use lorry_core::{Relay, Stream};
/// # use lorry_core::relay::{Batch, Context, Identity, Limits, Receipt, Sink, SinkInfo};
/// # struct Forget;
/// # #[lorry_core::async_trait]
/// # impl Sink<u32> for Forget {
/// #     fn info(&self, _: &Identity) -> SinkInfo { SinkInfo::new("forgetsink", "") }
/// #     fn limits(&self) -> Limits { Limits::default() }
/// #     async fn open(&mut self, _: Context) -> lorry_core::Result<()> { Ok(()) }
/// #     async fn send(&mut self, _: Batch<u32>) -> lorry_core::Result<Receipt> { Ok(Box::pin(async { Ok(()) })) }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (input, numbers) = Stream::input();
/// let running = Relay::new([numbers.map(|n: u32| n * 2).to(Forget)]).spawn();
/// input.emit(21).await?; // delivered
/// drop(input);
/// assert_eq!(running.wait().await.delivered, 1);
/// # Ok::<(), lorry_core::Error>(()) }).unwrap();
/// ```
pub struct Input<T>(Arc<Shared<T>>);

struct Shared<T> {
    queue: Arc<Queue<Item<T>>>,
    state: Arc<InputState>,
}

/// An input, as the relay sees it.
pub(crate) struct InputState {
    counts: Arc<Mutex<Tally>>,
    last_arrival: Mutex<Option<Instant>>,
    close: Box<dyn Fn(Ending) + Send + Sync>,
}

impl InputState {
    pub(crate) fn tally(&self) -> Tally {
        *lock(&self.counts)
    }

    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        *lock(&self.last_arrival)
    }

    /// Takes nothing more.
    pub(crate) fn close(&self, ending: Ending) {
        (self.close)(ending);
    }
}

/// A value that the graph has taken. Resolves when all that came of it is delivered; may be dropped if that is of no interest.
pub struct Taken(oneshot::Receiver<Result<()>>);

impl<T: Send + 'static> Input<T> {
    pub(super) fn new() -> (Self, Stream<T>) {
        let queue = Arc::new(Queue::new(usize::MAX));
        let closes = queue.clone();
        let state = Arc::new(InputState {
            counts: Arc::default(),
            last_arrival: Mutex::default(),
            close: Box::new(move |ending| closes.close(ending)),
        });
        let (root, seen) = (queue.clone(), state.clone());
        let node = Node::new(
            Info::new(Role::Source, "input", Holds::Nothing),
            Vec::new(),
            Box::new(move |down, _, wiring| wiring.add_input(root, down, seen)),
        );
        (Self(Arc::new(Shared { queue, state })), Stream::from_node(node))
    }

    /// Puts a value in and waits until the graph has **taken** it: this is the graph's back-pressure.
    ///
    /// When a join below is full on this input, it waits for the other input. Whoever puts values into both ends of a `zip` from one
    /// task must not put more into one of them than it may hold.
    ///
    /// When the future is dropped before it is ready, the value stays where it is and may yet be delivered.
    ///
    /// # Errors
    /// The relay has ended or was stopped; the value was not taken.
    pub async fn send(&self, value: T) -> Result<Taken> {
        let (sender, receiver) = oneshot::channel();
        let counts = self.0.state.counts.clone();
        let completion = Completion::Once { sender: Mutex::new(Some(sender)), counts: counts.clone() };
        let mut items = Vec::with_capacity(1);
        Run::new(1, completion).issue([value], &mut items);
        lock(&counts).received += 1;
        let Some(ticket) = self.0.queue.push_all(&mut items) else {
            lock(&counts).not_taken();
            return Err(ended());
        };
        *lock(&self.0.state.last_arrival) = Some(Instant::now());
        match poll_fn(|cx| self.0.queue.poll_finished(cx, ticket)).await {
            true => Ok(Taken(receiver)),
            false => Err(ended()),
        }
    }

    /// Puts a value in and waits until all that came of it is **delivered** (or filtered out).
    ///
    /// # Errors
    /// Why it was not delivered. A rejected value is the caller's to deal with; it does not stop the relay.
    pub async fn emit(&self, value: T) -> Result<()> {
        self.send(value).await?.await
    }
}

fn ended() -> Error {
    Error::transient(ErrorKind::Closed, "emit", "the relay has ended")
}

impl Future for Taken {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll(cx).map(|outcome| outcome.unwrap_or_else(|_| Err(ended())))
    }
}

impl<T> Clone for Input<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        self.queue.close(Ending::EndOfStream);
    }
}

impl<T> fmt::Debug for Input<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken").finish_non_exhaustive()
    }
}
