//! `decode_json`, `encode_json`: between messages and a program's own types.

use crate::{Error, ErrorKind, Message, Result, Stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn decode<T: DeserializeOwned>(message: &Message) -> Result<T> {
    serde_json::from_slice(message.bytes())
        .map_err(|error| Error::data(ErrorKind::Malformed, "decode JSON", error).at_address(&message.address))
}

fn encode<T: Serialize>(value: &T) -> Result<Message> {
    let payload = serde_json::to_vec(value).map_err(|error| Error::data(ErrorKind::Malformed, "encode JSON", error))?;
    let mut message = Message::new(payload);
    message.meta_mut().properties.content_type = Some("application/json".into());
    Ok(message)
}

impl Stream<Message> {
    /// Turns payloads into a type of the program's. A message that does not fit follows the [error policy](crate::OnError).
    ///
    /// ```
    /// use lorry_core::{Message, Stream};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Reading { celsius: f64 }
    ///
    /// let (_input, messages) = Stream::<Message>::input();
    /// let _hot = messages.decode_json::<Reading>().filter(|reading| reading.celsius > 40.0);
    /// ```
    pub fn decode_json<T: DeserializeOwned + Send + 'static>(self) -> Stream<T> {
        self.via_kind("decode_json", super::TryMap(|message: Message| decode(&message)))
    }
}

impl<T: Serialize + Send + 'static> Stream<T> {
    /// Turns values into messages with a JSON payload and the content type `application/json`.
    ///
    /// ```
    /// # use lorry_core::{Message, Stream};
    /// let (_input, means) = Stream::<f64>::input();
    /// let _messages: Stream<Message> = means.encode_json();
    /// ```
    pub fn encode_json(self) -> Stream<Message> {
        self.via_kind("encode_json", super::TryMap(|value: T| encode(&value)))
    }
}
