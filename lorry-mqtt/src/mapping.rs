//! PUBLISH to [`Message`] and back.

use crate::packet::{Publish, PublishProperties, Qos, Text};
use lorry_core::{Address, Headers, Message, Meta, Value};
use std::sync::Arc;
use std::time::Duration;

/// Names of what has no field of its own in [`lorry_core::Properties`].
const PAYLOAD_IS_TEXT: &str = "mqtt.payload-is-text";
const SUBSCRIPTION_ID: &str = "mqtt.subscription-id";

/// Received publishes as messages. Topics and metadata repeat, so both are shared between the messages that have the same.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    topics: Topics,
    /// Metadata of messages without properties, by QoS and RETAIN.
    plain: [Option<Arc<Meta>>; 6],
}

impl Inbound {
    pub(crate) fn message(&mut self, publish: Publish) -> Message {
        let mut message = Message::new(publish.payload);
        message.address = self.topics.address(&publish.topic);
        let plain = &mut self.plain[publish.qos as usize * 2 + usize::from(publish.retain)];
        let plain = plain.get_or_insert_with(|| {
            let mut meta = Meta::default();
            meta.properties.qos = Some(publish.qos as u8);
            meta.properties.retain = publish.retain;
            Arc::new(meta)
        });
        message.meta = Some(match publish.properties {
            None => plain.clone(),
            Some(properties) => Arc::new(with_properties(Meta::clone(plain), *properties)),
        });
        message
    }
}

fn with_properties(mut meta: Meta, from: PublishProperties) -> Meta {
    let into = &mut meta.properties;
    into.content_type = from.content_type.as_ref().map(text);
    into.reply_to = from.response_topic.as_ref().map(text);
    into.correlation_id = from.correlation_data;
    into.expiry = from.expiry.map(|seconds| Duration::from_secs(seconds.into()));
    if let Some(is_text) = from.payload_is_text {
        into.rest.push(PAYLOAD_IS_TEXT, is_text);
    }
    for id in from.subscription_ids {
        into.rest.push(SUBSCRIPTION_ID, i64::from(id));
    }
    for (name, value) in &from.user {
        meta.headers.push(text(name), Value::Text(text(value)));
    }
    meta
}

fn text(text: &Text) -> Arc<str> {
    text.as_str().into()
}

/// The topics seen last, each as one address that all its messages share. A slot per hash value; a newcomer takes the place.
#[derive(Debug)]
struct Topics(Box<[Address]>);

const SLOTS: usize = 512;

impl Default for Topics {
    fn default() -> Self {
        Self(vec![Address::default(); SLOTS].into())
    }
}

impl Topics {
    fn address(&mut self, topic: &Text) -> Address {
        let slot = &mut self.0[hash(topic.as_bytes()) % SLOTS];
        if slot.as_str().as_bytes() != topic.as_bytes() {
            *slot = Address::from(topic.as_str());
        }
        slot.clone()
    }
}

/// Eight bytes at a time: it only has to spread topics over slots.
fn hash(bytes: &[u8]) -> usize {
    let mut hash = bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }
    (hash >> 32) as usize
}

/// A message as a publish to this topic.
pub(crate) fn publish(message: &Message, topic: Text, qos: Qos, retain: bool) -> Publish {
    let payload = message.payload.clone().unwrap_or_default();
    let properties = message.meta.as_ref().and_then(|meta| properties(meta));
    Publish { dup: false, qos, retain, topic, packet_id: 0, payload, properties }
}

fn properties(meta: &Meta) -> Option<Box<PublishProperties>> {
    let from = &meta.properties;
    let properties = PublishProperties {
        payload_is_text: from.rest.get(PAYLOAD_IS_TEXT).and_then(|value| match value {
            Value::Bool(is_text) => Some(*is_text),
            _ => None,
        }),
        expiry: from.expiry.map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
        topic_alias: None,
        response_topic: from.reply_to.as_deref().map(Text::from),
        correlation_data: from.correlation_id.clone(),
        user: user(&meta.headers),
        subscription_ids: Vec::new(),
        content_type: from.content_type.as_deref().map(Text::from),
    };
    (properties != PublishProperties::default()).then(|| Box::new(properties))
}

/// Headers as user properties, which are text: numbers and the like are written out, lists, tables and binary values have no place.
fn user(headers: &Headers) -> Vec<(Text, Text)> {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let value = match value {
            Value::Bool(value) => value.to_string().into(),
            Value::Int(value) => value.to_string().into(),
            Value::Float(value) => value.to_string().into(),
            Value::Time(value) => value.nanos().to_string().into(),
            Value::Null => Text::default(),
            other => Text::from(other.as_str()?),
        };
        Some((Text::from(name), value))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn received(topic: &str, properties: Option<PublishProperties>) -> Publish {
        Publish {
            qos: Qos::AtLeastOnce,
            retain: true,
            topic: topic.into(),
            packet_id: 7,
            payload: Bytes::from_static(b"x"),
            properties: properties.map(Box::new),
            ..Publish::default()
        }
    }

    #[test]
    fn plain_messages_share_topic_and_metadata() {
        let mut inbound = Inbound::default();
        let one = inbound.message(received("a/b", None));
        let two = inbound.message(received("a/b", None));
        assert_eq!(one.address.as_str(), "a/b");
        assert!(std::ptr::eq(one.address.as_str(), two.address.as_str()));
        assert!(Arc::ptr_eq(one.meta.as_ref().unwrap(), two.meta.as_ref().unwrap()));
        assert_eq!((one.properties().qos, one.properties().retain), (Some(1), true));
        assert!(one.headers().is_empty());
    }

    #[test]
    fn many_topics_never_get_each_others_address() {
        let mut topics = Topics::default();
        for n in (0..5_000).chain(0..5_000) {
            let name = format!("devices/{n}/state");
            assert_eq!(topics.address(&Text::from(name.as_str())).as_str(), name);
        }
    }

    #[test]
    fn headers_that_are_no_text_are_written_out() {
        let message = Message::new("x")
            .header("n", 42)
            .header("b", true)
            .header("f", 1.5)
            .header("z", Bytes::from_static(&[0xFF]));
        let publish = publish(&message, Text::from("t"), Qos::AtLeastOnce, false);
        let user: Vec<_> =
            publish.properties.unwrap().user.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(user, ["n=42", "b=true", "f=1.5"]);
    }

    proptest! {
        #[test]
        fn what_comes_in_goes_out(
            content in proptest::option::of("[a-z/]{0,9}"),
            reply in proptest::option::of("[a-z/]{1,9}"),
            correlation in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
            expiry in proptest::option::of(any::<u32>()),
            is_text in proptest::option::of(any::<bool>()),
            user in proptest::collection::vec(("\\PC{0,5}", "\\PC{0,5}"), 0..5),
        ) {
            let properties = PublishProperties {
                payload_is_text: is_text,
                expiry,
                response_topic: reply.as_deref().map(Text::from),
                correlation_data: correlation.map(Bytes::from),
                user: user.iter().map(|(name, value)| (Text::from(name.as_str()), Text::from(value.as_str()))).collect(),
                content_type: content.as_deref().map(Text::from),
                ..PublishProperties::default()
            };
            let message = Inbound::default().message(received("t", Some(properties.clone())));
            let back = publish(&message, Text::from("t"), Qos::AtLeastOnce, false).properties.map(|back| *back).unwrap_or_default();
            prop_assert_eq!(back, properties);
        }
    }
}
