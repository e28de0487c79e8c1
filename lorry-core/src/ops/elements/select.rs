//! `unique`, `slice`, `latest`, `frequencies`.

use super::key::Key;
use super::{at_least_one, element};
use crate::flow::{Downstream, Ending, Item, Operator, Output, Status, Turn};
use crate::ops::{Frequencies, Latest, Slice, Unique};
use crate::registry::Registry;
use crate::{Error, Message};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct UniqueOptions {
    /// What must not come again: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Default: the payload.
    key: Option<String>,
    /// How many keys are remembered; the one not seen for longest is forgotten first.
    max: usize,
}

impl Default for UniqueOptions {
    fn default() -> Self {
        Self { key: None, max: 100_000 }
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct SliceOptions {
    /// The first message that passes, counted from 0.
    start: u64,
    /// The first that does not pass any more. Default: all pass.
    end: Option<u64>,
    /// Of those, every so many-th.
    step: u64,
}

impl Default for SliceOptions {
    fn default() -> Self {
        Self { start: 0, end: None, step: 1 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct NoOptions {}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct FrequenciesOptions {
    /// What is counted: a part of the payload (`device`, `main.id`), or a template (`{{ topic }}`). Default: the payload.
    key: Option<String>,
    /// How many different ones are counted; the one not seen for longest is forgotten first.
    max: usize,
}

impl Default for FrequenciesOptions {
    fn default() -> Self {
        Self { key: None, max: 1_000 }
    }
}

pub(super) fn register(registry: &mut Registry) {
    registry.add(element("unique", "lets each key through once", |options: UniqueOptions| {
        let key = Key::new("key", options.key.as_deref())?;
        let max = at_least_one(options.max, "unique", "max")?;
        Ok(Box::new(Unique::new(max, move |message: &Message| key.of(message))))
    }));
    registry.add(element("slice", "lets messages through by their number", |options: SliceOptions| {
        let SliceOptions { start, end, step } = options;
        if step == 0 {
            return Err(Error::usage("option \"step\" of slice must be at least 1"));
        }
        match end {
            Some(end) if end < start => Err(Error::usage("option \"end\" of slice must not be less than \"start\"")),
            Some(end) => Ok(Box::new(Slice::new(start..end).step_by(step))),
            None => Ok(Box::new(Slice::new(start..).step_by(step))),
        }
    }));
    registry.add(element("latest", "keeps only the newest while what follows is busy", |_: NoOptions| {
        Ok(Box::new(Latest::new()))
    }));
    registry.add(element(
        "frequencies",
        "how often each value has come so far, as an object, with each message",
        |options: FrequenciesOptions| {
            let max = at_least_one(options.max, "frequencies", "max")?;
            Ok(Box::new(Counted { key: Key::new("key", options.key.as_deref())?, counts: Frequencies::new(max) }))
        },
    ));
}

/// Token rule: passed on. Holds nothing.
struct Counted {
    key: Key,
    counts: Frequencies<String>,
}

impl Operator<Message> for Counted {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        let key = self.key.of(&item.value).unwrap_or_default();
        let (now, room) = (out.now(), out.room());
        let mut shown = Shown { message: item.value, out };
        let value = String::from_utf8_lossy(&key).into_owned();
        self.counts.push(Item { value, token: item.token }, &mut Output::new(&mut shown, now, room));
    }
}

/// Puts counts into a message as its payload.
struct Shown<'a, 'b> {
    message: Message,
    out: &'a mut Output<'b, Message>,
}

impl Downstream<HashMap<String, u64>> for Shown<'_, '_> {
    fn push(&mut self, item: Item<HashMap<String, u64>>, _: Instant) {
        let sorted: BTreeMap<_, _> = item.value.into_iter().collect();
        let payload = serde_json::json!(sorted).to_string();
        self.out.emit(Message { payload: Some(payload.into()), ..self.message.clone() }, item.token);
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: usize::MAX, deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}
