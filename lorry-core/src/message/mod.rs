//! The message that connectors speak: payload, key, address, event time, properties and headers.

mod address;
mod headers;
mod meta;
mod timestamp;

pub use address::Address;
pub use headers::{Headers, Value};
pub use meta::{Meta, Properties};
pub use timestamp::Timestamp;

use bytes::Bytes;
use std::sync::Arc;

/// One message. Kept small, since it is moved about five times on its way; clones share payload and metadata.
///
/// ```
/// use lorry_core::Message;
///
/// let message = Message::new("21.5").at("sensors/kitchen").header("unit", "°C");
/// assert_eq!(message.payload.as_deref(), Some(b"21.5".as_slice()));
/// assert_eq!(message.address.as_str(), "sensors/kitchen");
/// assert_eq!(message.headers().get("unit").and_then(|value| value.as_str()), Some("°C"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// The bytes, not looked at until somebody needs more. `None` is a tombstone, `Some` of nothing an empty message.
    pub payload: Option<Bytes>,
    /// Kafka's record key; AMQP's message id or routing key where asked. MQTT has none.
    pub key: Option<Bytes>,
    /// Where it came from: topic, routing key, subject, peer, path.
    pub address: Address,
    /// Event time, where the protocol has one.
    pub timestamp: Option<Timestamp>,
    /// Properties and headers; copied on write. `None` when there are none.
    pub meta: Option<Arc<Meta>>,
}

impl Message {
    /// A message with this payload and nothing else.
    pub fn new(payload: impl Into<Bytes>) -> Self {
        Self { payload: Some(payload.into()), ..Self::default() }
    }

    /// A tombstone: a message without a payload, which deletes by key where the destination can.
    pub fn tombstone() -> Self {
        Self::default()
    }

    /// The same message with this address.
    #[must_use]
    pub fn at(mut self, address: impl Into<Address>) -> Self {
        self.address = address.into();
        self
    }

    /// The same message with this key.
    #[must_use]
    pub fn keyed(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same message with one more header, after those it has.
    #[must_use]
    pub fn header(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.meta_mut().headers.push(name, value);
        self
    }

    /// The payload's bytes; empty for a tombstone.
    pub fn bytes(&self) -> &[u8] {
        self.payload.as_deref().unwrap_or_default()
    }

    /// The payload as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()).ok()
    }

    /// The user's headers.
    pub fn headers(&self) -> &Headers {
        self.meta.as_ref().map_or(&meta::EMPTY.headers, |meta| &meta.headers)
    }

    /// The protocol's well-known fields.
    pub fn properties(&self) -> &Properties {
        self.meta.as_ref().map_or(&meta::EMPTY.properties, |meta| &meta.properties)
    }

    /// Properties and headers to change; copied first when they are shared.
    pub fn meta_mut(&mut self) -> &mut Meta {
        Arc::make_mut(self.meta.get_or_insert_default())
    }

    /// The memory this message holds, in bytes, by estimate: its own size plus payload, key and metadata. Byte limits use it.
    pub fn weight(&self) -> usize {
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        size_of::<Self>() + bytes(&self.payload) + bytes(&self.key) + self.meta.as_ref().map_or(0, |meta| meta.weight())
    }
}
