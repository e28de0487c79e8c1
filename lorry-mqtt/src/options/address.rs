//! What the addresses of clients and of a listener have in common.

use lorry_core::registry::{Args, Login, Secret, Uri};
use lorry_core::tls::TlsOptions;
use lorry_core::{Error, Result};

/// Options from an address alone.
pub(crate) fn parse<T>(address: &str, take: impl FnOnce(&mut Args) -> Result<T>) -> Result<T> {
    let mut args = Args::parse(address, &[])?;
    let options = take(&mut args)?;
    args.finish()?;
    Ok(options)
}

/// The options of TLS, if the address has its scheme.
pub(crate) fn take_tls(args: &mut Args, tls_scheme: &str) -> Result<Option<TlsOptions>> {
    let tls: TlsOptions = args.take()?;
    let is_tls = args.uri().scheme() == tls_scheme;
    if tls.is_set() && !is_tls {
        return Err(Error::usage("ca=, cert=, key= and insecure= are for TLS")
            .with("address", args.uri())
            .hint(format!("write {tls_scheme}://")));
    }
    Ok(is_tls.then_some(tls))
}

/// The path as a topic; one leading slash is not part of it.
pub(crate) fn topic(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_prefix('/').unwrap_or(uri.path());
    (!path.is_empty()).then(|| path.to_owned())
}

/// This user and password.
pub(crate) fn login(user: impl Into<String>, password: impl Into<String>) -> Login {
    Login { user: Some(user.into()), password: Secret::new(password.into()), ..Login::default() }
}

/// The port, where none is given that of the protocol.
pub(crate) fn port(port: Option<u16>, is_tls: bool) -> u16 {
    port.unwrap_or(if is_tls { 8883 } else { 1883 })
}

/// Host and port as they stand in an address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Without the slashes a login would be the beginning of a topic, and its password no secret.
///
/// # Errors
/// `mqtt:joe:pw@host/topic`, in words that do not show what may be a password.
pub(super) fn has_its_slashes(uri: &Uri) -> Result<()> {
    let body = uri.rest().split('?').next().unwrap_or_default();
    if body.starts_with("//") {
        return Ok(());
    }
    let first = body.trim_start_matches('/').split('/').next().unwrap_or_default();
    let Some((_, server)) = body.rsplit_once('@').filter(|_| first.contains(['@', ':'])) else { return Ok(()) };
    let scheme = uri.scheme();
    Err(Error::usage(format!("the slashes before the login are missing in {:?}", uri.to_string()))
        .hint(format!("write {scheme}://USER:***@{server}, or {scheme}:///TOPIC for a topic with an @ in it")))
}
