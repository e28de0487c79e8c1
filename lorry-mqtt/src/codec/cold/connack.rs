//! CONNACK.

use super::super::{Malformed, Unsendable, frame::Header};
use super::{append, flag, maybe_binary, maybe_string, maybe_text, strings, user, v5};
use crate::packet::{ConnAck, ConnAckProperties, Qos, Reason, Version};
use bytes::{BufMut, Bytes, BytesMut};

const BAD: Malformed = Malformed::new("CONNACK cannot be read");

pub(in super::super) fn read_connack(version: Version, header: Header, frame: Bytes) -> Result<ConnAck, Malformed> {
    let [flags @ (0 | 1), code, ..] = frame[header.len..] else { return Err(BAD) };
    let mut ack =
        ConnAck { session_present: flags == 1, reason: Reason(code), properties: ConnAckProperties::default() };
    match version {
        Version::V4 if header.remaining == 2 => Ok(ack),
        Version::V4 => Err(BAD),
        // A server that knows 3.1.1 only answers a version 5 CONNECT with `20 02 00 01`.
        Version::V5 if header.remaining == 2 => Ok(ack),
        Version::V5 => {
            // Unknown codes are an error to rumqttc: it is shown a success, and the code is kept from the raw bytes.
            let mut shown = BytesMut::from(&frame[..]);
            shown[header.len + 1] = 0;
            let own = v5::v5::ConnAck::read(header.v5(), shown.freeze()).map_err(|_| BAD)?;
            ack.properties = own.properties.map(properties).transpose()?.unwrap_or_default();
            Ok(ack)
        }
    }
}

fn properties(own: v5::v5::ConnAckProperties) -> Result<ConnAckProperties, Malformed> {
    if own.receive_max == Some(0) || own.max_packet_size == Some(0) {
        return Err(Malformed::protocol("a maximum of 0"));
    }
    let maximum_qos = own.max_qos.map(|number| Qos::from_u8(number).ok_or(Malformed::protocol("maximum QoS 3")));
    Ok(ConnAckProperties {
        session_expiry: own.session_expiry_interval,
        receive_maximum: own.receive_max,
        maximum_qos: maximum_qos.transpose()?,
        retain_available: flag(own.retain_available)?,
        maximum_packet_size: own.max_packet_size,
        assigned_client_id: maybe_text(own.assigned_client_identifier)?,
        topic_alias_maximum: own.topic_alias_max,
        reason_string: maybe_text(own.reason_string)?,
        user: user(own.user_properties)?,
        wildcard_subscriptions: flag(own.wildcard_subscription_available)?,
        subscription_ids: flag(own.subscription_identifiers_available)?,
        shared_subscriptions: flag(own.shared_subscription_available)?,
        server_keep_alive: own.server_keep_alive,
        response_information: maybe_text(own.response_information)?,
        server_reference: maybe_text(own.server_reference)?,
        authentication_method: maybe_text(own.authentication_method)?,
        authentication_data: own.authentication_data,
    })
}

pub(in super::super) fn write_connack(
    version: Version,
    ack: &ConnAck,
    buffer: &mut BytesMut,
) -> Result<(), Unsendable> {
    if version == Version::V4 {
        buffer.put_slice(&[0x20, 2, u8::from(ack.session_present), ack.reason.to_v4_connack().0]);
        return Ok(());
    }
    let own = &ack.properties;
    let properties = v5::v5::ConnAckProperties {
        session_expiry_interval: own.session_expiry,
        receive_max: own.receive_maximum,
        max_qos: own.maximum_qos.map(|qos| qos as u8),
        retain_available: own.retain_available.map(u8::from),
        max_packet_size: own.maximum_packet_size,
        assigned_client_identifier: maybe_string("client id", own.assigned_client_id.as_ref())?,
        topic_alias_max: own.topic_alias_maximum,
        reason_string: maybe_string("reason", own.reason_string.as_ref())?,
        user_properties: strings(&own.user)?,
        wildcard_subscription_available: own.wildcard_subscriptions.map(u8::from),
        subscription_identifiers_available: own.subscription_ids.map(u8::from),
        shared_subscription_available: own.shared_subscriptions.map(u8::from),
        server_keep_alive: own.server_keep_alive,
        response_information: maybe_string("response information", own.response_information.as_ref())?,
        server_reference: maybe_string("server reference", own.server_reference.as_ref())?,
        authentication_method: maybe_string("authentication method", own.authentication_method.as_ref())?,
        authentication_data: maybe_binary("authentication data", own.authentication_data.as_ref())?,
    };
    let code = v5::v5::ConnectReturnCode::Success;
    let connack = v5::v5::ConnAck { session_present: ack.session_present, code, properties: Some(properties) };
    let mut whole = BytesMut::new();
    append(&mut whole, |own| connack.write(own))?;
    // The code stands behind type, length and flags.
    let length = whole[1..].iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    whole[1 + length + 1] = ack.reason.0;
    buffer.put_slice(&whole);
    Ok(())
}
