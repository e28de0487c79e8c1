//! Source and sink against a server that does exactly what the test says: the faults that no real server shows on demand.
#![allow(clippy::unwrap_used, clippy::panic)]

mod login;
#[path = "../peer/mod.rs"]
mod peer;
mod poison;
mod server;
mod sink;
mod source;

use lorry_core::relay::{
    Batch, Context, Event, Failure, Failures, Guarantee, LaneId, Position, Settled, Sink, Source, State, Verdict,
};
use lorry_core::{Class, Error, ErrorKind, Message, Relay, Result, Stream};
use lorry_mqtt::packet::*;
use lorry_mqtt::{MqttOptions, MqttSink, MqttSource, Protocol};
use lorry_testkit::MemorySink;
use peer::{Peer, Server, within};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

fn context() -> Context {
    let mut context = Context::detached("mqttsrc0");
    context.retry.max = Duration::from_millis(50);
    context
}

/// An opened source and the server's end of its connection, subscribed.
async fn source(server: &Server, adapt: impl FnOnce(MqttOptions) -> MqttOptions) -> (MqttSource, Peer) {
    opened(server, MqttSource::new(adapt(server.options().topic("#")))).await
}

/// The same with a `receive-maximum`.
async fn narrow_source(
    server: &Server,
    receive_maximum: u16,
    adapt: impl FnOnce(MqttOptions) -> MqttOptions,
) -> (MqttSource, Peer) {
    let source = MqttSource::new(adapt(server.options().topic("#")));
    opened(server, source.options(|options| options.receive_maximum = receive_maximum)).await
}

async fn opened(server: &Server, source: MqttSource) -> (MqttSource, Peer) {
    opened_in(context(), server, source).await
}

async fn opened_in(context: Context, server: &Server, mut source: MqttSource) -> (MqttSource, Peer) {
    let (opened, peer) = tokio::join!(within(source.open(context)), async {
        let mut peer = server.accept(false).await;
        peer.subscribed().await;
        peer
    });
    opened.unwrap();
    (source, peer)
}

async fn sink(server: &Server, make: impl FnOnce(MqttOptions) -> MqttSink) -> (MqttSink, Peer) {
    let mut sink = make(server.options().topic("t"));
    let (opened, peer) = tokio::join!(within(sink.open(context())), server.accept(false));
    opened.unwrap();
    (sink, peer)
}

async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn numbers(range: std::ops::Range<usize>) -> Batch {
    Batch::new(range.map(|n| Message::new(n.to_string())).collect())
}

fn number(publish: &Publish) -> usize {
    std::str::from_utf8(&publish.payload).unwrap().parse().unwrap()
}

async fn chunk(source: &mut MqttSource) -> (LaneId, Position, Vec<String>) {
    loop {
        if let Event::Chunk(chunk) = within(source.next(256)).await.unwrap() {
            let texts = chunk.values.iter().map(|message| message.text().unwrap().to_owned()).collect();
            return (chunk.lane, chunk.at.position(chunk.values.len() - 1), texts);
        }
    }
}

async fn collect(source: &mut MqttSource, count: usize) -> (LaneId, Position) {
    let mut left = count;
    loop {
        let (lane, last, texts) = chunk(source).await;
        left -= texts.len();
        if left == 0 {
            return (lane, last);
        }
    }
}
