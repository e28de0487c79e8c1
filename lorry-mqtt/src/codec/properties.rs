//! Property identifiers of the packets that are read and written here, and the properties that several of them share.

use super::Malformed;
use super::read::Reader;
use super::write::Put;
use crate::packet::{Details, PublishProperties};

pub(super) const PAYLOAD_FORMAT: u8 = 1;
pub(super) const MESSAGE_EXPIRY: u8 = 2;
pub(super) const CONTENT_TYPE: u8 = 3;
pub(super) const RESPONSE_TOPIC: u8 = 8;
pub(super) const CORRELATION_DATA: u8 = 9;
pub(super) const SUBSCRIPTION_ID: u8 = 11;
pub(super) const SESSION_EXPIRY: u8 = 17;
pub(super) const AUTHENTICATION_METHOD: u8 = 21;
pub(super) const AUTHENTICATION_DATA: u8 = 22;
pub(super) const SERVER_REFERENCE: u8 = 28;
pub(super) const REASON_STRING: u8 = 31;
pub(super) const TOPIC_ALIAS: u8 = 35;
pub(super) const USER: u8 = 38;

/// User properties may, and subscription ids in a PUBLISH.
pub(super) fn may_repeat(id: u8) -> bool {
    matches!(id, USER | SUBSCRIPTION_ID)
}

pub(super) const STRANGE: Malformed = Malformed::new("a property that does not belong to this packet");

/// One property of those that accompany a reason code.
pub(super) fn read_detail(id: u8, reader: &mut Reader, details: &mut Option<Box<Details>>) -> Result<(), Malformed> {
    match id {
        REASON_STRING => details.get_or_insert_default().reason_string = Some(reader.text()?),
        USER => {
            let pair = (reader.text()?, reader.text()?);
            details.get_or_insert_default().user.push(pair);
        }
        _ => return Err(STRANGE),
    }
    Ok(())
}

pub(super) fn write_details(details: Option<&Details>, put: &mut dyn Put) {
    let Some(details) = details else { return };
    if let Some(reason) = &details.reason_string {
        put.u8(REASON_STRING);
        put.text("reason", reason);
    }
    put.user_properties(&details.user);
}

/// One property of a message.
pub(super) fn read_message(id: u8, reader: &mut Reader, into: &mut PublishProperties) -> Result<(), Malformed> {
    match id {
        PAYLOAD_FORMAT => into.payload_is_text = Some(reader.bool()?),
        MESSAGE_EXPIRY => into.expiry = Some(reader.u32()?),
        CONTENT_TYPE => into.content_type = Some(reader.text()?),
        RESPONSE_TOPIC => {
            let topic = reader.text()?;
            if !crate::topic::is_name(topic.as_bytes()) {
                return Err(Malformed::protocol("a response topic with wildcards"));
            }
            into.response_topic = Some(topic);
        }
        CORRELATION_DATA => into.correlation_data = Some(reader.binary()?),
        USER => into.user.push((reader.text()?, reader.text()?)),
        _ => return Err(STRANGE),
    }
    Ok(())
}

pub(super) fn write_message(message: &PublishProperties, put: &mut dyn Put) {
    if let Some(is_text) = message.payload_is_text {
        put.u8(PAYLOAD_FORMAT);
        put.u8(is_text.into());
    }
    if let Some(expiry) = message.expiry {
        put.u8(MESSAGE_EXPIRY);
        put.u32(expiry);
    }
    if let Some(alias) = message.topic_alias {
        put.u8(TOPIC_ALIAS);
        put.u16(alias);
    }
    if let Some(topic) = &message.response_topic {
        if !crate::topic::is_name(topic.as_bytes()) {
            put.fail(super::Unsendable::TopicInvalid);
        }
        put.u8(RESPONSE_TOPIC);
        put.text("response topic", topic);
    }
    if let Some(data) = &message.correlation_data {
        put.u8(CORRELATION_DATA);
        put.binary("correlation data", data);
    }
    put.user_properties(&message.user);
    for id in &message.subscription_ids {
        put.u8(SUBSCRIPTION_ID);
        put.varint(*id as usize);
    }
    if let Some(content_type) = &message.content_type {
        put.u8(CONTENT_TYPE);
        put.text("content type", content_type);
    }
}
