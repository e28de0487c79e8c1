//! Options of the test source.

use lorry_core::registry::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many messages, how fast, and what is in them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct TestOptions {
    /// How many messages; without it the source never ends.
    pub count: Option<u64>,
    /// Messages per second; without it as fast as the sink takes them.
    pub rate: Option<f64>,
    /// Payload bytes; shorter payloads are padded to it, longer ones stay as they are.
    pub size: Option<Size>,
    /// Another number gives other values; the same number gives the same messages.
    pub seed: u64,
}
