//! What an element is made from: an address and options, with secrets resolved.

use super::options::Options;
use super::types::Secret;
use super::uri::Uri;
use crate::{Error, Result};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Looks up what stands outside the request: `${NAME}`, `password-env=NAME`, `password-file=PATH`. Libraries have none (and refuse
/// such values); the command line installs [`ProcessEnvironment`].
pub trait Resolver: Send + Sync + fmt::Debug {
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;

    /// A file's text.
    ///
    /// # Errors
    /// It cannot be read.
    fn file(&self, path: &str) -> std::io::Result<String>;
}

/// The process's own environment and files.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Resolver for ProcessEnvironment {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> std::io::Result<String> {
        std::fs::read_to_string(path)
    }
}

/// An address and its options, on the way to becoming an element.
#[derive(Debug)]
pub struct Args {
    uri: Uri,
    options: Options,
}

/// User and password, as options; the address may hold them too.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub struct Login {
    /// The user's name, where it does not stand in the address.
    pub user: Option<String>,
    /// The password, where it does not stand in the address. Better: `password-file` or `password-env`.
    pub password: Secret,
    /// A file whose first line is the password.
    pub password_file: Option<String>,
    /// The environment variable that holds the password.
    pub password_env: Option<String>,
}

impl Args {
    /// From an address and further options, outside a registry: for a connector's own builder, which takes an address as text and so
    /// has its options checked in one place. Values that need a [`Resolver`] are refused.
    ///
    /// # Errors
    /// [`Usage`](crate::ErrorKind::Usage): a malformed address, an option given both ways.
    pub fn parse(address: &str, properties: &[(String, String)]) -> Result<Self> {
        let uri = Uri::parse(address)?;
        let subject = uri.scheme().to_owned();
        Self::new(&subject, uri, properties, None, false)
    }

    /// From an address and further options (launch properties), which may not repeat those of the address.
    pub(crate) fn new(
        subject: &str,
        uri: Uri,
        properties: &[(String, String)],
        resolver: Option<&Arc<dyn Resolver>>,
        opaque: bool,
    ) -> Result<Self> {
        let mut options = Options::new(subject);
        if !opaque {
            for (name, value) in uri.options() {
                let value = value.map(|value| substitute(value, resolver)).transpose()?;
                options.push(name, value.as_deref());
            }
        }
        for (name, _) in properties {
            let kebab = name.to_ascii_lowercase().replace('_', "-");
            if options.contains(&kebab) {
                return Err(Error::usage(format!(
                    "option {kebab:?} of {subject} stands in the location and as a property"
                ))
                .hint("give it once"));
            }
        }
        for (name, value) in properties {
            options.push(name, Some(&substitute(value, resolver)?));
        }
        let mut args = Self { uri, options };
        args.resolve_password(resolver)?;
        Ok(args)
    }

    fn resolve_password(&mut self, resolver: Option<&Arc<dyn Resolver>>) -> Result<()> {
        let of = |name: &'static str, args: &mut Self| {
            if args.options.contains(name) { args.options.take_one(name) } else { Ok(None) }
        };
        let (env, file) = (of("password-env", self)?, of("password-file", self)?);
        let given = usize::from(env.is_some())
            + usize::from(file.is_some())
            + usize::from(self.options.contains("password"))
            + usize::from(self.uri.password().is_some());
        if given > 1 {
            return Err(Error::usage(format!("more than one password for {}", self.uri)).hint("give one"));
        }
        let password = match (env, file) {
            (Some(name), _) => Some(look_up(&name, resolver)?),
            (_, Some(path)) => {
                let resolver = resolver.ok_or_else(refused)?;
                let text = resolver.file(&path).map_err(|error| {
                    Error::usage(format!("the password file cannot be read: {error}")).with("file", &path)
                })?;
                Some(text.lines().next().unwrap_or_default().to_owned())
            }
            _ => None,
        };
        if let Some(password) = password {
            self.options.push("password", Some(&password));
        }
        Ok(())
    }

    /// The address.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The options not yet taken.
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Takes the options that this struct has fields for; see [`Options::take`].
    ///
    /// # Errors
    /// A value that does not fit.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.options.take()
    }

    /// Takes user and password from the address and the options `user`, `password`, `password-file`, `password-env`.
    ///
    /// # Errors
    /// A user given twice.
    pub fn login(&mut self) -> Result<Login> {
        let mut login: Login = self.take()?;
        match (self.uri.user(), &login.user) {
            (Some(_), Some(_)) => {
                return Err(Error::usage(format!("more than one user for {}", self.uri)).hint("give one"));
            }
            (Some(user), None) => login.user = Some(user.to_owned()),
            _ => {}
        }
        if let Some(password) = self.uri.password() {
            login.password = Secret::new(password.expose_secret());
        }
        Ok(login)
    }

    /// Declares that nothing else is expected. The registry calls it after every maker.
    ///
    /// # Errors
    /// The first option that nobody took.
    pub fn finish(&self) -> Result<()> {
        self.options.finish()
    }
}

fn refused() -> Error {
    Error::usage("this program does not resolve environment variables and files in addresses")
        .hint("give the registry a resolver, or write the value itself")
}

fn look_up(name: &str, resolver: Option<&Arc<dyn Resolver>>) -> Result<String> {
    let resolver = resolver.ok_or_else(refused)?;
    resolver.env(name).ok_or_else(|| Error::usage(format!("the environment variable {name} is not set")))
}

/// Replaces each `${NAME}`. After the address was split, so that a value can never inject an option.
fn substitute(value: &str, resolver: Option<&Arc<dyn Resolver>>) -> Result<String> {
    let mut out = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&look_up(name, resolver)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
