//! The server's end of a connection, at the test's command.

use bytes::BytesMut;
use lorry_mqtt::MqttOptions;
use lorry_mqtt::codec::{decode, decode_connect, encode};
use lorry_mqtt::packet::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket};

/// Whatever is waited for comes within a minute, or never.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("within a minute")
}

pub(crate) struct Server(TcpListener);

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_at(lorry_testkit::servers::free_port()).await
    }

    pub(crate) async fn start_at(port: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(([127, 0, 0, 1], port).into()).unwrap();
        Self(socket.listen(16).unwrap())
    }

    /// Frees the port and says which it was.
    pub(crate) async fn stop(self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    pub(crate) fn options(&self) -> MqttOptions {
        MqttOptions::new("127.0.0.1").port(self.0.local_addr().unwrap().port())
    }

    /// The next connection, after its CONNECT and without an answer.
    pub(crate) async fn accept_silently(&self) -> Peer {
        let (stream, _) = within(self.0.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (reader, writer) = stream.into_split();
        let mut reading = Reading { reader, version: Version::V5, inbox: BytesMut::new(), reads: 0 };
        let (version, _) = loop {
            if let Some(connect) = decode_connect(&mut reading.inbox, usize::MAX).unwrap() {
                break connect;
            }
            assert!(reading.more().await, "the client hung up before CONNECT");
        };
        reading.version = version;
        Peer { reading, writing: Writing { writer, version } }
    }

    /// The next connection, accepted.
    pub(crate) async fn accept(&self, session_present: bool) -> Peer {
        self.accept_with(ConnAck { session_present, ..ConnAck::default() }).await
    }

    pub(crate) async fn accept_with(&self, ack: ConnAck) -> Peer {
        let mut peer = self.accept_silently().await;
        peer.write(&Packet::ConnAck(Box::new(ack))).await;
        peer
    }
}

pub(crate) struct Peer {
    reading: Reading,
    writing: Writing,
}

pub(crate) struct Reading {
    reader: OwnedReadHalf,
    version: Version,
    inbox: BytesMut,
    reads: usize,
}

pub(crate) struct Writing {
    writer: OwnedWriteHalf,
    version: Version,
}

impl Reading {
    async fn more(&mut self) -> bool {
        self.reads += 1;
        self.inbox.reserve(1 << 16);
        matches!(within(self.reader.read_buf(&mut self.inbox)).await, Ok(1..))
    }

    /// The next packet; `None` when the client has hung up.
    pub(crate) async fn read(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = decode(self.version, &mut self.inbox, usize::MAX).unwrap() {
                return Some(packet);
            }
            if !self.more().await {
                return None;
            }
        }
    }
}

impl Writing {
    pub(crate) async fn write(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(self.version, packet, &mut bytes).unwrap();
        self.writer.write_all(&bytes).await.unwrap();
    }
}

impl Peer {
    pub(crate) fn version(&self) -> Version {
        self.reading.version
    }

    /// How often something was read from the socket.
    pub(crate) fn reads(&self) -> usize {
        self.reading.reads
    }

    pub(crate) fn split(self) -> (Reading, Writing) {
        (self.reading, self.writing)
    }

    pub(crate) async fn read(&mut self) -> Option<Packet> {
        self.reading.read().await
    }

    pub(crate) async fn write(&mut self, packet: &Packet) {
        self.writing.write(packet).await;
    }

    /// As [`write`](Self::write), to a client that may have gone.
    pub(crate) async fn try_write(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        encode(self.writing.version, packet, &mut bytes).unwrap();
        let _ = self.writing.writer.write_all(&bytes).await;
    }

    /// Breaks the connection off, in place of closing it.
    pub(crate) fn reset(self) {
        self.writing.writer.as_ref().set_zero_linger().unwrap();
    }

    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        self.writing.writer.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn publish(&mut self) -> Publish {
        match self.read().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("{other:?} in place of a PUBLISH"),
        }
    }

    pub(crate) async fn subscribe(&mut self) -> Subscribe {
        match self.read().await {
            Some(Packet::Subscribe(subscribe)) => subscribe,
            other => panic!("{other:?} in place of a SUBSCRIBE"),
        }
    }

    /// Grants what is asked for.
    pub(crate) async fn subscribed(&mut self) -> Vec<Filter> {
        let subscribe = self.subscribe().await;
        let reasons = subscribe.filters.iter().map(|filter| Reason(filter.qos as u8)).collect();
        self.write(&Packet::SubAck(SubAck { packet_id: subscribe.packet_id, reasons, details: None })).await;
        subscribe.filters
    }

    pub(crate) async fn send(&mut self, qos: Qos, packet_id: u16, text: &'static str) {
        let publish = Publish { qos, topic: Text::from("t"), packet_id, payload: text.into(), ..Publish::default() };
        self.write(&Packet::Publish(publish)).await;
    }

    /// Ends the connection in good order, for a reason of the server's own.
    pub(crate) async fn leave(mut self) {
        self.write(&Packet::Disconnect(Disconnect::new(Reason::SERVER_SHUTTING_DOWN))).await;
        while self.read().await.is_some() {}
    }

    /// The client sends nothing: an answer to a ping would come after it, but it is the client that pings. So a moment has to do.
    pub(crate) async fn is_silent(&mut self) {
        let moment = tokio::time::timeout(Duration::from_millis(60), self.reading.read()).await;
        assert!(moment.is_err(), "unexpected: {moment:?}");
    }
}
