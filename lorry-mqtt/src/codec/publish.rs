//! PUBLISH: the packet that comes with every message.

use super::frame::MAX_REMAINING;
use super::read::Reader;
use super::write::{Measure, Put};
use super::{Malformed, Unsendable, properties};
use crate::packet::{Publish, PublishProperties, Qos, Reason, Version};
use crate::topic;
use bytes::{BufMut, BytesMut};

pub(super) fn read(version: Version, flags: u8, mut body: Reader) -> Result<Publish, Malformed> {
    let qos = Qos::from_u8(flags >> 1 & 0b11).ok_or(Malformed::new("QoS 3"))?;
    let dup = flags & 0b1000 != 0;
    if dup && qos == Qos::AtMostOnce {
        return Err(Malformed::protocol("DUP with QoS 0"));
    }
    let topic = body.text()?;
    let packet_id = if qos == Qos::AtMostOnce { 0 } else { body.packet_id()? };
    let mut properties: Option<Box<PublishProperties>> = None;
    body.properties(version, |id, reader| {
        let into = properties.get_or_insert_default();
        match id {
            properties::TOPIC_ALIAS => match reader.u16()? {
                0 => return Err(Malformed { reason: Reason::TOPIC_ALIAS_INVALID, what: "topic alias 0" }),
                alias => into.topic_alias = Some(alias),
            },
            properties::SUBSCRIPTION_ID => match reader.varint()? {
                0 => return Err(Malformed::protocol("subscription identifier 0")),
                id => into.subscription_ids.push(id as u32),
            },
            id => properties::read_message(id, reader, into)?,
        }
        Ok(())
    })?;
    if topic.is_empty() && properties.as_ref().is_some_and(|properties| properties.topic_alias.is_some()) {
        // The alias says which.
    } else if !topic::is_name(topic.as_bytes()) {
        let what = "a topic that is empty or has wildcards";
        return Err(Malformed { reason: Reason::TOPIC_NAME_INVALID, what });
    }
    Ok(Publish { dup, qos, retain: flags & 1 != 0, topic, packet_id, payload: body.rest(), properties })
}

pub(super) fn write(version: Version, publish: &Publish, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    let own = publish.properties.as_deref().filter(|_| version == Version::V5);
    let has_alias = own.is_some_and(|own| own.topic_alias.is_some());
    let is_by_alias = has_alias && publish.topic.is_empty();
    if !is_by_alias && !topic::is_name(publish.topic.as_bytes()) {
        return Err(Unsendable::TopicInvalid);
    }
    let properties_len = own.map(|own| Measure::of(|measure| properties::write_message(own, measure))).transpose()?;
    let head_len = Measure::of(|measure| head(version, publish, properties_len, measure))?;
    let len = head_len + properties_len.unwrap_or(0) + publish.payload.len();
    if len > MAX_REMAINING {
        return Err(Unsendable::PacketTooLong);
    }
    buffer.reserve(5 + len);
    buffer.put_u8(0x30 | u8::from(publish.dup) << 3 | (publish.qos as u8) << 1 | u8::from(publish.retain));
    buffer.varint(len);
    head(version, publish, properties_len, buffer);
    if let Some(own) = own {
        properties::write_message(own, buffer);
    }
    buffer.put_slice(&publish.payload);
    Ok(())
}

/// All that stands before the properties, their length included.
fn head(version: Version, publish: &Publish, properties_len: Option<usize>, put: &mut impl Put) {
    put.binary("topic", publish.topic.as_bytes());
    if publish.qos != Qos::AtMostOnce {
        put.packet_id(publish.packet_id);
    }
    if version == Version::V5 {
        put.varint(properties_len.unwrap_or(0));
    }
}
