//! `partition-unique` and `timed-window-unique`: arrays of messages with different keys.

use super::key::Key;
use super::{Gathered, at_least_one, element, needed, some_time};
use crate::Message;
use crate::ops::{Keep, PartitionUnique, TimedWindowUnique};
use crate::registry::{Registry, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which of several messages with one key stays.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kept {
    #[default]
    First,
    Last,
}

impl From<Kept> for Keep {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::First => Self::First,
            Kept::Last => Self::Last,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct PartitionUniqueOptions {
    /// How many messages of different keys make an array.
    n: usize,
    /// What must differ: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Default: the payload.
    key: Option<String>,
    /// Which of several messages with one key stays: `first`, in its place, or `last`, at the end. The others count as filtered.
    keep: Kept,
    /// An array that is not full goes on this long after its first message came.
    timeout: Span,
}

impl Default for PartitionUniqueOptions {
    fn default() -> Self {
        Self { n: 100, key: None, keep: Kept::First, timeout: Span(Duration::from_secs(1)) }
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct TimedUniqueOptions {
    /// How long a window is.
    interval: Option<Span>,
    /// What must differ: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Default: the payload.
    key: Option<String>,
    /// Which of several messages with one key stays: `first`, in its place, or `last`, at the end. The others count as filtered.
    keep: Kept,
    /// How many messages a window may have; then what is before it waits for its end. Default: 65,536.
    max_items: Option<usize>,
    /// Give out windows in which nothing came, too, as `[]`; the first one at once.
    empty: bool,
}

pub(super) fn register(registry: &mut Registry) {
    registry.add(element(
        "partition-unique",
        "makes arrays of so many messages with different keys",
        |options: PartitionUniqueOptions| {
            let key = Key::new("key", options.key.as_deref())?;
            let size = at_least_one(options.n, "partition-unique", "n")?;
            let timeout = some_time(options.timeout, "partition-unique", "timeout")?;
            let partition = PartitionUnique::new(size, move |message: &Message| key.of(message));
            Ok(Box::new(Gathered(partition.keep(options.keep.into()).timeout(timeout))))
        },
    ));
    registry.add(element(
        "timed-window-unique",
        "an array of one message of each key of what came within an interval",
        |options: TimedUniqueOptions| {
            let key = Key::new("key", options.key.as_deref())?;
            let interval = needed(options.interval, "timed-window-unique", "interval", "10s")?;
            let interval = some_time(interval, "timed-window-unique", "interval")?;
            let window =
                TimedWindowUnique::new(interval, options.keep.into(), move |message: &Message| key.of(message));
            let window = if options.empty { window.with_empty() } else { window };
            Ok(Box::new(Gathered(match options.max_items {
                None => window,
                Some(most) => window.max_items(at_least_one(most, "timed-window-unique", "max-items")?),
            })))
        },
    ));
}
