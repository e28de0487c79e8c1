//! The options of a PostgreSQL address; those of libpq under their own names.

use super::client::Target;
use super::writer::PostgresWriter;
use crate::database::Database;
use lorry_core::registry::{Args, Host, Login, Span, Uri};
use lorry_core::tls::TlsOptions;
use lorry_core::tls::rustls::ClientConfig;
use lorry_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{Config, SslMode, SslNegotiation, TargetSessionAttrs};

/// Rows that one statement takes well: more gain little, and hold a transaction longer.
const BATCH: usize = 1_000;
const PORT: u16 = 5432;
/// Where the packages of the distributions put the server's socket.
const SOCKET_DIR: &str = "/var/run/postgresql";

/// Options of PostgreSQL.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct PostgresOptions {
    /// The server, where it does not stand in the address: a name, `name:port`, or the directory of its Unix socket. Of several
    /// (comma list) the first that takes writes is used.
    host: Vec<String>,
    /// The port for hosts without one of their own.
    port: Option<u16>,
    /// The database, where it does not stand in the address.
    dbname: Option<String>,
    /// Encryption, as in libpq: `prefer` and `require` verify the certificate only if `ca` is given, `verify-ca` verifies its chain,
    /// `verify-full` its name, too. Default: `prefer`; `verify-full` with `ca`.
    sslmode: Option<Mode>,
    /// How encryption begins: `postgres` asks first, `direct` (PostgreSQL 17) saves the question.
    sslnegotiation: Negotiation,
    /// libpq's name for `ca`.
    sslrootcert: Option<PathBuf>,
    /// libpq's name for `cert`.
    sslcert: Option<PathBuf>,
    /// libpq's name for `key`.
    sslkey: Option<PathBuf>,
    /// How long one server may take to accept a connection.
    connect_timeout: Span,
    /// How long the server may take for a statement before the connection is given up as hung.
    timeout: Span,
    /// How long sent data may stay unacknowledged, and a silent connection unprobed.
    tcp_user_timeout: Span,
    /// The name shown in `pg_stat_activity`.
    application_name: String,
    /// Settings of the session as on the server's command line: `-c synchronous_commit=off`.
    options: Option<String>,
    /// Which of several servers will do: `read-write`, `any`. Default: `read-write` if there are several.
    target_session_attrs: Option<Attrs>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            host: Vec::new(),
            port: None,
            dbname: None,
            sslmode: None,
            sslnegotiation: Negotiation::Postgres,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            connect_timeout: seconds(10),
            timeout: seconds(60),
            tcp_user_timeout: seconds(30),
            application_name: "lorry".to_owned(),
            options: None,
            target_session_attrs: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Negotiation {
    Postgres,
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Attrs {
    Any,
    ReadWrite,
}

/// The database that a PostgreSQL address names.
///
/// # Errors
/// [`Usage`](lorry_core::ErrorKind::Usage): options that do not fit or contradict each other; certificate files that cannot be read.
pub(crate) fn database(args: &mut Args) -> Result<Database> {
    let login = args.login()?;
    let tls: TlsOptions = args.take()?;
    let options: PostgresOptions = args.take()?;
    let uri = args.uri();
    let hosts = options.hosts(uri)?;
    let (mode, tls) = options.encryption(tls)?;
    let dbname = options.dbname(uri)?;
    let mut targets = Vec::new();
    for host in &hosts {
        let mut config = options.config(&login, dbname.as_deref(), hosts.len() > 1);
        let (name, port) = (host.name.as_str(), host.port.unwrap_or(PORT));
        let place = if name.starts_with('/') {
            // Encryption is not spoken over Unix sockets; libpq ignores the mode there as well.
            config.host_path(name).ssl_mode(SslMode::Disable);
            name.to_owned()
        } else {
            config.host(name).ssl_mode(mode);
            if name.contains(':') { format!("[{name}]:{port}") } else { format!("{name}:{port}") }
        };
        config.port(port);
        targets.push(Target { place, config });
    }
    let first = targets.first().map(|target| target.place.clone()).unwrap_or_default();
    let name = dbname.or(login.user).unwrap_or_default();
    let own_zone = options.options.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains("timezone"));
    Ok(Database {
        writer: Box::new(PostgresWriter::new(targets, tls, options.connect_timeout.0, options.timeout.0, !own_zone)),
        identity: format!("postgresql://{first}/{name}"),
        batch: BATCH,
    })
}

impl PostgresOptions {
    fn hosts(&self, uri: &Uri) -> Result<Vec<Host>> {
        let mut hosts = uri.hosts().to_vec();
        let more: Vec<_> = self.host.iter().flat_map(|list| list.split(',')).filter(|host| !host.is_empty()).collect();
        if !more.is_empty() && !hosts.is_empty() {
            return Err(Error::usage(format!("hosts in the address and as option \"host\" of {uri}"))
                .hint("give them in one place"));
        }
        for host in more {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) if !host.starts_with('/') && !name.contains(':') => {
                    let port = port.parse().ok().filter(|port| *port > 0);
                    (
                        name,
                        Some(port.ok_or_else(|| Error::usage(format!("option \"host\": {host:?} has no valid port")))?),
                    )
                }
                _ => (host.trim_matches(['[', ']']), None),
            };
            hosts.push(Host { name: name.to_owned(), port });
        }
        if hosts.is_empty() {
            let host = |name: &str| Host { name: name.to_owned(), port: None };
            hosts = vec![host(SOCKET_DIR), host("localhost")];
        }
        for host in &mut hosts {
            host.port = host.port.or(self.port);
        }
        Ok(hosts)
    }

    fn dbname(&self, uri: &Uri) -> Result<Option<String>> {
        let path = uri.path().trim_start_matches('/');
        match (path, &self.dbname) {
            ("", dbname) => Ok(dbname.clone()),
            (path, None) if !path.contains('/') => Ok(Some(path.to_owned())),
            (path, None) => Err(Error::usage(format!("{path:?} is no database name"))
                .hint("write postgresql://HOST/DATABASE?table=NAME")),
            (_, Some(_)) => {
                Err(Error::usage(format!("two databases: in the path and as option \"dbname\" of {uri}"))
                    .hint("give one"))
            }
        }
    }

    fn config(&self, login: &Login, dbname: Option<&str>, several: bool) -> Config {
        let mut config = Config::new();
        if let Some(user) = &login.user {
            config.user(user);
        }
        if let Some(password) = login.password.expose() {
            config.password(password);
        }
        if let Some(dbname) = dbname {
            config.dbname(dbname);
        }
        if let Some(options) = &self.options {
            config.options(options);
        }
        let attrs = self.target_session_attrs.unwrap_or(if several { Attrs::ReadWrite } else { Attrs::Any });
        config
            .application_name(&self.application_name)
            .connect_timeout(self.connect_timeout.0)
            .tcp_user_timeout(self.tcp_user_timeout.0)
            .keepalives(true)
            .keepalives_idle(self.tcp_user_timeout.0 / 2)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .target_session_attrs(match attrs {
                Attrs::Any => TargetSessionAttrs::Any,
                Attrs::ReadWrite => TargetSessionAttrs::ReadWrite,
            })
            .ssl_negotiation(match self.sslnegotiation {
                Negotiation::Postgres => SslNegotiation::Postgres,
                Negotiation::Direct => SslNegotiation::Direct,
            });
        config
    }

    /// Whether and how connections are encrypted. What the words mean is libpq's.
    fn encryption(&self, mut tls: TlsOptions) -> Result<(SslMode, Option<Arc<ClientConfig>>)> {
        let pairs = [
            (&mut tls.ca, &self.sslrootcert, "ca"),
            (&mut tls.cert, &self.sslcert, "cert"),
            (&mut tls.key, &self.sslkey, "key"),
        ];
        for (own, theirs, name) in pairs {
            match theirs {
                Some(_) if own.is_some() => {
                    return Err(Error::usage(format!("option {name:?} is given twice, once under libpq's name"))
                        .hint("give one"));
                }
                Some(path) => *own = Some(path.clone()),
                None => {}
            }
        }
        let system = tls.ca.take_if(|path| path.as_os_str() == "system").is_some();
        let mode = self.sslmode.unwrap_or(match &tls {
            tls if tls.insecure => Mode::Require,
            tls if tls.ca.is_some() || system => Mode::VerifyFull,
            tls if tls.is_set() => Mode::Require,
            _ => Mode::Prefer,
        });
        if self.sslnegotiation == Negotiation::Direct && matches!(mode, Mode::Disable | Mode::Allow | Mode::Prefer) {
            return Err(Error::usage("option \"sslnegotiation\": direct needs encryption")
                .hint("write sslmode=require or stronger"));
        }
        let alpn = &["postgresql"];
        let config = match mode {
            Mode::Disable if tls.is_set() => {
                return Err(Error::usage("TLS options together with sslmode=disable").hint("leave out one of them"));
            }
            Mode::Disable => return Ok((SslMode::Disable, None)),
            Mode::Allow | Mode::Prefer | Mode::Require if tls.ca.is_none() => {
                TlsOptions { insecure: true, ..tls.clone() }.client(alpn)?
            }
            Mode::Allow | Mode::Prefer | Mode::Require | Mode::VerifyCa => tls.client_of_any_name(alpn)?,
            Mode::VerifyFull => tls.client(alpn)?,
        };
        let weak = matches!(mode, Mode::Allow | Mode::Prefer);
        Ok((if weak { SslMode::Prefer } else { SslMode::Require }, Some(config)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn identity(address: &str) -> String {
        let mut args = Args::parse(address, &[]).unwrap();
        let database = database(&mut args).unwrap_or_else(|error| panic!("{address}: {error}"));
        args.finish().unwrap();
        database.identity
    }

    fn wrong(address: &str) -> String {
        let mut args = Args::parse(address, &[]).unwrap();
        match database(&mut args).and_then(|_| args.finish()) {
            Ok(()) => panic!("{address} was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(identity("postgresql://joe:pw@db.example/weather"), "postgresql://db.example:5432/weather");
        assert_eq!(identity("postgres://joe@[::1]:5433/weather"), "postgresql://[::1]:5433/weather");
        assert_eq!(identity("postgresql://joe@a:1,b:2/weather"), "postgresql://a:1/weather");
        assert_eq!(identity("postgresql://joe@/weather?host=/run/pg"), "postgresql:///run/pg/weather");
        assert_eq!(identity("postgresql:///weather?host=a:1&host=b:2"), "postgresql://a:1/weather");
        assert_eq!(identity("postgresql://joe@h?port=6432"), "postgresql://h:6432/joe");
        assert_eq!(
            identity("postgresql+asyncpg://h/db?connect_timeout=3&application_name=x&options=-c%20jit=off"),
            "postgresql://h:5432/db"
        );
        assert_eq!(identity("postgresql:///db"), "postgresql:///var/run/postgresql/db");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert!(wrong("postgresql://a/b/c").contains("no database name"));
        assert!(wrong("postgresql://a/b?dbname=c").contains("two databases"));
        assert!(wrong("postgresql://a/b?host=c").contains("give them in one place"));
        assert!(wrong("postgresql:///b?host=c:x").contains("no valid port"));
        assert!(wrong("postgresql://a/b?sslmode=disable&insecure=true").contains("sslmode=disable"));
        assert!(wrong("postgresql://a/b?sslnegotiation=direct").contains("sslmode=require"));
        assert!(wrong("postgresql://a/b?sslmode=verify-all").contains("sslmode"));
        assert!(wrong("postgresql://a/b?ca=x.pem&sslrootcert=y.pem").contains("twice"));
        assert!(wrong("postgresql://a/b?sslmode=verify-full&ca=/nonexistent.pem").contains("/nonexistent.pem"));
        assert!(!wrong("postgresql://joe:s3cret@a/b?host=c").contains("s3cret"));
    }

    #[test]
    fn modes_mean_what_they_mean_in_libpq() {
        let mode = |sslmode| {
            let options = PostgresOptions { sslmode, ..PostgresOptions::default() };
            let (mode, config) = options.encryption(TlsOptions::default()).unwrap();
            (mode, config.is_some())
        };
        assert_eq!(mode(None), (SslMode::Prefer, true));
        assert_eq!(mode(Some(Mode::Disable)), (SslMode::Disable, false));
        assert_eq!(mode(Some(Mode::Allow)), (SslMode::Prefer, true));
        assert_eq!(mode(Some(Mode::Require)), (SslMode::Require, true));
    }
}
