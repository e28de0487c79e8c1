//! What `aggregate` reads from a message, and how it writes its results.

use super::function::{Function, Needs};
use super::number::Num;
use crate::ops::aggregate::{Aggregate, By};
use crate::ops::elements::key::Key;
use crate::ops::elements::malformed;
use crate::ops::elements::moment::{Moment, shortened};
use crate::ops::elements::path::Path;
use crate::ops::gather::agree;
use crate::{Message, Result, Timestamp, Token};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What counts of a message.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: Value,
    pub(super) value: Value,
    /// The value, where it must be a number.
    pub(super) number: Num,
    pub(super) time: Timestamp,
    /// The message without its payload.
    pub(super) message: Message,
}

/// Groups by key; what is computed of each.
pub(super) type Table<A> = By<Value, fn(&Row) -> Value, A>;

pub(super) fn key(row: &Row) -> Value {
    row.key.clone()
}

/// Reads rows.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) value: Option<Path>,
    pub(super) by: Option<Key>,
    pub(super) moment: Option<Moment>,
    pub(super) needs: Needs,
}

impl Reader {
    pub(super) fn read(&self, mut message: Message) -> Result<Row> {
        const WHAT: &str = "aggregate";
        let reads = self.needs > Needs::Nothing
            || self.value.is_some()
            || self.moment.as_ref().is_some_and(Moment::is_part)
            || self.by.as_ref().is_some_and(|key| !matches!(key, Key::Template(_)));
        let payload = match reads {
            false => Value::Null,
            true => serde_json::from_slice(message.bytes())
                .map_err(|error| malformed(WHAT, format!("the payload is not JSON: {error}"), &message))?,
        };
        let key = self.by.as_ref().map_or(Value::Null, |key| key.json(&message, &payload));
        let moment = self.moment.as_ref().map(|moment| moment.of(WHAT, &message, &payload));
        let time = moment.transpose()?.unwrap_or_default();
        let value = self
            .value
            .as_ref()
            .unwrap_or(&Path::WHOLE)
            .of(&payload)
            .ok_or_else(|| malformed(WHAT, "there is no such value in the payload", &message))?;
        let number = match (self.needs, Num::of(value)) {
            (_, Some(number)) => number,
            (Needs::Number, None) => {
                return Err(malformed(WHAT, format!("{} is no number", shortened(value)), &message));
            }
            (_, None) => Num::Whole(0),
        };
        let value = if self.needs == Needs::Nothing { Value::Null } else { value.clone() };
        message.payload = None;
        Ok(Row { key, value, number, time, message })
    }
}

/// What all messages say beside their payloads.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreed(Option<Message>);

impl Aggregate<Row> for Agreed {
    type Output = Message;

    fn on_new(&mut self, row: &Row) {
        match &mut self.0 {
            Some(agreed) => agree(agreed, &row.message),
            None => self.0 = Some(row.message.clone()),
        }
    }

    fn result(&self) -> Message {
        self.0.clone().unwrap_or_default()
    }
}

/// Writes results.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub(super) names: Arc<[String]>,
    /// What the member with the key is called, where there are groups.
    pub(super) group: Option<Arc<str>>,
    /// The functions, to tell what is known of nothing.
    pub(super) fresh: Vec<Function>,
}

impl Writer {
    pub(super) fn nothing(&self) -> Vec<Value> {
        self.fresh.result()
    }

    /// A message with these results. A single one is the payload; several, or that of a group, make an object.
    pub(super) fn message(&self, mut message: Message, key: &Value, mut results: Vec<Value>) -> Message {
        let payload = match (&self.group, results.len()) {
            (None, 1) => results.remove(0),
            (group, _) => {
                let group = group.iter().map(|name| (name.to_string(), key.clone()));
                group.chain(self.names.iter().cloned().zip(results)).collect::<Map<_, _>>().into()
            }
        };
        message.payload = Some(payload.to_string().into());
        message.meta_mut().properties.content_type = Some("application/json".into());
        message
    }

    /// The results of a window: a message for each group, in the order of their keys as text.
    pub(super) fn window(
        &self,
        table: HashMap<Value, (Message, Vec<Value>)>,
        start: Option<Timestamp>,
        token: Token,
        mut emit: impl FnMut(Message, Token),
    ) {
        let mut rows: Vec<_> = table.into_iter().collect();
        if rows.is_empty() && self.group.is_none() {
            rows.push((Value::Null, (Message::default(), self.nothing())));
        }
        rows.sort_by_cached_key(|(key, _)| key.to_string());
        let Some((last, others)) = rows.split_last() else { return token.filtered() };
        let message = |(key, (message, results)): &(Value, (Message, Vec<Value>))| {
            let mut message = self.message(message.clone(), key, results.clone());
            message.timestamp = start.or(message.timestamp);
            message
        };
        others.iter().for_each(|row| emit(message(row), token.clone()));
        emit(message(last), token);
    }
}
