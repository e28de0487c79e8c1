//! UNSUBSCRIBE.

use super::super::{Malformed, Unsendable, frame::Header};
use super::{append, string, strings, text, user, v4, v5};
use crate::packet::{Unsubscribe, Version};
use crate::topic;
use bytes::{Bytes, BytesMut};

const BAD: Malformed = Malformed::new("UNSUBSCRIBE cannot be read");

pub(in super::super) fn read_unsubscribe(
    version: Version,
    header: Header,
    frame: Bytes,
) -> Result<Unsubscribe, Malformed> {
    let (packet_id, filters, pairs) = match version {
        Version::V4 => {
            let own = v4::v4::Unsubscribe::read(header.v4(), frame).map_err(|_| BAD)?;
            (own.pkid, own.topics, Vec::new())
        }
        Version::V5 => {
            let own = v5::v5::Unsubscribe::read(header.v5(), frame).map_err(|_| BAD)?;
            (own.pkid, own.filters, own.properties.map(|own| own.user_properties).unwrap_or_default())
        }
    };
    if packet_id == 0 || filters.is_empty() {
        return Err(Malformed::protocol("UNSUBSCRIBE without a packet id or a filter"));
    }
    let filters = filters.into_iter().map(text).collect::<Result<_, _>>()?;
    Ok(Unsubscribe { packet_id, filters, user: user(pairs)? })
}

pub(in super::super) fn write_unsubscribe(
    version: Version,
    packet: &Unsubscribe,
    buffer: &mut BytesMut,
) -> Result<(), Unsendable> {
    if packet.packet_id == 0 {
        return Err(Unsendable::PacketIdZero);
    }
    let filters = packet.filters.iter().map(|filter| string("topic filter", filter)).collect::<Result<Vec<_>, _>>()?;
    if filters.is_empty() || !filters.iter().all(|filter| topic::is_filter(filter)) {
        return Err(Unsendable::FilterInvalid);
    }
    match version {
        Version::V4 => {
            let own = v4::v4::Unsubscribe { pkid: packet.packet_id, topics: filters };
            append(buffer, |buffer| own.write(buffer))
        }
        Version::V5 => {
            let properties = Some(v5::v5::UnsubscribeProperties { user_properties: strings(&packet.user)? });
            let own = v5::v5::Unsubscribe { pkid: packet.packet_id, filters, properties };
            append(buffer, |buffer| own.write(buffer))
        }
    }
}
