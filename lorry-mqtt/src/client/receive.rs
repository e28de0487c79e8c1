//! What is read of a connection, packet by packet.

use super::serve::Serving;
use super::{Delivery, Progress, Task};
use crate::codec;
use crate::mapping::Inbound;
use crate::packet::Publish;
use crate::session::{Event, KeepAlive};
use lorry_core::relay::{Chunk, LaneId};
use lorry_core::{Error, ErrorKind, Message, Result};
use tokio::time::Instant;

/// Messages handed over at once.
const CHUNK: usize = 256;
/// The packet type of PUBLISH.
const PUBLISH: u8 = 3;

/// Messages that were read in this turn and not handed over.
#[derive(Default)]
pub(super) struct Received {
    inbound: Inbound,
    messages: Vec<Message>,
    /// The number of the first.
    first: u64,
    /// Those of them that are too large.
    unfit: Vec<(usize, Error)>,
}

impl Task {
    /// Takes packets out of what was read, until it is empty or too much is held.
    pub(super) fn digest(&mut self, at: &mut Serving) -> Result<()> {
        loop {
            // Only messages have to wait: what else there is, such as SUBACK behind a backlog, can always be taken.
            let full = self.is_full() && at.inbox.first().is_some_and(|byte| byte >> 4 == PUBLISH);
            if full != at.paused {
                at.paused = full;
                at.alive.pause(full, Instant::now());
            }
            if full {
                if self.session.is_logged_in() && at.ready_by.is_some() {
                    // SUBACK stands behind more than may be taken; the messages show that the subscription works.
                    self.is_up(at);
                }
                return Ok(());
            }
            let packet = codec::decode(at.outbox.version, &mut at.inbox, usize::MAX)
                .map_err(|error| Error::transient(ErrorKind::Malformed, "read", format!("the server sent {error}")))?;
            let Some(packet) = packet else { return Ok(()) };
            match self.session.receive(packet, &mut at.outbox)? {
                Event::Message(number, publish) => self.arrived(at, number, publish),
                Event::Answered(outcome) => self.batches.answered(outcome),
                Event::LoggedIn { subscribed } => {
                    self.logged_in = Some(Instant::now());
                    let limits = self.session.limits();
                    at.outbox.limits = limits;
                    at.alive = KeepAlive::new(limits.keep_alive, Instant::now());
                    if subscribed {
                        self.is_up(at);
                    }
                }
                Event::Subscribed(warnings) => {
                    for warning in warnings {
                        tracing::warn!(element = self.status.element(), "{warning}");
                    }
                    self.is_up(at);
                }
                Event::Stray(topic) => tracing::warn!(
                    element = self.status.element(), %topic,
                    "an earlier client of this id has subscribed; what the server sends for that is left to it (another client-id= does not see it)"
                ),
                Event::None => {}
            }
        }
    }

    /// Whether as much is held as may be.
    fn is_full(&self) -> bool {
        self.session.is_window_full() || self.arrivals.is_full()
    }

    fn is_up(&mut self, at: &mut Serving) {
        at.ready_by = None;
        self.backoff.succeeded();
        self.status.up();
        self.progress.send_replace(Progress::Up);
    }

    fn arrived(&mut self, at: &mut Serving, number: u64, publish: Publish) {
        let received = &mut at.received;
        if received.messages.is_empty() {
            received.first = number;
        }
        let (size, limit) = (publish.payload.len(), self.max_message_size);
        if size > limit {
            let what = format!("the message has {size} bytes, more than max-message-size={limit}");
            let error = Error::data(ErrorKind::TooLarge, "receive", what).with("topic", &publish.topic);
            received.unfit.push((received.messages.len(), error));
        }
        received.messages.push(received.inbound.message(publish));
        if received.messages.len() == CHUNK {
            self.hand_on(received);
        }
    }

    /// To the source, what was received in this turn.
    pub(super) fn hand_on(&mut self, received: &mut Received) {
        if !received.messages.is_empty() {
            let messages = std::mem::take(&mut received.messages);
            let mut chunk = Chunk::sequential(LaneId(self.session.generation()), received.first, messages);
            for (index, error) in received.unfit.drain(..) {
                chunk.refuse(index, error);
            }
            self.arrivals.push(Delivery::Messages(chunk));
        }
    }
}
