//! The one error type, and the class by which the runtime decides.

use crate::message::Address;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What kind of thing went wrong; for programs that match on it. The runtime itself only asks for the [`Class`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: a malformed URI, an unknown option or element, a bad expression. Nothing was started.
    Usage,
    /// A peer cannot be reached, or the connection to it broke.
    Connection,
    /// The peer refused the login.
    Auth,
    /// A name the peer was asked for does not exist (a table, a topic, an exchange).
    NotFound,
    /// The peer refuses the operation (permissions, protocol, policy).
    Refused,
    /// Bytes that are not what they should be: JSON, UTF-8, a protocol frame.
    Malformed,
    /// A value violates a rule of its destination: NOT NULL, UNIQUE, CHECK, a type.
    Constraint,
    /// A message is larger than a limit.
    TooLarge,
    /// Something did not happen in time.
    Timeout,
    /// The other side has gone: a closed queue, a dropped relay.
    Closed,
    /// The graph can make no progress any more.
    Stalled,
    /// A closure of the user's panicked.
    Panic,
    /// The operating system said no.
    Io,
    /// Anything else.
    Other,
}

/// What the runtime does about an error. See the table in `docs/design.md` §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Passes by itself: connection lost, deadlock, server busy. Retried for ever with back-off; the source is held.
    Transient,
    /// Needs a person: bad password, missing table when told not to create. Before the element's first success the run
    /// ends; after it the element is *degraded* and tries again at long intervals.
    Config,
    /// This very message cannot be delivered, however often it is tried. The error policy decides.
    Data,
    /// Nobody knows whether it took effect (COMMIT sent, answer lost). Sent again.
    Ambiguous,
}

/// An error of Lorry: what was done ([`op`](Error::op)), what went wrong, where, and the class.
///
/// `Display` is one line for a log, `Debug` is several for a person. Clones share their content. Secrets never enter: whoever
/// makes an error from a driver's text is responsible for that text. The password of a `user:password@` is masked here, too, except in
/// errors of data: those are about messages.
///
/// ```
/// use lorry_core::{Class, Error, ErrorKind};
///
/// let error = Error::data(ErrorKind::Malformed, "decode JSON", "expected `,` or `}` at column 7").with("topic", "a/b");
/// assert_eq!(error.to_string(), "decode JSON: expected `,` or `}` at column 7 (topic: a/b)");
/// assert_eq!(error.class(), Class::Data);
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    class: Class,
    op: Cow<'static, str>,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// `Result` with Lorry's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of any kind and class. `op` is a verb phrase ("connect", "insert rows"), empty for none.
    pub fn new(kind: ErrorKind, class: Class, op: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        let (op, message) = (op.into(), without_logins(class, message.to_string()));
        Self(Arc::new(Inner { kind, class, op, message, context: Vec::new(), hint: None, source: None }))
    }

    /// The request is wrong: exit code 2 on the command line. Class `config`.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Usage, Class::Config, "", message)
    }

    /// An error of class [`Class::Config`].
    pub fn config(kind: ErrorKind, op: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self::new(kind, Class::Config, op, message)
    }

    /// An error of class [`Class::Data`].
    pub fn data(kind: ErrorKind, op: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self::new(kind, Class::Data, op, message)
    }

    /// An error of class [`Class::Transient`].
    pub fn transient(kind: ErrorKind, op: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self::new(kind, Class::Transient, op, message)
    }

    /// An error of class [`Class::Ambiguous`].
    pub fn ambiguous(op: impl Into<Cow<'static, str>>, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Connection, Class::Ambiguous, op, message)
    }

    /// Adds where it happened: `("topic", "a/b")`. Shown in the order added.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        let value = without_logins(self.0.class, value.to_string());
        Arc::make_mut(&mut self.0).context.push((key, value));
        self
    }

    /// Adds the address of the message that it is about, if that has one.
    pub(crate) fn at_address(self, address: &Address) -> Self {
        if address.is_empty() { self } else { self.with("address", address) }
    }

    /// What to write or do instead; ends the line after a semicolon.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        Arc::make_mut(&mut self.0).hint = Some(without_logins(self.0.class, hint.to_string()));
        self
    }

    /// The error underneath. Its text is shown in `Debug` only: put what matters into the message.
    #[must_use]
    pub fn caused_by(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// The same error in another class.
    #[must_use]
    pub fn classed(mut self, class: Class) -> Self {
        Arc::make_mut(&mut self.0).class = class;
        self
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What the runtime does about it.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// What was being done.
    pub fn op(&self) -> &str {
        &self.0.op
    }

    /// The message alone, without operation, context and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The pairs added by [`with`](Error::with).
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(key, value)| (*key, value.as_str()))
    }
}

fn without_logins(class: Class, text: String) -> String {
    if class == Class::Data { text } else { crate::registry::without_logins(text) }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if !inner.op.is_empty() {
            write!(f, "{}: ", inner.op)?;
        }
        f.write_str(&inner.message)?;
        for (i, (key, value)) in inner.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !inner.context.is_empty() {
            f.write_str(")")?;
        }
        match &inner.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{self}")?;
        write!(f, "  kind: {:?}, class: {:?}", self.0.kind, self.0.class)?;
        let mut source = self.source();
        while let Some(error) = source {
            write!(f, "\n  caused by: {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Input and output errors of the operating system, by their kind: what a later attempt may mend is transient, what a person
/// must mend is config.
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, class) = match error.kind() {
            Io::NotFound => (ErrorKind::NotFound, Class::Config),
            Io::PermissionDenied | Io::ReadOnlyFilesystem => (ErrorKind::Refused, Class::Config),
            Io::InvalidInput | Io::InvalidData | Io::IsADirectory | Io::NotADirectory | Io::AlreadyExists => {
                (ErrorKind::Io, Class::Config)
            }
            Io::TimedOut => (ErrorKind::Timeout, Class::Transient),
            Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::NotConnected
            | Io::BrokenPipe
            | Io::UnexpectedEof => (ErrorKind::Connection, Class::Transient),
            _ => (ErrorKind::Io, Class::Transient),
        };
        Self::new(kind, class, "", &error).caused_by(error)
    }
}

/// The names among `known` nearest to `wrong`, for "did you mean"; `None` when nothing is near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// What is longer is no slip of the pen, and takes long to compare.
    const LONGEST: usize = 100;
    let plain = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    known
        .into_iter()
        .filter(|name| name.len().max(wrong.len()) <= LONGEST)
        .map(|name| (strsim::damerau_levenshtein(&plain(wrong), &plain(name)), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
