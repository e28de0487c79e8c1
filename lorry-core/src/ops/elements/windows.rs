//! What makes one message of several: `batch`, `partition`, `window`, `sliding-window`, `timed-window`, `collect`.

use super::key::Key;
use super::{Gathered, Made, at_least_one, element, needed, some_time};
use crate::ops::{Batch, Collect, Partition, SlidingWindow, TimedWindow};
use crate::registry::{Registry, Span};
use crate::{Error, Message};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct BatchOptions {
    /// How many messages make an array.
    size: usize,
    /// An array that is not full goes on this long after its first message came.
    timeout: Span,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self { size: 100, timeout: Span(Duration::from_secs(1)) }
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct PartitionOptions {
    /// How many messages of one key make an array.
    n: usize,
    /// An array that is not full goes on this long after its first message came.
    timeout: Span,
    /// What belongs together: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Default: everything.
    key: Option<String>,
    /// For how many keys at a time messages are kept; with one more the oldest array goes on as it is.
    max_keys: usize,
}

impl Default for PartitionOptions {
    fn default() -> Self {
        Self { n: 100, timeout: Span(Duration::from_secs(1)), key: None, max_keys: 1_000 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct SlidingOptions {
    /// How many messages a window has.
    n: Option<usize>,
    /// Gives out only full windows: nothing until so many have come.
    full_only: bool,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct TimedOptions {
    /// How long a window is.
    interval: Option<Span>,
    /// How many messages it may have; then what is before it waits for its end. Default: 65,536.
    max_items: Option<usize>,
    /// Give out windows in which nothing came, too, as `[]`; the first one at once.
    empty: bool,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct WindowOptions {
    /// Each message with the n − 1 before it, as sliding-window.
    n: Option<usize>,
    /// What came within an interval, as timed-window.
    interval: Option<Span>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct CollectOptions {
    /// How many messages make an array although the stream has not ended. Default: 65,536.
    max_items: Option<usize>,
}

pub(super) fn register(registry: &mut Registry) {
    registry.add(element("batch", "makes an array of so many messages", |options: BatchOptions| {
        let size = at_least_one(options.size, "batch", "size")?;
        let timeout = some_time(options.timeout, "batch", "timeout")?;
        Ok(Box::new(Gathered(Batch::new(size).timeout(timeout))))
    }));
    registry.add(element("partition", "makes arrays of so many messages of one key", |options: PartitionOptions| {
        let key = options.key.as_deref().map(|key| Key::new("key", Some(key))).transpose()?;
        let key = move |message: &Message| key.as_ref().and_then(|key| key.of(message));
        let partition = Partition::new(at_least_one(options.n, "partition", "n")?, key)
            .timeout(some_time(options.timeout, "partition", "timeout")?)
            .max_keys(at_least_one(options.max_keys, "partition", "max-keys")?);
        Ok(Box::new(Gathered(partition)))
    }));
    registry.add(element(
        "sliding-window",
        "an array of each message and those before it",
        |options: SlidingOptions| {
            sliding("sliding-window", needed(options.n, "sliding-window", "n", "10")?, options.full_only)
        },
    ));
    registry.add(element("timed-window", "an array of what came within an interval", |options: TimedOptions| {
        let interval = needed(options.interval, "timed-window", "interval", "10s")?;
        timed("timed-window", interval, options.max_items, options.empty)
    }));
    registry.add(element("window", "sliding-window with n=, timed-window with interval=", |options: WindowOptions| {
        match (options.n, options.interval) {
            (Some(n), None) => sliding("window", n, false),
            (None, Some(interval)) => timed("window", interval, None, false),
            _ => Err(Error::usage("window needs either n= or interval=, such as n=10 or interval=10s")),
        }
    }));
    registry.add(element(
        "collect",
        "makes one array of everything, when the stream ends",
        |options: CollectOptions| {
            let (collect, _) = Collect::new();
            Ok(Box::new(Gathered(match options.max_items {
                None => collect,
                Some(most) => collect.max_items(at_least_one(most, "collect", "max-items")?),
            })))
        },
    ));
}

fn sliding(element: &str, n: usize, full_only: bool) -> Made {
    let window = SlidingWindow::new(at_least_one(n, element, "n")?);
    Ok(Box::new(Gathered(if full_only { window.full_only() } else { window })))
}

fn timed(element: &str, interval: Span, max_items: Option<usize>, empty: bool) -> Made {
    let window = TimedWindow::new(some_time(interval, element, "interval")?);
    let window = if empty { window.with_empty() } else { window };
    Ok(Box::new(Gathered(match max_items {
        None => window,
        Some(most) => window.max_items(at_least_one(most, element, "max-items")?),
    })))
}
