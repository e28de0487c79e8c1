//! The cases for sinks.

use super::{Case, Harness, Summary, assert_all_there, options, texts};
use crate::{Fault, Faults, FaultySource, MemorySource};
use lorry_core::registry::Role;
use lorry_core::relay::{Batch, Context, Failure, Failures, LaneKey, Position, Receipt, Sink};
use lorry_core::{Class, Message, Relay, Retry, Stream};
use std::collections::VecDeque;
use std::time::Duration;

/// What a connector's test tells about its sink.
#[lorry_core::async_trait]
pub trait SinkHarness: Harness {
    /// The sink of an address. By default the registry makes it.
    fn sink(&self, address: &str) -> Box<dyn Sink> {
        self.registry().sink(address).unwrap_or_else(|error| panic!("no sink of {address}: {error:?}"))
    }

    /// What the destination at this address holds, in order, as soon as there are `count` messages (or no more after a while), without
    /// Lorry.
    async fn read(&mut self, address: &str, count: usize) -> Vec<Message>;

    /// A message that the destination will never take, such as a row that violates a constraint of [`fresh`](Harness::fresh).
    fn undeliverable(&self) -> Message {
        panic!("the harness neither knows what its destination refuses nor exempts {:?}", Case::Refused)
    }

    /// Whether the peer still has everything it has acknowledged once it was broken and restored.
    fn survives_breaking(&self) -> bool {
        true
    }
}

const MANY: usize = 300;

/// Runs all cases that apply.
///
/// # Panics
/// The sink fails one; the message names it.
pub async fn sink(harness: &mut dyn SinkHarness) -> Summary {
    let mut summary = Summary::default();
    options::run(harness, Role::Sink, &mut summary).await;
    let address = harness.fresh().await;
    let info = harness.sink(&address).info(&harness.identity());
    if summary.applies(harness, Case::Whole) {
        summary.run(Case::Whole, whole(harness)).await;
    }
    if summary.applies(harness, Case::Order) {
        summary.run(Case::Order, order(harness)).await;
    }
    if summary.applies(harness, Case::GoesOn) {
        summary.run(Case::GoesOn, goes_on(harness)).await;
    }
    if summary.applies(harness, Case::FailingSource) {
        summary.run(Case::FailingSource, from_a_failing_source(harness)).await;
    }
    if summary.applies(harness, Case::Refused) {
        let bad = harness.undeliverable();
        summary.run(Case::Refused, refused(harness, bad)).await;
    }
    match info.keeps_positions {
        true => summary.run(Case::Positions, positions(harness)).await,
        false => summary.leave_out(Case::Positions, "the sink says that it keeps no record of positions"),
    }
    if summary.applies(harness, Case::Away) {
        summary.run(Case::Away, away(harness)).await;
    }
    if summary.applies(harness, Case::MidFlow) {
        summary.run(Case::MidFlow, mid_flow(harness)).await;
    }
    summary
}

/// As a relay would call it.
fn context(harness: &dyn SinkHarness, sink: &dyn Sink) -> Context {
    let kind = sink.info(&harness.identity()).kind;
    let mut context = Context::detached(format!("{kind}0"));
    context.identity = harness.identity();
    context.retry = quick();
    context
}

fn quick() -> Retry {
    Retry { min: Duration::from_millis(5), max: Duration::from_millis(100), ..Retry::default() }
}

async fn open(harness: &dyn SinkHarness, address: &str) -> Box<dyn Sink> {
    open_with(harness, address, |_| {}).await
}

async fn open_with(harness: &dyn SinkHarness, address: &str, change: impl FnOnce(&mut Context)) -> Box<dyn Sink> {
    let mut sink = harness.sink(address);
    let mut context = context(harness, &*sink);
    change(&mut context);
    sink.open(context).await.unwrap_or_else(|error| panic!("it cannot be opened: {error:?}"));
    let limits = sink.limits();
    assert!(limits.items > 0 && limits.receipts > 0, "impossible limits: {limits:?}");
    sink
}

fn numbered(harness: &dyn SinkHarness, numbers: std::ops::Range<usize>) -> Vec<Message> {
    numbers.map(|n| harness.numbered(n)).collect()
}

/// Sends everything, in batches as the sink wants them, with as many receipts outstanding as it allows.
async fn send_all(sink: &mut dyn Sink, messages: &[Message], batch: usize) {
    let limits = sink.limits();
    let mut receipts: VecDeque<Receipt> = VecDeque::new();
    for messages in messages.chunks(batch.min(limits.items)) {
        if receipts.len() >= limits.receipts
            && let Some(receipt) = receipts.pop_front()
        {
            landed(receipt).await;
        }
        let sent = sink.send(Batch::new(messages.to_vec())).await;
        receipts.push_back(sent.unwrap_or_else(|error| panic!("send failed: {error:?}")));
    }
    for receipt in receipts {
        landed(receipt).await;
    }
}

async fn landed(receipt: Receipt) {
    if let Err(failures) = receipt.await {
        panic!("messages did not land: {failures:?}");
    }
}

async fn close(mut sink: Box<dyn Sink>) {
    sink.close().await.unwrap_or_else(|error| panic!("close failed: {error:?}"));
}

async fn whole(harness: &mut dyn SinkHarness) {
    let (address, samples) = (harness.fresh().await, harness.samples());
    let mut sink = open(harness, &address).await;
    send_all(&mut *sink, &samples, usize::MAX).await;
    let got = harness.read(&address, samples.len()).await;
    assert_eq!(got.len(), samples.len());
    for (sent, got) in samples.iter().zip(&got) {
        assert_eq!(harness.view(got), harness.view(sent), "a message has changed on its way");
    }
    close(sink).await;
}

async fn order(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let mut sink = open(harness, &address).await;
    let messages = numbered(harness, 0..MANY);
    send_all(&mut *sink, &messages, 7).await;
    assert_eq!(texts(&harness.read(&address, MANY).await), texts(&messages));
    close(sink).await;
}

async fn goes_on(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let messages = numbered(harness, 0..20);
    for half in messages.chunks(10) {
        let mut sink = open(harness, &address).await;
        send_all(&mut *sink, half, usize::MAX).await;
        close(sink).await;
    }
    assert_eq!(texts(&harness.read(&address, 20).await), texts(&messages));
}

async fn from_a_failing_source(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let messages = numbered(harness, 0..MANY);
    let source = MemorySource::new(messages.clone()).chunk(20);
    let origin = source.origin();
    let source = FaultySource::new(source, Faults::seeded(5).with(Fault::Transient, 0.05));
    let sink = harness.sink(&address);
    let relay = Relay::new([Stream::from_source(source).to(sink)]).retry(quick()).bound(64, 8 << 20);
    let report = relay.run().await.unwrap_or_else(|error| panic!("the relay ended badly: {error:?}"));
    assert_eq!(origin.settled().len(), MANY, "{report:?}");
    let sent = texts(&messages);
    assert_all_there(&sent, &texts(&harness.read(&address, report.delivered as usize).await));
}

async fn refused(harness: &mut dyn SinkHarness, bad: Message) {
    for stop in [false, true] {
        let address = harness.fresh().await;
        let mut sink = open_with(harness, &address, |context| context.stop_on_refusal = stop).await;
        // With a position ledger a batch lands whole, or, where the relay ends, not at all.
        let whole = sink.info(&harness.identity()).keeps_positions;
        // The destination takes its shape from a message it likes.
        send_all(&mut *sink, &[harness.numbered(0)], 1).await;
        let mut batch = numbered(harness, 1..11);
        batch.insert(5, bad.clone());
        let sent = sink.send(Batch::new(batch.clone())).await.unwrap_or_else(|error| panic!("send failed: {error:?}"));
        let failures = sent.await.err().map(Failures::into_vec).unwrap_or_default();
        let data: Vec<_> = failures.iter().filter(|failure| failure.error.class() == Class::Data).collect();
        assert!(
            matches!(data[..], [Failure { index: 5, .. }]),
            "only message 5 is to be refused as data: {failures:?}"
        );
        let others: Vec<_> =
            failures.iter().filter(|failure| failure.index != 5).map(|failure| failure.index).collect();
        if stop && whole {
            assert_eq!(others.len(), batch.len() - 1, "a part of a batch landed, without its positions");
        } else if stop {
            assert!(others.iter().all(|index| *index > 5), "what precedes the refused message must land: {failures:?}");
        } else {
            assert!(others.is_empty(), "the other messages must land: {failures:?}");
        }
        let landed: Vec<_> = (0..batch.len()).filter(|index| *index != 5 && !others.contains(index)).collect();
        let mut expected = vec![harness.numbered(0)];
        expected.extend(landed.iter().map(|&index| batch[index].clone()));
        let mut got = texts(&harness.read(&address, expected.len()).await);
        let mut expected = texts(&expected);
        // One that was bisected may arrive late.
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected, "the receipt and the destination disagree");
        close(sink).await;
    }
}

async fn positions(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let key = LaneKey::new("memorysrc0", "memory", "");
    for last in [9_u64, 19] {
        let mut sink = open(harness, &address).await;
        let known = sink.positions().await.unwrap_or_else(|error| panic!("positions failed: {error:?}"));
        let expected = (last > 9).then(|| Position(last - 10));
        assert_eq!(known.get(&key), expected);
        let from = last as usize - 9;
        let batch = Batch::new(numbered(harness, from..from + 10)).with_marks([(key.clone(), Position(last))]);
        landed(sink.send(batch).await.unwrap_or_else(|error| panic!("send failed: {error:?}"))).await;
        close(sink).await;
    }
}

async fn away(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let mut sink = open(harness, &address).await;
    let first = numbered(harness, 0..10);
    send_all(&mut *sink, &first, usize::MAX).await;
    harness.break_peer().await;
    let batch = Batch::new(numbered(harness, 10..20));
    let sending = async {
        match sink.send(batch.clone()).await {
            Ok(receipt) => receipt.await,
            Err(error) => Err(Failures::all(batch.len(), &error)),
        }
    };
    match tokio::time::timeout(Duration::from_millis(500), sending).await {
        Ok(Ok(())) => panic!("a batch was confirmed while the peer was away"),
        Ok(Err(failures)) => {
            for Failure { error, .. } in failures.into_vec() {
                assert!(
                    matches!(error.class(), Class::Transient | Class::Ambiguous),
                    "a lost peer is no {:?} error: {error}",
                    error.class()
                );
            }
        }
        // It waits for its peer.
        Err(_) => {}
    }
    drop(sink);
    harness.restore_peer().await;
    if harness.survives_breaking() {
        let got = texts(&harness.read(&address, 10).await);
        assert_all_there(&texts(&first), &got);
    }
}

async fn mid_flow(harness: &mut dyn SinkHarness) {
    let address = harness.fresh().await;
    let messages = numbered(harness, 0..MANY);
    let source = MemorySource::open_ended().chunk(10);
    let origin = source.origin();
    let sink = harness.sink(&address);
    let running = Relay::new([Stream::from_source(source).to(sink).batch_size(10)]).retry(quick()).spawn();
    let (first, second) = messages.split_at(MANY / 2);
    origin.extend(first.iter().cloned());
    origin.wait_settled(MANY / 4).await;
    harness.break_peer().await;
    origin.extend(second.iter().cloned());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let settled = origin.settled().len();
    assert!(settled < MANY, "everything was confirmed by a peer that was away");
    harness.restore_peer().await;
    origin.end();
    let report = running.wait().await;
    assert!(report.error.is_none(), "the relay ended badly: {report:?}");
    assert_eq!(origin.settled().len(), MANY);
    if harness.survives_breaking() {
        assert_all_there(&texts(&messages), &texts(&harness.read(&address, MANY).await));
    }
}
