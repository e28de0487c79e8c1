//! A device: a small MQTT client made of the crate's own codec, which does what a test says and no more.

use bytes::BytesMut;
use lorry_mqtt::codec::{decode, encode};
use lorry_mqtt::packet::{Ack, ConnAck, Connect, Disconnect, Packet, Publish, Qos, Reason, Version};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

pub(crate) struct Device {
    socket: Box<dyn Socket>,
    inbox: BytesMut,
    pub(crate) version: Version,
}

impl Device {
    /// A connection on which nothing has been said.
    pub(crate) async fn reach(address: SocketAddr, version: Version) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), version)
    }

    pub(crate) fn over(socket: impl Socket + 'static, version: Version) -> Self {
        Self { socket: Box::new(socket), inbox: BytesMut::new(), version }
    }

    /// A device that has logged in.
    pub(crate) async fn connect(address: SocketAddr, version: Version, id: &str) -> Self {
        let mut device = Self::reach(address, version).await;
        let ack = device.login(Connect { client_id: id.into(), clean: true, ..Connect::default() }).await;
        assert_eq!(ack.reason, Reason::SUCCESS);
        device
    }

    pub(crate) async fn login(&mut self, connect: Connect) -> ConnAck {
        self.send(&Packet::Connect(Box::new(connect))).await;
        match self.receive().await {
            Some(Packet::ConnAck(ack)) => *ack,
            other => panic!("not CONNACK but {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, packet: &Packet) {
        let mut buffer = BytesMut::new();
        encode(self.version, packet, &mut buffer).unwrap();
        self.send_raw(&buffer).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// As much as the listener takes; it may hang up in between.
    pub(crate) async fn try_send_raw(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).await;
    }

    /// Everything up to the end, as bytes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.inbox.to_vec();
        let read = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await;
        // How it ends is not the point.
        let _ = read.expect("the listener does not hang up");
        rest
    }

    /// QoS 0 where the packet id is 0, else QoS 1.
    pub(crate) async fn publish(&mut self, topic: &str, packet_id: u16, payload: &str) {
        self.send(&publish(topic, packet_id, payload)).await;
    }

    /// The next packet; `None` when the listener has hung up.
    pub(crate) async fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = decode(self.version, &mut self.inbox, usize::MAX).unwrap() {
                return Some(packet);
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.inbox)).await;
            match read.expect("the listener says nothing") {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn puback(&mut self) -> Ack {
        match self.receive().await {
            Some(Packet::PubAck(ack)) => ack,
            other => panic!("not PUBACK but {other:?}"),
        }
    }

    /// The listener has hung up, a device of version 5 with this reason before.
    pub(crate) async fn is_told(&mut self, reason: Reason) {
        if self.version == Version::V5 {
            match self.receive().await {
                Some(Packet::Disconnect(disconnect)) => assert_eq!(disconnect.reason, reason),
                other => panic!("not DISCONNECT but {other:?}"),
            }
        }
        assert_eq!(self.receive().await, None);
    }

    /// Everything sent so far has been read and nothing was answered: the answer to a ping comes first.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(&Packet::PingReq).await;
        assert_eq!(self.receive().await, Some(Packet::PingResp));
    }

    /// The listener has read what was sent, as far as one can tell, and has nothing to say.
    pub(crate) async fn hears_nothing_more(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(60), self.socket.read_buf(&mut self.inbox)).await;
        assert!(heard.is_err(), "unexpected: {heard:?}");
    }

    pub(crate) async fn disconnect(mut self) {
        self.send(&Packet::Disconnect(Disconnect::default())).await;
        self.socket.shutdown().await.unwrap();
    }
}

pub(crate) fn publish(topic: &str, packet_id: u16, payload: &str) -> Packet {
    let qos = if packet_id == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    let payload = payload.to_owned().into();
    Packet::Publish(Publish { topic: topic.into(), qos, packet_id, payload, ..Publish::default() })
}
