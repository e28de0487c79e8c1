//! `rate-limit` and `delay`.

use super::{at_least_one, element, needed, some_time};
use crate::ops::{Delay, RateLimit};
use crate::registry::{Registry, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct RateOptions {
    /// The least time between two messages.
    interval: Option<Span>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct DelayOptions {
    /// How much later each message goes on.
    interval: Option<Span>,
    /// How many messages may be on their way; then what is before it waits.
    max_items: usize,
}

impl Default for DelayOptions {
    fn default() -> Self {
        Self { interval: None, max_items: 65_536 }
    }
}

pub(super) fn register(registry: &mut Registry) {
    registry.add(element("rate-limit", "lets messages through not more than so often", |options: RateOptions| {
        let interval = needed(options.interval, "rate-limit", "interval", "100ms")?;
        Ok(Box::new(RateLimit::new(some_time(interval, "rate-limit", "interval")?)))
    }));
    registry.add(element("delay", "lets each message go on later", |options: DelayOptions| {
        let by = some_time(needed(options.interval, "delay", "interval", "5s")?, "delay", "interval")?;
        Ok(Box::new(Delay::new(by).max_items(at_least_one(options.max_items, "delay", "max-items")?)))
    }));
}
