//! Reaching a server: TCP, and TLS over it.

use super::connection::Connection;
use super::tls;
use crate::options::MqttOptions;
use lorry_core::tls::rustls::ClientConfig;
use lorry_core::tls::rustls::pki_types::ServerName;
use lorry_core::{Error, ErrorKind, Result};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a server may take for TCP, TLS and CONNACK each.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The servers of a client, tried in turn.
pub(crate) struct Endpoint {
    options: MqttOptions,
    tls: Option<Arc<ClientConfig>>,
    turn: usize,
}

impl Endpoint {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A file that cannot be read, class config.
    pub(crate) fn new(options: &MqttOptions) -> Result<Self> {
        let alpn: Vec<&str> = options.client.alpn.as_deref().into_iter().collect();
        let tls = options.tls.as_ref().map(|tls| tls.client(&alpn)).transpose()?;
        Ok(Self { options: options.clone(), tls, turn: 0 })
    }

    /// Connects to the next server.
    ///
    /// # Errors
    /// It cannot be reached (transient), or it is not who it should be (config).
    pub(super) async fn connect(&mut self) -> Result<Connection> {
        let host = self.options.hosts[self.turn % self.options.hosts.len()].clone();
        self.turn += 1;
        let server = self.options.host_text(&host);
        let port = self.options.port_of(&host);
        let failed = |error: io::Error| tls::classed(error).with("server", &server);
        let late = || Error::transient(ErrorKind::Timeout, "connect", "no answer within 10 s").with("server", &server);
        let tcp = TcpStream::connect((host.name.as_str(), port));
        let tcp = tokio::time::timeout(PATIENCE, tcp).await.map_err(|_| late())?.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        self.notice_dead_peers(&tcp);
        let socket = socket2::SockRef::from(&tcp).try_clone().ok();
        let Some(config) = &self.tls else {
            let (reader, writer) = tcp.into_split();
            return Ok(Connection::new(reader, writer, false, socket));
        };
        let name = ServerName::try_from(host.name.clone())
            .map_err(|error| Error::config(ErrorKind::Usage, "connect", error).with("server", &server))?;
        let stream = TlsConnector::from(config.clone()).connect(name, tcp);
        let stream = tokio::time::timeout(PATIENCE, stream).await.map_err(|_| late())?.map_err(failed)?;
        let (reader, writer) = tokio::io::split(stream);
        Ok(Connection::new(reader, writer, true, socket))
    }

    /// A peer that has vanished is noticed by what it does not acknowledge, also while nothing is read from it.
    fn notice_dead_peers(&self, tcp: &TcpStream) {
        #[cfg(target_os = "linux")]
        {
            let keep_alive = self.options.client.keep_alive.0;
            let timeout = if keep_alive.is_zero() { Duration::from_secs(60) } else { keep_alive.mul_f32(1.5) };
            let timeout = timeout.max(PATIENCE);
            if let Err(error) = socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(timeout)) {
                tracing::debug!("TCP_USER_TIMEOUT is not available: {error}");
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = tcp;
    }
}
