//! What a device says, packet by packet.

use super::budget::Part;
use super::connection::{Connection, Ending, STUCK};
use super::handshake::ALIASES;
use super::hub::Delivery;
use crate::codec;
use crate::packet::{Ack, Packet, Publish, Qos, Reason, SubAck, Text, Version};
use std::time::Duration;
use tokio::time::Instant;

/// Messages handed over at once.
const CHUNK: usize = 256;
/// Unwritten acknowledgements of a device that does not read: beyond it, it is not read from either.
const OUT_MAX: usize = 64 << 10;
/// Of a packet above this size what has arrived is held against the budget. It is so much, too, that must arrive of it in a while.
const LARGE: usize = 64 << 10;
/// How long the next such piece of a packet may take that others wait for.
const TURN: Duration = Duration::from_secs(10);

/// A large packet that has arrived in part.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) held: Part,
    /// When the last large piece of it was complete, and how much there was then.
    since: Instant,
    arrived: usize,
}

impl UnderWay {
    fn new(now: Instant) -> Self {
        Self { held: Part::default(), since: now, arrived: 0 }
    }

    fn has_arrived(&mut self, arrived: usize, now: Instant) {
        if arrived >= self.arrived + LARGE {
            (self.since, self.arrived) = (now, arrived);
        }
    }

    /// By when another large piece has to be there. While others wait for this one there is less time.
    pub(super) fn deadline(&self) -> Instant {
        self.since + if self.held.has_turn() { TURN } else { STUCK }
    }
}

impl Connection {
    /// Takes packets out of what was read, until it is empty or too much is on its way.
    pub(super) fn digest(&mut self) -> Result<(), Ending> {
        loop {
            self.freed.mark_unchanged();
            let is_publish = self.device.inbox.first().is_some_and(|first| first >> 4 == 3);
            let is_full = self.arrivals.len() >= usize::from(self.hub.window) || !self.hub.budget.has_room();
            // A device that keeps to its window is heard further: it pings.
            let paused = self.out.len() > OUT_MAX || (is_publish && is_full);
            self.set_paused(paused);
            if paused {
                return Ok(());
            }
            match codec::decode(self.device.version, &mut self.device.inbox, self.hub.max_packet)? {
                Some(packet) => {
                    self.end_of_part();
                    self.received(packet)?;
                }
                None => {
                    self.make_room()?;
                    return Ok(());
                }
            }
        }
    }

    /// A large packet is read on while there is room for what has arrived. A header alone takes none: anybody can send many.
    fn make_room(&mut self) -> Result<(), Ending> {
        let len = codec::frame_len(self.device.version, &self.device.inbox, self.hub.max_packet)?;
        let arrived = self.device.inbox.len();
        if len.is_none_or(|len| len <= LARGE) {
            return Ok(());
        }
        let under_way = self.part.get_or_insert_with(|| UnderWay::new(Instant::now()));
        under_way.has_arrived(arrived, Instant::now());
        if arrived > LARGE {
            let more = arrived - under_way.held.bytes();
            let may_go_on = self.hub.budget.grow(&mut under_way.held, more);
            self.set_paused(!may_go_on);
        }
        Ok(())
    }

    /// A large packet has arrived, or never will.
    pub(super) fn end_of_part(&mut self) {
        if let Some(part) = self.part.take() {
            self.hub.budget.give_up(part.held);
        }
    }

    fn set_paused(&mut self, paused: bool) {
        if self.paused && !paused {
            // What the device said meanwhile could not be heard.
            self.heard = Instant::now();
            if let Some(part) = &mut self.part {
                part.since = self.heard;
            }
        }
        self.paused = paused;
    }

    fn received(&mut self, packet: Packet) -> Result<(), Ending> {
        let version = self.device.version;
        let answer = match packet {
            Packet::Publish(publish) => return self.published(publish),
            Packet::PingReq => Packet::PingResp,
            Packet::Subscribe(subscribe) => {
                // 3.1.1 has one way to say no.
                let reason = if version == Version::V4 { Reason::UNSPECIFIED } else { Reason::NOT_AUTHORIZED };
                let reasons = vec![reason; subscribe.filters.len()];
                self.note_once("it asked for a subscription; a listener only takes messages");
                Packet::SubAck(SubAck { packet_id: subscribe.packet_id, reasons, details: None })
            }
            Packet::Unsubscribe(unsubscribe) => {
                let reasons = vec![Reason::NO_SUBSCRIPTION_EXISTED; unsubscribe.filters.len()];
                Packet::UnsubAck(SubAck { packet_id: unsubscribe.packet_id, reasons, details: None })
            }
            // Left over from a session with another server: it may be done with it.
            Packet::PubRel(ack) => Packet::PubComp(Ack::with_reason(ack.packet_id, Reason::PACKET_ID_NOT_FOUND)),
            Packet::Disconnect(disconnect) => {
                if let (Some(expiry), true) = (disconnect.session_expiry, self.device.seat.expiry > 0) {
                    self.device.seat.expiry = expiry;
                }
                return Err(Ending::Goodbye { with_will: disconnect.reason == Reason::DISCONNECT_WITH_WILL });
            }
            _ => {
                return Err(Ending::Told(
                    Reason::PROTOCOL_ERROR,
                    "it sent a packet that only a server sends, or a second CONNECT",
                ));
            }
        };
        codec::encode(version, &answer, &mut self.out)
            .map_err(|_| Ending::Told(Reason::PROTOCOL_ERROR, "it cannot be answered"))
    }

    fn published(&mut self, mut publish: Publish) -> Result<(), Ending> {
        if publish.qos == Qos::ExactlyOnce {
            return Err(Ending::Told(Reason::QOS_NOT_SUPPORTED, "it published with QoS 2; QoS 1 is the most here"));
        }
        self.resolve_alias(&mut publish)?;
        let packet_id = publish.packet_id;
        if !self.hub.admits(publish.topic.as_str()) {
            self.note_once("it published to a topic outside the listener's filter; such messages are dropped");
            if packet_id != 0 {
                let reason = if self.device.version == Version::V4 { Reason::SUCCESS } else { Reason::NOT_AUTHORIZED };
                self.arrivals.decide(Ack::with_reason(packet_id, reason));
                self.acknowledge();
            }
            return Ok(());
        }
        self.hand_over(publish, packet_id);
        Ok(())
    }

    fn resolve_alias(&mut self, publish: &mut Publish) -> Result<(), Ending> {
        let wrong =
            || Ending::Told(Reason::TOPIC_ALIAS_INVALID, "it used a topic alias that it may not use or has not set");
        let Some(alias) = publish.properties.as_ref().and_then(|properties| properties.topic_alias) else {
            return Ok(());
        };
        if alias > ALIASES {
            return Err(wrong());
        }
        if publish.topic.is_empty() {
            publish.topic = self.aliases.get(&alias).cloned().ok_or_else(wrong)?;
        } else {
            // A copy: a slice would keep its whole read buffer alive.
            self.aliases.insert(alias, Text::from(publish.topic.as_str()));
        }
        Ok(())
    }

    pub(super) fn hand_over(&mut self, publish: Publish, packet_id: u16) {
        let message = self.inbound.message(publish);
        let cost = message.weight();
        self.hub.budget.take(cost);
        let position = self.arrivals.accept(packet_id, cost);
        if self.batch.is_empty() {
            self.batch_first = position;
        }
        self.batch.push(message);
        if self.batch.len() == CHUNK {
            self.flush_batch();
        }
    }

    pub(super) fn flush_batch(&mut self) {
        if !self.batch.is_empty() {
            let messages = std::mem::take(&mut self.batch);
            // Without a source nobody is there to deliver to, and this task is about to be ended.
            let _ = self.hub.deliveries.send(Delivery::Messages(self.device.seat.lane, self.batch_first, messages));
        }
    }

    /// The first trouble of a connection is worth a line, the thousandth is not.
    fn note_once(&mut self, what: &str) {
        if !std::mem::replace(&mut self.has_refused, true) {
            tracing::warn!(element = %self.hub.element, client = %self.device.id, "of a device: {what}");
        }
    }
}
