//! Random graphs of operators, fed in random chunks into sinks that fail at random: every message is decided exactly once, and the
//! results are those of one message at a time.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::flow::Item;
use lorry_core::ops::{
    Buffer, CombineLatest, EmitOn, Keep, Partition, PartitionUnique, SlidingWindow, TumblingWindow, Zip,
};
use lorry_core::registry::Role;
use lorry_core::relay::{
    Batch, Chunk, Context, Event, Failure, Failures, Identity, LaneId, Limits, Receipt, Settled, Sink, SinkInfo,
    Source, SourceInfo,
};
use lorry_core::{Branch, Error, ErrorKind, OnError, Relay, Report, Result, Stream, Timestamp, async_trait};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A step of a random graph.
#[derive(Clone, Debug)]
enum Step {
    Map(i64),
    Filter(i64),
    /// Refuses multiples.
    Refuse(i64),
    FlatMap(i64),
    Flatten(i64),
    Scan,
    Accumulate,
    Slice(u64, u64, u64),
    Batch(usize),
    Partition(usize, i64, usize),
    PartitionUnique(usize, i64, bool),
    Sliding(usize, bool),
    Unique(usize),
    Tumbling(i64, u64),
    Session(u64, i64),
    Frequencies(i64),
    /// These may change when something happens, but not what.
    Buffer(usize),
    Delay(u64),
    RateLimit(u64),
    MapAsync(usize, u64),
    /// Two arms and a join.
    Diamond(Join, Vec<Step>, Vec<Step>),
    /// A branch to another sink.
    Side(Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Join {
    Zip,
    CombineLatest(EmitOn),
    ZipLatest,
    Union,
}

/// A step that does the same at once whenever it is called: in an arm of a join that depends on who comes first.
fn prompt() -> impl Strategy<Value = Step> {
    prop_oneof![
        (-3..4_i64).prop_map(Step::Map),
        (1..4_i64).prop_map(Step::Filter),
        (2..9_i64).prop_map(Step::Refuse),
        (1..4_i64).prop_map(Step::FlatMap),
        (1..4_i64).prop_map(Step::Flatten),
        Just(Step::Scan),
        Just(Step::Accumulate),
        (0..5_u64, 0..60_u64, 0..4_u64).prop_map(|(start, end, step)| Step::Slice(start, end, step)),
        (0..7_usize).prop_map(Step::Batch),
        (0..5_usize, 1..5_i64, 1..4_usize).prop_map(|(size, keys, most)| Step::Partition(size, keys, most)),
        (0..5_usize, 1..5_i64, any::<bool>()).prop_map(|(size, keys, last)| Step::PartitionUnique(size, keys, last)),
        (0..5_usize, any::<bool>()).prop_map(|(size, full)| Step::Sliding(size, full)),
        (0..6_usize).prop_map(Step::Unique),
        (1..9_i64, 0..9_u64).prop_map(|(length, lateness)| Step::Tumbling(length, lateness)),
        (1..9_u64, 1..4_i64).prop_map(|(gap, keys)| Step::Session(gap, keys)),
        (1..5_i64).prop_map(Step::Frequencies),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prompt(),
        1 => (0..5_usize).prop_map(Step::Buffer),
        1 => (0..50_u64).prop_map(Step::Delay),
        1 => (0..50_u64).prop_map(Step::RateLimit),
        1 => (0..5_usize, 0..50_u64).prop_map(|(most, time)| Step::MapAsync(most, time)),
    ]
}

fn graph() -> impl Strategy<Value = Vec<Step>> {
    let arms =
        |inner: BoxedStrategy<Step>| (prop::collection::vec(inner.clone(), 0..3), prop::collection::vec(inner, 0..3));
    let order_matters = prop_oneof![
        Just(Join::CombineLatest(EmitOn::Both)),
        Just(Join::CombineLatest(EmitOn::Left)),
        Just(Join::CombineLatest(EmitOn::Right)),
        Just(Join::ZipLatest),
        Just(Join::Union),
    ];
    let inner = prop_oneof![
        3 => prompt().boxed(),
        1 => (order_matters.clone(), arms(prompt().boxed())).prop_map(|(join, (a, b))| Step::Diamond(join, a, b)).boxed(),
    ];
    let any_step = prop_oneof![
        6 => step().boxed(),
        1 => arms(step().boxed()).prop_map(|(a, b)| Step::Diamond(Join::Zip, a, b)).boxed(),
        1 => (order_matters, arms(inner.boxed())).prop_map(|(join, (a, b))| Step::Diamond(join, a, b)).boxed(),
        1 => prop::collection::vec(step(), 0..3).prop_map(Step::Side).boxed(),
    ];
    prop::collection::vec(any_step, 0..5)
}

fn refuse(n: i64) -> Error {
    Error::data(ErrorKind::Malformed, "", format!("{n} is refused"))
}

fn sum(values: Vec<i64>) -> i64 {
    values.into_iter().fold(values_seed(), |sum, n| sum.wrapping_mul(7).wrapping_add(n)) % 1_000
}

fn values_seed() -> i64 {
    3
}

/// Puts the steps into the stream, and the side branches into `sides`.
fn put(mut stream: Stream<i64>, steps: &[Step], sides: &mut Vec<Stream<i64>>) -> Stream<i64> {
    for step in steps {
        stream = match step.clone() {
            Step::Map(by) => stream.map(move |n| n + by),
            Step::Filter(by) => stream.filter(move |n| n % by == 0),
            Step::Refuse(by) => stream.try_map(move |n| if n % by == 0 { Err(refuse(n)) } else { Ok(n) }),
            Step::FlatMap(most) => stream.flat_map(move |n| (0..n.rem_euclid(most)).map(|k| n + k).collect::<Vec<_>>()),
            Step::Flatten(most) => stream.map(move |n| vec![n; n.rem_euclid(most) as usize]).flatten(),
            Step::Scan => stream.scan(0, |state: &mut i64, n| {
                *state = (*state + n) % 1_000;
                *state
            }),
            Step::Accumulate => stream.accumulate_from_first(|last, n| (last * 3 + n) % 1_000),
            Step::Slice(start, end, step) => {
                stream.via_kind("slice", lorry_core::ops::Slice::new(start..end).step_by(step))
            }
            Step::Batch(size) => stream.batch(size).map(sum),
            Step::Partition(size, keys, most) => {
                stream.via_kind("partition", Partition::new(size, move |n: &i64| n % keys).max_keys(most)).map(sum)
            }
            Step::PartitionUnique(size, keys, last) => {
                let keep = if last { Keep::Last } else { Keep::First };
                stream.via_kind("unique", PartitionUnique::new(size, move |n: &i64| n % keys).keep(keep)).map(sum)
            }
            Step::Sliding(size, full) => {
                let window = SlidingWindow::new(size);
                stream.via_kind("sliding_window", if full { window.full_only() } else { window }).map(sum)
            }
            Step::Unique(memory) => stream.unique(memory),
            Step::Tumbling(length, lateness) => {
                let windows =
                    TumblingWindow::new(Duration::from_nanos(length as u64), |n: &i64| Timestamp::from_nanos(*n));
                stream.via(windows.lateness(Duration::from_nanos(lateness))).map(|window| sum(window.items))
            }
            Step::Session(gap, keys) => stream
                .session_window(Duration::from_nanos(gap), move |n| n % keys, |n| Timestamp::from_nanos(*n))
                .map(|window| sum(window.items)),
            Step::Frequencies(keys) => stream
                .map(move |n| n % keys)
                .frequencies(3)
                .map(|counts| counts.values().map(|n| *n as i64).max().unwrap()),
            Step::Buffer(size) => stream.via_kind("buffer", Buffer::new(size)),
            Step::Delay(by) => stream.delay(Duration::from_millis(by)),
            Step::RateLimit(interval) => stream.rate_limit(Duration::from_millis(interval)),
            Step::MapAsync(most, time) => stream.map_async(most, move |n| async move {
                tokio::time::sleep(Duration::from_millis(time * n.unsigned_abs() % 50)).await;
                if n % 11 == 10 { Err(refuse(n)) } else { Ok(n + 1) }
            }),
            Step::Diamond(join, a, b) => {
                let (left, right) = stream.tee();
                let (left, right) = (put(left, &a, sides), put(right, &b, sides));
                let pair = |(a, b): (i64, i64)| (a * 31 + b) % 1_000;
                match join {
                    Join::Zip => left.join(right, "zip", Zip::new().ahead(1_000_000)).map(pair),
                    Join::CombineLatest(on) => {
                        left.join(right, "combine_latest", CombineLatest::new().emit_on(on)).map(pair)
                    }
                    Join::ZipLatest => left.zip_latest(right).map(pair),
                    Join::Union => left.union(right),
                }
            }
            Step::Side(steps) => {
                let (side, on) = stream.tee();
                let side = put(side, &steps, sides);
                sides.push(side);
                on
            }
        };
    }
    stream
}

/// Numbers, in chunks of these sizes over and over.
struct Numbers {
    values: VecDeque<i64>,
    chunks: Vec<usize>,
    given: u64,
    turn: usize,
    settled: Arc<Mutex<Option<u64>>>,
}

#[async_trait]
impl Source<i64> for Numbers {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("numbersrc", "numbers")
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self, limit: usize) -> Result<Event<i64>> {
        let n = self.chunks[self.turn % self.chunks.len()].clamp(1, limit).min(self.values.len());
        self.turn += 1;
        if n == 0 {
            return Ok(Event::End);
        }
        let first = self.given;
        self.given += n as u64;
        Ok(Event::Chunk(Chunk::sequential(LaneId(0), first, self.values.drain(..n).collect())))
    }

    async fn settle(&mut self, settled: Vec<Settled>) -> Result<()> {
        for settled in settled {
            if let Settled::UpTo(_, position) = settled {
                let before = self.settled.lock().unwrap().replace(position.0);
                assert!(before.is_none_or(|before| before < position.0), "settled twice, or backwards");
            }
        }
        Ok(())
    }
}

/// Keeps what it takes, and refuses it for the moment as it is told: one number for each batch, a bit for each of its values.
struct Flaky {
    kept: Arc<Mutex<Vec<i64>>>,
    failures: VecDeque<u8>,
    limits: Limits,
}

#[async_trait]
impl Sink<i64> for Flaky {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("flakysink", "flaky")
    }

    fn limits(&self) -> Limits {
        self.limits
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch<i64>) -> Result<Receipt> {
        let away = || Error::transient(ErrorKind::Connection, "", "away");
        let bits = self.failures.pop_front().unwrap_or(0);
        if bits == u8::MAX {
            return Err(away());
        }
        let fails = |index: usize| bits & (1 << (index % 8)) != 0;
        let failed: Vec<_> =
            (0..batch.len()).filter(|index| fails(*index)).map(|index| Failure { index, error: away() }).collect();
        let landed = batch.iter().enumerate().filter(|(index, _)| !fails(*index)).map(|(_, value)| *value);
        self.kept.lock().unwrap().extend(landed);
        let outcome = if failed.is_empty() { Ok(()) } else { Err(Failures::some(failed)) };
        Ok(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            outcome
        }))
    }
}

/// How a graph is run.
#[derive(Clone, Debug)]
struct Way {
    chunks: Vec<usize>,
    batch: usize,
    receipts: usize,
    failures: Vec<u8>,
}

struct Ran {
    report: Report,
    kept: Vec<Vec<i64>>,
    settled: Option<u64>,
}

fn run(values: &[i64], steps: &[Step], way: &Way) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let settled = Arc::<Mutex<Option<u64>>>::default();
        let source = Numbers {
            values: values.iter().copied().collect(),
            chunks: way.chunks.clone(),
            given: 0,
            turn: 0,
            settled: settled.clone(),
        };
        let mut sides = Vec::new();
        let end = put(Stream::from_source(source), steps, &mut sides);
        sides.push(end);
        let mut kept = Vec::new();
        let branches = sides.into_iter().map(|stream| -> Branch {
            let limits = Limits { items: way.batch, receipts: way.receipts, ..Limits::default() };
            let sink = Flaky { kept: Arc::default(), failures: way.failures.iter().copied().collect(), limits };
            kept.push(sink.kept.clone());
            stream.to(sink)
        });
        let relay = Relay::new(branches.collect::<Vec<_>>()).on_error(OnError::Drop);
        let running = relay.spawn();
        let monitor = running.monitor();
        let day = Duration::from_secs(86_400);
        let report = tokio::time::timeout(day, running.wait()).await.expect("it hangs");
        counters_agree(monitor.graph(), &report);
        let kept = kept.iter().map(|kept| kept.lock().unwrap().clone()).collect();
        Ran { report, kept, settled: *settled.lock().unwrap() }
    })
}

/// What goes out of a node goes into those below it, and what holds nothing back gives out what it takes.
fn counters_agree(graph: &lorry_core::flow::Graph, report: &Report) {
    let given = |place: &usize| match graph.nodes()[*place].role {
        Role::Source => report.received,
        _ => graph.nodes()[*place].counts().1,
    };
    for node in graph.nodes().iter().filter(|node| node.role == Role::Operator) {
        let (taken, gave) = node.counts();
        assert_eq!(taken, node.inputs.iter().map(given).sum::<u64>(), "{} takes what is given", node.name);
        match node.kind {
            "map" | "scan" | "accumulate" | "buffer" | "delay" | "rate_limit" | "union" | "frequencies" => {
                assert_eq!(taken, gave, "{}", node.name);
            }
            "filter" | "try_map" | "unique" | "slice" | "batch" | "partition" | "map_async" => {
                assert!(gave <= taken, "{}", node.name);
            }
            _ => {}
        }
    }
}

fn way() -> impl Strategy<Value = Way> {
    let chunks = prop::collection::vec(1..40_usize, 1..4);
    let failures = prop::collection::vec(prop_oneof![2 => Just(0), 1 => any::<u8>(), 1 => Just(u8::MAX)], 0..6);
    (chunks, 1..20_usize, 1..4_usize, failures).prop_map(|(chunks, batch, receipts, failures)| Way {
        chunks,
        batch,
        receipts,
        failures,
    })
}

fn sorted(mut values: Vec<i64>) -> Vec<i64> {
    values.sort_unstable();
    values
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_chunks_and_whatever_fails(
        values in prop::collection::vec(0..100_i64, 0..70),
        steps in graph(),
        way in way(),
    ) {
        let plain = Way { chunks: vec![1], batch: 1, receipts: 1, failures: Vec::new() };
        let one_by_one = run(&values, &steps, &plain);
        let other = run(&values, &steps, &way);
        for ran in [&one_by_one, &other] {
            let report = &ran.report;
            prop_assert!(report.error.is_none(), "{:?}", report.error);
            prop_assert_eq!(report.received, values.len() as u64);
            // Every one decided, and once: a token that resolves twice, or never, does not add up.
            prop_assert_eq!(report.delivered + report.filtered + report.dropped, report.received);
            prop_assert_eq!(ran.settled, (values.len() as u64).checked_sub(1));
        }
        let counts = |ran: &Ran| (ran.report.delivered, ran.report.filtered, ran.report.dropped);
        prop_assert_eq!(counts(&one_by_one), counts(&other));
        let fails = way.failures.iter().any(|bits| *bits != 0);
        for (expected, kept) in one_by_one.kept.into_iter().zip(other.kept) {
            if fails {
                // A value that was refused alone may come late; but once.
                prop_assert_eq!(sorted(expected), sorted(kept));
            } else {
                prop_assert_eq!(expected, kept);
            }
        }
        prop_assert_eq!(one_by_one.report.retried, 0);
    }
}

/// The operators are public, and so is what an author of others needs to test them.
#[test]
fn an_operator_can_be_tested_by_itself() {
    use lorry_core::flow::{Operator, Output};
    let mut seen = Vec::new();
    let mut out = Output::to(&mut seen, std::time::Instant::now());
    let mut window = SlidingWindow::new(2);
    (1..=3).for_each(|n| window.push(Item::untracked(n), &mut out));
    assert_eq!(seen.into_iter().map(|item| item.value).collect::<Vec<_>>(), [vec![1], vec![1, 2], vec![2, 3]]);
}
