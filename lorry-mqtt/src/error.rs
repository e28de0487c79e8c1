//! Reason codes as errors of Lorry: which class each has.

use crate::packet::{Filter, Reason, Version};
use lorry_core::{Class, Error, ErrorKind};

/// The error that a refusing CONNACK means.
pub(crate) fn from_connack(reason: Reason) -> Error {
    let (kind, class) = match reason {
        Reason::BAD_USER_OR_PASSWORD | Reason::NOT_AUTHORIZED | Reason::BANNED | Reason::BAD_AUTHENTICATION_METHOD => {
            (ErrorKind::Auth, Class::Config)
        }
        Reason::SERVER_UNAVAILABLE
        | Reason::SERVER_BUSY
        | Reason::SERVER_SHUTTING_DOWN
        | Reason::QUOTA_EXCEEDED
        | Reason::CONNECTION_RATE_EXCEEDED
        | Reason::UNSPECIFIED
        | Reason::IMPLEMENTATION_SPECIFIC => (ErrorKind::Connection, Class::Transient),
        _ => (ErrorKind::Refused, Class::Config),
    };
    let error = Error::new(kind, class, "log in", format!("the server answers: {reason}"));
    match reason {
        Reason::BAD_USER_OR_PASSWORD | Reason::NOT_AUTHORIZED => error.hint("check user and password"),
        Reason::CLIENT_ID_NOT_VALID => error.hint("choose another with client-id="),
        Reason::UNSUPPORTED_VERSION => error.hint("try version=3.1.1 or version=5"),
        _ => error,
    }
}

/// The error that a DISCONNECT from the server means.
pub(crate) fn from_disconnect(reason: Reason, client_id: &str) -> Error {
    let class = match reason {
        Reason::SESSION_TAKEN_OVER => return taken_over(client_id, "another client took the session over"),
        Reason::NOT_AUTHORIZED | Reason::BANNED | Reason::USE_ANOTHER_SERVER | Reason::SERVER_MOVED => Class::Config,
        Reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
        | Reason::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
        | Reason::SUBSCRIPTION_IDS_NOT_SUPPORTED
        | Reason::RETAIN_NOT_SUPPORTED
        | Reason::QOS_NOT_SUPPORTED
        | Reason::TOPIC_FILTER_INVALID => Class::Config,
        _ => Class::Transient,
    };
    let kind = if class == Class::Config { ErrorKind::Refused } else { ErrorKind::Connection };
    Error::new(kind, class, "", format!("the server ended the connection: {reason}"))
}

/// Two clients of one id would throw each other out for ever: one of them has to go, and says why.
pub(crate) fn taken_over(client_id: &str, what: &str) -> Error {
    Error::config(ErrorKind::Refused, "", what)
        .with("client id", client_id)
        .hint("give one of them another --name, another --instance or another client-id=")
}

/// The error that a failing PUBACK means for its message; `None` for success.
pub(crate) fn from_puback(reason: Reason, details: Option<&str>) -> Option<Error> {
    if !reason.is_failure() {
        return None;
    }
    let (kind, class) = match reason {
        Reason::QUOTA_EXCEEDED => (ErrorKind::Connection, Class::Transient),
        Reason::PAYLOAD_FORMAT_INVALID => (ErrorKind::Malformed, Class::Data),
        _ => (ErrorKind::Refused, Class::Data),
    };
    let said = details.map(|details| format!(": {details}")).unwrap_or_default();
    Some(Error::new(kind, class, "publish", format!("the server refused the message: {reason}{said}")))
}

/// The error of a message at which the server ends every connection, for the reason that it gave, if any.
pub(crate) fn ended_at(reason: Option<Reason>, version: Version) -> Error {
    let said = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let error =
        Error::data(ErrorKind::Refused, "publish", format!("the server ends the connection at this message{said}"));
    match version {
        Version::V4 => error.hint(
            "3.1.1 has no other way to refuse one: is it too large, or are its topic, its QoS or RETAIN not allowed? version=5 may tell",
        ),
        Version::V5 => error.hint("is it too large, or are its topic, its QoS or RETAIN not allowed?"),
    }
}

/// The error that a failing SUBACK means.
pub(crate) fn from_suback(reason: Reason, filter: &str) -> Error {
    let kind = if reason == Reason::NOT_AUTHORIZED { ErrorKind::Auth } else { ErrorKind::Refused };
    Error::config(kind, "subscribe", format!("the server refused: {reason}")).with("topic", filter)
}

/// The error that a SUBACK with a lower QoS means where more is required.
pub(crate) fn granted_less(granted: Reason, filter: &Filter) -> Error {
    let what = format!("the server grants QoS {}, not {}, and a guarantee is required", granted.0, filter.qos as u8);
    Error::config(ErrorKind::Refused, "subscribe", what)
        .with("topic", filter.path.as_str())
        .hint("have the server allow it, or do without --require")
}

/// The peer does not keep to the protocol: the connection is of no use any more, a new one may be.
pub(crate) fn protocol(what: impl std::fmt::Display) -> Error {
    Error::transient(ErrorKind::Malformed, "", format!("the server breaks the protocol: {what}"))
}

/// The reason code that tells a server of version 5 why its message was refused here. PUBACK allows few.
pub(crate) fn refusal(error: &Error) -> Reason {
    match error.kind() {
        ErrorKind::Malformed => Reason::PAYLOAD_FORMAT_INVALID,
        _ => Reason::IMPLEMENTATION_SPECIFIC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puback_reasons_have_their_class() {
        let class = |code| from_puback(Reason(code), None).map(|error| error.class());
        assert_eq!(class(0x00), None);
        assert_eq!(class(0x10), None);
        for code in [0x80, 0x83, 0x87, 0x90, 0x99, 0xEE] {
            assert_eq!(class(code), Some(Class::Data), "{code:#x}");
        }
        assert_eq!(class(0x97), Some(Class::Transient));
    }

    #[test]
    fn logins_that_fail_need_a_person_and_busy_servers_need_time() {
        for code in [0x86, 0x87, 0x8A, 0x8C, 0x85] {
            assert_eq!(from_connack(Reason(code)).class(), Class::Config, "{code:#x}");
        }
        for code in [0x88, 0x89, 0x97, 0x9F] {
            assert_eq!(from_connack(Reason(code)).class(), Class::Transient, "{code:#x}");
        }
        for code in 1..=5 {
            let class = if code == 3 { Class::Transient } else { Class::Config };
            assert_eq!(from_connack(Reason(code).from_v4_connack()).class(), class, "{code}");
        }
    }
}
