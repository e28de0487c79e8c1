//! What source and sink reach at a server, beside the machine's own limit: a bare publisher that only keeps its window full, and a bare
//! subscriber that only acknowledges.
//!
//! ```text
//! cargo run --release -p lorry-mqtt --example throughput -- PORT [COUNT] [3.1.1]
//! ```
//! The server must queue without limit (`max_queued_messages 0`) and have MQTT 5 and 3.1.1 on 127.0.0.1.
#![allow(clippy::unwrap_used, clippy::panic)]

use bytes::BytesMut;
use lorry_core::Message;
use lorry_core::relay::{Batch, Context, Event, Identity, Settled, Sink, Source};
use lorry_mqtt::codec::{decode, encode};
use lorry_mqtt::packet::*;
use lorry_mqtt::{MqttOptions, MqttSink, MqttSource, Protocol};
use std::collections::VecDeque;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PAYLOAD: usize = 100;
const WINDOW: usize = 1_000;

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = args.first().expect("the server's port").parse().unwrap();
    let count: usize = args.get(1).map_or(200_000, |count| count.parse().unwrap());
    let version = if args.get(2).is_some_and(|version| version == "3.1.1") { Protocol::V4 } else { Protocol::V5 };
    println!("MQTT {}, {count} messages of {PAYLOAD} bytes, QoS 1", Version::from(version));
    for round in 1..=3 {
        let bare = bare_publish(port, count, version).await;
        let own = publish(port, count, version).await;
        println!("{round}: publish  bare {bare:8.0}/s  mqttsink {own:8.0}/s  {:3.0} %", own / bare * 100.0);
        let bare = {
            fill(port, "bare", count, version).await;
            bare_drain(port, count, version).await
        };
        let own = {
            fill(port, "lorry-own", count, version).await;
            drain(port, count, version).await
        };
        println!("{round}: drain    bare {bare:8.0}/s  mqttsrc  {own:8.0}/s  {:3.0} %", own / bare * 100.0);
    }
}

fn options(port: u16, version: Protocol) -> MqttOptions {
    MqttOptions::new("127.0.0.1").port(port).version(version)
}

fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

/// A connection with nothing around it.
struct Bare {
    stream: TcpStream,
    version: Version,
    inbox: BytesMut,
    outbox: BytesMut,
    window: usize,
}

impl Bare {
    async fn connect(port: u16, id: &str, clean: bool, version: Version) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (inbox, outbox) = (BytesMut::with_capacity(1 << 17), BytesMut::new());
        let mut bare = Self { stream, version, inbox, outbox, window: WINDOW };
        let properties = ConnectProperties {
            session_expiry: (!clean).then_some(u32::MAX),
            receive_maximum: Some(WINDOW as u16),
            ..ConnectProperties::default()
        };
        let connect = Connect { client_id: id.into(), clean, properties, ..Connect::default() };
        bare.put(&Packet::Connect(Box::new(connect)));
        let Packet::ConnAck(ack) = bare.read().await else { panic!("no CONNACK") };
        assert_eq!(ack.reason, Reason::SUCCESS);
        if version == Version::V5 {
            bare.window = WINDOW.min(ack.properties.receive_maximum.unwrap_or(u16::MAX).into());
        }
        bare
    }

    fn put(&mut self, packet: &Packet) {
        encode(self.version, packet, &mut self.outbox).unwrap();
    }

    async fn flush(&mut self) {
        if !self.outbox.is_empty() {
            self.stream.write_all_buf(&mut self.outbox).await.unwrap();
        }
    }

    async fn read(&mut self) -> Packet {
        loop {
            if let Some(packet) = decode(self.version, &mut self.inbox, usize::MAX).unwrap() {
                return packet;
            }
            self.flush().await;
            self.inbox.reserve(1 << 16);
            assert!(self.stream.read_buf(&mut self.inbox).await.unwrap() > 0, "the server hung up");
        }
    }
}

async fn bare_publish(port: u16, count: usize, version: Protocol) -> f64 {
    let mut bare = Bare::connect(port, "bare-publisher", true, version.into()).await;
    let begin = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < bare.window {
            let packet_id = (sent % 60_000 + 1) as u16;
            let (topic, payload) = ("nobody/listens".into(), vec![b'x'; PAYLOAD].into());
            let publish = Publish { qos: Qos::AtLeastOnce, topic, packet_id, payload, ..Publish::default() };
            bare.put(&Packet::Publish(publish));
            sent += 1;
        }
        if matches!(bare.read().await, Packet::PubAck(_)) {
            answered += 1;
        }
    }
    rate(count, begin)
}

async fn publish(port: u16, count: usize, version: Protocol) -> f64 {
    let mut sink = MqttSink::new(options(port, version).topic("nobody/listens"));
    sink.open(Context::detached("mqttsink0")).await.unwrap();
    let limits = sink.limits();
    let begin = Instant::now();
    let mut receipts = VecDeque::new();
    let mut left = count;
    while left > 0 || !receipts.is_empty() {
        if left == 0 || receipts.len() == limits.receipts {
            let receipt: lorry_core::relay::Receipt = receipts.pop_front().unwrap();
            receipt.await.unwrap();
            continue;
        }
        let items = limits.items.min(left);
        left -= items;
        let batch = (0..items).map(|_| Message::new(vec![b'x'; PAYLOAD])).collect();
        receipts.push_back(sink.send(Batch::new(batch)).await.unwrap());
    }
    let rate = rate(count, begin);
    sink.close().await.unwrap();
    rate
}

/// Leaves a backlog for this client id.
async fn fill(port: u16, id: &str, count: usize, version: Protocol) {
    let topic = format!("backlog/{id}");
    let mut bare = Bare::connect(port, id, false, version.into()).await;
    let filter = Filter { path: topic.as_str().into(), qos: Qos::AtLeastOnce, ..Filter::default() };
    bare.put(&Packet::Subscribe(Subscribe { packet_id: 1, filters: vec![filter], ..Subscribe::default() }));
    while !matches!(bare.read().await, Packet::SubAck(_)) {}
    drop(bare);
    let mut sink = MqttSink::new(options(port, version).topic(topic));
    sink.open(Context::detached("mqttsink0")).await.unwrap();
    for first in (0..count).step_by(500) {
        let batch = (0..500.min(count - first)).map(|_| Message::new(vec![b'x'; PAYLOAD])).collect();
        sink.send(Batch::new(batch)).await.unwrap().await.unwrap();
    }
    sink.close().await.unwrap();
}

async fn bare_drain(port: u16, count: usize, version: Protocol) -> f64 {
    let mut bare = Bare::connect(port, "bare", false, version.into()).await;
    let begin = Instant::now();
    let mut received = 0;
    while received < count {
        if let Packet::Publish(publish) = bare.read().await {
            bare.put(&Packet::PubAck(Ack::new(publish.packet_id)));
            received += 1;
        }
    }
    bare.flush().await;
    rate(count, begin)
}

async fn drain(port: u16, count: usize, version: Protocol) -> f64 {
    let mut source = MqttSource::new(options(port, version).topic("backlog/lorry-own"));
    let mut context = Context::detached("mqttsrc0");
    context.identity = Identity { name: Some("own".into()), instance: None };
    source.open(context).await.unwrap();
    let begin = Instant::now();
    let mut received = 0;
    while received < count {
        if let Event::Chunk(chunk) = source.next(256).await.unwrap() {
            received += chunk.values.len();
            let last = chunk.at.position(chunk.values.len() - 1);
            source.settle(vec![Settled::UpTo(chunk.lane, last)]).await.unwrap();
        }
    }
    let rate = rate(count, begin);
    source.close().await.unwrap();
    rate
}
