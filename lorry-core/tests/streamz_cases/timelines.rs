//! The timelines, each by hand, on virtual time. One unit of a case is one second here.

use super::elem::Elem;
use super::python::{call, raise};
use super::settle;
use super::value::Py;
use lorry_core::ops::{Keep, PartitionUnique, Zip};
use lorry_core::registry::Span;
use lorry_core::relay::{Chunk, Context, Event, Identity, LaneId, Settled, Source, SourceInfo};
use lorry_core::{Input, OnError, Relay, Result, Running, Stream, async_trait};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

const U: Duration = Duration::from_secs(1);

/// What is seen, in the form of the case's `expect`; none if the timeline is not known.
pub(crate) async fn observe(id: &str) -> Option<Value> {
    let seen = match id.strip_prefix("streamz.")? {
        "delay.timeline" => delay().await,
        "rate_limit.timeline" => rate_limit().await,
        "buffer.backpressure" => buffer().await,
        "latest.drops_intermediate" => latest().await,
        "backpressure.sink_future_propagates" => sink_holds_emit().await,
        "zip.backpressure_maxsize" => zip_holds_emit().await,
        "map_async.preserves_order" => map_async().await,
        "map_async.parallelism_off_by_one" => json!({"p=1": most_at_once(1).await, "p=3": most_at_once(3).await}),
        "buffer.refcounts" => buffer_refs().await,
        "partition_unique.refcount_leak_BUG" => partition_unique_refs().await,
        "refcounter.callback_once_at_zero" => callback().await,
        "from_iterable.all_then_stopped" => all_then_stopped().await,
        "from_periodic.start_stop" => periodic().await,
        "source.error_kills_source" => source_error().await,
        "timed_window.refcounts" => timed_window_refs().await,
        "timed_window.metadata" => timed_window_metadata().await,
        "timed_window.interval_string" => json!({"interval_s": "10ms".parse::<Span>().ok()?.0.as_secs_f64()}),
        "delay.refcounts" => delay_refs().await,
        "union.connect_later" => union_of_three().await,
        "start.propagates_upstream" => source_starts().await,
        "sink.args_kwargs" => sink_arguments().await,
        "buffer.downstream_error_deadlocks" => buffer_error().await,
        "timed_window.downstream_error_kills" => timed_window_error().await,
        "delay.downstream_error_kills" => delay_error().await,
        "latest.downstream_error_kills" => latest_error().await,
        _ => return None,
    };
    Some(seen)
}

/// Whole units, as the cases have them; the clock of the runtime counts milliseconds.
fn units(since: Instant) -> u64 {
    let elapsed = since.elapsed();
    (elapsed.as_millis() as u64 + 100) / 1_000
}

/// Notes `[time, value]` as values arrive.
fn timed<T: Send + Sync + Into<Value> + Clone + 'static>(
    stream: Stream<T>,
) -> (lorry_core::Branch, Arc<Mutex<Vec<Value>>>) {
    let began = Instant::now();
    let seen = Arc::<Mutex<Vec<Value>>>::default();
    let into = seen.clone();
    let branch = stream.sink(move |value| into.lock().unwrap().push(json!([units(began), value.clone().into()])));
    (branch, seen)
}

fn taken(seen: &Arc<Mutex<Vec<Value>>>) -> Value {
    Value::Array(seen.lock().unwrap().clone())
}

/// Puts values in one after the other; when each was taken.
async fn send_all(input: &Input<i64>, values: impl IntoIterator<Item = i64>) -> Vec<u64> {
    let began = Instant::now();
    let mut returns = Vec::new();
    for value in values {
        input.send(value).await.unwrap();
        returns.push(units(began));
    }
    returns
}

/// How many references of a value are held: one, until it is decided.
struct Refs(Vec<Arc<AtomicUsize>>);

impl Refs {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn emit<T: Send + 'static>(&mut self, input: &Input<T>, value: T) {
        let (input, count) = (input.clone(), Arc::new(AtomicUsize::new(1)));
        self.0.push(count.clone());
        tokio::spawn(async move {
            let taken = input.send(value).await.unwrap();
            drop(input);
            let _ = taken.await;
            count.fetch_sub(1, Ordering::AcqRel);
        });
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|count| count.load(Ordering::Acquire)).collect()
    }
}

async fn ended(running: Running) {
    let report = running.wait().await;
    assert!(report.error.is_none(), "{:?}", report.error);
    assert_eq!(report.received, report.delivered + report.filtered + report.failed);
}

async fn delay() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, seen) = timed(stream.delay(2 * U));
    let running = Relay::new([branch]).spawn();
    send_all(&input, 0..3).await;
    sleep(3 * U).await;
    drop(input);
    ended(running).await;
    taken(&seen)
}

async fn rate_limit() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, seen) = timed(stream.rate_limit(2 * U));
    let running = Relay::new([branch]).spawn();
    let returns = send_all(&input, 0..4).await;
    drop(input);
    ended(running).await;
    json!({"L": taken(&seen), "emit_returns": returns})
}

/// A sink that takes so long for each value, with nothing waiting before it.
fn slow(stream: Stream<i64>, each: Duration) -> (lorry_core::Branch, Arc<Mutex<Vec<i64>>>) {
    let done = Arc::<Mutex<Vec<i64>>>::default();
    let into = done.clone();
    let branch = stream.async_sink(move |value| {
        let into = into.clone();
        async move {
            sleep(each).await;
            into.lock().unwrap().push(value);
            Ok(())
        }
    });
    (branch.queue(1), done)
}

async fn buffer() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, done) = slow(stream.buffer(3), 2 * U);
    let running = Relay::new([branch]).spawn();
    settle().await;
    let returns = send_all(&input, 0..6).await;
    let by_then = done.lock().unwrap().len();
    drop(input);
    ended(running).await;
    json!({"emit_returns": returns, "done_when_emits_return": by_then, "L": *done.lock().unwrap()})
}

async fn latest() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, done) = slow(stream.latest(), 3 * U);
    let running = Relay::new([branch]).spawn();
    input.send(1).await.unwrap();
    sleep(U).await;
    input.send(2).await.unwrap();
    input.send(3).await.unwrap();
    sleep(10 * U).await;
    let seen = done.lock().unwrap().clone();
    drop(input);
    ended(running).await;
    json!({"L": seen})
}

async fn sink_holds_emit() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(2);
    let sink = stream.map(|n| n + 1).accumulate(0, |sum, n| sum + n).async_sink(move |value| {
        let sender = sender.clone();
        async move { sender.send(value).await.map_err(|_| raise("closed")) }
    });
    let running = Relay::new([sink]).spawn();
    tokio::spawn(async move {
        while receiver.recv().await.is_some() {
            sleep(2 * U).await;
        }
    });
    let began = Instant::now();
    let mut returns = Vec::new();
    for n in 0..5 {
        input.emit(n).await.unwrap();
        settle().await;
        returns.push(units(began));
    }
    drop(input);
    ended(running).await;
    json!({"emit_returns": returns})
}

async fn zip_holds_emit() -> Value {
    let (a, left) = Stream::<i64>::input();
    let (b, right) = Stream::<&'static str>::input();
    let (branch, seen) = left.join(right, "zip", Zip::new().ahead(2)).collect_vec();
    let running = Relay::new([branch]).spawn();
    send_all(&a, [1, 2]).await;
    let mut third = Box::pin(a.send(3));
    let blocks = timeout(U, &mut third).await.is_err();
    b.send("a").await.unwrap();
    let relieved = timeout(U, &mut third).await.is_ok();
    drop(third);
    settle().await;
    let pairs = seen.values();
    drop((a, b));
    ended(running).await;
    json!({"third_emit_blocks": blocks && relieved, "L": pairs})
}

async fn map_async() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let slept = stream.map_async(3, |n| async move {
        sleep(if n == 0 { 3 * U } else { U }).await;
        Ok(n)
    });
    let (branch, seen) = timed(slept);
    let running = Relay::new([branch]).spawn();
    send_all(&input, 0..3).await;
    drop(input);
    ended(running).await;
    json!({"L": taken(&seen)})
}

async fn most_at_once(concurrency: usize) -> usize {
    let (input, stream) = Stream::<i64>::input();
    let (now, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (at_work, highest) = (now, most.clone());
    let branch = stream
        .map_async(concurrency, move |n| {
            let (at_work, highest) = (at_work.clone(), highest.clone());
            async move {
                highest.fetch_max(at_work.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
                sleep(U).await;
                at_work.fetch_sub(1, Ordering::AcqRel);
                Ok(n)
            }
        })
        .sink(|_| ());
    let running = Relay::new([branch]).spawn();
    send_all(&input, 0..12).await;
    drop(input);
    ended(running).await;
    most.load(Ordering::Acquire)
}

async fn buffer_refs() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let running = Relay::new([stream.buffer(5).sink(|_| ())]).spawn();
    settle().await;
    let mut refs = Refs::new();
    (0..3).for_each(|n| refs.emit(&input, n));
    let before = refs.counts();
    settle().await;
    let after = refs.counts();
    drop(input);
    ended(running).await;
    json!({"before": before, "after": after})
}

async fn partition_unique_refs() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let op = PartitionUnique::new(2, |n: &i64| *n).keep(Keep::First);
    let (branch, seen) = stream.via_kind("partition_unique", op).collect_vec();
    let running = Relay::new([branch]).spawn();
    let mut refs = Refs::new();
    for n in [1, 1, 2] {
        refs.emit(&input, n);
        settle().await;
    }
    let counts = refs.counts();
    drop(input);
    ended(running).await;
    json!({"L": seen.values(), "counts": counts})
}

async fn callback() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let running = Relay::new([stream.batch(2).sink(|_| ())]).spawn();
    let called = Arc::<Mutex<Vec<&str>>>::default();
    let (first, note) = (input.send(0).await.unwrap(), called.clone());
    tokio::spawn(async move {
        first.await.unwrap();
        note.lock().unwrap().push("commit");
    });
    settle().await;
    let after_first = called.lock().unwrap().clone();
    input.send(1).await.unwrap();
    settle().await;
    let after_second = called.lock().unwrap().clone();
    drop(input);
    ended(running).await;
    json!({"after_first": after_first, "after_second": after_second})
}

/// A source of given values, one at a time.
struct Given {
    values: VecDeque<i64>,
    every: Duration,
    given: u64,
    opened: Arc<AtomicBool>,
}

impl Given {
    fn new(values: impl IntoIterator<Item = i64>, every: Duration) -> Self {
        Self { values: values.into_iter().collect(), every, given: 0, opened: Arc::default() }
    }
}

#[async_trait]
impl Source<i64> for Given {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("givensrc", "given")
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        self.opened.store(true, Ordering::Release);
        Ok(())
    }

    async fn next(&mut self, _: usize) -> Result<Event<i64>> {
        if self.given > 0 && !self.every.is_zero() {
            sleep(self.every).await;
        }
        let Some(value) = self.values.pop_front() else { return Ok(Event::End) };
        self.given += 1;
        Ok(Event::Chunk(Chunk::sequential(LaneId(0), self.given - 1, vec![value])))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

async fn all_then_stopped() -> Value {
    let (branch, seen) = Stream::from_source(Given::new(0..5, Duration::ZERO)).collect_vec();
    let report = Relay::new([branch]).run().await;
    json!({"L": seen.values(), "stopped": report.is_ok_and(|report| report.delivered == 5)})
}

async fn periodic() -> Value {
    let source = Given::new(0..1_000, 2 * U);
    let opened = source.opened.clone();
    let (branch, seen) = Stream::from_source(source).collect_vec();
    let relay = Relay::new([branch]);
    let before = !opened.load(Ordering::Acquire);
    let running = relay.spawn();
    sleep(5 * U).await;
    running.stop().await.unwrap();
    let at_stop = seen.len();
    sleep(10 * U).await;
    json!({"stopped_before_start": before, "count_at_stop": at_stop, "count_later": seen.len()})
}

fn recip(n: &i64) -> Result<f64> {
    call("$recip", &[Py::Int((*n).into())]).map(|value| value.to_json().as_f64().unwrap_or_default())
}

async fn source_error() -> Value {
    let mut runs = Vec::new();
    for policy in [OnError::Drop, OnError::Stop] {
        let inverse = Stream::from_source(Given::new([1, 0, 2], U)).try_map(|n| recip(&n));
        let (branch, seen) = inverse.collect_vec();
        let report = Relay::new([branch]).on_error(policy).spawn().wait().await;
        runs.push((seen.values(), report));
    }
    let (stopped, failed) = runs.pop().unwrap();
    let (skipped, went_on) = runs.pop().unwrap();
    assert!(went_on.error.is_none());
    let (state, code) = if failed.error.is_some() { ("failed", "non-zero") } else { ("ended", "zero") };
    json!({
        "policy_skip": {"L": skipped, "errors": went_on.dropped},
        "policy_stop": {"L": stopped, "state": state, "exit_code": code},
    })
}

async fn timed_window_refs() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let running = Relay::new([stream.timed_window(U).sink(|_| ())]).spawn();
    let mut refs = Refs::new();
    refs.emit(&input, 1);
    settle().await;
    let at_once = refs.counts();
    sleep(5 * U + U / 2).await;
    refs.emit(&input, 2);
    settle().await;
    let after = refs.counts();
    drop(input);
    ended(running).await;
    json!({"at_once": {"ref1": at_once[0]}, "after_flush": {"ref1": after[0], "ref2": after[1]}})
}

async fn timed_window_metadata() -> Value {
    let (input, stream) = Stream::<Elem>::input();
    let (branch, seen) = stream.timed_window(6 * U).map(Elem::list).collect_vec();
    let running = Relay::new([branch]).spawn();
    let elem =
        |n: i64| Elem { meta: if n == 0 { Vec::new() } else { vec![json!({"v": n})] }, ..Elem::new(Py::Int(n.into())) };
    for (n, wait) in [(0, 0), (1, 7), (2, 0), (3, 0)] {
        input.send(elem(n)).await.unwrap();
        sleep(wait * U).await;
    }
    drop(input);
    ended(running).await;
    json!({"M": seen.values().into_iter().map(|elem| elem.meta).collect::<Vec<_>>()})
}

async fn delay_refs() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let running = Relay::new([stream.delay(U).sink(|_| ())]).spawn();
    let mut refs = Refs::new();
    (0..5).for_each(|n| refs.emit(&input, n));
    settle().await;
    let at_once = refs.counts();
    sleep(2 * U).await;
    let after = refs.counts();
    drop(input);
    ended(running).await;
    json!({"at_once": at_once, "after_drain": after})
}

async fn union_of_three() -> Value {
    let inputs: Vec<_> = (0..3).map(|_| Stream::<i64>::input()).collect();
    let (inputs, streams): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    let (branch, seen) = Stream::union_all(streams).map(|n| n + 1).collect_vec();
    let running = Relay::new([branch]).spawn();
    send_all(&inputs[2], [2, 4]).await;
    drop(inputs);
    ended(running).await;
    json!({"L": seen.values()})
}

async fn source_starts() -> Value {
    let source = Given::new([1], Duration::ZERO);
    let opened = source.opened.clone();
    Relay::new([Stream::from_source(source).map(|n| n + 1).sink(|_| ())]).run().await.unwrap();
    json!({"source_started": opened.load(Ordering::Acquire)})
}

async fn sink_arguments() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let calls = Arc::<Mutex<Vec<Value>>>::default();
    let (into, animal, prefix) = (calls.clone(), "cat", "super");
    let running = Relay::new([stream.sink(move |n| into.lock().unwrap().push(json!([n, animal, prefix])))]).spawn();
    send_all(&input, [1, 2]).await;
    drop(input);
    ended(running).await;
    json!({"calls": taken(&calls)})
}

async fn buffer_error() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let fails_on_zero = |n| if n == 0 { Err(raise("ZeroDivisionError")) } else { Ok(n) };
    let (branch, seen) = stream.buffer(2).try_map(fails_on_zero).collect_vec();
    let running = Relay::new([branch]).spawn();
    let mut sent = Vec::new();
    for n in [1, 0, 2, 3, 4, 5] {
        let taken = timeout(U * 3 / 10, input.send(n)).await;
        sent.push(if taken.is_ok() { "ok" } else { "blocked" });
    }
    drop(input);
    let report = running.wait().await;
    json!({"L": seen.values(), "errors": report.failed, "emit": sent})
}

async fn timed_window_error() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let inverse = stream.timed_window(U).try_map(|window| window.iter().map(recip).collect::<Result<Vec<_>>>());
    let (branch, seen) = inverse.collect_vec();
    let running = Relay::new([branch]).spawn();
    for n in [1, 0, 2] {
        input.send(n).await.unwrap();
        sleep(2 * U).await;
    }
    drop(input);
    let report = running.wait().await;
    json!({"L": seen.values(), "errors": report.failed})
}

async fn delay_error() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, seen) = stream.delay(U).try_map(|n| recip(&n)).collect_vec();
    let running = Relay::new([branch]).spawn();
    send_all(&input, [1, 0, 2]).await;
    sleep(2 * U).await;
    drop(input);
    let report = running.wait().await;
    json!({"L": seen.values(), "errors": report.failed})
}

async fn latest_error() -> Value {
    let (input, stream) = Stream::<i64>::input();
    let (branch, seen) = stream.latest().try_map(|n| recip(&n)).collect_vec();
    let running = Relay::new([branch]).spawn();
    for n in [1, 0, 2] {
        input.send(n).await.unwrap();
        sleep(U).await;
    }
    drop(input);
    let report = running.wait().await;
    json!({"L": seen.values(), "errors": report.failed})
}
