//! The cases for sources.

use super::{Case, Harness, Summary, assert_all_there, options, texts};
use crate::{Fault, Faults, FaultySink, MemorySink};
use lorry_core::registry::Role;
use lorry_core::relay::{
    Context, Event, Guarantee, LaneId, LaneKey, Limits, MemoryState, Position, Positions, Settled, Settlement, Source,
    SourceInfo, State, StateStore, Status, Verdict,
};
use lorry_core::{Class, Message, Relay, Retry, Stream};
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What a connector's test tells about its source.
#[lorry_core::async_trait]
pub trait SourceHarness: Harness {
    /// The source of an address. By default the registry makes it.
    fn source(&self, address: &str) -> Box<dyn Source> {
        self.registry().source(address).unwrap_or_else(|error| panic!("no source of {address}: {error:?}"))
    }

    /// Puts messages into the origin at this address, in order, without Lorry. Returns when the origin has them.
    async fn feed(&mut self, address: &str, messages: &[Message]);

    /// Waits until the source, which was just opened, would get what is fed from now on. By default until its status is *up*.
    async fn ready(&mut self, _address: &str, status: &Status) {
        while matches!(status.state(), State::Connecting | State::Retrying(_)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether the stream ends once everything was read.
    fn ends(&self) -> bool {
        false
    }

    /// What source and origin promise together. By default what the source says of itself; the origin of a test may do more than any
    /// source can answer for, such as devices that keep what a listener has not acknowledged.
    fn guarantee(&self, info: &SourceInfo) -> Guarantee {
        info.guarantee
    }

    /// What outlives the source, as a relay of a name would give it to each. By default nothing does.
    fn state(&self) -> Arc<dyn StateStore> {
        Arc::new(MemoryState::default())
    }

    /// Whether a lane outlives its connection, so that what has arrived can still be settled, and is lost only after that.
    fn keeps_lanes(&self) -> bool {
        false
    }
}

const MANY: usize = 300;

/// Runs all cases that apply.
///
/// # Panics
/// The source fails one; the message names it.
pub async fn source(harness: &mut dyn SourceHarness) -> Summary {
    let mut summary = Summary::default();
    options::run(harness, Role::Source, &mut summary).await;
    let address = harness.fresh().await;
    let guarantee = harness.guarantee(&harness.source(&address).info(&harness.identity()));
    if summary.applies(harness, Case::Whole) {
        summary.run(Case::Whole, whole(harness)).await;
    }
    if summary.applies(harness, Case::Order) {
        summary.run(Case::Order, order(harness)).await;
    }
    if summary.applies(harness, Case::Cancelled) {
        summary.run(Case::Cancelled, cancelled(harness)).await;
    }
    for case in [Case::ComesAgain, Case::StaysAway] {
        if guarantee < Guarantee::SurvivesRestart {
            summary.leave_out(case, "the source promises nothing beyond its process");
        } else if summary.applies(harness, case) {
            match case {
                Case::ComesAgain => summary.run(case, unsettled_comes_again(harness)).await,
                _ => summary.run(case, settled_does_not(harness)).await,
            }
        }
    }
    if summary.applies(harness, Case::FailingSink) {
        summary.run(Case::FailingSink, behind_a_failing_sink(harness)).await;
    }
    if summary.applies(harness, Case::ComesBack) {
        summary.run(Case::ComesBack, comes_back(harness, guarantee)).await;
    }
    summary
}

/// A source at work, and what is known of its lanes.
struct Reader {
    source: Box<dyn Source>,
    status: Status,
    lanes: HashMap<LaneId, (Option<LaneKey>, Position)>,
    lost: Vec<LaneId>,
    ended: bool,
}

/// A message and where it was read.
#[derive(Clone, Debug)]
struct Got {
    message: Message,
    lane: LaneId,
    position: Position,
}

impl Reader {
    async fn open(harness: &mut dyn SourceHarness, address: &str, start: Positions) -> Self {
        let mut source = harness.source(address);
        let context = context(harness, &*source, start);
        let status = context.status.clone();
        source.open(context).await.unwrap_or_else(|error| panic!("it cannot be opened: {error:?}"));
        harness.ready(address, &status).await;
        Self { source, status, lanes: HashMap::new(), lost: Vec::new(), ended: false }
    }

    /// Notes what an event says, and holds it to the contract.
    fn take(&mut self, event: Event, limit: usize) -> Vec<Got> {
        match event {
            Event::Chunk(chunk) => {
                assert!(!chunk.values.is_empty(), "an empty chunk");
                assert!(chunk.values.len() <= limit, "{} messages at a limit of {limit}", chunk.values.len());
                assert!(!self.lost.contains(&chunk.lane), "a chunk of a lane that was lost");
                let mut got = Vec::new();
                for (index, message) in chunk.values.into_iter().enumerate() {
                    let position = chunk.at.position(index);
                    let before =
                        self.lanes.get(&chunk.lane).map(|(_, last)| *last).filter(|_| self.lanes_seen(chunk.lane));
                    assert!(
                        before.is_none_or(|before| before < position),
                        "position {position:?} after {before:?} in one lane"
                    );
                    let key = self.lanes.get(&chunk.lane).and_then(|(key, _)| key.clone());
                    self.lanes.insert(chunk.lane, (key, position));
                    got.push(Got { message, lane: chunk.lane, position });
                }
                got
            }
            Event::LaneOpened(lane, key) => {
                // No position yet: what comes first may have any.
                self.lanes.insert(lane, (Some(key), Position(u64::MAX)));
                Vec::new()
            }
            Event::LaneLost(lane) => {
                self.lost.push(lane);
                Vec::new()
            }
            Event::End => {
                self.ended = true;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn lanes_seen(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|(_, last)| last.0 != u64::MAX)
    }

    /// Reads until this holds of what was read.
    async fn read_until(&mut self, mut limit: impl FnMut() -> usize, done: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let mut got = Vec::new();
        while !done(&got) {
            assert!(!self.ended, "the stream ended after {} messages", got.len());
            let limit = limit();
            let next = tokio::time::timeout(Duration::from_secs(20), self.source.next(limit)).await;
            let event = next.unwrap_or_else(|_| {
                panic!("nothing came for 20 s after {} messages; the source is {}", got.len(), self.status.state())
            });
            got.extend(self.take(event.unwrap_or_else(|error| panic!("next failed: {error:?}")), limit));
        }
        got
    }

    /// Until a lane is lost.
    async fn wait_lost(&mut self) {
        while self.lost.is_empty() {
            let event = self.source.next(64).await.unwrap_or_else(|error| panic!("next failed: {error:?}"));
            self.take(event, 64);
        }
    }

    /// Until a lane is lost, or the source asks to be opened again, as the runtime does.
    async fn wait_lost_or_open(&mut self, harness: &dyn SourceHarness) {
        while self.lost.is_empty() {
            match self.source.next(64).await {
                Ok(event) => _ = self.take(event, 64),
                Err(error) if error.class() == Class::Transient => {
                    let mut context = context(harness, &*self.source, Positions::default());
                    context.status = self.status.clone();
                    self.source.open(context).await.unwrap_or_else(|error| panic!("not opened again: {error:?}"));
                    return;
                }
                Err(error) => panic!("next failed: {error:?}"),
            }
        }
    }

    async fn read(&mut self, count: usize) -> Vec<Got> {
        self.read_until(|| 64, |got| got.len() >= count).await
    }

    async fn settle(&mut self, settled: Vec<Settled>) {
        self.source.settle(settled).await.unwrap_or_else(|error| panic!("settle failed: {error:?}"));
    }

    /// Settles these, all of which have been read.
    async fn settle_all(&mut self, got: &[Got], settlement: Settlement) {
        let mut lanes: Vec<LaneId> = got.iter().map(|got| got.lane).collect();
        lanes.dedup();
        let mut settled = Vec::new();
        for lane in lanes {
            let positions = got.iter().filter(|got| got.lane == lane).map(|got| got.position);
            settled.push(match settlement {
                Settlement::Each => {
                    Settled::Items(lane, positions.map(|position| Verdict { position, refused: None }).collect())
                }
                Settlement::InOrder => Settled::UpTo(lane, positions.max().unwrap_or_default()),
            });
        }
        self.settle(settled).await;
    }

    async fn close(mut self) {
        self.source.close().await.unwrap_or_else(|error| panic!("close failed: {error:?}"));
    }
}

/// As a relay would make it.
fn context(harness: &dyn SourceHarness, source: &dyn Source, start: Positions) -> Context {
    let kind = source.info(&harness.identity()).kind;
    let mut context = Context::detached(format!("{kind}0"));
    context.identity = harness.identity();
    context.start = start;
    context.state = harness.state();
    context.retry = quick();
    context
}

fn quick() -> Retry {
    Retry { min: Duration::from_millis(5), max: Duration::from_millis(100), ..Retry::default() }
}

fn numbered(harness: &dyn SourceHarness, numbers: std::ops::Range<usize>) -> Vec<Message> {
    numbers.map(|n| harness.numbered(n)).collect()
}

fn texts_of(got: &[Got]) -> Vec<String> {
    texts(got.iter().map(|got| &got.message))
}

async fn whole(harness: &mut dyn SourceHarness) {
    let (address, samples) = (harness.fresh().await, harness.samples());
    if harness.ends() {
        harness.feed(&address, &samples).await;
    }
    let mut reader = Reader::open(harness, &address, Positions::default()).await;
    if !harness.ends() {
        harness.feed(&address, &samples).await;
    }
    let got = reader.read(samples.len()).await;
    for (sent, got) in samples.iter().zip(&got) {
        assert_eq!(harness.view(&got.message), harness.view(sent), "a message has changed on its way");
    }
    let settlement = reader.source.info(&harness.identity()).settlement;
    reader.settle_all(&got, settlement).await;
    reader.close().await;
}

/// Opens, feeds this many and gives the reader.
async fn open_and_feed(harness: &mut dyn SourceHarness, address: &str, count: usize) -> (Reader, Vec<String>) {
    let messages = numbered(harness, 0..count);
    if harness.ends() {
        harness.feed(address, &messages).await;
    }
    let reader = Reader::open(harness, address, Positions::default()).await;
    if !harness.ends() {
        harness.feed(address, &messages).await;
    }
    (reader, texts(&messages))
}

async fn order(harness: &mut dyn SourceHarness) {
    let address = harness.fresh().await;
    let (mut reader, sent) = open_and_feed(harness, &address, MANY).await;
    let settlement = reader.source.info(&harness.identity()).settlement;
    let mut turn = 0;
    let mut all = Vec::new();
    // Settled on the way: the peer may let only so many stay unacknowledged.
    while all.len() < sent.len() {
        let got = reader
            .read_until(
                || {
                    turn += 1;
                    1 + turn * 7 % 31
                },
                |got| !got.is_empty(),
            )
            .await;
        reader.settle_all(&got, settlement).await;
        all.extend(got);
    }
    assert_eq!(texts_of(&all), sent);
    if harness.ends() {
        while !reader.ended {
            let event = reader.source.next(1).await.unwrap_or_else(|error| panic!("next failed: {error:?}"));
            assert!(reader.take(event, 1).is_empty(), "more came than was fed");
        }
    }
    reader.close().await;
}

/// Drops the future of `next` after one, two, … polls that were not ready.
async fn cancelled(harness: &mut dyn SourceHarness) {
    let address = harness.fresh().await;
    let (mut reader, sent) = open_and_feed(harness, &address, MANY).await;
    let settlement = reader.source.info(&harness.identity()).settlement;
    let (mut all, mut turn, mut since) = (Vec::new(), 0_usize, tokio::time::Instant::now());
    while all.len() < sent.len() {
        turn += 1;
        let (limit, most) = (1 + turn % 5, 1 + turn % 4);
        let event = {
            let mut next = pin!(reader.source.next(limit));
            let mut polls = 0;
            let polled = poll_fn(|cx| match next.as_mut().poll(cx) {
                Poll::Ready(event) => Poll::Ready(Some(event)),
                Poll::Pending => {
                    polls += 1;
                    if polls >= most { Poll::Ready(None) } else { Poll::Pending }
                }
            });
            tokio::time::timeout(Duration::from_millis(2), polled).await.ok().flatten()
        };
        match event {
            None => tokio::time::sleep(Duration::from_micros(200)).await,
            Some(event) => {
                let got = reader.take(event.unwrap_or_else(|error| panic!("next failed: {error:?}")), limit);
                if !got.is_empty() {
                    since = tokio::time::Instant::now();
                    reader.settle_all(&got, settlement).await;
                }
                all.extend(got);
            }
        }
        assert!(since.elapsed() < Duration::from_secs(20), "only {} of {} messages came", all.len(), sent.len());
    }
    assert_eq!(texts_of(&all), sent, "cancelling next lost, doubled or reordered messages");
    reader.close().await;
}

/// How much may be read without settling.
fn window(reader: &Reader, harness: &dyn SourceHarness) -> usize {
    reader.source.info(&harness.identity()).max_unacked.unwrap_or(usize::MAX).min(50)
}

async fn unsettled_comes_again(harness: &mut dyn SourceHarness) {
    let address = harness.fresh().await;
    let window = {
        let source = harness.source(&address);
        source.info(&harness.identity()).max_unacked.unwrap_or(usize::MAX).min(50)
    };
    let (mut reader, sent) = open_and_feed(harness, &address, window).await;
    assert_eq!(texts_of(&reader.read(window).await), sent);
    // As in a crash: neither settled nor closed.
    drop(reader);
    let mut reader = Reader::open(harness, &address, Positions::default()).await;
    assert_eq!(texts_of(&reader.read(window).await), sent, "what was not settled must come again, in order");
    reader.close().await;
    // Nor does closing settle anything.
    let mut reader = Reader::open(harness, &address, Positions::default()).await;
    assert_eq!(texts_of(&reader.read(window).await), sent, "close must not settle what settle has not named");
}

async fn settled_does_not(harness: &mut dyn SourceHarness) {
    let address = harness.fresh().await;
    let probe = Reader::open(harness, &address, Positions::default()).await;
    let count = window(&probe, harness).max(2);
    probe.close().await;
    let (mut reader, sent) = open_and_feed(harness, &address, count).await;
    let info = reader.source.info(&harness.identity());
    let got = reader.read(count).await;
    let half = count / 2;
    reader.settle_all(&got[..half], info.settlement).await;
    // What a relay with a position ledger would have found.
    let start = reader.lanes.values().filter_map(|(key, _)| Some((key.clone()?, got[half - 1].position))).collect();
    reader.close().await;

    let mut reader = Reader::open(harness, &address, start).await;
    let rest = reader.read(count - half).await;
    assert_eq!(texts_of(&rest), sent[half..], "the settled half must not come again, the other must");
    reader.settle_all(&rest, info.settlement).await;
    let start = reader.lanes.values().filter_map(|(key, _)| Some((key.clone()?, rest.last()?.position))).collect();
    reader.close().await;

    let marker = harness.numbered(count);
    if harness.ends() {
        harness.feed(&address, std::slice::from_ref(&marker)).await;
    }
    let mut reader = Reader::open(harness, &address, start).await;
    if !harness.ends() {
        harness.feed(&address, std::slice::from_ref(&marker)).await;
    }
    assert_eq!(
        texts_of(&reader.read(1).await),
        texts([&marker]),
        "everything was settled, and yet something came again"
    );
    reader.close().await;
}

async fn behind_a_failing_sink(harness: &mut dyn SourceHarness) {
    let address = harness.fresh().await;
    if !harness.ends() {
        // From here on the origin keeps messages for it, where it is of that kind.
        Reader::open(harness, &address, Positions::default()).await.close().await;
    }
    let messages = numbered(harness, 0..MANY);
    let sent = texts(&messages);
    harness.feed(&address, &messages).await;
    let faults = Faults::seeded(11).with(Fault::Transient, 0.2).with(Fault::Ambiguous, 0.2).with(Fault::Partial, 0.2);
    let memory = MemorySink::new().with_limits(Limits { items: 20, ..Limits::default() });
    let store = memory.store();
    let sink = FaultySink::new(memory, faults);
    let source = harness.source(&address);
    let mut relay = Relay::new([Stream::from_source(source).to(sink)]).retry(quick()).state(harness.state());
    if let Some(name) = harness.identity().name {
        relay = relay.name(name);
    }
    let running = relay.spawn();
    loop {
        store.wait_for(sent.len()).await;
        let got = texts(&store.values());
        if sent.iter().all(|text| got.contains(text)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = running.stop().await.unwrap_or_else(|error| panic!("the relay ended badly: {error:?}"));
    assert_all_there(&sent, &texts(&store.values()));
    assert_eq!(report.failed, 0, "{report:?}");
}

async fn comes_back(harness: &mut dyn SourceHarness, guarantee: Guarantee) {
    let address = harness.fresh().await;
    let (mut reader, sent) = open_and_feed(harness, &address, 20).await;
    let info = reader.source.info(&harness.identity());
    let count = info.max_unacked.unwrap_or(usize::MAX).min(20);
    let before = reader.read(count).await;
    harness.break_peer().await;
    harness.restore_peer().await;
    if guarantee > Guarantee::BestEffort {
        let wanted = sent.clone();
        let mut seen: Vec<Got> = Vec::new();
        while !wanted.iter().all(|text| texts_of(&seen).contains(text)) {
            let got = reader.read(1).await;
            reader.settle_all(&got, info.settlement).await;
            seen.extend(got);
        }
        let lane = before[0].lane;
        assert_ne!(reader.lost.contains(&lane), harness.keeps_lanes(), "the lane of the lost connection must be lost");
        assert!(seen.iter().all(|got| got.lane != lane), "what comes again must come in another lane");
        // A late settlement of a lost lane is void, and harms nothing.
        reader.settle_all(&before, info.settlement).await;
        if harness.keeps_lanes() {
            reader.wait_lost().await;
            assert_eq!(reader.lost, [lane]);
        }
    } else {
        reader.wait_lost_or_open(harness).await;
    }
    let status = reader.status.clone();
    harness.ready(&address, &status).await;
    let marker = harness.numbered(1_000_000);
    harness.feed(&address, std::slice::from_ref(&marker)).await;
    let wanted = texts([&marker]).remove(0);
    reader.read_until(|| 64, |got| texts_of(got).contains(&wanted)).await;
    reader.close().await;
}
