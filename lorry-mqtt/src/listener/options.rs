//! What a person may ask of a listener, as options of an address and as a builder.

use crate::options::address;
use crate::topic;
use lorry_core::registry::{Args, Login, Size, Span};
use lorry_core::tls::TlsOptions;
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Options of `mqttlistensrc`, besides user, password and TLS.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct ListenerOptions {
    /// A file of `user:password` lines, in place of `user=` and `password=`: who may log in. Lines that begin with `#` are comments.
    pub users_file: Option<PathBuf>,
    /// Most devices connected at a time.
    pub max_clients: usize,
    /// A device that sends a larger packet is disconnected before the packet is read.
    pub max_packet_size: Size,
    /// How many messages of one device may be on their way through the relay. A device of version 5 is told, no more is read from any.
    pub receive_maximum: u16,
    /// How many bytes of all devices together may be on their way. When it is reached, nothing more is read until some are delivered.
    pub max_held: Size,
    /// How long a device may take from connecting to the end of its login.
    pub connect_timeout: Span,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            users_file: None,
            max_clients: 1_000,
            max_packet_size: Size(16 << 20),
            receive_maximum: 1_000,
            max_held: Size(64 << 20),
            connect_timeout: Span(Duration::from_secs(10)),
        }
    }
}

/// Becomes part of [`MqttListenOptions::topics`].
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct ListenerTopics {
    /// A filter of topics that devices may publish to, besides the one in the path; may be repeated. Default: `#`.
    topic: Vec<String>,
}

/// Everything about a listener: where it listens, who may come, and how much it takes. Made from an address or by hand.
///
/// ```
/// use lorry_mqtt::MqttListenOptions;
///
/// let by_hand = MqttListenOptions::new("0.0.0.0").port(1884).topic("sensors/#").login("device", "s3cret");
/// let parsed = MqttListenOptions::parse("mqtt+listen://device:s3cret@0.0.0.0:1884/sensors/#")?;
/// assert_eq!(by_hand.topics, parsed.topics);
/// assert_eq!(by_hand.address(), parsed.address());
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MqttListenOptions {
    /// Name or address of the interface.
    pub host: String,
    /// Port; `None` = 1883, with TLS 8883. Port 0 takes any free one.
    pub port: Option<u16>,
    /// TLS, if it is to be used.
    pub tls: Option<TlsOptions>,
    /// What devices must present; none = anybody may come.
    pub login: Login,
    /// What devices may publish to.
    pub topics: Vec<String>,
    /// The rest.
    pub listener: ListenerOptions,
}

impl MqttListenOptions {
    /// A listener on this interface, without TLS, for anybody and any topic.
    pub fn new(host: impl Into<String>) -> Self {
        let (login, listener) = (Login::default(), ListenerOptions::default());
        Self { host: host.into(), port: None, tls: None, login, topics: Vec::new(), listener }
    }

    /// From an address, such as `mqtt+listen://0.0.0.0:1883/sensors/#?max-clients=50`.
    ///
    /// # Errors
    /// [`Usage`](lorry_core::ErrorKind::Usage): a malformed address, an unknown option, a wrong filter.
    pub fn parse(address: &str) -> Result<Self> {
        address::parse(address, Self::take)
    }

    pub(crate) fn take(args: &mut Args) -> Result<Self> {
        let (login, listener) = (args.login()?, args.take()?);
        let tls = address::take_tls(args, "mqtts+listen")?;
        let ListenerTopics { topic: further } = args.take()?;
        let uri = args.uri();
        let [host] = uri.hosts() else {
            return Err(Error::usage(format!("a listener needs one address to listen on, not {}", uri.hosts().len()))
                .with("address", uri)
                .hint("write mqtt+listen://0.0.0.0:1883/ for all interfaces"));
        };
        let topics = address::topic(uri).into_iter().chain(further).collect();
        let options = Self { host: host.name.clone(), port: host.port, tls, login, topics, listener };
        options.check()?;
        Ok(options)
    }

    /// On this port; 0 takes any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// With TLS, for which `cert` and `key` are needed.
    #[must_use]
    pub fn tls(mut self, tls: TlsOptions) -> Self {
        self.tls = Some(tls);
        self
    }

    /// For devices that present this user and password.
    #[must_use]
    pub fn login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = address::login(user, password);
        self
    }

    /// With one more filter of topics that devices may publish to.
    #[must_use]
    pub fn topic(mut self, filter: impl Into<String>) -> Self {
        self.topics.push(filter.into());
        self
    }

    /// With other limits.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut ListenerOptions)) -> Self {
        change(&mut self.listener);
        self
    }

    /// Where it listens, with its filters and without user and password: for identities and errors.
    pub fn address(&self) -> String {
        let scheme = if self.tls.is_some() { "mqtts+listen" } else { "mqtt+listen" };
        let authority = address::authority(&self.host, self.port_number());
        format!("{scheme}://{authority}/{}", self.topics.join(","))
    }

    pub(super) fn port_number(&self) -> u16 {
        address::port(self.port, self.tls.is_some())
    }

    pub(super) fn check(&self) -> Result<()> {
        for filter in &self.topics {
            if !topic::is_filter(filter) || filter.starts_with("$share/") {
                return Err(Error::usage(format!("{filter:?} is no topic filter"))
                    .hint("+ and # each stand for a whole level, and # only at the end"));
            }
        }
        if self.login.user.is_some() != self.login.password.is_set() {
            return Err(Error::usage("a listener needs user= and password= together, or neither")
                .hint("they are what devices must present"));
        }
        if self.login.user.is_some() && self.listener.users_file.is_some() {
            return Err(Error::usage("users-file= and user= with password=").hint("give one of them"));
        }
        let limits = &self.listener;
        for (name, is_zero) in [
            ("max-clients", limits.max_clients == 0),
            ("receive-maximum", limits.receive_maximum == 0),
            ("max-held", limits.max_held.0 == 0),
            ("connect-timeout", limits.connect_timeout.0.is_zero()),
        ] {
            if is_zero {
                return Err(Error::usage(format!("option {name:?} must be more than 0")));
            }
        }
        if limits.max_packet_size.0 < 128 {
            return Err(Error::usage("option \"max-packet-size\" must be at least 128 bytes"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(address: &str) -> String {
        MqttListenOptions::parse(address).unwrap_err().to_string()
    }

    #[test]
    fn an_address_names_interface_filter_and_login() {
        let options =
            MqttListenOptions::parse("mqtts+listen://joe:pw@[::1]/a/+?topic=b/%23&cert=c.pem&key=k.pem&max-clients=7")
                .unwrap();
        assert_eq!(options.address(), "mqtts+listen://[::1]:8883/a/+,b/#");
        assert_eq!(options.login.user.as_deref(), Some("joe"));
        assert_eq!(options.listener.max_clients, 7);
        assert!(options.tls.is_some());
        let options = MqttListenOptions::parse("mqtt+listen://0.0.0.0").unwrap();
        assert_eq!((options.port_number(), options.topics.is_empty()), (1883, true));
        assert!(
            !format!("{options:?} {}", MqttListenOptions::new("h").login("u", "s3cret").address()).contains("s3cret")
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_way_out() {
        assert!(refused("mqtt+listen://0.0.0.0/a/#/b").contains("no topic filter"));
        assert!(refused("mqtt+listen:///a").contains("one address to listen on"));
        assert!(refused("mqtt+listen://h/?user=joe").contains("user= and password= together"));
        assert!(refused("mqtt+listen://joe:pw@h/?users-file=x").contains("give one of them"));
        assert!(refused("mqtt+listen://h/?cert=c").contains("mqtts+listen://"));
        assert!(refused("mqtt+listen://h/?max-clients=0").contains("max-clients"));
        assert!(refused("mqtt+listen://h/?max-client=3").contains("did you mean \"max-clients\"?"));
        assert!(!refused("mqtt+listen://joe:s3cret@h/?oops=1").contains("s3cret"));
    }
}
