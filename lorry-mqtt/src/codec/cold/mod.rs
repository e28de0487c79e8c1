//! Packets that come once in a connection, by rumqttc's codec: CONNECT, CONNACK, UNSUBSCRIBE.
//!
//! It is given a whole frame and a buffer of its own, so that none of its habits reach a connection: it asks for more bytes after
//! it has consumed a malformed frame, it writes the flags of a version 5 CONNECT at a place counted from the start of the buffer,
//! and it cuts the length of a field above 65,535 bytes without a word.

mod connack;
mod connect;
mod unsubscribe;

pub(super) use connack::{read_connack, write_connack};
pub(super) use connect::{level, read_connect, write_connect};
pub(super) use unsubscribe::{read_unsubscribe, write_unsubscribe};

use super::frame::Header;
use super::{Malformed, Unsendable};
use crate::packet::{Qos, Text, UserProperties};
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes as v4;
use rumqttc::v5::mqttbytes as v5;

impl Header {
    fn v4(&self) -> v4::FixedHeader {
        v4::FixedHeader::new(self.kind << 4 | self.flags, self.len - 1, self.remaining)
    }

    fn v5(&self) -> v5::v5::FixedHeader {
        v5::v5::FixedHeader::new(self.kind << 4 | self.flags, self.len - 1, self.remaining)
    }
}

/// Received text: rumqttc has checked that it is UTF-8.
fn text(string: String) -> Result<Text, Malformed> {
    Text::from_utf8(string.into_bytes().into()).ok_or(Malformed::new("text that holds U+0000"))
}

fn maybe_text(string: Option<String>) -> Result<Option<Text>, Malformed> {
    string.map(text).transpose()
}

fn user(pairs: Vec<(String, String)>) -> Result<UserProperties, Malformed> {
    pairs.into_iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
}

fn flag(value: Option<u8>) -> Result<Option<bool>, Malformed> {
    match value {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(_) => Err(Malformed::protocol("a flag that is neither 0 nor 1")),
    }
}

/// Text to send, once it is known to fit.
fn string(what: &'static str, text: &Text) -> Result<String, Unsendable> {
    if text.as_bytes().contains(&0) {
        return Err(Unsendable::Nul(what));
    }
    fits(what, text.as_bytes())?;
    Ok(text.as_str().to_owned())
}

fn maybe_string(what: &'static str, text: Option<&Text>) -> Result<Option<String>, Unsendable> {
    text.map(|text| string(what, text)).transpose()
}

fn maybe_binary(what: &'static str, bytes: Option<&Bytes>) -> Result<Option<Bytes>, Unsendable> {
    bytes.map(|bytes| fits(what, bytes).map(|()| bytes.clone())).transpose()
}

fn strings(pairs: &UserProperties) -> Result<Vec<(String, String)>, Unsendable> {
    let pair = |(name, value): &(Text, Text)| {
        Ok((string("name of a user property", name)?, string("value of a user property", value)?))
    };
    pairs.iter().map(pair).collect()
}

fn fits(what: &'static str, bytes: &[u8]) -> Result<(), Unsendable> {
    if bytes.len() > usize::from(u16::MAX) { Err(Unsendable::FieldTooLong(what)) } else { Ok(()) }
}

/// Writes into a buffer of its own first.
fn append<E>(buffer: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<usize, E>) -> Result<(), Unsendable> {
    let mut own = BytesMut::new();
    // After all fields were checked, the only error left is that of the length.
    write(&mut own).map_err(|_| Unsendable::PacketTooLong)?;
    buffer.extend_from_slice(&own);
    Ok(())
}

fn qos_v4(qos: Qos) -> v4::QoS {
    match qos {
        Qos::AtMostOnce => v4::QoS::AtMostOnce,
        Qos::AtLeastOnce => v4::QoS::AtLeastOnce,
        Qos::ExactlyOnce => v4::QoS::ExactlyOnce,
    }
}

fn qos_v5(qos: Qos) -> v5::QoS {
    match qos {
        Qos::AtMostOnce => v5::QoS::AtMostOnce,
        Qos::AtLeastOnce => v5::QoS::AtLeastOnce,
        Qos::ExactlyOnce => v5::QoS::ExactlyOnce,
    }
}

/// A number that rumqttc has checked.
fn qos(number: u8) -> Qos {
    Qos::from_u8(number).unwrap_or_default()
}
