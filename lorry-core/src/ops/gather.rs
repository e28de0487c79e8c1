//! Several messages as one.

use crate::{Headers, Message, Meta, Properties};
use bytes::Bytes;
use serde::de::IgnoredAny;

/// One message with a JSON array of the payloads of these, in order: what `batch` and windows give out in launch text.
///
/// A payload that is JSON stands in the array as it is, to the last digit; any other as a JSON string (what is not UTF-8 in it as U+FFFD),
/// a tombstone as `null`. Address, key, time, properties and headers are kept where all agree; the content type is JSON's.
///
/// ```
/// use lorry_core::{Message, ops::gather};
///
/// let message = |payload: &'static str, unit| Message::new(payload).at("a/b").header("unit", unit).header("site", "x");
/// let all = gather(vec![message(r#"{"n": 1.50}"#, "m"), message("on", "s"), message("[]", "m")]);
/// assert_eq!(all.text(), Some(r#"[{"n": 1.50},"on",[]]"#));
/// assert_eq!(all.address.as_str(), "a/b");
/// assert_eq!((all.headers().get("unit"), all.headers().get("site").is_some()), (None, true));
/// ```
pub fn gather(messages: Vec<Message>) -> Message {
    let mut payload = Vec::with_capacity(messages.iter().map(|message| message.bytes().len() + 3).sum::<usize>() + 2);
    payload.push(b'[');
    for (place, message) in messages.iter().enumerate() {
        if place > 0 {
            payload.push(b',');
        }
        element(message, &mut payload);
    }
    payload.push(b']');
    let mut messages = messages.into_iter();
    let mut agreed = messages.next().unwrap_or_default();
    for other in messages {
        agree(&mut agreed, &other);
    }
    agreed.payload = Some(Bytes::from(payload));
    agreed.meta_mut().properties.content_type = Some("application/json".into());
    agreed
}

fn element(message: &Message, into: &mut Vec<u8>) {
    let Some(bytes) = &message.payload else { return into.extend(b"null") };
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return into.extend(bytes.trim_ascii());
    }
    // A string can always be written.
    into.extend(serde_json::Value::from(String::from_utf8_lossy(bytes)).to_string().into_bytes());
}

/// Leaves what both say of a message beside its payload.
pub(super) fn agree(one: &mut Message, other: &Message) {
    keep(&mut one.address, &other.address);
    keep(&mut one.key, &other.key);
    keep(&mut one.timestamp, &other.timestamp);
    match (&one.meta, &other.meta) {
        (None, _) => {}
        (Some(own), Some(theirs)) if std::sync::Arc::ptr_eq(own, theirs) => {}
        (Some(_), None) => one.meta = None,
        (Some(_), Some(theirs)) => {
            let Meta { properties, headers } = one.meta_mut();
            agree_on_properties(properties, &theirs.properties);
            *headers = common(headers, &theirs.headers);
        }
    }
}

fn keep<T: PartialEq + Default>(one: &mut T, other: &T) {
    if one != other {
        *one = T::default();
    }
}

fn agree_on_properties(one: &mut Properties, other: &Properties) {
    keep(&mut one.content_type, &other.content_type);
    keep(&mut one.correlation_id, &other.correlation_id);
    keep(&mut one.reply_to, &other.reply_to);
    keep(&mut one.expiry, &other.expiry);
    keep(&mut one.message_id, &other.message_id);
    keep(&mut one.priority, &other.priority);
    keep(&mut one.retain, &other.retain);
    keep(&mut one.qos, &other.qos);
    keep(&mut one.received, &other.received);
    one.rest = common(&one.rest, &other.rest);
}

/// The headers whose values, all of a name, are the same.
fn common(one: &Headers, other: &Headers) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in one.iter().filter(|(name, _)| one.get_all(name).eq(other.get_all(name))) {
        headers.push(name, value.clone());
    }
    headers
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_kept_is_what_all_say() {
        let all = |messages: &[Message]| gather(messages.to_vec());
        let one = Message::new("1").at("a").keyed("k").header("x", 1_i64).header("x", 2_i64).header("y", true);
        assert_eq!(all(std::slice::from_ref(&one)).key, one.key);
        let mut other = one.clone();
        other.meta_mut().properties.priority = Some(3);
        let kept = all(&[one.clone(), other.clone()]);
        assert_eq!((kept.address.as_str(), kept.headers(), kept.properties().priority), ("a", one.headers(), None));
        let kept = all(&[other.clone(), other.clone().header("x", 3_i64).keyed("l").at("b")]);
        assert_eq!((kept.key, kept.address.as_str()), (None, ""));
        assert_eq!(kept.meta.as_ref().unwrap().properties.priority, Some(3));
        assert_eq!(kept.meta.as_ref().unwrap().headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["y"]);
        assert!(all(&[one, Message::new("2")]).headers().is_empty());
    }

    #[test]
    fn payloads_of_all_kinds() {
        let payloads: [&'static [u8]; 9] =
            [b" {\"a\":1} ", b"1e400", b"", b"text", b"\"t\"", b"\xff\"", b"[1", b"1.10", b"a\nb"];
        let mut messages: Vec<_> = payloads.map(Message::new).into();
        messages.push(Message::tombstone());
        let all = gather(messages);
        let text = all.text().unwrap();
        assert_eq!(text, r#"[{"a":1},1e400,"","text","t","�\"","[1",1.10,"a\nb",null]"#);
        assert_eq!(all.properties().content_type.as_deref(), Some("application/json"));
        assert_eq!(gather(Vec::new()).text(), Some("[]"));
    }

    proptest! {
        #[test]
        fn always_an_array_of_as_many(payloads in prop::collection::vec(prop::option::of(any::<Vec<u8>>()), 0..8)) {
            let messages = payloads.iter().map(|payload| Message { payload: payload.clone().map(Bytes::from), ..Message::default() });
            let all = gather(messages.collect());
            let values: Vec<serde_json::Value> = serde_json::from_slice(all.bytes()).unwrap();
            prop_assert_eq!(values.len(), payloads.len());
        }
    }
}
