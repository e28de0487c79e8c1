//! What TLS refuses: certificates, in either direction.

use lorry_core::tls::rustls::{self, AlertDescription, CertificateError};
use lorry_core::{Class, Error, ErrorKind};
use std::io;

/// The error of a connection that cannot be made. What TLS refuses does not get better by itself; a connection that fails may.
pub(super) fn classed(error: io::Error) -> Error {
    if let Some(refusal) = refusal(&error) {
        return refusal;
    }
    let (kind, class) = match cause(&error) {
        Some(rustls::Error::AlertReceived(_) | rustls::Error::NoCertificatesPresented) => {
            (ErrorKind::Auth, Class::Config)
        }
        Some(rustls::Error::InvalidMessage(_)) => (ErrorKind::Malformed, Class::Config),
        Some(_) => (ErrorKind::Connection, Class::Config),
        None => (ErrorKind::Connection, Class::Transient),
    };
    let ours = Error::new(kind, class, "connect", &error);
    let ours = match cause(&error) {
        Some(rustls::Error::InvalidMessage(_)) => ours.hint("does the server speak TLS on this port?"),
        _ => ours,
    };
    ours.caused_by(error)
}

/// If one side does not accept the certificate of the other: a config error. In TLS 1.3 the server may say so when the client believes
/// that it is through, so this may be the error of any read.
pub(super) fn refusal(error: &io::Error) -> Option<Error> {
    let cause = cause(error)?;
    let hint = match cause {
        rustls::Error::InvalidCertificate(why) => of_the_server(why),
        rustls::Error::AlertReceived(alert) => of_ours(*alert)?,
        _ => return None,
    };
    Some(Error::config(ErrorKind::Auth, "connect", error).caused_by(cause.clone()).hint(hint))
}

fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What to do about a certificate of the server that is refused here.
fn of_the_server(why: &CertificateError) -> &'static str {
    use CertificateError::*;
    match why {
        Expired | ExpiredContext { .. } => "the server needs a new certificate; or is the clock of this machine wrong?",
        NotValidYet | NotValidYetContext { .. } => "is the clock of this machine wrong, or the server's?",
        NotValidForName | NotValidForNameContext { .. } => "write the host as it stands in the server's certificate",
        Revoked => "the server needs a new certificate",
        UnknownIssuer => "name its certificate authority with ca=",
        _ => "is it a certificate for servers, and of an authority named with ca=?",
    }
}

/// What to do about our own certificate, which the server refuses or misses; `None` for what has nothing to do with it.
fn of_ours(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription::*;
    match alert {
        CertificateRequired | NoCertificate => Some("the server wants a certificate: name it with cert= and key="),
        CertificateExpired => Some("the certificate of cert= and key= has expired"),
        CertificateRevoked => Some("the certificate of cert= and key= has been revoked"),
        UnknownCA => Some("the server does not know the authority of the certificate of cert= and key="),
        BadCertificate | UnsupportedCertificate | CertificateUnknown | AccessDenied | DecryptError => {
            Some("the server does not accept the certificate of cert= and key=")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn told(error: rustls::Error) -> Option<(Class, ErrorKind, String)> {
        let error = refusal(&io::Error::new(io::ErrorKind::InvalidData, error))?;
        Some((error.class(), error.kind(), error.to_string()))
    }

    #[test]
    fn a_certificate_that_is_refused_needs_a_person_who_is_told_what_to_do() {
        for (why, hint) in [
            (CertificateError::UnknownIssuer, "ca="),
            (CertificateError::Expired, "new certificate"),
            (CertificateError::NotValidYet, "clock"),
            (CertificateError::NotValidForName, "host"),
        ] {
            let (class, kind, text) = told(rustls::Error::InvalidCertificate(why.clone())).unwrap();
            assert_eq!((class, kind), (Class::Config, ErrorKind::Auth));
            assert!(text.contains(hint), "{text}");
            assert_eq!(text.contains("ca="), why == CertificateError::UnknownIssuer, "{text}");
        }
    }

    #[test]
    fn a_server_that_refuses_ours_says_so_by_alert() {
        use AlertDescription::*;
        for alert in
            [CertificateRequired, BadCertificate, UnknownCA, CertificateExpired, CertificateRevoked, AccessDenied]
        {
            let (class, _, text) = told(rustls::Error::AlertReceived(alert)).unwrap();
            assert!(class == Class::Config && text.contains("cert= and key="), "{text}");
        }
        for alert in [InternalError, UserCanceled, BadRecordMac, HandshakeFailure] {
            assert!(told(rustls::Error::AlertReceived(alert)).is_none(), "{alert:?}");
        }
        assert!(refusal(&io::ErrorKind::ConnectionReset.into()).is_none());
    }
}
