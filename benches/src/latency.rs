//! What a relay adds between two topics of one broker, at 1,000 messages a second.

use crate::bare::Bare;
use crate::child::Relay;
use crate::tools::{runtime, scaled};
use lorry_testkit::servers::{Mosquitto, MosquittoOptions};
use std::time::{Duration, Instant};

/// Publishes to `publish` at 1,000/s and receives on `subscribe`: the times between, sorted.
async fn times(port: u16, publish: &str, subscribe: &str, n: usize) -> Vec<Duration> {
    let began = Instant::now();
    let mut receiver = Bare::connect(port, "receiver", true).await;
    receiver.subscribe(subscribe).await;
    let mut sender = Bare::connect(port, "sender", true).await;
    let topic = publish.to_owned();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..n {
            ticks.tick().await;
            sender.publish(&topic, (began.elapsed().as_nanos() as u64).to_be_bytes().to_vec()).await;
        }
        sender.confirm(n).await;
    });
    let mut times = Vec::with_capacity(n);
    while times.len() < n {
        let payload = receiver.receive().await;
        let sent = u64::from_be_bytes(payload[..8].try_into().unwrap());
        times.push(began.elapsed() - Duration::from_nanos(sent));
    }
    times.sort_unstable();
    times
}

pub(crate) fn run() {
    let n = scaled(10_000);
    let broker = Mosquitto::start(MosquittoOptions::default().volatile());
    let relay = Relay::start(&format!("{}/in", broker.url()), &format!("{}/out", broker.url()), 0, "-");
    crate::tools::until("the relay's subscription", 20, || broker.log().contains(" 1 in\n"));
    let direct = runtime().block_on(times(broker.port(), "direct", "direct", n));
    let through = runtime().block_on(times(broker.port(), "in", "out", n));
    drop(relay);
    let at = |times: &[Duration], share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("added latency MQTT → MQTT at 1,000 msg/s, both on one broker, in ms");
    for (name, share, goal) in [("p50", 0.5, 0.1), ("p99", 0.99, 1.0)] {
        let (direct, through) = (at(&direct, share), at(&through, share));
        // Through the relay a message passes the broker twice; its second passage is not the relay's.
        let added = through - direct;
        let verdict = if added <= goal { "reached" } else { "MISSED" };
        println!(
            "  {name}: direct {direct:.3}   through the relay {through:.3}   added {added:.3}   goal {goal} {verdict}"
        );
    }
}
