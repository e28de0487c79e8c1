//! What a session asks of the server.

use crate::options::MqttOptions;
use crate::packet::{Filter, Qos, Text, Version};
use bytes::Bytes;

/// What a session asks of the server.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) version: Version,
    pub(crate) client_id: Text,
    pub(crate) user: Option<Text>,
    pub(crate) password: Option<Password>,
    pub(crate) keep_alive: u16,
    /// Begin without what an earlier process left.
    pub(crate) fresh: bool,
    /// How long the server keeps the session without a connection, in seconds; 0 = it ends with the connection.
    pub(crate) expiry: u32,
    /// Have the server forget the session at the end.
    pub(crate) forget: bool,
    /// How many unacknowledged messages are taken.
    pub(crate) receive_maximum: u16,
    /// How many unanswered publishes are sent, where the server does not ask for fewer.
    pub(crate) send_maximum: u16,
    pub(crate) filters: Vec<Filter>,
    /// A lower QoS than a filter asks for is an error.
    pub(crate) strict: bool,
    /// The highest QoS of what will be published.
    pub(crate) publish_qos: Option<Qos>,
}

/// A password that no `Debug` shows.
#[derive(Clone)]
pub(crate) struct Password(pub(crate) Bytes);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Setup {
    /// What source and sink have in common: a session that begins anew and ends with the connection, and does nothing yet.
    pub(crate) fn new(options: &MqttOptions, id: &str) -> Self {
        let password = options.login.password.expose();
        Self {
            version: Version::from(options.client.version),
            client_id: Text::from(id),
            user: options.login.user.as_deref().map(Text::from),
            password: password.map(|password| Password(Bytes::copy_from_slice(password.as_bytes()))),
            keep_alive: u16::try_from(options.client.keep_alive.0.as_secs_f64().ceil() as u64).unwrap_or(u16::MAX),
            fresh: true,
            expiry: 0,
            forget: false,
            receive_maximum: 1,
            send_maximum: 1,
            filters: Vec::new(),
            strict: false,
            publish_qos: None,
        }
    }
}
