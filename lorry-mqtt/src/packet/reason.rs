//! Reason codes of version 5 and return codes of 3.1.1.

use std::fmt;

/// A reason code as it stands on the wire, known or not: a peer with a code of its own is no reason to drop the connection.
///
/// ```
/// use lorry_mqtt::packet::Reason;
/// assert!(Reason::QUOTA_EXCEEDED.is_failure());
/// assert_eq!(Reason::QUOTA_EXCEEDED.to_string(), "quota exceeded (0x97)");
/// assert_eq!(Reason(0xEE).to_string(), "unknown reason (0xee)");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason(pub u8);

macro_rules! reasons {
    ($($name:ident = $code:literal $text:literal,)*) => {
        impl Reason {
            $(#[doc = concat!("`", stringify!($code), "`: ", $text, ".")] pub const $name: Self = Self($code);)*

            fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self(1) | Self(2) => "granted",
                    _ => "unknown reason",
                }
            }
        }
    };
}

reasons! {
    SUCCESS = 0x00 "success",
    DISCONNECT_WITH_WILL = 0x04 "disconnect with will message",
    NO_MATCHING_SUBSCRIBERS = 0x10 "no matching subscribers",
    NO_SUBSCRIPTION_EXISTED = 0x11 "no subscription existed",
    CONTINUE_AUTHENTICATION = 0x18 "continue authentication",
    RE_AUTHENTICATE = 0x19 "authenticate again",
    UNSPECIFIED = 0x80 "unspecified error",
    MALFORMED_PACKET = 0x81 "malformed packet",
    PROTOCOL_ERROR = 0x82 "protocol error",
    IMPLEMENTATION_SPECIFIC = 0x83 "implementation specific error",
    UNSUPPORTED_VERSION = 0x84 "unsupported protocol version",
    CLIENT_ID_NOT_VALID = 0x85 "client identifier not valid",
    BAD_USER_OR_PASSWORD = 0x86 "bad user name or password",
    NOT_AUTHORIZED = 0x87 "not authorized",
    SERVER_UNAVAILABLE = 0x88 "server unavailable",
    SERVER_BUSY = 0x89 "server busy",
    BANNED = 0x8A "banned",
    SERVER_SHUTTING_DOWN = 0x8B "server shutting down",
    BAD_AUTHENTICATION_METHOD = 0x8C "bad authentication method",
    KEEP_ALIVE_TIMEOUT = 0x8D "keep alive timeout",
    SESSION_TAKEN_OVER = 0x8E "session taken over",
    TOPIC_FILTER_INVALID = 0x8F "topic filter invalid",
    TOPIC_NAME_INVALID = 0x90 "topic name invalid",
    PACKET_ID_IN_USE = 0x91 "packet identifier in use",
    PACKET_ID_NOT_FOUND = 0x92 "packet identifier not found",
    RECEIVE_MAXIMUM_EXCEEDED = 0x93 "receive maximum exceeded",
    TOPIC_ALIAS_INVALID = 0x94 "topic alias invalid",
    PACKET_TOO_LARGE = 0x95 "packet too large",
    MESSAGE_RATE_TOO_HIGH = 0x96 "message rate too high",
    QUOTA_EXCEEDED = 0x97 "quota exceeded",
    ADMINISTRATIVE_ACTION = 0x98 "administrative action",
    PAYLOAD_FORMAT_INVALID = 0x99 "payload format invalid",
    RETAIN_NOT_SUPPORTED = 0x9A "retain not supported",
    QOS_NOT_SUPPORTED = 0x9B "QoS not supported",
    USE_ANOTHER_SERVER = 0x9C "use another server",
    SERVER_MOVED = 0x9D "server moved",
    SHARED_SUBSCRIPTIONS_NOT_SUPPORTED = 0x9E "shared subscriptions not supported",
    CONNECTION_RATE_EXCEEDED = 0x9F "connection rate exceeded",
    MAXIMUM_CONNECT_TIME = 0xA0 "maximum connect time",
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1 "subscription identifiers not supported",
    WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED = 0xA2 "wildcard subscriptions not supported",
}

/// Return codes of a 3.1.1 CONNACK. They have names of their own, since 1 to 5 mean something else elsewhere.
impl Reason {
    /// 3.1.1: unacceptable protocol version.
    pub const V4_BAD_VERSION: Self = Self(1);
    /// 3.1.1: the client id is refused.
    pub const V4_BAD_CLIENT_ID: Self = Self(2);
    /// 3.1.1: the server is unavailable.
    pub const V4_UNAVAILABLE: Self = Self(3);
    /// 3.1.1: bad user name or password.
    pub const V4_BAD_LOGIN: Self = Self(4);
    /// 3.1.1: not authorized.
    pub const V4_NOT_AUTHORIZED: Self = Self(5);

    /// Whether it says that something failed (`0x80` and above).
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// Of a CONNACK: whether the server does not speak the version, in the words of either.
    pub const fn refuses_version(self) -> bool {
        matches!(self, Self::V4_BAD_VERSION | Self::UNSUPPORTED_VERSION)
    }

    /// The reason code of version 5 that says the same as this return code of a 3.1.1 CONNACK.
    #[must_use]
    pub const fn from_v4_connack(self) -> Self {
        match self.0 {
            1 => Self::UNSUPPORTED_VERSION,
            2 => Self::CLIENT_ID_NOT_VALID,
            3 => Self::SERVER_UNAVAILABLE,
            4 => Self::BAD_USER_OR_PASSWORD,
            5 => Self::NOT_AUTHORIZED,
            _ => self,
        }
    }

    /// The return code of a 3.1.1 CONNACK that comes nearest to this reason code.
    #[must_use]
    pub const fn to_v4_connack(self) -> Self {
        match self {
            Self::SUCCESS => self,
            Self::UNSUPPORTED_VERSION => Self::V4_BAD_VERSION,
            Self::CLIENT_ID_NOT_VALID => Self::V4_BAD_CLIENT_ID,
            Self::BAD_USER_OR_PASSWORD | Self::BAD_AUTHENTICATION_METHOD => Self::V4_BAD_LOGIN,
            Self::NOT_AUTHORIZED | Self::BANNED => Self::V4_NOT_AUTHORIZED,
            _ if self.0 < 0x80 => self,
            _ => Self::V4_UNAVAILABLE,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02x})", self.words(), self.0)
    }
}
