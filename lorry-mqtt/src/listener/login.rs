//! Who may connect.

use super::options::MqttListenOptions;
use lorry_core::registry::Secret;
use lorry_core::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::path::Path;

/// The users and their passwords; without any, everybody may come.
#[derive(Debug, Default)]
pub(super) struct Logins(Option<HashMap<String, Secret>>);

impl Logins {
    /// # Errors
    /// The users file cannot be read, or holds something else.
    pub(super) fn new(options: &MqttListenOptions) -> Result<Self> {
        if let Some(path) = &options.listener.users_file {
            return Self::read(path);
        }
        let login = &options.login;
        Ok(Self(login.user.clone().map(|user| HashMap::from([(user, login.password.clone())]))))
    }

    fn read(path: &Path) -> Result<Self> {
        let trouble = |kind, what: String| {
            Error::config(kind, "read the users file", what)
                .with("file", path.display())
                .hint("it has one user:password a line, in plain text")
        };
        let text = std::fs::read_to_string(path).map_err(|error| trouble(ErrorKind::Io, error.to_string()))?;
        let mut users = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            // No line is ever shown: it holds a password.
            let wrong = |what: &str| trouble(ErrorKind::Malformed, format!("line {}: {what}", number + 1));
            let (user, password) = line.split_once(':').ok_or_else(|| wrong("no colon"))?;
            if user.is_empty() || password.is_empty() {
                return Err(wrong("an empty user or password"));
            }
            if is_hash(password) {
                return Err(wrong("the password is a hash, which Lorry does not read"));
            }
            if users.insert(user.to_owned(), Secret::new(password.to_owned())).is_some() {
                return Err(wrong("the user stands there twice"));
            }
        }
        if users.is_empty() {
            return Err(trouble(ErrorKind::Malformed, "it names nobody".to_owned()));
        }
        Ok(Self(Some(users)))
    }

    /// Whether somebody who presents this may come in.
    pub(super) fn admits(&self, user: Option<&str>, password: Option<&[u8]>) -> bool {
        let Some(users) = &self.0 else { return true };
        let known = user.and_then(|user| users.get(user)).and_then(Secret::expose);
        // An unknown user takes as long as a wrong password.
        let is_same = same(known.unwrap_or("\u{1}").as_bytes(), password.unwrap_or_default());
        known.is_some() && is_same
    }
}

/// What `mosquitto_passwd` (`$6$`, `$7$`) and `htpasswd` (`$apr1$`, `$2y$`, `{SHA}`) write.
fn is_hash(password: &str) -> bool {
    password.starts_with("{SHA}") || (password.starts_with('$') && password.matches('$').count() >= 3)
}

/// Takes as long wherever the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    let mut differences = u8::from(one.len() != other.len());
    for (i, byte) in other.iter().enumerate() {
        differences |= byte ^ one.get(i % one.len().max(1)).copied().unwrap_or_default();
    }
    differences == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(text: &str) -> Result<Logins> {
        let path = std::env::temp_dir().join(format!("lorry-users-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::write(&path, text).unwrap();
        let logins = Logins::read(&path);
        std::fs::remove_file(path).unwrap();
        logins
    }

    #[test]
    fn without_users_everybody_may_come() {
        let logins = Logins::new(&MqttListenOptions::new("h")).unwrap();
        assert!(logins.admits(None, None) && logins.admits(Some("x"), Some(b"y")));
    }

    #[test]
    fn with_a_user_only_the_right_password_helps() {
        let logins = Logins::new(&MqttListenOptions::new("h").login("joe", "secret")).unwrap();
        assert!(logins.admits(Some("joe"), Some(b"secret")));
        for (user, password) in [
            (None, None),
            (Some("joe"), None),
            (Some("joe"), Some(&b"secre"[..])),
            (Some("joe"), Some(b"secret!")),
            (Some("joe"), Some(b"Secret")),
            (Some("joe"), Some(b"secretsecret")),
            (Some("jim"), Some(b"secret")),
            (Some("jim"), Some(b"\x01")),
            (None, Some(b"secret")),
        ] {
            assert!(!logins.admits(user, password), "{user:?} {password:?}");
        }
    }

    #[test]
    fn a_users_file_is_lines_of_user_and_password() {
        let logins = file("# devices\njoe:a:b\r\n\njim:pass word\n").unwrap();
        assert!(logins.admits(Some("joe"), Some(b"a:b")) && logins.admits(Some("jim"), Some(b"pass word")));
        assert!(!logins.admits(Some("# devices"), None));
    }

    #[test]
    fn a_users_file_that_is_something_else_is_refused_without_showing_it() {
        for text in ["", "joe", "joe:", ":s3cret", "joe:s3cret\njoe:x", "joe:$7$101$s3cret$x", "joe:{SHA}s3cret"] {
            let error = file(text).unwrap_err().to_string();
            assert!(error.contains("users file") && !error.contains("s3cret"), "{error}");
        }
        assert!(Logins::read(Path::new("/nowhere/users")).is_err());
    }
}
