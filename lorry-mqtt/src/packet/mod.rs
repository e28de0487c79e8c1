//! The packets of MQTT 3.1.1 and 5, neutral to version and direction: what the session and the listener speak.
//!
//! What exists in version 5 only (properties, most reason codes) is optional here and left out when a packet is written for 3.1.1.

mod reason;
mod text;

pub use reason::Reason;
pub use text::Text;

use bytes::Bytes;

/// A protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    V4,
    /// MQTT 5 (protocol level 5).
    V5,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::V4 => "3.1.1",
            Self::V5 => "5",
        })
    }
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// 0: sent once, not acknowledged.
    #[default]
    AtMostOnce = 0,
    /// 1: acknowledged, may come twice.
    AtLeastOnce = 1,
    /// 2: acknowledged in two steps, comes once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The quality of this number.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A packet of either version and direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    /// Client → server, first on every connection.
    Connect(Box<Connect>),
    /// Server → client, the answer to it.
    ConnAck(Box<ConnAck>),
    /// A message, either way.
    Publish(Publish),
    /// QoS 1: received.
    PubAck(Ack),
    /// QoS 2: received.
    PubRec(Ack),
    /// QoS 2: released.
    PubRel(Ack),
    /// QoS 2: complete.
    PubComp(Ack),
    /// Client → server.
    Subscribe(Subscribe),
    /// Server → client.
    SubAck(SubAck),
    /// Client → server.
    Unsubscribe(Unsubscribe),
    /// Server → client.
    UnsubAck(SubAck),
    /// Client → server: still there.
    PingReq,
    /// Server → client: so am I.
    PingResp,
    /// The end of the connection; from the client in both versions, from the server in version 5 only.
    Disconnect(Disconnect),
    /// Version 5: extended authentication.
    Auth(Auth),
}

/// User properties of version 5: ordered, a name may repeat.
pub type UserProperties = Vec<(Text, Text)>;

/// CONNECT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connect {
    /// Who connects; empty has the server choose.
    pub client_id: Text,
    /// Forget an earlier session of this client id.
    pub clean: bool,
    /// Seconds after which the client will have said something; 0 for never.
    pub keep_alive: u16,
    /// User name; an empty one counts as none.
    pub user: Option<Text>,
    /// Password, of bytes; an empty one counts as none.
    pub password: Option<Bytes>,
    /// What the server publishes when the connection is lost.
    pub will: Option<Box<Will>>,
    /// Version 5.
    pub properties: ConnectProperties,
}

/// Properties of CONNECT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectProperties {
    /// Seconds that the session outlives the connection.
    pub session_expiry: Option<u32>,
    /// How many QoS 1 and 2 publishes the client takes unacknowledged; 65,535 when absent.
    pub receive_maximum: Option<u16>,
    /// The largest packet the client takes, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// How many topic aliases the client keeps for the server.
    pub topic_alias_maximum: Option<u16>,
    /// The client would like response information.
    pub request_response_information: Option<bool>,
    /// The client wants reason strings and user properties on failures; yes when absent.
    pub request_problem_information: Option<bool>,
    /// User properties.
    pub user: UserProperties,
    /// The method of extended authentication.
    pub authentication_method: Option<Text>,
    /// Its data.
    pub authentication_data: Option<Bytes>,
}

/// The will in CONNECT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Will {
    /// Where it is published.
    pub topic: Text,
    /// What is published.
    pub payload: Bytes,
    /// With which quality.
    pub qos: Qos,
    /// Whether it is kept.
    pub retain: bool,
    /// Version 5: seconds between the loss of the connection and the publish.
    pub delay: Option<u32>,
    /// Version 5: properties of the message itself. Alias and subscription ids have no place in a will.
    pub properties: PublishProperties,
}

/// CONNACK.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnAck {
    /// The server has a session of this client.
    pub session_present: bool,
    /// The return code of 3.1.1 (0 to 5) or the reason code of 5, as it stands on the wire. A 3.1.1 code also comes to a client of
    /// version 5 from servers that know 3.1.1 only: see [`Reason::refuses_version`].
    pub reason: Reason,
    /// Version 5.
    pub properties: ConnAckProperties,
}

/// Properties of CONNACK.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnAckProperties {
    /// The session expiry that the server uses in place of the one asked for, in seconds.
    pub session_expiry: Option<u32>,
    /// How many QoS 1 and 2 publishes the server takes unacknowledged; 65,535 when absent.
    pub receive_maximum: Option<u16>,
    /// The highest quality that the server takes; 2 when absent.
    pub maximum_qos: Option<Qos>,
    /// Whether retained messages are supported; yes when absent.
    pub retain_available: Option<bool>,
    /// The largest packet the server takes, in bytes.
    pub maximum_packet_size: Option<u32>,
    /// The client id that the server chose.
    pub assigned_client_id: Option<Text>,
    /// How many topic aliases the server keeps for the client.
    pub topic_alias_maximum: Option<u16>,
    /// The reason in words.
    pub reason_string: Option<Text>,
    /// User properties.
    pub user: UserProperties,
    /// Whether filters may have wildcards; yes when absent.
    pub wildcard_subscriptions: Option<bool>,
    /// Whether subscriptions may have identifiers; yes when absent.
    pub subscription_ids: Option<bool>,
    /// Whether `$share/…` works; yes when absent.
    pub shared_subscriptions: Option<bool>,
    /// The keep-alive that the server uses in place of the client's, in seconds.
    pub server_keep_alive: Option<u16>,
    /// Where to make up response topics.
    pub response_information: Option<Text>,
    /// Another server to use.
    pub server_reference: Option<Text>,
    /// The method of extended authentication.
    pub authentication_method: Option<Text>,
    /// Its data.
    pub authentication_data: Option<Bytes>,
}

/// PUBLISH.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publish {
    /// This is perhaps not the first attempt.
    pub dup: bool,
    /// Quality of service.
    pub qos: Qos,
    /// To be kept (to a server); was kept (from a server).
    pub retain: bool,
    /// The topic, without wildcards; empty where an alias stands for it.
    pub topic: Text,
    /// Not 0 for QoS 1 and 2, 0 for QoS 0.
    pub packet_id: u16,
    /// The bytes; a slice of the read buffer.
    pub payload: Bytes,
    /// Version 5; `None` when there are none, so that the usual publish allocates nothing.
    pub properties: Option<Box<PublishProperties>>,
}

/// Properties of PUBLISH, and of the will.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishProperties {
    /// The payload is UTF-8 (true) or unspecified bytes (false).
    pub payload_is_text: Option<bool>,
    /// Seconds after which the message is of no use.
    pub expiry: Option<u32>,
    /// A number that stands for the topic on this connection, from 1.
    pub topic_alias: Option<u16>,
    /// Where an answer is expected.
    pub response_topic: Option<Text>,
    /// What ties the answer to this message.
    pub correlation_data: Option<Bytes>,
    /// User properties.
    pub user: UserProperties,
    /// The subscriptions that this message matches (server → client), from 1.
    pub subscription_ids: Vec<u32>,
    /// Media type of the payload.
    pub content_type: Option<Text>,
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ack {
    /// Of the publish that is meant.
    pub packet_id: u16,
    /// Version 5: how it went. Success in 3.1.1, which has no other answer.
    pub reason: Reason,
    /// Version 5: more words; `None` when there are none.
    pub details: Option<Box<Details>>,
}

impl Ack {
    /// Success.
    pub const fn new(packet_id: u16) -> Self {
        Self { packet_id, reason: Reason::SUCCESS, details: None }
    }

    /// With this reason code.
    pub const fn with_reason(packet_id: u16, reason: Reason) -> Self {
        Self { packet_id, reason, details: None }
    }
}

/// What may stand beside a reason code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The reason in words.
    pub reason_string: Option<Text>,
    /// User properties.
    pub user: UserProperties,
}

impl Details {
    /// The reason in words.
    pub fn of(reason: impl Into<Text>) -> Option<Box<Self>> {
        Some(Box::new(Self { reason_string: Some(reason.into()), user: Vec::new() }))
    }
}

/// SUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subscribe {
    /// Not 0.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<Filter>,
    /// Version 5: comes back with every message that matches, from 1 to 268,435,455.
    pub subscription_id: Option<u32>,
    /// Version 5.
    pub user: UserProperties,
}

/// One filter of SUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// The topic filter, `$share/GROUP/` included.
    pub path: Text,
    /// The highest quality wanted.
    pub qos: Qos,
    /// Version 5: not what this client published itself.
    pub no_local: bool,
    /// Version 5: forward RETAIN as published.
    pub retain_as_published: bool,
    /// Version 5: what of the retained messages is wanted.
    pub retain_handling: RetainHandling,
}

/// Which retained messages a new subscription brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// All, at every SUBSCRIBE.
    #[default]
    Always = 0,
    /// All, if the subscription is new.
    IfNew = 1,
    /// None.
    Never = 2,
}

/// SUBACK and UNSUBACK.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubAck {
    /// Of the packet that is meant.
    pub packet_id: u16,
    /// One per filter, in its order: for SUBACK the granted quality (0 to 2) or a failure. UNSUBACK has none in 3.1.1.
    pub reasons: Vec<Reason>,
    /// Version 5.
    pub details: Option<Box<Details>>,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unsubscribe {
    /// Not 0.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<Text>,
    /// Version 5.
    pub user: UserProperties,
}

/// DISCONNECT.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disconnect {
    /// Version 5; normal in 3.1.1.
    pub reason: Reason,
    /// Version 5: another session expiry than CONNECT had, in seconds.
    pub session_expiry: Option<u32>,
    /// Version 5: another server to use.
    pub server_reference: Option<Text>,
    /// Version 5.
    pub details: Option<Box<Details>>,
}

impl Disconnect {
    /// With this reason code.
    pub fn new(reason: Reason) -> Self {
        Self { reason, ..Self::default() }
    }
}

/// AUTH, of version 5.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Success, continue or authenticate again.
    pub reason: Reason,
    /// The method.
    pub method: Option<Text>,
    /// Its data.
    pub data: Option<Bytes>,
    /// More words.
    pub details: Option<Box<Details>>,
}
