//! Properties (the protocol's well-known fields) and headers (the user's own).

use super::{Headers, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

pub(super) static EMPTY: Meta = Meta { properties: Properties::NONE, headers: Headers::new() };

/// What a message carries besides payload, key, address and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Meta {
    /// The protocol's well-known fields.
    pub properties: Properties,
    /// The user's own headers.
    pub headers: Headers,
}

impl Meta {
    pub(super) fn weight(&self) -> usize {
        let text = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let properties = &self.properties;
        size_of::<Self>()
            + text(&properties.content_type)
            + text(&properties.reply_to)
            + text(&properties.message_id)
            + properties.correlation_id.as_ref().map_or(0, Bytes::len)
            + self.headers.weight()
            + properties.rest.weight()
    }
}

/// Well-known fields that several protocols have under one name or another.
///
/// | here | MQTT 5 | AMQP 0-9-1 | HTTP |
/// |---|---|---|---|
/// | `content_type` | content type | content-type | Content-Type |
/// | `correlation_id` | correlation data | correlation-id | |
/// | `reply_to` | response topic | reply-to | |
/// | `expiry` | message expiry interval | expiration | |
/// | `message_id` | | message-id | |
/// | `priority` | | priority | |
/// | `retain`, `qos` | RETAIN, QoS | | |
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Properties {
    /// Media type of the payload, such as `application/json`.
    pub content_type: Option<Arc<str>>,
    /// What ties an answer to its question.
    pub correlation_id: Option<Bytes>,
    /// The address at which an answer is expected.
    pub reply_to: Option<Arc<str>>,
    /// How long the message is of use, counted from its sending.
    pub expiry: Option<Duration>,
    /// The sender's own identifier of the message.
    pub message_id: Option<Arc<str>>,
    /// Priority, 0 to 255; what the numbers mean is the broker's affair.
    pub priority: Option<u8>,
    /// Whether the broker keeps it for later subscribers, or it was kept.
    pub retain: bool,
    /// The quality of service it came with.
    pub qos: Option<u8>,
    /// When the peer received or stamped it, where that differs from the event time.
    pub received: Option<Timestamp>,
    /// Everything else, under names prefixed by the protocol: `mqtt.subscription-id`.
    pub rest: Headers,
}

impl Properties {
    const NONE: Self = Self {
        content_type: None,
        correlation_id: None,
        reply_to: None,
        expiry: None,
        message_id: None,
        priority: None,
        retain: false,
        qos: None,
        received: None,
        rest: Headers::new(),
    };
}
