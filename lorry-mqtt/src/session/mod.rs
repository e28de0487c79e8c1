//! The client's half of MQTT as a state machine without sockets: packets go in, packets and events come out.
//!
//! It outlives connections. [`Session::start`] begins one, [`Session::receive`] takes each packet of the server,
//! [`Session::pump`] writes what is due, [`Session::ended`] says that the connection is gone.

mod caution;
mod incoming;
mod keepalive;
mod login;
#[cfg(test)]
mod model;
mod outgoing;
mod setup;

pub(crate) use caution::Blame;
pub(crate) use keepalive::{Due, KeepAlive};
pub(crate) use outgoing::Outcome;
pub(crate) use setup::Setup;

use crate::error;
use crate::packet::{Ack, Disconnect, Packet, Publish, Reason, Text, Version};
use caution::Caution;
use incoming::Incoming;
use lorry_core::{Error, Result};
use outgoing::Outgoing;
use tokio::time::Instant;

/// Where packets are written. What is put there goes out in one piece when the session's turn is over.
pub(crate) trait Wire {
    /// Writes a packet.
    ///
    /// # Errors
    /// Nothing was written: the packet does not fit the protocol or the server's limits. Class data.
    fn put(&mut self, packet: &Packet) -> Result<()>;

    /// Whether another publish should be written now.
    fn has_room(&self) -> bool {
        true
    }
}

/// How many topics a server may abbreviate.
const ALIASES: u16 = 64;

/// What a received packet meant.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// Nothing for anybody outside.
    None,
    /// Logged in; messages may flow. `subscribed` = and nothing is missing for it.
    LoggedIn { subscribed: bool },
    /// Subscribed, with what is worth a warning.
    Subscribed(Vec<String>),
    /// A message, with its number by arrival on this connection.
    Message(u64, Publish),
    /// The first message that nobody here has asked for, by its topic. It was dropped.
    Stray(Text),
    /// A publish was answered.
    Answered(Outcome<T>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Offline,
    Greeting,
    Subscribing(u16),
    Up,
}

/// The state machine. `T` is what the caller knows its publishes by.
#[derive(Debug)]
pub(crate) struct Session<T> {
    setup: Setup,
    version: Version,
    phase: Phase,
    /// The server has accepted a CONNECT of this version.
    accepted: bool,
    /// A try with the other version is due, at once.
    fall_back: bool,
    warned: bool,
    /// A message came that nobody has asked for.
    strayed: bool,
    /// Another client of our id has thrown us out.
    taken_over: bool,
    incoming: Incoming,
    outgoing: Outgoing<T>,
    caution: Caution,
    /// Why the server has ended this connection, if it said so.
    dismissed: Option<Reason>,
    written: Vec<T>,
    failed: Vec<Outcome<T>>,
    limits: ServerLimits,
}

/// What the server announced.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    pub(crate) keep_alive: u16,
    pub(crate) packet_size: Option<u32>,
    pub(crate) retain: bool,
}

impl<T: Copy + std::fmt::Debug> Session<T> {
    pub(crate) fn new(setup: Setup) -> Self {
        let limits = ServerLimits { keep_alive: setup.keep_alive, packet_size: None, retain: true };
        Self {
            version: setup.version,
            setup,
            phase: Phase::Offline,
            accepted: false,
            fall_back: false,
            warned: false,
            strayed: false,
            taken_over: false,
            incoming: Incoming::default(),
            outgoing: Outgoing::new(),
            caution: Caution::default(),
            dismissed: None,
            written: Vec::new(),
            failed: Vec::new(),
            limits,
        }
    }

    /// The version of this connection.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn client_id(&self) -> &str {
        self.setup.client_id.as_str()
    }

    /// The number of this connection.
    pub(crate) fn generation(&self) -> u64 {
        self.incoming.generation()
    }

    pub(crate) fn limits(&self) -> ServerLimits {
        self.limits
    }

    /// Whether the server has sent as much as it may before something is released.
    pub(crate) fn is_window_full(&self) -> bool {
        self.incoming.unacknowledged() >= self.setup.receive_maximum.into()
    }

    /// Whether the server has answered CONNECT on this connection.
    pub(crate) fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::Subscribing(_) | Phase::Up)
    }

    /// Whether another client of our id has thrown us out.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// Whether messages come from the server, too.
    pub(crate) fn subscribes(&self) -> bool {
        !self.setup.filters.is_empty()
    }

    /// The connections end as if another client of our id threw us out again and again.
    pub(crate) fn assume_taken_over(&mut self) -> Error {
        self.taken_over = true;
        error::taken_over(
            self.client_id(),
            "the server ended three connections within 10 s: another client seems to use the same client id",
        )
    }

    /// Takes a packet from the server.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(crate) fn receive(&mut self, packet: Packet, wire: &mut impl Wire) -> Result<Event<T>> {
        match (self.phase, packet) {
            (Phase::Greeting, Packet::ConnAck(ack)) => self.greeted(&ack, wire),
            (Phase::Greeting, Packet::Auth(_)) => Err(error::protocol("AUTH without an authentication method")),
            (Phase::Greeting, Packet::Disconnect(why)) => Err(error::from_disconnect(why.reason, self.client_id())),
            (Phase::Greeting | Phase::Offline, _) => Err(error::protocol("a packet before CONNACK")),
            (_, Packet::Publish(publish)) if !self.subscribes() => Ok(self.stray(publish)),
            (_, Packet::PubRel(ack)) => {
                wire.put(&Packet::PubComp(Ack::new(ack.packet_id)))?;
                Ok(Event::None)
            }
            (_, Packet::Publish(mut publish)) => {
                let number = self.incoming.arrived(&mut publish, ALIASES)?;
                Ok(Event::Message(number, publish))
            }
            (_, Packet::PubAck(ack)) => Ok(match self.outgoing.answered(&ack)? {
                Some(outcome) => {
                    self.caution.answered(ack.reason.is_failure());
                    Event::Answered(outcome)
                }
                None => Event::None,
            }),
            (Phase::Subscribing(id), Packet::SubAck(ack)) if ack.packet_id == id => self.granted(&ack.reasons),
            (_, Packet::PingResp) => {
                self.caution.heard();
                Ok(Event::None)
            }
            (_, Packet::Disconnect(why)) => {
                self.dismissed = Some(why.reason);
                match why.reason {
                    Reason::PACKET_TOO_LARGE => self.failed.extend(self.outgoing.give_up_largest()),
                    Reason::SESSION_TAKEN_OVER => self.taken_over = true,
                    _ => {}
                }
                Err(error::from_disconnect(why.reason, self.client_id()))
            }
            (_, packet) => Err(error::protocol(format!("an unexpected {}", name(&packet)))),
        }
    }

    /// A message to a client without filters: an earlier client has left a subscription in the session. It is not for this one, and so not
    /// acknowledged either: it waits for who asked for it. Once the server's window is full, no more come.
    fn stray(&mut self, publish: Publish) -> Event<T> {
        if std::mem::replace(&mut self.strayed, true) { Event::None } else { Event::Stray(publish.topic) }
    }

    /// Hands a publish over; it is written by a later [`pump`](Self::pump).
    pub(crate) fn publish(&mut self, token: T, publish: Publish) {
        self.outgoing.push(token, publish);
    }

    /// Writes the publishes that are due.
    pub(crate) fn pump(&mut self, wire: &mut impl Wire, now: Instant) {
        if !self.is_logged_in() {
            return;
        }
        // Who switches pings off may have a server that does not answer them.
        if self.caution.asks(now, self.limits.keep_alive > 0) && wire.put(&Packet::PingReq).is_err() {
            self.caution.heard();
        }
        self.outgoing.pump(wire, self.caution.limit(), &mut self.written, &mut self.failed);
        if self.outgoing.in_flight() > 0 {
            self.caution.published(now);
        }
    }

    /// When [`pump`](Self::pump) may have something to do without anything having happened.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.caution.deadline().filter(|_| self.is_logged_in())
    }

    /// Before [`ended`](Self::ended): whether a publish is why the connection is gone. `by_peer` = the server has closed it, or broken it
    /// off; the last bytes to it were written at `wrote`. A publish that was guilty too often has failed.
    pub(crate) fn blame(&mut self, by_peer: bool, now: Instant, wrote: Instant) -> Blame {
        if !self.is_logged_in() {
            return Blame::None;
        }
        let by_peer = match self.dismissed {
            Some(reason) => caution::may_be_about_a_publish(reason),
            None => by_peer,
        };
        if !by_peer {
            self.caution.acquit();
            return Blame::None;
        }
        let (open, oldest) = (self.outgoing.in_flight(), self.outgoing.oldest());
        let blame = self.caution.ended(open, oldest, self.dismissed.is_some(), now, wrote);
        if let Blame::Guilty(sequence) = blame {
            let error = error::ended_at(self.dismissed, self.version);
            self.failed.extend(self.outgoing.give_up(sequence, error));
        }
        blame
    }

    /// Publishes of QoS 0 that were put on the wire since the last call.
    pub(crate) fn take_written(&mut self) -> Vec<T> {
        std::mem::take(&mut self.written)
    }

    /// Publishes that failed here since the last call.
    pub(crate) fn take_failed(&mut self) -> Vec<Outcome<T>> {
        std::mem::take(&mut self.failed)
    }

    /// Notes that a message was refused, before it is released.
    pub(crate) fn refuse(&mut self, generation: u64, number: u64, error: Error) {
        self.incoming.refuse(generation, number, error);
    }

    /// Acknowledges what has arrived in this generation up to and including this number. Of another generation: nothing.
    ///
    /// # Errors
    /// As [`Wire::put`].
    pub(crate) fn release(&mut self, generation: u64, up_to: u64, wire: &mut impl Wire) -> Result<()> {
        if self.is_logged_in() { self.incoming.release(generation, up_to, wire) } else { Ok(()) }
    }

    /// Takes leave of the server.
    ///
    /// # Errors
    /// As [`Wire::put`].
    pub(crate) fn finish(&mut self, wire: &mut impl Wire) -> Result<()> {
        if !self.is_logged_in() {
            return Ok(());
        }
        let forget = self.version == Version::V5 && self.setup.forget && self.setup.expiry > 0;
        wire.put(&Packet::Disconnect(Disconnect { session_expiry: forget.then_some(0), ..Disconnect::default() }))
    }

    #[cfg(test)]
    pub(crate) fn limit_ids(&mut self, highest: u16) {
        self.outgoing.limit_ids(highest);
    }

    /// Messages that have arrived and are not released.
    #[cfg(test)]
    pub(crate) fn unreleased(&self) -> usize {
        self.incoming.len()
    }

    #[cfg(test)]
    pub(crate) fn open_ids(&self) -> Vec<u16> {
        self.outgoing.ids().collect()
    }

    /// Publishes that the server has not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.outgoing.in_flight()
    }

    #[cfg(test)]
    pub(crate) fn unanswered(&self) -> usize {
        self.outgoing.len()
    }
}

fn name(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect(_) => "DISCONNECT",
        Packet::Auth(_) => "AUTH",
    }
}
