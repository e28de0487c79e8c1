//! What only a sink has.

use super::{MqttOptions, Retain};
use crate::topic;
use lorry_core::{Error, Result, Template};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `mqttsink` beyond those of [`ClientOptions`](super::ClientOptions).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct MqttSinkOptions {
    /// Whether the server keeps the message for later subscribers: `false`, `true`, or `keep` = as the message itself came.
    pub retain: Retain,
    /// Publish each message under its own address; the topic, if there is one, is for messages without.
    pub keep_address: bool,
    /// How many publishes may wait for their acknowledgement, where the server does not ask for fewer.
    pub max_in_flight: u16,
}

impl Default for MqttSinkOptions {
    fn default() -> Self {
        Self { retain: Retain::default(), keep_address: false, max_in_flight: 1_000 }
    }
}

/// Becomes part of [`MqttOptions::topics`].
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct SinkTopic {
    /// The topic to publish to, where it does not stand in the path.
    pub(super) topic: Option<String>,
}

impl MqttSinkOptions {
    /// Whether a sink can be made of these and those.
    pub(crate) fn check(&self, options: &MqttOptions) -> Result<()> {
        options.check()?;
        if self.max_in_flight == 0 {
            return Err(Error::usage("option \"max-in-flight\" must be at least 1"));
        }
        match &options.topics[..] {
            [] if self.keep_address => Ok(()),
            [] => Err(Error::usage("an MQTT sink needs a topic")
                .hint("write it as the path, such as mqtt://localhost/alerts, or keep-address=true")),
            [topic] if Template::parse(topic)?.constant().is_none() => Ok(()),
            [topic] if !topic::is_name(topic.as_bytes()) => {
                Err(Error::usage(format!("{topic:?} is no topic to publish to")).hint("it must not have + or # in it"))
            }
            [topic] if topic.len() > usize::from(u16::MAX) => Err(Error::usage("the topic is longer than 65535 bytes")),
            [_] => Ok(()),
            _ => Err(Error::usage("an MQTT sink has one topic").hint("name it in the path or as topic=, not both")),
        }
    }
}
