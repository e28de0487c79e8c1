//! CONNECT.

use super::super::{Malformed, Unsendable, frame::Header};
use super::{append, fits, flag, maybe_binary, maybe_string, maybe_text, qos, string, strings, text, user, v4, v5};
use crate::packet::{Connect, ConnectProperties, PublishProperties, Reason, Text, Version, Will};
use crate::topic;
use bytes::{Bytes, BytesMut};

const OTHER: Malformed =
    Malformed { reason: Reason::UNSUPPORTED_VERSION, what: "a protocol that is not MQTT 3.1.1 or 5" };
const BAD: Malformed = Malformed::new("CONNECT cannot be read");

/// Which version a CONNECT's content is of, from its first bytes; `None` when they are too few. rumqttc's 3.1.1 reader takes a
/// CONNECT of version 5 and misreads it, so this comes first.
pub(in super::super) fn level(content: &[u8]) -> Option<Result<Version, Malformed>> {
    const NAME: &[u8] = b"\0\x04MQTT";
    let known = content.len().min(NAME.len());
    if content[..known] != NAME[..known] {
        return Some(Err(OTHER));
    }
    match content.get(NAME.len())? {
        4 => Some(Ok(Version::V4)),
        5 => Some(Ok(Version::V5)),
        _ => Some(Err(OTHER)),
    }
}

pub(in super::super) fn read_connect(version: Version, header: Header, frame: Bytes) -> Result<Connect, Malformed> {
    let flags = *frame.get(header.len + 7).ok_or(BAD)?;
    if flags & 1 != 0 {
        return Err(Malformed::new("a reserved flag of CONNECT"));
    }
    match version {
        Version::V4 => from_v4(v4::v4::Connect::read(header.v4(), frame).map_err(|_| BAD)?),
        Version::V5 => {
            let (connect, will, login) = v5::v5::Connect::read(header.v5(), frame).map_err(|_| BAD)?;
            from_v5(connect, will, login)
        }
    }
}

fn from_v4(connect: v4::v4::Connect) -> Result<Connect, Malformed> {
    let (name, password) = connect.login.map(|login| (login.username, login.password)).unwrap_or_default();
    let will = connect.last_will.map(|will| {
        let (qos, topic) = (qos(will.qos as u8), will_topic(text(will.topic)?)?);
        Ok(Box::new(Will { topic, payload: will.message, qos, retain: will.retain, ..Will::default() }))
    });
    Ok(Connect {
        client_id: text(connect.client_id)?,
        clean: connect.clean_session,
        keep_alive: connect.keep_alive,
        user: not_empty(name).map(text).transpose()?,
        password: not_empty(password).map(Bytes::from),
        will: will.transpose()?,
        properties: ConnectProperties::default(),
    })
}

fn from_v5(
    connect: v5::v5::Connect,
    will: Option<v5::v5::LastWill>,
    login: Option<v5::v5::Login>,
) -> Result<Connect, Malformed> {
    let (name, password) = login.map(|login| (login.username, login.password)).unwrap_or_default();
    let own = connect.properties.unwrap_or_default();
    if own.receive_maximum == Some(0) || own.max_packet_size == Some(0) {
        return Err(Malformed::protocol("a maximum of 0"));
    }
    Ok(Connect {
        client_id: text(connect.client_id)?,
        clean: connect.clean_start,
        keep_alive: connect.keep_alive,
        user: not_empty(name).map(text).transpose()?,
        password: not_empty(password).map(Bytes::from),
        will: will.map(will_from_v5).transpose()?.map(Box::new),
        properties: ConnectProperties {
            session_expiry: own.session_expiry_interval,
            receive_maximum: own.receive_maximum,
            maximum_packet_size: own.max_packet_size,
            topic_alias_maximum: own.topic_alias_max,
            request_response_information: flag(own.request_response_info)?,
            request_problem_information: flag(own.request_problem_info)?,
            user: user(own.user_properties)?,
            authentication_method: maybe_text(own.authentication_method)?,
            authentication_data: own.authentication_data,
        },
    })
}

fn will_from_v5(will: v5::v5::LastWill) -> Result<Will, Malformed> {
    let topic = Text::from_utf8(will.topic).ok_or(Malformed::new("a will topic that is not UTF-8"))?;
    let (mut delay, mut properties) = (None, PublishProperties::default());
    if let Some(own) = will.properties {
        delay = own.delay_interval;
        properties = PublishProperties {
            payload_is_text: flag(own.payload_format_indicator)?,
            expiry: own.message_expiry_interval,
            content_type: maybe_text(own.content_type)?,
            response_topic: maybe_text(own.response_topic)?,
            correlation_data: own.correlation_data,
            user: user(own.user_properties)?,
            ..PublishProperties::default()
        };
    }
    let topic = will_topic(topic)?;
    Ok(Will { topic, payload: will.message, qos: qos(will.qos as u8), retain: will.retain, delay, properties })
}

fn will_topic(topic: Text) -> Result<Text, Malformed> {
    let wrong = Malformed { reason: Reason::TOPIC_NAME_INVALID, what: "a will topic that is empty or has wildcards" };
    if topic::is_name(topic.as_bytes()) { Ok(topic) } else { Err(wrong) }
}

fn not_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

pub(in super::super) fn write_connect(
    version: Version,
    connect: &Connect,
    buffer: &mut BytesMut,
) -> Result<(), Unsendable> {
    let client_id = string("client id", &connect.client_id)?;
    let username = maybe_string("user name", connect.user.as_ref())?.unwrap_or_default();
    let password = connect.password.as_deref().unwrap_or_default();
    fits("password", password)?;
    // rumqttc has passwords as strings.
    let password = String::from_utf8(password.to_vec()).map_err(|_| Unsendable::NoSuchPacket)?;
    let has_login = !username.is_empty() || !password.is_empty();
    if let Some(will) = &connect.will {
        if !topic::is_name(will.topic.as_bytes()) {
            return Err(Unsendable::TopicInvalid);
        }
        fits("will", &will.payload)?;
    }
    match version {
        Version::V4 => {
            let last_will = connect.will.as_ref().map(|will| {
                let (message, qos) = (will.payload.clone(), super::qos_v4(will.qos));
                Ok(v4::v4::LastWill { topic: string("will topic", &will.topic)?, message, qos, retain: will.retain })
            });
            let connect = v4::v4::Connect {
                protocol: v4::Protocol::V4,
                keep_alive: connect.keep_alive,
                client_id,
                clean_session: connect.clean,
                last_will: last_will.transpose()?,
                login: has_login.then_some(v4::v4::Login { username, password }),
            };
            append(buffer, |own| connect.write(own))
        }
        Version::V5 => {
            let will = connect.will.as_ref().map(|will| will_to_v5(will)).transpose()?;
            let login = has_login.then_some(v5::v5::Login { username, password });
            let own = &connect.properties;
            let properties = v5::v5::ConnectProperties {
                session_expiry_interval: own.session_expiry,
                receive_maximum: own.receive_maximum,
                max_packet_size: own.maximum_packet_size,
                topic_alias_max: own.topic_alias_maximum,
                request_response_info: own.request_response_information.map(u8::from),
                request_problem_info: own.request_problem_information.map(u8::from),
                user_properties: strings(&own.user)?,
                authentication_method: maybe_string("authentication method", own.authentication_method.as_ref())?,
                authentication_data: maybe_binary("authentication data", own.authentication_data.as_ref())?,
            };
            let (keep_alive, clean_start) = (connect.keep_alive, connect.clean);
            let connect = v5::v5::Connect { keep_alive, client_id, clean_start, properties: Some(properties) };
            append(buffer, |own| connect.write(&will, &login, own))
        }
    }
}

fn will_to_v5(will: &Will) -> Result<v5::v5::LastWill, Unsendable> {
    string("will topic", &will.topic)?;
    let own = &will.properties;
    let properties = v5::v5::LastWillProperties {
        delay_interval: will.delay,
        payload_format_indicator: own.payload_is_text.map(u8::from),
        message_expiry_interval: own.expiry,
        content_type: maybe_string("content type", own.content_type.as_ref())?,
        response_topic: maybe_string("response topic", own.response_topic.as_ref())?,
        correlation_data: maybe_binary("correlation data", own.correlation_data.as_ref())?,
        user_properties: strings(&own.user)?,
    };
    Ok(v5::v5::LastWill {
        topic: Bytes::copy_from_slice(will.topic.as_bytes()),
        message: will.payload.clone(),
        qos: super::qos_v5(will.qos),
        retain: will.retain,
        properties: Some(properties),
    })
}
