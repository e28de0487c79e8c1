//! The subscribing half: what has arrived on this connection and is not acknowledged.

use super::Wire;
use crate::error;
use crate::packet::{Ack, Packet, Publish, Qos, Text};
use lorry_core::{Error, Result};
use std::collections::{HashMap, VecDeque};

/// Messages by arrival. Nothing is found by its packet id: mosquitto 2.0 has been seen with two open messages under one.
///
/// Each connection is a *generation* with an order of its own; what is released for an old one is void.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    generation: u64,
    /// What is not released, oldest first. The first has the number `first`.
    arrivals: VecDeque<Arrival>,
    first: u64,
    /// Those of them that the server counts.
    unacknowledged: usize,
    /// Numbers of refused messages with what to tell the server, ascending.
    refused: VecDeque<(u64, Error)>,
    aliases: HashMap<u16, Text>,
}

/// How a message is to be acknowledged.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    qos: Qos,
    packet_id: u16,
}

impl Incoming {
    /// A new connection.
    pub(crate) fn restart(&mut self) {
        self.generation += 1;
        self.arrivals.clear();
        self.refused.clear();
        self.aliases.clear();
        self.first = 0;
        self.unacknowledged = 0;
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How many messages have arrived that are to be acknowledged and are not released. QoS 0 is in no window (MQTT-3.3.4-9).
    pub(crate) fn unacknowledged(&self) -> usize {
        self.unacknowledged
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// A PUBLISH: its number by arrival on this connection.
    ///
    /// Nobody here subscribes with QoS 2, but a session may hold messages for an earlier client that did. They are delivered like all
    /// others, at least once: the server gives them again until they are released.
    ///
    /// # Errors
    /// An unknown alias.
    pub(crate) fn arrived(&mut self, publish: &mut Publish, alias_maximum: u16) -> Result<u64> {
        self.resolve_alias(publish, alias_maximum)?;
        let number = self.first + self.arrivals.len() as u64;
        self.arrivals.push_back(Arrival { qos: publish.qos, packet_id: publish.packet_id });
        self.unacknowledged += usize::from(publish.qos != Qos::AtMostOnce);
        Ok(number)
    }

    fn resolve_alias(&mut self, publish: &mut Publish, maximum: u16) -> Result<()> {
        let Some(alias) = publish.properties.as_ref().and_then(|properties| properties.topic_alias) else {
            return if publish.topic.is_empty() { Err(error::protocol("a message without topic")) } else { Ok(()) };
        };
        if alias == 0 || alias > maximum {
            return Err(error::protocol(format!("topic alias {alias}, {maximum} are allowed")));
        }
        if publish.topic.is_empty() {
            let known = self.aliases.get(&alias).cloned();
            publish.topic = known.ok_or_else(|| error::protocol(format!("unknown topic alias {alias}")))?;
        } else {
            // A copy: the received one would keep its whole read buffer alive for as long as the connection.
            self.aliases.insert(alias, Text::from(publish.topic.as_str()));
        }
        Ok(())
    }

    /// Notes that a message was refused, before it is released.
    pub(crate) fn refuse(&mut self, generation: u64, number: u64, error: Error) {
        if generation == self.generation && number >= self.first {
            let at = self.refused.partition_point(|(other, _)| *other < number);
            self.refused.insert(at, (number, error));
        }
    }

    /// Acknowledges everything of this generation up to and including this number, in order of arrival.
    ///
    /// # Errors
    /// As [`Wire::put`].
    pub(crate) fn release(&mut self, generation: u64, up_to: u64, wire: &mut impl Wire) -> Result<()> {
        if generation != self.generation {
            return Ok(());
        }
        while self.first <= up_to {
            let Some(Arrival { qos, packet_id }) = self.arrivals.pop_front() else { break };
            let refused = match self.refused.front() {
                Some((number, _)) if *number == self.first => self.refused.pop_front(),
                _ => None,
            };
            self.first += 1;
            let ack = match refused {
                None => Ack::new(packet_id),
                Some((_, error)) => Ack::with_reason(packet_id, error::refusal(&error)),
            };
            let answer = match qos {
                Qos::AtMostOnce => continue,
                Qos::AtLeastOnce => Packet::PubAck(ack),
                Qos::ExactlyOnce => Packet::PubRec(ack),
            };
            self.unacknowledged -= 1;
            wire.put(&answer)?;
        }
        Ok(())
    }
}
