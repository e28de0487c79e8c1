//! SUBSCRIBE, SUBACK and UNSUBACK. By hand: rumqttc refuses reason codes that it does not know and takes reserved bits for granted.

use super::properties::{self, read_detail, write_details};
use super::read::Reader;
use super::write::{self, packet};
use super::{Malformed, Unsendable};
use crate::packet::{Filter, Qos, Reason, RetainHandling, SubAck, Subscribe, Version};
use crate::topic;
use bytes::BytesMut;

pub(super) fn read(version: Version, mut body: Reader) -> Result<Subscribe, Malformed> {
    let mut subscribe = Subscribe { packet_id: body.packet_id()?, ..Subscribe::default() };
    body.properties(version, |id, reader| {
        match id {
            properties::SUBSCRIPTION_ID => {
                if subscribe.subscription_id.is_some() {
                    return Err(Malformed::protocol("a property that stands twice"));
                }
                match reader.varint()? {
                    0 => return Err(Malformed::protocol("subscription identifier 0")),
                    id => subscribe.subscription_id = Some(id as u32),
                }
            }
            properties::USER => subscribe.user.push((reader.text()?, reader.text()?)),
            _ => return Err(properties::STRANGE),
        }
        Ok(())
    })?;
    while !body.is_empty() {
        let path = body.text()?;
        let options = body.u8()?;
        let qos = Qos::from_u8(options & 0b11).ok_or(Malformed::new("QoS 3"))?;
        let reserved = if version == Version::V4 { 0b1111_1100 } else { 0b1100_0000 };
        if options & reserved != 0 {
            return Err(Malformed::new("reserved bits in the options of a subscription"));
        }
        let retain_handling = match options >> 4 & 0b11 {
            0 => RetainHandling::Always,
            1 => RetainHandling::IfNew,
            2 => RetainHandling::Never,
            _ => return Err(Malformed::protocol("retain handling 3")),
        };
        let (no_local, retain_as_published) = (options & 0b100 != 0, options & 0b1000 != 0);
        subscribe.filters.push(Filter { path, qos, no_local, retain_as_published, retain_handling });
    }
    if subscribe.filters.is_empty() {
        return Err(Malformed::protocol("SUBSCRIBE without a filter"));
    }
    Ok(subscribe)
}

pub(super) fn write(version: Version, subscribe: &Subscribe, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    let is_fine = |filter: &Filter| topic::is_filter(filter.path.as_str());
    if subscribe.filters.is_empty() || !subscribe.filters.iter().all(is_fine) {
        return Err(Unsendable::FilterInvalid);
    }
    packet(0x82, buffer, |put| {
        put.packet_id(subscribe.packet_id);
        write::properties(version, put, |put| {
            if let Some(id) = subscribe.subscription_id {
                put.u8(properties::SUBSCRIPTION_ID);
                put.varint(id as usize);
            }
            put.user_properties(&subscribe.user);
        });
        for filter in &subscribe.filters {
            put.text("topic filter", &filter.path);
            put.u8(match version {
                Version::V4 => filter.qos as u8,
                Version::V5 => {
                    (filter.retain_handling as u8) << 4
                        | u8::from(filter.retain_as_published) << 3
                        | u8::from(filter.no_local) << 2
                        | filter.qos as u8
                }
            });
        }
    })
}

pub(super) fn read_suback(version: Version, body: Reader) -> Result<SubAck, Malformed> {
    let ack = read_reasons(version, body)?;
    if ack.reasons.is_empty() { Err(Malformed::new("SUBACK without a reason code")) } else { Ok(ack) }
}

pub(super) fn read_unsuback(version: Version, body: Reader) -> Result<SubAck, Malformed> {
    let ack = read_reasons(version, body)?;
    match (version, ack.reasons.is_empty()) {
        (Version::V4, false) => Err(Malformed::new("bytes after the end of the content")),
        (Version::V5, true) => Err(Malformed::new("UNSUBACK without a reason code")),
        _ => Ok(ack),
    }
}

fn read_reasons(version: Version, mut body: Reader) -> Result<SubAck, Malformed> {
    let mut ack = SubAck { packet_id: body.packet_id()?, ..SubAck::default() };
    body.properties(version, |id, reader| read_detail(id, reader, &mut ack.details))?;
    ack.reasons = body.rest().iter().map(|code| Reason(*code)).collect();
    Ok(ack)
}

pub(super) fn write_suback(version: Version, first: u8, ack: &SubAck, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    let has_reasons = version == Version::V5 || first == 0x90;
    if has_reasons && ack.reasons.is_empty() {
        return Err(Unsendable::NoSuchPacket);
    }
    packet(first, buffer, |put| {
        put.packet_id(ack.packet_id);
        write::properties(version, put, |put| write_details(ack.details.as_deref(), put));
        if has_reasons {
            ack.reasons.iter().for_each(|reason| put.u8(reason.0));
        }
    })
}
