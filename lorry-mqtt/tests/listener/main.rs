//! The listener over real sockets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod acknowledge;
mod conform;
mod connect;
mod device;
mod limits;
mod lose;
mod programs;

use lorry_core::Message;
use lorry_core::relay::{Context, Event, LaneId, Position, Settled, Source};
use lorry_mqtt::packet::Version;
use lorry_mqtt::{MqttListenOptions, MqttListenSource};
use std::net::SocketAddr;
use std::time::Duration;

const BOTH: [Version; 2] = [Version::V4, Version::V5];

/// A listener on a free port of the loopback.
async fn listen(options: MqttListenOptions) -> (MqttListenSource, SocketAddr) {
    let mut source = MqttListenSource::new(options.port(0));
    source.open(Context::detached("mqttlistensrc0")).await.unwrap();
    let address = source.local_addr().unwrap();
    (source, address)
}

fn local() -> MqttListenOptions {
    MqttListenOptions::new("127.0.0.1")
}

/// What the source has to say, soon.
async fn next(source: &mut MqttListenSource) -> Event {
    next_of(source, 1_000).await
}

async fn next_of(source: &mut MqttListenSource, limit: usize) -> Event {
    tokio::time::timeout(Duration::from_secs(10), source.next(limit)).await.expect("the source says nothing").unwrap()
}

/// So many messages, with lane and position of each.
async fn take(source: &mut MqttListenSource, count: usize) -> Vec<(LaneId, u64, Message)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        if let Event::Chunk(chunk) = next_of(source, count - taken.len()).await {
            for (index, message) in chunk.values.into_iter().enumerate() {
                taken.push((chunk.lane, chunk.at.position(index).0, message));
            }
        }
    }
    taken
}

async fn settle(source: &mut MqttListenSource, lane: LaneId, position: u64) {
    source.settle(vec![Settled::UpTo(lane, Position(position))]).await.unwrap();
}

/// There is nothing to say, as far as one can tell.
async fn says_nothing(source: &mut MqttListenSource) {
    let event = tokio::time::timeout(Duration::from_millis(100), source.next(1_000)).await;
    assert!(event.is_err(), "{event:?}");
}

fn texts(messages: &[(LaneId, u64, Message)]) -> Vec<&str> {
    messages.iter().map(|(_, _, message)| message.text().unwrap()).collect()
}
