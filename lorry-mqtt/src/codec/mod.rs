//! Bytes to packets and back: the codec of both versions behind a guard of our own.
//!
//! A frame is cut by its fixed header first, and only then read; from there on *any* trouble means that the peer sent something
//! malformed, never that bytes are missing. Packets that come with every message (PUBLISH and its acknowledgements) are read and
//! written here, as slices of the read buffer; so are those that rumqttc's codec cannot read (DISCONNECT, AUTH), gives up at an
//! unknown code (SUBACK, UNSUBACK) or does not check (SUBSCRIBE). What is left to it (CONNECT, CONNACK, UNSUBSCRIBE) is checked
//! before and after.
//!
//! Both versions refuse what the specification calls malformed: reserved flags, properties twice or in the wrong packet, text that
//! is not UTF-8 or holds U+0000, topics with wildcards. What is unknown but harmless, such as a reason code, is kept as it is.

mod ack;
mod cold;
mod frame;
mod properties;
mod publish;
mod read;
mod subscribe;
mod write;

#[cfg(test)]
mod tests;

use crate::packet::{Connect, Packet, Reason, Version};
use bytes::{BufMut, Bytes, BytesMut};
use frame::Header;
use read::Reader;
use std::fmt;

pub use frame::MAX_REMAINING;

/// What a peer sent is not MQTT; the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What a version 5 DISCONNECT says about it.
    pub reason: Reason,
    /// What is wrong, for a person.
    pub what: &'static str,
}

impl Malformed {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { reason: Reason::MALFORMED_PACKET, what }
    }

    pub(crate) const fn protocol(what: &'static str) -> Self {
        Self { reason: Reason::PROTOCOL_ERROR, what }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.what)
    }
}

impl std::error::Error for Malformed {}

/// A packet that cannot be written. Nothing of it is in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// A string or binary field is longer than 65,535 bytes.
    FieldTooLong(&'static str),
    /// The packet is longer than MQTT's 268,435,455 bytes.
    PacketTooLong,
    /// A topic is empty or has a wildcard.
    TopicInvalid,
    /// A filter is empty or has a wildcard in a wrong place.
    FilterInvalid,
    /// Text holds U+0000.
    Nul(&'static str),
    /// A packet id is 0 where it must not be.
    PacketIdZero,
    /// The version has no such packet, or not without content.
    NoSuchPacket,
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldTooLong(what) => write!(f, "the {what} is longer than the 65535 bytes that MQTT allows"),
            Self::PacketTooLong => f.write_str("the packet is longer than the 268435455 bytes that MQTT allows"),
            Self::TopicInvalid => f.write_str("a topic to publish to must not be empty nor have + or # in it"),
            Self::FilterInvalid => f.write_str("+ and # must be a whole level of a topic filter, and # the last"),
            Self::Nul(what) => write!(f, "the {what} holds the character U+0000, which MQTT forbids"),
            Self::PacketIdZero => f.write_str("a packet id must not be 0"),
            Self::NoSuchPacket => f.write_str("this version of MQTT has no such packet"),
        }
    }
}

impl std::error::Error for Unsendable {}

impl From<Unsendable> for lorry_core::Error {
    fn from(error: Unsendable) -> Self {
        use lorry_core::ErrorKind;
        let kind = match error {
            Unsendable::FieldTooLong(_) | Unsendable::PacketTooLong => ErrorKind::TooLarge,
            _ => ErrorKind::Malformed,
        };
        Self::data(kind, "publish", error)
    }
}

/// Takes the next packet out of `buffer`; `None` while it is not whole.
///
/// `max` is the largest packet accepted, fixed header included, in bytes. A larger one is refused as soon as its length is known,
/// before the rest of it is read.
///
/// # Errors
/// The peer sent something that is not MQTT of this version; the buffer is of no use any more.
pub fn decode(version: Version, buffer: &mut BytesMut, max: usize) -> Result<Option<Packet>, Malformed> {
    let Some(header) = Header::read(version, buffer, max)? else { return Ok(None) };
    let Some(frame) = header.cut(buffer) else { return Ok(None) };
    packet(version, header, frame).map(Some)
}

/// How long the first packet in `buffer` is, header included; `None` while that cannot be said.
///
/// # Errors
/// As [`decode`].
pub(crate) fn frame_len(version: Version, buffer: &[u8], max: usize) -> Result<Option<usize>, Malformed> {
    Ok(Header::read(version, buffer, max)?.map(|header| header.len + header.remaining))
}

/// Takes a CONNECT of either version out of `buffer`, which must be the first packet; `None` while it is not whole.
///
/// # Errors
/// Anything else. A version that nobody here speaks (MQTT 3.1, a later one) has [`Reason::UNSUPPORTED_VERSION`]: answer with
/// [`REFUSED_VERSION`].
pub fn decode_connect(buffer: &mut BytesMut, max: usize) -> Result<Option<(Version, Connect)>, Malformed> {
    if buffer.first().is_some_and(|byte| *byte != 0x10) {
        return Err(Malformed::protocol("the first packet is no CONNECT"));
    }
    let Some(header) = Header::read(Version::V4, buffer, max)? else { return Ok(None) };
    // The level stands at the beginning: whoever speaks another protocol need not be heard to the end.
    let version = match cold::level(&buffer[header.len..]) {
        Some(level) => level?,
        None if buffer.len() < header.len + header.remaining => return Ok(None),
        None => return Err(Malformed::new("CONNECT ends too early")),
    };
    let Some(frame) = header.cut(buffer) else { return Ok(None) };
    Ok(Some((version, cold::read_connect(version, header, frame)?)))
}

/// The answer to a CONNECT of an unknown version: CONNACK with return code 1, as 3.1.1 has it and every client knows.
pub const REFUSED_VERSION: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

fn packet(version: Version, header: Header, frame: Bytes) -> Result<Packet, Malformed> {
    let mut body = Reader::new(frame.slice(header.len..));
    let packet = match header.kind {
        1 => match cold::level(&frame[header.len..]) {
            Some(Ok(own)) if own == version => Packet::Connect(Box::new(cold::read_connect(version, header, frame)?)),
            Some(Err(error)) => return Err(error),
            _ => return Err(Malformed::protocol("CONNECT of another version")),
        },
        2 => Packet::ConnAck(Box::new(cold::read_connack(version, header, frame)?)),
        3 => return publish::read(version, header.flags, body).map(Packet::Publish),
        4 => Packet::PubAck(ack::read(version, &mut body)?),
        5 => Packet::PubRec(ack::read(version, &mut body)?),
        6 => Packet::PubRel(ack::read(version, &mut body)?),
        7 => Packet::PubComp(ack::read(version, &mut body)?),
        8 => return subscribe::read(version, body).map(Packet::Subscribe),
        9 => return subscribe::read_suback(version, body).map(Packet::SubAck),
        10 => Packet::Unsubscribe(cold::read_unsubscribe(version, header, frame)?),
        11 => return subscribe::read_unsuback(version, body).map(Packet::UnsubAck),
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect(ack::read_disconnect(version, &mut body)?),
        15 => Packet::Auth(ack::read_auth(&mut body)?),
        _ => return Err(Malformed::new("no such packet type")),
    };
    match header.kind {
        // Read by the codec underneath, from the frame.
        1 | 2 | 10 => {}
        _ => body.end()?,
    }
    Ok(packet)
}

/// Appends a packet to `buffer`. Properties and reasons that 3.1.1 does not have are left out for it.
///
/// # Errors
/// The packet cannot be written; the buffer is as it was.
pub fn encode(version: Version, packet: &Packet, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    match packet {
        Packet::Publish(publish) => publish::write(version, publish, buffer),
        Packet::PubAck(ack) => ack::write(version, 0x40, ack, buffer),
        Packet::PubRec(ack) => ack::write(version, 0x50, ack, buffer),
        Packet::PubRel(ack) => ack::write(version, 0x62, ack, buffer),
        Packet::PubComp(ack) => ack::write(version, 0x70, ack, buffer),
        Packet::Connect(connect) => cold::write_connect(version, connect, buffer),
        Packet::ConnAck(connack) => cold::write_connack(version, connack, buffer),
        Packet::Subscribe(subscribe) => subscribe::write(version, subscribe, buffer),
        Packet::SubAck(suback) => subscribe::write_suback(version, 0x90, suback, buffer),
        Packet::Unsubscribe(unsubscribe) => cold::write_unsubscribe(version, unsubscribe, buffer),
        Packet::UnsubAck(unsuback) => subscribe::write_suback(version, 0xB0, unsuback, buffer),
        Packet::PingReq => put(buffer, [0xC0, 0]),
        Packet::PingResp => put(buffer, [0xD0, 0]),
        Packet::Disconnect(disconnect) => ack::write_disconnect(version, disconnect, buffer),
        Packet::Auth(auth) => ack::write_auth(version, auth, buffer),
    }
}

fn put(buffer: &mut BytesMut, bytes: [u8; 2]) -> Result<(), Unsendable> {
    buffer.put_slice(&bytes);
    Ok(())
}
