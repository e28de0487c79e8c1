//! The conformance suite of the test kit, with a device that keeps what is not acknowledged and comes back by itself.

use bytes::BytesMut;
use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_core::relay::{Guarantee, MemoryState, Source, SourceInfo, StateStore};
use lorry_mqtt::codec::{decode, encode};
use lorry_mqtt::packet::{Connect, ConnectProperties, Packet, Publish, PublishProperties, Qos, Reason, Version};
use lorry_testkit::conformance::{self, Case, Harness, SourceHarness};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

/// Unacknowledged at most, as small clients have it.
const WINDOW: usize = 20;

enum Order {
    Publish(Publish),
    /// Drop the connection, and stay away until told otherwise.
    Leave(oneshot::Sender<()>),
    Return,
}

/// One device with a session that outlives its connections.
struct Device {
    port: u16,
    version: Version,
    orders: mpsc::UnboundedReceiver<Order>,
    /// In order; those in front were sent on this or an earlier connection.
    waiting: VecDeque<Publish>,
    sent_before: usize,
    last_id: u16,
    away: bool,
}

impl Device {
    /// Until nobody gives orders any more.
    async fn run(mut self) {
        loop {
            while self.away {
                let Some(order) = self.orders.recv().await else { return };
                self.obey(order);
            }
            match TcpStream::connect(("127.0.0.1", self.port)).await {
                Ok(mut socket) => _ = self.talk(&mut socket).await,
                Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
            }
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Publish(mut publish) => {
                self.last_id = self.last_id % u16::MAX + 1;
                publish.packet_id = self.last_id;
                self.waiting.push_back(publish);
            }
            Order::Leave(done) => {
                self.away = true;
                let _ = done.send(());
            }
            Order::Return => self.away = false,
        }
    }

    /// One connection. `None` when it is over.
    async fn talk(&mut self, socket: &mut TcpStream) -> Option<()> {
        let (mut inbox, mut out) = (BytesMut::new(), BytesMut::new());
        let properties = ConnectProperties { session_expiry: Some(3_600), ..ConnectProperties::default() };
        let properties = if self.version == Version::V5 { properties } else { ConnectProperties::default() };
        let connect = Connect { client_id: "a device".into(), clean: false, properties, ..Connect::default() };
        encode(self.version, &Packet::Connect(Box::new(connect)), &mut out).unwrap();
        let (mut in_flight, mut is_in) = (0, false);
        loop {
            while is_in && in_flight < WINDOW.min(self.waiting.len()) {
                let dup = in_flight < self.sent_before;
                let publish = Publish { dup, ..self.waiting[in_flight].clone() };
                encode(self.version, &Packet::Publish(publish), &mut out).unwrap();
                in_flight += 1;
                self.sent_before = self.sent_before.max(in_flight);
            }
            socket.write_all_buf(&mut out).await.ok()?;
            tokio::select! {
                order = self.orders.recv() => self.obey(order?),
                read = socket.read_buf(&mut inbox) => {
                    read.ok().filter(|read| *read > 0)?;
                }
            }
            if self.away {
                return None;
            }
            while let Some(packet) = decode(self.version, &mut inbox, usize::MAX).unwrap() {
                match packet {
                    Packet::ConnAck(ack) => {
                        // It came while the listener was closing, and tries again.
                        if matches!(ack.reason, Reason::SERVER_UNAVAILABLE | Reason::V4_UNAVAILABLE) {
                            return None;
                        }
                        assert_eq!(ack.reason, Reason::SUCCESS);
                        is_in = true;
                        if !ack.session_present {
                            // What the protocol asks of it (MQTT-3.2.2-5).
                            self.waiting.drain(..self.sent_before);
                            self.sent_before = 0;
                        }
                    }
                    Packet::PubAck(ack) => {
                        assert_eq!(self.waiting.pop_front().map(|publish| publish.packet_id), Some(ack.packet_id));
                        (in_flight, self.sent_before) = (in_flight - 1, self.sent_before - 1);
                    }
                    Packet::Disconnect(_) => return None,
                    other => panic!("unexpected: {other:?}"),
                }
            }
        }
    }
}

struct Plant {
    version: Version,
    case: usize,
    port: u16,
    device: Option<mpsc::UnboundedSender<Order>>,
    state: Arc<MemoryState>,
}

impl Plant {
    fn new(version: Version) -> Self {
        Self { version, case: 0, port: 0, device: None, state: Arc::default() }
    }

    fn topic(&self) -> String {
        format!("case{}/x", self.case)
    }

    fn tell(&self, order: Order) {
        self.device.as_ref().unwrap().send(order).ok().unwrap();
    }
}

#[lorry_core::async_trait]
impl Harness for Plant {
    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        lorry_mqtt::register(&mut registry);
        registry
    }

    async fn fresh(&mut self) -> String {
        self.case += 1;
        self.port = lorry_testkit::servers::free_port();
        self.state = Arc::default();
        let (port, version, (sender, orders)) = (self.port, self.version, mpsc::unbounded_channel());
        let (waiting, sent_before, last_id, away) = (VecDeque::new(), 0, 0, false);
        tokio::spawn(Device { port, version, orders, waiting, sent_before, last_id, away }.run());
        self.device = Some(sender);
        format!("mqtt+listen://127.0.0.1:{}/case{}/%23", self.port, self.case)
    }

    fn samples(&self) -> Vec<Message> {
        let mut samples = vec![
            Message::new("21.5").at(self.topic()),
            Message::new("").at(self.topic()),
            Message::new(vec![0, 255, 10, 13]).at(self.topic()),
        ];
        if self.version == Version::V5 {
            samples.push(Message::new("3").at(self.topic()).header("unit", "mm").header("b", "2").header("unit", "cm"));
        }
        samples
    }

    async fn break_peer(&mut self) {
        let (done, left) = oneshot::channel();
        self.tell(Order::Leave(done));
        left.await.unwrap();
    }

    async fn restore_peer(&mut self) {
        self.tell(Order::Return);
    }

    fn with_password(&self, address: &str, password: &str) -> String {
        address.replacen("//", &format!("//user:{password}@"), 1)
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![
            ("mqtt+liste://0.0.0.0/a".into(), "did you mean"),
            ("mqtt+listen:///a".into(), "address to listen on"),
            ("mqtt+listen://0.0.0.0:99999/a".into(), "99999"),
            ("mqtt+listen://0.0.0.0/a/#/b".into(), "no topic filter"),
            ("mqtt+listen://user@0.0.0.0/a".into(), "together"),
        ]
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Plant {
    fn source(&self, address: &str) -> Box<dyn Source> {
        // One that was dropped may hold the port for a moment more, as a process that was killed does not.
        while self.port != 0 && std::net::TcpListener::bind(("127.0.0.1", self.port)).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.registry().source(address).unwrap()
    }

    async fn feed(&mut self, _: &str, messages: &[Message]) {
        for message in messages {
            let user: Vec<_> = message.headers().iter().map(|(n, v)| (n.into(), v.as_str().unwrap().into())).collect();
            let properties = PublishProperties { user, ..PublishProperties::default() };
            self.tell(Order::Publish(Publish {
                qos: Qos::AtLeastOnce,
                topic: self.topic().as_str().into(),
                payload: bytes::Bytes::copy_from_slice(message.bytes()),
                properties: (!message.headers().is_empty()).then(|| Box::new(properties)),
                ..Publish::default()
            }));
        }
    }

    /// A listener cannot know what devices keep; this one keeps everything.
    fn guarantee(&self, _: &SourceInfo) -> Guarantee {
        Guarantee::SurvivesRestart
    }

    fn state(&self) -> Arc<dyn StateStore> {
        self.state.clone()
    }

    fn keeps_lanes(&self) -> bool {
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_conforms() {
    for version in crate::BOTH {
        let summary = conformance::source(&mut Plant::new(version)).await;
        assert!(summary.left_out.is_empty(), "{summary}");
        assert!(summary.ran.contains(&Case::ComesBack), "{summary}");
    }
}
