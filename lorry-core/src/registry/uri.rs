//! Lorry's own small parser of addresses, one for all schemes.
//!
//! It differs from RFC 3986 where brokers differ from the web: there are no fragments (`#` is an ordinary character, as MQTT filters
//! need it), several hosts may stand before the path, `+` stays `+` everywhere, and `{{ … }}` protects what it encloses.

use super::secrets;
use crate::{Error, Result};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use std::fmt;

/// An address as a person types it: `scheme://[user[:password]@]host[:port][,host…]/path?option=value`.
///
/// ```
/// use lorry_core::registry::Uri;
///
/// let uri = Uri::parse("MQTT://joe:s3cret@broker:1884/plant/+/temp/#?qos=1")?;
/// assert_eq!(uri.scheme(), "mqtt");
/// assert_eq!((uri.host(), uri.port()), (Some("broker"), Some(1884)));
/// assert_eq!(uri.path(), "/plant/+/temp/#");
/// assert_eq!(uri.to_string(), "mqtt://joe:***@broker:1884/plant/+/temp/#?qos=1");
/// # Ok::<(), lorry_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Uri {
    scheme: String,
    user: Option<String>,
    password: Option<SecretString>,
    hosts: Vec<Host>,
    path: String,
    options: Vec<(String, Option<String>)>,
    rest: String,
}

/// One host of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or address; an IPv6 address without its brackets.
    pub name: String,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl Uri {
    /// Parses an address. `-` is `stdio:`.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage), in one line that shows the address without its password.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "-" {
            return Ok(Self::bare("stdio", ""));
        }
        let secrets = secrets::of_address(text);
        let redact = |text: &str| secrets.masked(text);
        let fail = |what: String| Error::usage(secrets.keep_out_of(format!("{what} in {:?}", redact(text))));
        if text.is_empty() {
            return Err(Error::usage("the address is empty").hint("write SCHEME://… or - for stdin and stdout"));
        }
        let (scheme, rest) = split_scheme(text).ok_or_else(|| {
            Error::usage(format!("{:?} is no address: it has no scheme", redact(text)))
                .hint(format!("write SCHEME://…, such as file://{}", redact(text)))
        })?;
        let (body, query) = match find_outside_braces(rest, |c| c == '?') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let mut uri = Self::bare(&scheme.to_ascii_lowercase(), "");
        uri.rest = rest.to_owned();
        // Without `//` it may be a text of another kind altogether, such as `exec:date +%Ec`.
        let decode = if body.starts_with("//") { decode } else { decode_or_keep };
        uri.options = query.map(|query| parse_options(query, decode)).transpose().map_err(fail)?.unwrap_or_default();
        let raw_path = match body.strip_prefix("//") {
            None => body,
            Some(body) => {
                let end = find_outside_braces(body, |c| c == '/').unwrap_or(body.len());
                uri.authority(&body[..end]).map_err(fail)?;
                &body[end..]
            }
        };
        uri.path = decode(raw_path).map_err(fail)?;
        Ok(uri)
    }

    /// An address of nothing but a scheme and a path, which is taken as it is.
    pub fn bare(scheme: &str, path: &str) -> Self {
        Self {
            scheme: scheme.to_owned(),
            user: None,
            password: None,
            hosts: Vec::new(),
            path: path.to_owned(),
            options: Vec::new(),
            rest: path.to_owned(),
        }
    }

    fn authority(&mut self, text: &str) -> Result<(), String> {
        let hosts = match text.rsplit_once('@') {
            None => text,
            Some((login, hosts)) => {
                let (user, password) = match login.split_once(':') {
                    Some((user, password)) => (user, Some(decode(password)?.into())),
                    None => (login, None),
                };
                self.user = Some(decode(user)?).filter(|user| !user.is_empty());
                self.password = password;
                hosts
            }
        };
        self.hosts = hosts.split(',').filter(|host| !host.is_empty()).map(parse_host).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The user, decoded.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, decoded; a secret from here on.
    pub fn password(&self) -> Option<&SecretString> {
        self.password.as_ref()
    }

    /// All hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The first host's name.
    pub fn host(&self) -> Option<&str> {
        self.hosts.first().map(|host| host.name.as_str())
    }

    /// The first host's port.
    pub fn port(&self) -> Option<u16> {
        self.hosts.first().and_then(|host| host.port)
    }

    /// The path, decoded, with its leading slash; for an address without `//` all that stands before the options.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What stands after the scheme's colon, as it was typed. For addresses that are something else: `exec:COMMAND`.
    pub fn rest(&self) -> &str {
        &self.rest
    }

    /// Name and value of each option, in order, decoded; `None` where there was no `=`.
    pub fn options(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

/// Without password and without the values of options that may hold one.
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hosts.is_empty() && self.user.is_none() && !self.rest.starts_with("//") {
            // The scheme may be a user: the whole counts.
            let text = format!("{}:{}", self.scheme, self.rest);
            return f.write_str(&secrets::of_address(&text).masked(&text));
        }
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
        }
        if self.password.is_some() {
            f.write_str(":***")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        for (i, host) in self.hosts.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let (open, close) = if host.name.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{open}{}{close}", host.name)?;
            if let Some(port) = host.port {
                write!(f, ":{port}")?;
            }
        }
        f.write_str(&secrets::without_logins(self.path.clone()))?;
        for (i, (name, value)) in self.options.iter().enumerate() {
            write!(f, "{}{name}", if i == 0 { '?' } else { '&' })?;
            if let Some(value) = value {
                write!(f, "={}", secrets::shown(name, value))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

/// Whether an option of this name holds a secret, or was meant to: names that are nearly `password` count.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let plain = name.ends_with("-file") || name.ends_with("_file") || name.ends_with("-env") || name.ends_with("_env");
    let near = |(word, most): (&str, usize)| name.contains(word) || strsim::damerau_levenshtein(&name, word) <= most;
    !plain
        && ([("password", 2), ("passwd", 1), ("secret", 1), ("token", 1)].into_iter().any(near)
            || matches!(&*name, "pass" | "pwd"))
}

/// Any text with passwords of addresses and of `password=` options in it replaced by `***`; for errors that quote what was typed.
///
/// ```
/// use lorry_core::registry::redact;
/// assert_eq!(redact("mqttsrc location=mqtt://joe:pw@host/a?password=x ! nullsink"), "mqttsrc location=mqtt://joe:***@host/a?password=*** ! nullsink");
/// ```
pub fn redact(text: &str) -> String {
    secrets::of_text(text).masked(text)
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
        && scheme.len() > 1;
    valid.then_some((scheme, rest))
}

/// The first byte offset at which `wanted` holds, not counting what stands inside `{{ … }}`.
fn find_outside_braces(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let mut inside = false;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        match (previous, c) {
            ('{', '{') => inside = true,
            ('}', '}') => inside = false,
            _ if !inside && wanted(c) => return Some(at),
            _ => {}
        }
        previous = c;
    }
    None
}

fn parse_options(
    text: &str,
    decode: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut options = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = find_outside_braces(rest, |c| c == '&').unwrap_or(rest.len());
        let (one, after) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        if !one.is_empty() {
            let (name, value) = match one.split_once('=') {
                Some((name, value)) => (name, Some(decode(value)?)),
                None => (one, None),
            };
            options.push((decode(name)?, value));
        }
        rest = after;
    }
    Ok(options)
}

fn parse_host(text: &str) -> Result<Host, String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(v6) => {
            let (name, after) = v6.split_once(']').ok_or("the IPv6 address has no closing bracket")?;
            match (after, after.strip_prefix(':')) {
                ("", _) => (name, None),
                (_, Some(port)) => (name, Some(port)),
                _ => return Err(format!("{after:?} after the IPv6 address")),
            }
        }
        None => match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
            // What stands here may be the end of a password that was not percent-encoded.
            let shown =
                if port.chars().all(|c| c.is_ascii_alphanumeric()) { format!(" {port}") } else { String::new() };
            format!("port{shown} is not a number from 1 to 65535")
        })?),
    };
    if name.contains(':') && !text.starts_with('[') {
        return Err("an IPv6 address needs brackets, such as [::1]:1883,".into());
    }
    Ok(Host { name: decode(name)?, port })
}

fn decode_or_keep(text: &str) -> Result<String, String> {
    Ok(decode(text).unwrap_or_else(|_| text.to_owned()))
}

fn decode(text: &str) -> Result<String, String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| "percent-encoded bytes that are not UTF-8".to_owned())
}
