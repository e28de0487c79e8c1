//! The task that takes connections in.

use super::connection::Connection;
use super::handshake::{self, Rejected};
use super::hub::Hub;
use super::wire::{Stream, hang_up};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Connections above `max-clients` that may be open: to be told that the listener is full, and to replace one that is dead.
const SPARE: usize = 16;
/// How long connections may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) hub: Arc<Hub>,
    pub(super) max_clients: usize,
}

impl Acceptor {
    /// Until the hub closes. Dropping it ends all connections.
    pub(super) async fn run(self) {
        let Self { listener, tls, hub, max_clients } = self;
        let mut connections = JoinSet::new();
        let seats = Arc::new(tokio::sync::Semaphore::new(max_clients.saturating_add(SPARE).min(1 << 20)));
        let mut closing = hub.closing.subscribe();
        loop {
            while connections.try_join_next().is_some() {}
            tokio::select! {
                () = is_closing(&mut closing) => break,
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        let Ok(seat) = seats.clone().try_acquire_owned() else {
                            tracing::debug!(element = %hub.element, %peer, "too many connections");
                            continue;
                        };
                        let (tls, hub) = (tls.clone(), hub.clone());
                        connections.spawn(async move {
                            serve(socket, peer, tls, hub, seat).await;
                        });
                    }
                    Err(error) => {
                        // Of one connection, or of all: the process may have run out of file descriptors.
                        tracing::warn!(element = %hub.element, "a connection cannot be taken in: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            tracing::debug!(element = %hub.element, "some devices did not end in time");
        }
    }
}

async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    hub: Arc<Hub>,
    seat: tokio::sync::OwnedSemaphorePermit,
) {
    let mut closing = hub.closing.subscribe();
    let arriving = async {
        let _ = socket.set_nodelay(true);
        let mut stream = match tls {
            None => Stream::plain(socket),
            Some(tls) => {
                Stream::new(tls.accept(socket).await.map_err(|error| Rejected::Gone(format!("no TLS: {error}")))?)
            }
        };
        match handshake::greet(&mut stream, &hub).await {
            Ok(device) => Ok((stream, device)),
            Err(rejected) => {
                hang_up(&mut stream).await;
                Err(rejected)
            }
        }
    };
    let arrived = tokio::select! {
        arrived = tokio::time::timeout(hub.connect_timeout, arriving) => arrived,
        () = is_closing(&mut closing) => return,
    };
    match arrived {
        Ok(Ok((stream, device))) => {
            tracing::debug!(element = %hub.element, %peer, client = %device.id, version = %device.version, "a device has connected");
            // The seat is for the socket; what it leaves to be delivered needs none.
            Box::pin(Connection::new(hub, device).run(stream, seat)).await;
        }
        Ok(Err(Rejected::Gone(why))) => tracing::debug!(element = %hub.element, %peer, "no device logged in: {why}"),
        Ok(Err(Rejected::Refused { id, reason })) => {
            tracing::warn!(element = %hub.element, %peer, client = %id, "a device was refused: {reason}");
        }
        Err(_) => tracing::debug!(element = %hub.element, %peer, "it did not log in in time"),
    }
}

async fn is_closing(closing: &mut watch::Receiver<bool>) {
    // The sender lives in the hub, which whoever waits here holds.
    let _ = closing.wait_for(|closing| *closing).await;
}
