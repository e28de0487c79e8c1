//! Reaching a server: TCP, and TLS over it.

use crate::options::MqttOptions;
use lorry_core::tls::rustls::pki_types::ServerName;
use lorry_core::tls::rustls::{self, ClientConfig};
use lorry_core::{Class, Error, ErrorKind, Result};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

/// How long a server may take for TCP, TLS and CONNACK each.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Both directions of a connection.
pub(crate) struct Connection {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// What is written may stay in a buffer until it is flushed.
    pub(crate) needs_flush: bool,
    socket: Option<socket2::Socket>,
    /// Reads that were not confirmed, and the last time one was.
    unconfirmed: u32,
    confirmed: Option<Instant>,
}

/// So many reads, or so much time, may pass between two requests to confirm at once: the kernel grants some 16 segments each time.
const CONFIRM_READS: u32 = 8;
const CONFIRM_TIME: Duration = Duration::from_micros(500);

impl Connection {
    /// Has the kernel confirm at once what was read. Servers that leave Nagle's algorithm on (mosquitto does) hold the second of two
    /// small packets back until the first is confirmed, and a kernel in no hurry takes 40 ms for that. The setting does not last, so
    /// this belongs after each read; in a flood of them it asks every few reads only.
    pub(crate) fn confirm_reads(&mut self, now: Instant) {
        self.unconfirmed += 1;
        let recent = self.confirmed.is_some_and(|at| now < at + CONFIRM_TIME);
        if recent && self.unconfirmed < CONFIRM_READS {
            return;
        }
        (self.unconfirmed, self.confirmed) = (0, Some(now));
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.socket {
            // Worse than slow it cannot get.
            let _ = socket.set_tcp_quickack(true);
        }
    }
}

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
    pub(crate) async fn connect(&mut self) -> Result<Connection> {
        let host = self.options.hosts[self.turn % self.options.hosts.len()].clone();
        self.turn += 1;
        let server = self.options.host_text(&host);
        let port = self.options.port_of(&host);
        let failed = |error: io::Error| classed(error).with("server", &server);
        let late = || Error::transient(ErrorKind::Timeout, "connect", "no answer within 10 s").with("server", &server);
        let tcp = TcpStream::connect((host.name.as_str(), port));
        let tcp = tokio::time::timeout(PATIENCE, tcp).await.map_err(|_| late())?.map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        self.notice_dead_peers(&tcp);
        let socket = socket2::SockRef::from(&tcp).try_clone().ok();
        let Some(tls) = &self.tls else {
            let (reader, writer) = tcp.into_split();
            return Ok(Connection {
                reader: Box::new(reader),
                writer: Box::new(writer),
                needs_flush: false,
                socket,
                unconfirmed: 0,
                confirmed: None,
            });
        };
        let name = ServerName::try_from(host.name.clone())
            .map_err(|error| Error::config(ErrorKind::Usage, "connect", error).with("server", &server))?;
        let stream = TlsConnector::from(tls.clone()).connect(name, tcp);
        let stream = tokio::time::timeout(PATIENCE, stream).await.map_err(|_| late())?.map_err(failed)?;
        let (reader, writer) = tokio::io::split(stream);
        Ok(Connection {
            reader: Box::new(reader),
            writer: Box::new(writer),
            needs_flush: true,
            socket,
            unconfirmed: 0,
            confirmed: None,
        })
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

/// What TLS refuses does not get better by itself; a connection that fails may.
fn classed(error: io::Error) -> Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let (kind, class) = match cause {
        Some(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::AlertReceived(_)
            | rustls::Error::NoCertificatesPresented,
        ) => (ErrorKind::Auth, Class::Config),
        Some(rustls::Error::InvalidMessage(_)) => (ErrorKind::Malformed, Class::Config),
        Some(_) => (ErrorKind::Connection, Class::Config),
        None => (ErrorKind::Connection, Class::Transient),
    };
    let ours = Error::new(kind, class, "connect", &error);
    let ours = match cause {
        Some(rustls::Error::InvalidMessage(_)) => ours.hint("does the server speak TLS on this port?"),
        Some(rustls::Error::InvalidCertificate(_)) => ours.hint("name its certificate authority with ca="),
        _ => ours,
    };
    ours.caused_by(error)
}
