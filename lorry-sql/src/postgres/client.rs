//! A connection: made at the first server that takes it, ended with its owner.

use super::error;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lorry_core::tls::rustls::ClientConfig;
use lorry_core::{Class, Error, ErrorKind, Result};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::{Config, SslMode};
use tokio_postgres::{Client, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

/// One server to try.
pub(super) struct Target {
    /// `host:port` or the directory of a socket; for messages.
    pub(super) place: String,
    pub(super) config: Config,
}

/// The configuration holds the password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// A client and the task that moves its bytes.
pub(super) struct Connected {
    pub(super) client: Client,
    task: Option<JoinHandle<()>>,
}

impl Connected {
    /// Says goodbye to the server.
    pub(super) async fn close(mut self, patience: Duration) {
        let Some(mut task) = self.task.take() else { return };
        drop(self);
        if timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// A hung server would keep the task waiting for ever.
impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connected")
    }
}

/// Connects to the first of these servers that takes it.
///
/// # Errors
/// That of the first one that answered and refused (class `config`), else that of the last one.
pub(super) async fn connect(
    targets: &[Target],
    tls: Option<&Arc<ClientConfig>>,
    patience: Duration,
) -> Result<Connected> {
    let mut worst: Option<Error> = None;
    for target in targets {
        let error = match timeout(patience, connect_one(&target.config, tls)).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => error::connecting(&error).with("server", &target.place),
            Err(_) => Error::transient(ErrorKind::Timeout, "connect", format!("no answer within {patience:?}"))
                .with("server", &target.place),
        };
        if worst.as_ref().is_none_or(|worst| worst.class() != Class::Config) {
            worst = Some(error);
        }
    }
    Err(worst.unwrap_or_else(|| Error::usage("no server to connect to")))
}

async fn connect_one(config: &Config, tls: Option<&Arc<ClientConfig>>) -> Result<Connected, tokio_postgres::Error> {
    // Asked for only where it is spoken: the connector would want a host name of a Unix socket, too.
    let tls = tls.filter(|_| config.get_ssl_mode() != SslMode::Disable);
    let (client, connection): (_, BoxFuture<'static, _>) = match tls {
        Some(tls) => {
            let (client, connection) = config.connect(MakeRustlsConnect::new(ClientConfig::clone(tls))).await?;
            (client, connection.boxed())
        }
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, connection.boxed())
        }
    };
    let task = tokio::spawn(connection.map(|ended| {
        if let Err(error) = ended {
            // Whoever waits for an answer gets an error of its own.
            tracing::debug!("the PostgreSQL connection ended: {error}");
        }
    }));
    Ok(Connected { client, task: Some(task) })
}
