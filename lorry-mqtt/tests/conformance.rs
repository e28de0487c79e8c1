//! The conformance suite of the test kit, on a real mosquitto.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_core::relay::{Identity, State, Status};
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness, SourceHarness};
use lorry_testkit::servers::{Mosquitto, MosquittoOptions, Subscriber};
use std::time::Duration;

struct Broker {
    broker: Mosquitto,
    protocol: &'static str,
    case: usize,
    /// As a sink's destination: who listens, and what it has heard so far.
    listens: bool,
    listener: Option<Subscriber>,
    heard: Vec<Message>,
}

impl Broker {
    fn new(protocol: &'static str, listens: bool) -> Self {
        let broker = Mosquitto::start(MosquittoOptions::default());
        Self { broker, protocol, case: 0, listens, listener: None, heard: Vec::new() }
    }

    fn topic(&self) -> String {
        format!("case{}/x", self.case)
    }

    fn is_v5(&self) -> bool {
        self.protocol == "5"
    }
}

#[lorry_core::async_trait]
impl Harness for Broker {
    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        lorry_mqtt::register(&mut registry);
        registry
    }

    async fn fresh(&mut self) -> String {
        self.case += 1;
        if self.listens {
            self.heard.clear();
            // Durable, since it is to outlive the broker.
            let args = ["-c", "-V", "5", "-x", "3600", "-F", "%t|%P|%x"];
            self.listener = Some(self.broker.subscribe_with(&self.topic(), 1, &args));
        }
        let filter = if self.listens { self.topic() } else { format!("case{}/%23", self.case) };
        format!("{}/{filter}?version={}", self.broker.url(), self.protocol)
    }

    fn samples(&self) -> Vec<Message> {
        let mut samples = vec![
            Message::new("21.5").at(self.topic()),
            Message::new("").at(self.topic()),
            Message::new(vec![0, 255, 10, 13]).at(self.topic()),
        ];
        if self.is_v5() {
            samples.push(Message::new("3").at(self.topic()).header("unit", "mm").header("b", "2").header("unit", "cm"));
        }
        samples
    }

    async fn break_peer(&mut self) {
        self.broker.save();
        self.broker.kill9();
    }

    async fn restore_peer(&mut self) {
        self.broker.restart();
    }

    fn with_password(&self, address: &str, password: &str) -> String {
        address.replacen("//", &format!("//user:{password}@"), 1)
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        matches!(case, Case::Refused).then_some("a broker that anybody may publish to takes everything")
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![
            ("mqt://localhost/a".into(), "did you mean"),
            ("mqtt://localhost".into(), "topic"),
            ("mqtt://localhost:99999/a".into(), "99999"),
            ("mqtt://localhost/a?qos=7".into(), "qos"),
        ]
    }

    fn identity(&self) -> Identity {
        Identity { name: Some(format!("conformance-{}", self.case).into()), instance: None }
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Broker {
    async fn feed(&mut self, _: &str, messages: &[Message]) {
        let plain = |message: &Message| {
            let text = message.text().unwrap_or("\n");
            message.headers().is_empty() && !text.is_empty() && !text.contains('\n')
        };
        if messages.iter().all(plain) {
            return self.broker.publish_lines(&self.topic(), 1, messages.iter().map(|message| message.text().unwrap()));
        }
        for message in messages {
            let mut args = vec!["-q", "1", "-V", "5"];
            for (name, value) in message.headers().iter() {
                args.extend(["-D", "publish", "user-property", name, value.as_str().unwrap()]);
            }
            self.broker.publish_with(&self.topic(), &args, message.bytes());
        }
    }

    async fn ready(&mut self, _: &str, status: &Status) {
        // Its session exists once it has subscribed; after that the broker queues for it.
        let subscribed = format!(": lorry-conformance-{0} 1 case{0}/#", self.case);
        while !matches!(status.state(), State::Up) || !self.broker.log().contains(&subscribed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[lorry_core::async_trait]
impl SinkHarness for Broker {
    async fn read(&mut self, _: &str, count: usize) -> Vec<Message> {
        let missing = count.saturating_sub(self.heard.len());
        let lines = self.listener.as_ref().unwrap().lines(missing);
        self.heard.extend(lines.iter().map(|line| heard(line)));
        self.heard.clone()
    }

    /// It acknowledges from memory.
    fn survives_breaking(&self) -> bool {
        false
    }
}

/// `topic|name:value name:value|payload in hex`.
fn heard(line: &str) -> Message {
    let mut parts = line.split('|');
    let (topic, properties, hex) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let payload =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect::<Vec<_>>();
    let mut message = Message::new(payload).at(topic);
    for (name, value) in properties.split(' ').filter_map(|pair| pair.split_once(':')) {
        message = message.header(name, value);
    }
    message
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs mosquitto"]
async fn the_source_conforms() {
    for protocol in ["5", "3.1.1"] {
        let summary = conformance::source(&mut Broker::new(protocol, false)).await;
        assert!(summary.left_out.is_empty(), "{summary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs mosquitto"]
async fn the_sink_conforms() {
    for protocol in ["5", "3.1.1"] {
        let summary = conformance::sink(&mut Broker::new(protocol, true)).await;
        let left_out: Vec<_> = summary.left_out.iter().map(|(case, _)| *case).collect();
        assert_eq!(left_out, [Case::Refused, Case::Positions], "{summary}");
    }
}
