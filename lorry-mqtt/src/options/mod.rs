//! What a person may ask of an MQTT client, as options of an address and as a builder.

pub(crate) mod address;
mod choices;
mod sink;
mod source;

pub use choices::{Protocol, Retain};
pub use sink::MqttSinkOptions;
pub(crate) use sink::SinkTopic;
pub use source::MqttSourceOptions;
pub(crate) use source::SourceTopics;

use crate::packet::Qos;
use lorry_core::registry::{Args, Host, Login, Span};
use lorry_core::relay::Identity;
use lorry_core::tls::TlsOptions;
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Options of source and sink alike.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct ClientOptions {
    /// Protocol version, `5` or `3.1.1`. With 5, a server that does not know it is spoken to in 3.1.1, after one warning.
    pub version: Protocol,
    /// Quality of service: 1 = acknowledged, may come twice; 0 = neither acknowledged nor repeated.
    pub qos: u8,
    /// How the server knows this client. Default: `lorry-NAME` of a named relay (`lorry-NAME-ELEMENT` for all but its first source), random
    /// otherwise; `--instance` is appended.
    pub client_id: Option<String>,
    /// Ping when nothing was sent or heard for so long; 0 switches it off.
    pub keep_alive: Span,
    /// Version 5: how long the server keeps the session after the connection was lost. Default: for ever for the source of a named
    /// relay, 5 minutes for that of an unnamed one (which ends its session when it ends), not at all for a sink.
    pub session_expiry: Option<Span>,
    /// Begin without an earlier session and leave none behind. Default: `false` for the source of a named relay, else `true`.
    pub clean_session: Option<bool>,
    /// Protocol name to offer in the TLS handshake (ALPN), where a server wants one, such as `mqtt`.
    pub alpn: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            version: Protocol::default(),
            qos: 1,
            client_id: None,
            keep_alive: Span(Duration::from_secs(30)),
            session_expiry: None,
            clean_session: None,
            alpn: None,
        }
    }
}

/// What every MQTT client needs, source or sink: where it connects, as whom, how, and its topics. Made from an address or by hand.
///
/// ```
/// use lorry_mqtt::{MqttOptions, Protocol};
///
/// let by_hand = MqttOptions::new("localhost").topic("sensors/+/temperature").version(Protocol::V4);
/// let (parsed, _) = MqttOptions::parse_source("mqtt://localhost/sensors/+/temperature?version=3.1.1")?;
/// assert_eq!(by_hand.topics, parsed.topics);
/// assert_eq!(by_hand.client.version, parsed.client.version);
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MqttOptions {
    /// The servers, tried in turn. Default port: 1883, with TLS 8883.
    pub hosts: Vec<Host>,
    /// TLS, if it is to be used.
    pub tls: Option<TlsOptions>,
    /// User and password.
    pub login: Login,
    /// Topic filters to subscribe to, or the one topic to publish to.
    pub topics: Vec<String>,
    /// The rest.
    pub client: ClientOptions,
}

impl MqttOptions {
    /// A client of this server (a name or an IP address), without TLS.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            hosts: vec![Host { name: host.into(), port: None }],
            tls: None,
            login: Login::default(),
            topics: Vec::new(),
            client: ClientOptions::default(),
        }
    }

    /// From a source's address, such as `mqtt://localhost/sensors/#?qos=1`.
    ///
    /// # Errors
    /// [`Usage`](lorry_core::ErrorKind::Usage): a malformed address, an unknown option, no topic.
    pub fn parse_source(address: &str) -> Result<(Self, MqttSourceOptions)> {
        address::parse(address, Self::take_source)
    }

    /// From a sink's address, such as `mqtt://localhost/alerts?retain=true`.
    ///
    /// # Errors
    /// As [`parse_source`](Self::parse_source).
    pub fn parse_sink(address: &str) -> Result<(Self, MqttSinkOptions)> {
        address::parse(address, Self::take_sink)
    }

    pub(crate) fn take_source(args: &mut Args) -> Result<(Self, MqttSourceOptions)> {
        let mut options = Self::take(args)?;
        options.topics.append(&mut args.take::<SourceTopics>()?.topic);
        let own: MqttSourceOptions = args.take()?;
        own.check(&options)?;
        Ok((options, own))
    }

    pub(crate) fn take_sink(args: &mut Args) -> Result<(Self, MqttSinkOptions)> {
        let mut options = Self::take(args)?;
        options.topics.extend(args.take::<SinkTopic>()?.topic);
        let own: MqttSinkOptions = args.take()?;
        own.check(&options)?;
        Ok((options, own))
    }

    fn take(args: &mut Args) -> Result<Self> {
        address::has_its_slashes(args.uri())?;
        let (login, client, tls) = (args.login()?, args.take()?, address::take_tls(args, "mqtts")?);
        let uri = args.uri();
        let mut options = Self::new("localhost");
        if uri.hosts().iter().any(|host| !host.name.is_empty()) {
            options.hosts = uri.hosts().to_vec();
        } else if let Some(host) = uri.hosts().first() {
            options.hosts[0].port = host.port;
        }
        options.topics.extend(address::topic(uri));
        Ok(Self { tls, login, client, ..options })
    }

    /// On this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.hosts.iter_mut().for_each(|host| host.port = Some(port));
        self
    }

    /// With TLS.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Logging in with this user and password.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = address::login(user, password);
        self
    }

    /// With one more topic filter, or the topic to publish to.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// In this version.
    #[must_use]
    pub fn version(mut self, version: Protocol) -> Self {
        self.client.version = version;
        self
    }

    /// With this quality of service, 0 or 1.
    #[must_use]
    pub fn qos(mut self, qos: u8) -> Self {
        self.client.qos = qos;
        self
    }

    /// Under this client id.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client.client_id = Some(id.into());
        self
    }

    /// What source and sink require alike.
    fn check(&self) -> Result<()> {
        if self.hosts.is_empty() {
            return Err(Error::usage("an MQTT client needs a server"));
        }
        if self.client.keep_alive.0 > Duration::from_secs(u16::MAX.into()) {
            return Err(Error::usage("option \"keep-alive\" must be at most 65535 seconds"));
        }
        match self.client.qos {
            0 | 1 => Ok(()),
            2 => Err(Error::usage("option \"qos\": QoS 2 is not available yet")
                .hint("write qos=1: delivered at least once, and an upsert or a dedupe makes repetitions harmless")),
            other => {
                Err(Error::usage(format!("option \"qos\": {other} is no quality of service")).hint("write 0 or 1"))
            }
        }
    }

    /// Where it connects to, without user and password: for identities and errors.
    pub(crate) fn server(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts" } else { "mqtt" };
        let hosts: Vec<_> = self.hosts.iter().map(|host| self.host_text(host)).collect();
        format!("{scheme}://{}", hosts.join(","))
    }

    pub(crate) fn host_text(&self, host: &Host) -> String {
        address::authority(&host.name, self.port_of(host))
    }

    pub(crate) fn port_of(&self, host: &Host) -> u16 {
        address::port(host.port, self.tls.is_some())
    }

    pub(crate) fn qos_value(&self) -> Qos {
        Qos::from_u8(self.client.qos).unwrap_or(Qos::AtLeastOnce)
    }

    /// Whether a source's session outlives the process.
    pub(crate) fn is_durable(&self, identity: &Identity) -> bool {
        let expires = self.client.version == Protocol::V5 && self.client.session_expiry == Some(Span(Duration::ZERO));
        !self.client.clean_session.unwrap_or(!identity.is_durable()) && !expires
    }

    /// The client id of this element.
    pub(crate) fn id(&self, identity: &Identity, element: &str) -> String {
        let base = match (&self.client.client_id, &identity.name) {
            (Some(id), _) => id.clone(),
            (None, Some(name)) if element == "mqttsrc0" => format!("lorry-{name}"),
            (None, Some(name)) => format!("lorry-{name}-{element}"),
            // 23 characters of this alphabet are what every server of 3.1.1 must take.
            (None, None) => {
                return format!(
                    "lorry-{}",
                    std::iter::repeat_with(fastrand::alphanumeric).take(16).collect::<String>()
                );
            }
        };
        match &identity.instance {
            Some(instance) => format!("{base}-{instance}"),
            None => base,
        }
    }
}
