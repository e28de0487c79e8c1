//! Options of files.

use crate::framing::Format;
use lorry_core::registry::{Size, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a file becomes messages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct FileSourceOptions {
    /// A message is a line, a line stamped as JSON, or a block of bytes of at most 64 KiB.
    pub format: Format,
    /// The longest line; a longer one is refused and passed over.
    pub max_size: Size,
    /// Waits for more at the end of the file, through rotation and truncation, in place of ending.
    pub follow: bool,
    /// How often a followed file is looked at.
    pub interval: Span,
}

impl Default for FileSourceOptions {
    fn default() -> Self {
        Self {
            format: Format::Lines,
            max_size: Size(16 << 20),
            follow: false,
            interval: Span(Duration::from_millis(250)),
        }
    }
}

/// How messages become a file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct FileSinkOptions {
    /// A line end behind each payload, or nothing.
    pub format: Format,
    /// What happens to a file that is there.
    pub if_exists: IfExists,
    /// When written data is forced to the disk.
    pub fsync: Fsync,
}

/// What a file sink does with a file that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IfExists {
    /// Writes behind what is in it.
    #[default]
    Append,
    /// Empties it, once, when first opened.
    Replace,
    /// Refuses to start.
    Fail,
}

/// When a file sink forces its data to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Leaves it to the operating system: safe when the process dies, not when the machine does.
    #[default]
    Never,
    /// Before each batch counts as delivered.
    Batch,
}
