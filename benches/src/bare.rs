//! An MQTT connection with nothing around it: the machine's own limit.

use bytes::{Bytes, BytesMut};
use lorry::mqtt::codec::{decode, encode};
use lorry::mqtt::packet::*;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const WINDOW: usize = 1_000;

pub(crate) struct Bare {
    stream: TcpStream,
    inbox: BytesMut,
    outbox: BytesMut,
    window: usize,
    sent: usize,
}

impl Bare {
    pub(crate) async fn connect(port: u16, id: &str, clean: bool) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (inbox, outbox) = (BytesMut::with_capacity(1 << 17), BytesMut::new());
        let mut bare = Self { stream, inbox, outbox, window: WINDOW, sent: 0 };
        let properties = ConnectProperties {
            session_expiry: (!clean).then_some(u32::MAX),
            receive_maximum: Some(WINDOW as u16),
            ..ConnectProperties::default()
        };
        let connect = Connect { client_id: id.into(), clean, properties, ..Connect::default() };
        bare.put(&Packet::Connect(Box::new(connect)));
        let Packet::ConnAck(ack) = bare.read().await else { panic!("no CONNACK") };
        assert_eq!(ack.reason, Reason::SUCCESS);
        bare.window = WINDOW.min(ack.properties.receive_maximum.unwrap_or(u16::MAX).into());
        bare
    }

    fn put(&mut self, packet: &Packet) {
        encode(Version::V5, packet, &mut self.outbox).unwrap();
    }

    async fn flush(&mut self) {
        if !self.outbox.is_empty() {
            self.stream.write_all_buf(&mut self.outbox).await.unwrap();
        }
    }

    /// The next packet; writes what is to be written when there is none in the buffer.
    async fn read(&mut self) -> Packet {
        loop {
            if let Some(packet) = decode(Version::V5, &mut self.inbox, usize::MAX).unwrap() {
                return packet;
            }
            self.flush().await;
            self.inbox.reserve(1 << 16);
            assert!(self.stream.read_buf(&mut self.inbox).await.unwrap() > 0, "the server hung up");
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let filter = Filter { path: filter.into(), qos: Qos::AtLeastOnce, ..Filter::default() };
        self.put(&Packet::Subscribe(Subscribe { packet_id: 1, filters: vec![filter], ..Subscribe::default() }));
        while !matches!(self.read().await, Packet::SubAck(_)) {}
    }

    fn put_publish(&mut self, topic: &str, payload: Vec<u8>) {
        let packet_id = (self.sent % 60_000 + 1) as u16;
        self.sent += 1;
        let (topic, payload) = (topic.into(), payload.into());
        self.put(&Packet::Publish(Publish { qos: Qos::AtLeastOnce, topic, packet_id, payload, ..Publish::default() }));
    }

    /// Publishes at once, without waiting for anything.
    pub(crate) async fn publish(&mut self, topic: &str, payload: Vec<u8>) {
        self.put_publish(topic, payload);
        self.flush().await;
    }

    /// Waits for so many acknowledgements.
    pub(crate) async fn confirm(&mut self, mut acks: usize) {
        while acks > 0 {
            acks -= usize::from(matches!(self.read().await, Packet::PubAck(_)));
        }
    }

    /// The next message's payload; acknowledged at once.
    pub(crate) async fn receive(&mut self) -> Bytes {
        loop {
            if let Packet::Publish(publish) = self.read().await {
                if publish.qos == Qos::AtLeastOnce {
                    self.put(&Packet::PubAck(Ack::new(publish.packet_id)));
                    self.flush().await;
                }
                return publish.payload;
            }
        }
    }
}

/// How long a backlog took.
#[derive(Clone, Copy)]
pub(crate) struct Drained {
    /// Until the last message had arrived where it goes.
    pub(crate) there: Duration,
    /// Until the broker had taken the last acknowledgement.
    pub(crate) gone: Duration,
}

/// Leaves a durable subscription behind.
pub(crate) async fn keep(port: u16, id: &str, filter: &str) {
    Bare::connect(port, id, false).await.subscribe(filter).await;
}

/// Takes `n` stored messages, and acknowledges them, as fast as it goes.
pub(crate) async fn drain(port: u16, id: &str, n: usize) -> Drained {
    let began = Instant::now();
    let mut bare = Bare::connect(port, id, false).await;
    let mut received = 0;
    while received < n {
        if let Packet::Publish(publish) = bare.read().await {
            bare.put(&Packet::PubAck(Ack::new(publish.packet_id)));
            received += 1;
        }
    }
    let there = began.elapsed();
    // Packets are answered in order.
    bare.put(&Packet::PingReq);
    while !matches!(bare.read().await, Packet::PingResp) {}
    Drained { there, gone: began.elapsed() }
}

/// Publishes `n` messages with a full window.
pub(crate) async fn publish(port: u16, n: usize) {
    let mut bare = Bare::connect(port, "bare-publisher", true).await;
    let mut acked = 0;
    while acked < n {
        while bare.sent < n && bare.sent - acked < bare.window {
            let payload = crate::tools::row(bare.sent).into_bytes();
            bare.put_publish("out", payload);
        }
        acked += usize::from(matches!(bare.read().await, Packet::PubAck(_)));
    }
}
