//! Options of which there are a few to choose from.

use crate::packet::Version;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// A protocol version to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 5, or 3.1.1 where the server knows only that.
    #[default]
    V5,
    /// MQTT 3.1.1.
    V4,
}

impl From<Protocol> for Version {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::V5 => Self::V5,
            Protocol::V4 => Self::V4,
        }
    }
}

/// Whether published messages are kept by the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// No.
    #[default]
    No,
    /// Yes.
    Yes,
    /// Those that were kept where they came from.
    Keep,
}

macro_rules! choice {
    ($type:ty, $what:literal, $($variant:path = $first:literal $(| $other:literal)*,)*) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                match text.trim().to_ascii_lowercase().as_str() {
                    $($first $(| $other)* => Ok($variant),)*
                    _ => Err(serde::de::Error::custom(format!(concat!("{:?} is not ", $what), text))),
                }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(match self { $($variant => $first,)* })
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": [$($first),*] })
            }
        }
    };
}

choice!(Protocol, "5 or 3.1.1", Protocol::V5 = "5" | "5.0" | "v5", Protocol::V4 = "3.1.1" | "311" | "v3.1.1" | "4",);
choice!(
    Retain,
    "true, false or keep",
    Retain::No = "false" | "no" | "off" | "0",
    Retain::Yes = "true" | "yes" | "on" | "1",
    Retain::Keep = "keep",
);
