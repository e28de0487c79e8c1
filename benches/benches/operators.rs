//! What operators cost, tokens included: a message of 100 bytes, in chunks of 256, without tasks, sources and sinks.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lorry_core::flow::bench::Bench;
use lorry_core::ops::aggregate::{Aggregate, Count, Every, Max, Mean, Over, Sum, Var};
use lorry_core::{Bytes, Message, Stream};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const CHUNK: usize = 256;

fn chunk() -> Vec<Message> {
    let payload = Bytes::from(vec![b'x'; 100]);
    (0..CHUNK).map(|_| Message::new(payload.clone())).collect()
}

fn size(message: &Message) -> f64 {
    message.payload.as_ref().map_or(0, Bytes::len) as f64
}

/// Feeds chunks into a graph; making the messages is not part of the time.
fn graph<O: Send + 'static>(c: &mut Criterion, name: &str, build: impl Fn(Stream<Message>) -> Stream<O>) {
    let mut group = c.benchmark_group("operators");
    group.throughput(Throughput::Elements(CHUNK as u64));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.bench_function(name, |bencher| match Bench::new(&build) {
        Ok(mut bench) => bencher.iter_batched(chunk, |chunk| bench.feed(chunk), BatchSize::PerIteration),
        Err(error) => eprintln!("{name}: {error}"),
    });
}

fn map(message: Message) -> Message {
    black_box(message)
}

/// What the machine takes for the two locked instructions that every token costs at least: an `Arc` cloned and dropped.
fn limit(c: &mut Criterion) {
    let mut group = c.benchmark_group("operators");
    group.throughput(Throughput::Elements(CHUNK as u64));
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let shared = Arc::new(0_u64);
    group.bench_function("the machine: an Arc cloned and dropped", |bencher| {
        bencher.iter(|| (0..CHUNK).for_each(|_| drop(black_box(shared.clone()))));
    });
}

fn operators(c: &mut Criterion) {
    graph(c, "no operator", |all| all);
    graph(c, "map+filter", |all| all.map(map).filter(|message| black_box(message.payload.is_some())));
    graph(c, "eight maps", |all| (0..8).fold(all, |all, _| all.map(map)));
    graph(c, "batch(1000)", |all| all.batch(1_000));
    graph(c, "tee+zip", |all| {
        let (a, b) = all.tee();
        a.zip(b)
    });
    graph(c, "sliding_window(10)", |all| all.sliding_window(10));
    graph(c, "aggregate over all: count, mean", |all| all.aggregate(Over::all(), (Count::new(), Mean::new().of(size))));
    graph(c, "aggregate over the last 1000: sum, max, var", |all| {
        all.map(|message| size(&message)).aggregate(Over::last(1_000), (Sum::new(), Max::new(), Var::new()))
    });
    graph(c, "aggregate each 1000: mean by group", |all| {
        let by_size = Mean::new().of(size).by(|message: &Message| size(message) as u64);
        all.aggregate_each(Every::items(1_000), by_size)
    });
}

criterion_group!(benches, limit, operators);
criterion_main!(benches);
