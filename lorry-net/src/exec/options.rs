//! Options of programs.

use crate::framing::Format;
use lorry_core::registry::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const GRACE: Span = Span(Duration::from_secs(5));

/// How a program's output becomes messages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct ExecSourceOptions {
    /// A message is a line, a line stamped as JSON, or a block of bytes as it comes.
    pub format: Format,
    /// The longest line; a longer one is refused and passed over.
    pub max_size: Size,
    /// Starts the program again when it ends with a failure, in place of ending with it.
    pub restart: bool,
    /// How long the program may take to end when it is asked to, before it is killed.
    pub grace: Span,
}

impl Default for ExecSourceOptions {
    fn default() -> Self {
        Self { format: Format::Lines, max_size: Size(16 << 20), restart: false, grace: GRACE }
    }
}

/// How messages become a program's input.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct ExecSinkOptions {
    /// A line end behind each payload, or nothing.
    pub format: Format,
    /// Starts the program again when it has gone, in place of ending with it.
    pub restart: bool,
    /// How long the program may take to end when its input has ended, and again when it was asked to, before it is killed.
    pub grace: Span,
}

impl Default for ExecSinkOptions {
    fn default() -> Self {
        Self { format: Format::Lines, restart: false, grace: GRACE }
    }
}
