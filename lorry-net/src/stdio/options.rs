//! Options of standard input and output.

use crate::framing::Format;
use lorry_core::registry::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How standard input becomes messages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct StdinOptions {
    /// A message is a line, a line stamped as JSON, or a block of bytes as it comes.
    pub format: Format,
    /// The longest line; a longer one is refused and passed over.
    pub max_size: Size,
}

impl Default for StdinOptions {
    fn default() -> Self {
        Self { format: Format::Lines, max_size: Size(16 << 20) }
    }
}

/// How messages are written to standard output.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct StdoutOptions {
    /// A line end behind each payload, or nothing.
    pub format: Format,
}
