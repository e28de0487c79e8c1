//! The publishing half: what was handed over, what is on the wire, what was answered.

use super::Wire;
use crate::error;
use crate::packet::{Ack, Packet, Publish, Qos, Reason, Text};
use lorry_core::{Error, ErrorKind, Result};
use std::collections::{HashMap, VecDeque};

/// What became of a publish: the token it was handed over with, and the answer.
pub(crate) type Outcome<T> = (T, Result<()>);

/// Publishes in the order they were handed over, each until it is answered.
///
/// All survive the connection: [`restart`](Self::restart) makes the next [`pump`](Self::pump) begin with the oldest unanswered one,
/// whether or not the server kept the session. A packet id belongs to its publish until the answer, so none is ever used twice.
#[derive(Debug)]
pub(crate) struct Outgoing<T> {
    /// By sequence number; `None` = answered, waiting for older ones.
    entries: VecDeque<Option<Entry<T>>>,
    first: u64,
    /// The first one not written on this connection.
    unsent: u64,
    in_flight: usize,
    window: usize,
    by_id: HashMap<u16, u64>,
    /// Taken by a SUBSCRIBE.
    reserved: Option<u16>,
    last_id: u16,
    /// After it they begin anew. More than the window and the reservation need.
    highest_id: u16,
}

#[derive(Debug)]
struct Entry<T> {
    token: T,
    packet: Packet,
    /// It was written at least once: the next time it is a duplicate.
    tried: bool,
}

impl<T: Copy> Outgoing<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            unsent: 0,
            in_flight: 0,
            window: 0,
            by_id: HashMap::new(),
            reserved: None,
            last_id: 0,
            highest_id: u16::MAX,
        }
    }

    pub(crate) fn push(&mut self, token: T, publish: Publish) {
        self.entries.push_back(Some(Entry { token, packet: Packet::Publish(publish), tried: false }));
    }

    /// How many are not answered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// How many were written on this connection and are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// A new connection that takes so many unanswered publishes at once: everything starts over.
    pub(crate) fn restart(&mut self, window: usize) {
        self.unsent = self.first;
        self.in_flight = 0;
        self.window = window.max(1);
    }

    /// The connection is gone: nothing may be written.
    pub(crate) fn halt(&mut self) {
        self.window = 0;
        self.in_flight = 0;
        self.unsent = self.first;
        self.reserved = None;
    }

    /// Writes what the window, the wire and `limit`, a narrower window, have room for. QoS 0 is done with that and goes to `written`, what
    /// cannot be written to `failed`.
    pub(crate) fn pump(
        &mut self,
        wire: &mut impl Wire,
        limit: usize,
        written: &mut Vec<T>,
        failed: &mut Vec<Outcome<T>>,
    ) {
        let window = self.window.min(limit);
        while self.in_flight < window && self.unsent < self.first + self.entries.len() as u64 && wire.has_room() {
            let sequence = self.unsent;
            self.unsent += 1;
            let Some(Some(mut entry)) = self.take(sequence) else { continue };
            let Packet::Publish(publish) = &mut entry.packet else { continue };
            let acknowledged = publish.qos != Qos::AtMostOnce;
            if acknowledged && publish.packet_id == 0 {
                publish.packet_id = self.next_id();
                self.by_id.insert(publish.packet_id, sequence);
            }
            publish.dup = acknowledged && entry.tried;
            let id = publish.packet_id;
            match wire.put(&entry.packet) {
                Ok(()) if acknowledged => {
                    entry.tried = true;
                    self.in_flight += 1;
                    self.put_back(sequence, entry);
                }
                Ok(()) => written.push(entry.token),
                Err(error) => {
                    self.by_id.remove(&id);
                    failed.push((entry.token, Err(error)));
                }
            }
        }
        self.forget_answered();
    }

    /// A PUBACK: what became of which publish. `None` for an id that nothing on this connection has.
    ///
    /// # Errors
    /// The connection must be made anew.
    pub(crate) fn answered(&mut self, ack: &Ack) -> Result<Option<Outcome<T>>> {
        let Some(&sequence) = self.by_id.get(&ack.packet_id) else { return Ok(None) };
        if sequence >= self.unsent {
            return Ok(None);
        }
        let details = ack.details.as_ref().and_then(|details| details.reason_string.as_ref()).map(Text::as_str);
        self.by_id.remove(&ack.packet_id);
        if ack.reason == Reason::PACKET_ID_IN_USE {
            // The server remembers something else under this id: the publish gets another one, on a connection where all ids are known.
            if let Some(Some(Entry { packet: Packet::Publish(publish), .. })) = self.slot(sequence) {
                publish.packet_id = 0;
            }
            return Err(error::protocol(ack.reason));
        }
        let Some(Some(entry)) = self.take(sequence) else { return Ok(None) };
        self.in_flight -= 1;
        self.forget_answered();
        let result = match error::from_puback(ack.reason, details) {
            None => Ok(()),
            Some(error) => Err(error.with("topic", topic(&entry.packet))),
        };
        Ok(Some((entry.token, result)))
    }

    /// The server ended the connection over a packet that is too large, without saying which: the largest one in flight is given up,
    /// or it would end every connection to come.
    pub(crate) fn give_up_largest(&mut self) -> Option<Outcome<T>> {
        let sent = (self.unsent - self.first) as usize;
        let candidates =
            self.entries.iter().take(sent).enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref()?)));
        let (at, _) = candidates.max_by_key(|(_, entry)| size(&entry.packet))?;
        let what = "the server ended the connection: packet too large (0x95)";
        self.give_up(self.first + at as u64, Error::data(ErrorKind::TooLarge, "publish", what))
    }

    /// Gives up a publish that was written, for this reason.
    pub(crate) fn give_up(&mut self, sequence: u64, error: Error) -> Option<Outcome<T>> {
        let entry = self.take(sequence)??;
        if let Packet::Publish(publish) = &entry.packet {
            self.by_id.remove(&publish.packet_id);
        }
        let error = error.with("topic", topic(&entry.packet)).with("bytes", size(&entry.packet));
        self.in_flight = self.in_flight.saturating_sub(1);
        self.forget_answered();
        Some((entry.token, Err(error)))
    }

    /// The oldest publish that was written on this connection and is not answered.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let sent = (self.unsent - self.first) as usize;
        let at = self.entries.iter().take(sent).position(Option::is_some)?;
        Some(self.first + at as u64)
    }

    /// An id for a SUBSCRIBE, until [`release_id`](Self::release_id).
    pub(crate) fn reserve_id(&mut self) -> u16 {
        let id = self.next_id();
        self.reserved = Some(id);
        id
    }

    pub(crate) fn release_id(&mut self) {
        self.reserved = None;
    }

    /// So few ids that they are used again soon.
    #[cfg(test)]
    pub(crate) fn limit_ids(&mut self, highest: u16) {
        self.highest_id = highest;
    }

    /// The ids of all publishes that wait for an answer.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> impl Iterator<Item = u16> {
        self.by_id.keys().copied()
    }

    /// Ends: the window is at most 65,534, so with one reservation an id is always free.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = if self.last_id >= self.highest_id { 1 } else { self.last_id + 1 };
            if !self.by_id.contains_key(&self.last_id) && self.reserved != Some(self.last_id) {
                return self.last_id;
            }
        }
    }

    fn slot(&mut self, sequence: u64) -> Option<&mut Option<Entry<T>>> {
        let at = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(at)
    }

    fn take(&mut self, sequence: u64) -> Option<Option<Entry<T>>> {
        self.slot(sequence).map(Option::take)
    }

    fn put_back(&mut self, sequence: u64, entry: Entry<T>) {
        if let Some(slot) = self.slot(sequence) {
            *slot = Some(entry);
        }
    }

    fn forget_answered(&mut self) {
        while self.first < self.unsent && matches!(self.entries.front(), Some(None)) {
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

fn size(packet: &Packet) -> usize {
    match packet {
        Packet::Publish(publish) => publish.payload.len(),
        _ => 0,
    }
}

fn topic(packet: &Packet) -> &str {
    match packet {
        Packet::Publish(publish) => publish.topic.as_str(),
        _ => "",
    }
}
