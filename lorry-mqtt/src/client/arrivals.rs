//! The queue of what has arrived, between the connection's task and its source.

use lorry_core::Message;
use lorry_core::relay::{Chunk, LaneId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// How much may wait here before nothing more is read.
const MESSAGES: usize = 2_000;
const BYTES: usize = 16 << 20;

/// What the task hands to its source.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Messages by arrival, with the number of the first.
    Messages(Chunk),
    Lost(LaneId),
}

/// The queue from the source's side.
#[derive(Debug)]
pub(crate) struct Inbox {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    waiting: Arc<Waiting>,
}

/// The queue from the task's side.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Bounded by the task, which reads nothing more while the queue [is full](Self::is_full).
    deliveries: mpsc::UnboundedSender<Delivery>,
    waiting: Arc<Waiting>,
}

/// Messages of all connections together.
#[derive(Debug, Default)]
struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

pub(super) fn queue() -> (Arrivals, Inbox) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::<Waiting>::default();
    (Arrivals { deliveries: sender, waiting: waiting.clone() }, Inbox { deliveries: receiver, waiting })
}

impl Arrivals {
    /// Without a source there is nobody to deliver to, and the task is about to end.
    pub(super) fn push(&self, delivery: Delivery) {
        if let Delivery::Messages(chunk) = &delivery {
            self.waiting.messages.fetch_add(chunk.values.len(), Ordering::AcqRel);
            self.waiting.bytes.fetch_add(bytes(chunk), Ordering::AcqRel);
        }
        let _ = self.deliveries.send(delivery);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.messages.load(Ordering::Acquire) >= MESSAGES || self.waiting.bytes.load(Ordering::Acquire) >= BYTES
    }
}

impl Inbox {
    /// The next delivery; `None` when the task has ended. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        self.deliveries.recv().await
    }

    /// Notes that these were taken for good. Whether the task should hear of it: it may have stopped reading.
    pub(crate) fn took(&self, chunk: &Chunk) -> bool {
        let is_half_empty = |count: &AtomicUsize, taken, limit| {
            let before = count.fetch_sub(taken, Ordering::AcqRel);
            before >= limit / 2 && before - taken < limit / 2
        };
        let few = is_half_empty(&self.waiting.messages, chunk.values.len(), MESSAGES);
        let small = is_half_empty(&self.waiting.bytes, bytes(chunk), BYTES);
        few || small
    }
}

fn bytes(chunk: &Chunk) -> usize {
    chunk.values.iter().map(Message::weight).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    async fn take(inbox: &mut Inbox) -> bool {
        let Some(Delivery::Messages(chunk)) = inbox.next().await else { panic!("nothing there") };
        inbox.took(&chunk)
    }

    #[tokio::test]
    async fn a_full_queue_asks_for_more_once_when_half_of_it_is_gone() {
        let chunk = |lane, messages, size| {
            Delivery::Messages(Chunk::sequential(LaneId(lane), 0, vec![Message::new(vec![0; size]); messages]))
        };
        // Many small ones and few large ones, each from a connection of its own.
        for (messages, size) in [(MESSAGES / 10, 1), (1, BYTES / 10)] {
            let (arrivals, mut inbox) = queue();
            for lane in 0..10 {
                assert!(!arrivals.is_full());
                arrivals.push(chunk(lane, messages, size));
            }
            assert!(arrivals.is_full());
            let mut asked = Vec::new();
            for _ in 0..10 {
                asked.push(take(&mut inbox).await);
            }
            assert_eq!(asked.iter().filter(|asked| **asked).count(), 1, "{asked:?}");
            assert!(!arrivals.is_full() && !asked[0]);
        }
    }
}
