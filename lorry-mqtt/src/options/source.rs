//! What only a source has.

use super::MqttOptions;
use crate::topic;
use lorry_core::registry::Size;
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `mqttsrc` beyond those of [`ClientOptions`](super::ClientOptions).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct MqttSourceOptions {
    /// How many messages of QoS 1 may be on their way through the relay, unacknowledged. A server of version 5 is told; from any server no
    /// more is read.
    pub receive_maximum: u16,
    /// Share the work with the other clients of this group: each message goes to one of them. A named relay needs `--instance` then.
    pub share: Option<String>,
    /// A message with a larger payload is an error. It is read first, and the connection lives on.
    pub max_message_size: Size,
}

impl Default for MqttSourceOptions {
    fn default() -> Self {
        Self { receive_maximum: 1_000, share: None, max_message_size: Size(16 << 20) }
    }
}

/// Becomes part of [`MqttOptions::topics`].
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct SourceTopics {
    /// A topic filter to subscribe to, besides the one in the path; may be repeated.
    pub(super) topic: Vec<String>,
}

impl MqttSourceOptions {
    /// Whether a source can be made of these and those.
    pub(crate) fn check(&self, options: &MqttOptions) -> Result<()> {
        options.check()?;
        if options.topics.is_empty() {
            return Err(Error::usage("an MQTT source needs a topic")
                .hint("write it as the path, such as mqtt://localhost/sensors/#, or topic="));
        }
        for filter in &options.topics {
            if !topic::is_filter(filter) {
                return Err(Error::usage(format!("{filter:?} is no topic filter"))
                    .hint("+ and # each stand for a whole level, and # only at the end"));
            }
        }
        if self.receive_maximum == 0 {
            return Err(Error::usage("option \"receive-maximum\" must be at least 1"));
        }
        match &self.share {
            Some(group) if group.is_empty() || group.contains(['/', '+', '#']) => {
                Err(Error::usage(format!("option \"share\": {group:?} is no group name")).hint("it has no /, + or #"))
            }
            Some(_) if options.topics.iter().any(|filter| filter.starts_with("$share/")) => {
                Err(Error::usage("share= and a topic that begins with $share/").hint("give the group once"))
            }
            _ => Ok(()),
        }
    }
}
