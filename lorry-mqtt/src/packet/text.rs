//! UTF-8 text that is a slice of the buffer it came in.

use bytes::Bytes;
use std::fmt;

/// An MQTT string: UTF-8 without U+0000. One that was received shares the read buffer, so it costs no allocation.
///
/// ```
/// use lorry_mqtt::packet::Text;
/// let topic = Text::from("sensors/kitchen");
/// assert_eq!(topic.as_str(), "sensors/kitchen");
/// assert!(Text::from_utf8(vec![0xff].into()).is_none());
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// Bytes as text; `None` where they are not UTF-8 or hold U+0000, which MQTT forbids.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.as_bytes().contains(&0) => Some(Self(bytes)),
            _ => None,
        }
    }

    /// Text that never changes, without a copy.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The text. Validated once more (there is no unsafe code here); compare [bytes](Text::as_bytes) where it matters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
