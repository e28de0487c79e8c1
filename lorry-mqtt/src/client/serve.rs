//! One connection, from CONNECT to its end.

use super::connect::PATIENCE;
use super::connection::{Connection, Wrote, hear_out, read, write, write_out};
use super::receive::Received;
use super::tls;
use super::wire::Outbox;
use super::{Command, Ending, Party, Task, ended, hand_over};
use crate::packet::{Disconnect, Packet, Reason, Version};
use crate::session::{Due, KeepAlive, Wire};
use bytes::BytesMut;
use lorry_core::relay::Settled;
use lorry_core::{Class, Error, ErrorKind, Result};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The state of one connection beside the session's.
pub(super) struct Serving {
    /// Read, and not yet taken apart.
    pub(super) inbox: BytesMut,
    pub(super) outbox: Outbox,
    /// Written, perhaps not flushed.
    unflushed: bool,
    pub(super) alive: KeepAlive,
    /// By when the server must have answered CONNECT and SUBSCRIBE.
    pub(super) ready_by: Option<Instant>,
    /// Until when nothing is read, because the server is busy and answers one by one.
    rests_until: Option<Instant>,
    pub(super) received: Received,
    /// Nothing is read, because too much is held.
    pub(super) paused: bool,
}

/// A server with so many publishes before it is busy for longer than a [`REST`].
const BUSY: usize = 512;
/// It answers one by one; to read fewer bytes than these at once is hardly worth waking up.
const FEW: usize = 256;
/// So the answers are left to gather for a moment: the server works on, and both have more of the processor. (MQTT 3.1.1 into mosquitto,
/// 1,000 in flight: twice the rate at half the computing time. A server of version 5 that grants 20 in flight gains nothing.)
const REST: Duration = Duration::from_millis(1);
/// How long they may take. They are here already, or never come.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Serving {
    /// `other` = the session's.
    fn deadline(&self, other: Option<Instant>) -> Option<Instant> {
        [self.alive.deadline(), self.ready_by, self.rests_until, other].into_iter().flatten().min()
    }
}

impl Task {
    pub(super) async fn serve(&mut self, mut connection: Connection) -> Ending {
        let now = Instant::now();
        let limits = self.session.limits();
        let mut at = Serving {
            inbox: BytesMut::new(),
            outbox: Outbox { version: self.session.version(), buffer: BytesMut::new(), limits },
            unflushed: false,
            alive: KeepAlive::new(0, now),
            ready_by: Some(now + PATIENCE),
            rests_until: None,
            received: Received::default(),
            paused: false,
        };
        if let Err(error) = self.session.start(&mut at.outbox) {
            return Ending::Lost { error, by: Party::Us };
        }
        self.wrote = now;
        let ending = self.turns(&mut at, &mut connection).await;
        let ending = match ending {
            Ending::Lost { error, by: Party::Nobody } => self.last_words(&mut at, &mut connection, error).await,
            other => other,
        };
        self.hand_on(&mut at.received);
        ending
    }

    async fn turns(&mut self, at: &mut Serving, connection: &mut Connection) -> Ending {
        let mut sleep = std::pin::pin!(tokio::time::sleep(PATIENCE));
        loop {
            // Nothing in this loop awaits but the select: what a turn brings goes out in one write.
            let closing = match self.turn(at) {
                Ok(closing) => closing,
                Err(error) => {
                    self.explain(at, connection, &error).await;
                    return Ending::Lost { error, by: Party::Us };
                }
            };
            if let Some(reply) = closing {
                self.farewell(at, connection).await;
                let _ = reply.send(());
                return Ending::Closed;
            }
            let deadline = at.deadline(self.session.deadline());
            if let Some(deadline) = deadline
                && deadline < sleep.deadline()
            {
                sleep.as_mut().reset(deadline);
            }
            let writing = !at.outbox.buffer.is_empty();
            tokio::select! {
                biased;
                wrote = write(&mut connection.writer, &mut at.outbox.buffer), if writing || at.unflushed => match wrote {
                    Ok(Wrote::Nothing) => return self.hung_up("the connection was closed"),
                    Ok(Wrote::Bytes) => {
                        self.wrote = Instant::now();
                        at.alive.sent(self.wrote);
                        at.unflushed = connection.needs_flush;
                        self.account_written(at);
                    }
                    Ok(Wrote::Flushed) => {
                        at.unflushed = false;
                        self.account_written(at);
                    }
                    Err(error) => return self.broken(error),
                },
                read = read(&mut connection.reader, &mut at.inbox), if !at.paused && at.rests_until.is_none() => match read {
                    Ok(0) => return self.hung_up("the server closed the connection"),
                    Ok(n) => {
                        let now = Instant::now();
                        if n < FEW && self.session.in_flight() >= BUSY {
                            at.rests_until = Some(now + REST);
                        }
                        connection.confirm_reads(now);
                        at.alive.heard(now);
                    }
                    Err(error) => return self.broken(error),
                },
                order = self.orders.recv() => match order {
                    Some(order) => if let Some(reply) = self.obey(order, at) {
                        self.farewell(at, connection).await;
                        let _ = reply.send(());
                        return Ending::Closed;
                    },
                    None => return Ending::Closed,
                },
                () = &mut sleep, if deadline.is_some() => {
                    let now = Instant::now();
                    if let Some(error) = self.on_time(at, now) {
                        return Ending::Lost { error, by: Party::Us };
                    }
                    let next = at.deadline(self.session.deadline());
                    sleep.as_mut().reset(next.unwrap_or(now + Duration::from_secs(3_600)));
                }
            }
        }
    }

    /// All that can be done without waiting. A reply, if the end was ordered.
    fn turn(&mut self, at: &mut Serving) -> Result<Option<oneshot::Sender<()>>> {
        while let Ok(order) = self.orders.try_recv() {
            if let Some(reply) = self.obey(order, at) {
                return Ok(Some(reply));
            }
        }
        let digested = self.digest(at);
        self.hand_on(&mut at.received);
        self.settle_failed();
        digested?;
        self.session.pump(&mut at.outbox, Instant::now());
        self.settle_failed();
        Ok(None)
    }

    fn obey(&mut self, order: Command, at: &mut Serving) -> Option<oneshot::Sender<()>> {
        match order {
            Command::Publish { len, publishes, failures, reply } => {
                hand_over(&mut self.session, &mut self.batches, len, publishes, failures, reply);
            }
            Command::Settled(settled) => {
                for settled in settled {
                    self.settle(settled, at);
                }
            }
            Command::Taken => {}
            Command::Close(reply) => return Some(reply),
        }
        None
    }

    fn settle(&mut self, settled: Settled, at: &mut Serving) {
        match settled {
            Settled::UpTo(lane, position) => {
                if let Err(error) = self.session.release(lane.0, position.0, &mut at.outbox) {
                    tracing::warn!(element = self.status.element(), "an acknowledgement could not be written: {error}");
                }
            }
            Settled::Items(lane, verdicts) => {
                for verdict in verdicts {
                    if let Some(error) = verdict.refused {
                        self.session.refuse(lane.0, verdict.position.0, error);
                    }
                }
            }
            _ => {}
        }
    }

    /// QoS 0 is as good as it gets once it has left the process.
    fn account_written(&mut self, at: &Serving) {
        if at.outbox.buffer.is_empty() && !at.unflushed {
            for token in self.session.take_written() {
                self.batches.answered((token, Ok(())));
            }
        }
    }

    fn settle_failed(&mut self) {
        for outcome in self.session.take_failed() {
            self.batches.answered(outcome);
        }
    }

    fn on_time(&mut self, at: &mut Serving, now: Instant) -> Option<Error> {
        at.rests_until = at.rests_until.filter(|until| now < *until);
        if at.ready_by.is_some_and(|by| now >= by) {
            let what = if self.session.is_logged_in() { "subscribe" } else { "log in" };
            return Some(Error::transient(ErrorKind::Timeout, what, "the server does not answer within 10 s"));
        }
        match at.alive.due(now) {
            Due::Nothing => None,
            Due::Ping => at.outbox.put(&Packet::PingReq).err(),
            Due::Dead => Some(Error::transient(ErrorKind::Timeout, "", "the server does not answer pings")),
        }
    }

    fn hung_up(&self, what: &str) -> Ending {
        let error = match self.session.is_logged_in() {
            true => Error::transient(ErrorKind::Connection, "", what),
            false => Error::transient(ErrorKind::Connection, "log in", format!("{what} without a word")),
        };
        Ending::Lost { error, by: Party::Server }
    }

    fn broken(&self, error: std::io::Error) -> Ending {
        use std::io::ErrorKind as Io;
        let by = match error.kind() {
            Io::ConnectionReset | Io::BrokenPipe | Io::UnexpectedEof | Io::ConnectionAborted => Party::Nobody,
            _ => Party::Us,
        };
        let error = tls::refusal(&error).unwrap_or_else(|| Error::from(error).classed(Class::Transient));
        Ending::Lost { error, by }
    }

    /// What the server said before it broke the connection off may still be there: why, or an acknowledgement. Writing finds the broken
    /// connection first.
    async fn last_words(&mut self, at: &mut Serving, connection: &mut Connection, error: Error) -> Ending {
        let lost = Ending::Lost { error, by: Party::Nobody };
        loop {
            match self.digest(at) {
                // There is more than may be taken.
                Ok(()) if at.paused => return lost,
                Ok(()) => {}
                Err(error) => return Ending::Lost { error, by: Party::Us },
            }
            let reading = read(&mut connection.reader, &mut at.inbox);
            match tokio::time::timeout(LAST_WORDS, reading).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0)) | Err(_) => return lost,
                Ok(Err(error)) => match tls::refusal(&error) {
                    Some(error) => return Ending::Lost { error, by: Party::Us },
                    None => return lost,
                },
            }
        }
    }

    /// Tells a server of version 5 why we leave: it breaks the protocol.
    async fn explain(&mut self, at: &mut Serving, connection: &mut Connection, error: &Error) {
        if error.kind() == ErrorKind::Malformed && at.outbox.version == Version::V5 && self.session.is_logged_in() {
            let goodbye = Disconnect::new(Reason::PROTOCOL_ERROR);
            if at.outbox.put(&Packet::Disconnect(goodbye)).is_ok() {
                write_out(&mut at.outbox.buffer, connection).await;
            }
        }
    }

    async fn farewell(&mut self, at: &mut Serving, connection: &mut Connection) {
        self.session.pump(&mut at.outbox, Instant::now());
        if self.session.finish(&mut at.outbox).is_ok() {
            write_out(&mut at.outbox.buffer, connection).await;
            self.account_written(at);
            hear_out(connection).await;
        }
        self.batches.fail_all(&ended());
    }
}
