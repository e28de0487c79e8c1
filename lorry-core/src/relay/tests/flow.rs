//! Batches, back-pressure, branches, joins, values from the program.

use super::script::{Keep, Numbers};
use crate::flow::{Either, Holds, Item, Operator, Output};
use crate::relay::*;
use crate::{ErrorKind, Stream};
use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_idle_sink_gets_at_once_what_there_is_and_a_busy_one_full_batches() {
    let limits = Limits { items: 100, linger: 10 * SECOND, receipts: 2, ..Limits::default() };
    let sink = Keep::new().limits(limits).taking(SECOND);
    let kept = sink.log.clone();
    let (input, stream) = Stream::<u64>::input();
    let running = Relay::new([stream.to(sink)]).spawn();
    let began = tokio::time::Instant::now();
    let first = input.send(0).await.unwrap();
    assert!(first.await.is_ok());
    assert_eq!(kept.lock().unwrap().batches[0].0, began, "idle: no linger");
    // Busy: what comes meanwhile waits for company, but not when the sink has become idle again.
    let mut taken = Vec::new();
    for n in 1..=50 {
        taken.push(input.send(n).await.unwrap());
    }
    drop(input);
    running.wait().await;
    let batches: Vec<_> = kept.lock().unwrap().batches.iter().map(|(_, batch)| batch.len()).collect();
    assert_eq!(batches.iter().sum::<usize>(), 51);
    assert!(batches.len() <= 4, "{batches:?}");
}

#[tokio::test(start_paused = true)]
async fn linger_fires_to_the_millisecond() {
    let limits = Limits { items: 100, linger: Duration::from_millis(250), receipts: 4, ..Limits::default() };
    let sink = Keep::new().limits(limits).taking(60 * SECOND);
    let kept = sink.log.clone();
    let (input, stream) = Stream::<u64>::input();
    let running = Relay::new([stream.to(sink)]).spawn();
    let began = tokio::time::Instant::now();
    let _first = input.send(0).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let _second = input.send(1).await.unwrap();
    tokio::time::sleep(SECOND).await;
    let times: Vec<_> =
        kept.lock().unwrap().batches.iter().map(|(at, _)| at.duration_since(began).as_millis()).collect();
    assert_eq!(times, [0, 1_250]);
    drop((input, running));
}

#[tokio::test(start_paused = true)]
async fn batches_respect_bytes() {
    let sink = Keep::new().limits(Limits { items: 100, bytes: 3 * size_of::<u64>(), ..Limits::default() });
    let kept = sink.log.clone();
    Relay::new([Stream::from_source(Numbers::to(10)).to(sink)]).run().await.unwrap();
    assert!(kept.lock().unwrap().batches.iter().all(|(_, batch)| batch.len() <= 3));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_stands_still_holds_the_source_at_its_bound() {
    let (source, sink) = (Numbers::to(1_000_000), Keep::new().taking(3_600 * SECOND));
    let running = Relay::new([Stream::from_source(source).to(sink)]).bound(5_000, usize::MAX).spawn();
    tokio::time::sleep(60 * SECOND).await;
    assert!(running.monitor().snapshot().counts.received <= 5_000);
    let (source, sink) = (Numbers::to(1_000_000), Keep::new().taking(3_600 * SECOND));
    let bytes = Relay::new([Stream::from_source(source).to(sink)]).bound(usize::MAX, 8_000).spawn();
    tokio::time::sleep(60 * SECOND).await;
    // Whole chunks: one may go beyond the bound.
    assert!(bytes.monitor().snapshot().counts.received <= 1_256);
}

#[tokio::test(start_paused = true)]
async fn branches_run_in_the_order_they_were_made() {
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = order.clone();
        move |n: u64| {
            order.lock().unwrap().push((name, n));
            n
        }
    };
    let source = Stream::from_source(Numbers::to(3));
    let (a, b) = source.tee();
    let first = a.map(note("a"));
    let second = b.map(note("b"));
    // Wired the other way round: the order of the calls counts.
    let relay = Relay::new([second.to(Keep::new()), first.to(Keep::new())]);
    relay.run().await.unwrap();
    assert_eq!(*order.lock().unwrap(), [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]);
}

/// Pairs what comes on both sides; holds up to `max` of each.
struct Zip {
    left: VecDeque<Item<u64>>,
    right: VecDeque<Item<u64>>,
    max: usize,
}

impl Operator<Either<u64, u64>, (u64, u64)> for Zip {
    fn push(&mut self, item: Item<Either<u64, u64>>, out: &mut Output<'_, (u64, u64)>) {
        match item.value {
            Either::Left(value) => self.left.push_back(Item { value, token: item.token }),
            Either::Right(value) => self.right.push_back(Item { value, token: item.token }),
        }
        while !self.left.is_empty() && !self.right.is_empty() {
            let (Some(a), Some(b)) = (self.left.pop_front(), self.right.pop_front()) else { return };
            out.emit((a.value, b.value), crate::Token::pair(a.token, b.token));
        }
    }

    fn finish(&mut self, _: &mut Output<'_, (u64, u64)>) {
        self.left.drain(..).chain(self.right.drain(..)).for_each(|item| item.token.filtered());
    }

    fn room(&self, port: usize, downstream: usize) -> usize {
        let held = if port == 0 { self.left.len() } else { self.right.len() };
        if downstream == 0 { 0 } else { self.max.saturating_sub(held) }
    }

    fn holds(&self) -> Holds {
        Holds::Items(self.max)
    }
}

fn zip(max: usize) -> Zip {
    Zip { left: VecDeque::new(), right: VecDeque::new(), max }
}

#[tokio::test(start_paused = true)]
async fn a_diamond_delivers_each_message_once() {
    let sink = Keep::new();
    let kept = sink.log.clone();
    let (a, b) = Stream::from_source(Numbers::to(1_000)).tee();
    let pairs = a.map(|n| n + 1).join(b.map(|n| n * 2), "zip", zip(10));
    let report = Relay::new([pairs.to(sink)]).run().await.unwrap();
    assert_eq!((report.received, report.delivered), (1_000, 1_000));
    assert_eq!(kept.lock().unwrap().values(), (0..1_000).map(|n| (n + 1, n * 2)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn one_full_side_of_a_join_does_not_stop_the_other() {
    let sink = Keep::new();
    let kept = sink.log.clone();
    let (left, a) = Stream::<u64>::input();
    let (right, b) = Stream::<u64>::input();
    let running = Relay::new([a.join(b, "zip", zip(2)).to(sink)]).spawn();
    left.send(1).await.unwrap();
    left.send(2).await.unwrap();
    let mut third = Box::pin(left.send(3));
    assert!(tokio::time::timeout(SECOND, &mut third).await.is_err(), "the left side is full");
    right.send(10).await.unwrap();
    assert!(tokio::time::timeout(SECOND, &mut third).await.is_ok(), "the right side has relieved it");
    drop(third);
    drop((left, right));
    running.wait().await;
    assert_eq!(kept.lock().unwrap().values(), [(1, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_can_never_move_again_says_so() {
    // One arm filters, so the join below waits for ever, and the source's window is used up.
    let (a, b) = Stream::from_source(Numbers::to(100).then_waits().window(20)).tee();
    let pairs = a.filter(|n| *n > 1_000).join(b, "zip", zip(19));
    let report = Relay::new([pairs.to(Keep::new())]).spawn().wait().await;
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("zip0 holds 19 messages"), "{error}");
    assert!(error.to_string().contains("numbersrc0 gets no more than 20"), "{error}");
}

/// What is filtered out behind a message that waits cannot be acknowledged before it, so it fills the window too.
#[tokio::test(start_paused = true)]
async fn what_is_filtered_behind_a_message_that_waits_fills_the_window() {
    let few = Stream::from_source(Numbers::to(100).window(20)).filter(|n| n % 10 == 0);
    let running = Relay::new([few.batch(5).to(Keep::new())]).spawn();
    let report = tokio::time::timeout(60 * SECOND, running.wait()).await.expect("nobody noticed");
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    let says = "batch0 holds 2 messages, and numbersrc0 gets no more than 20 before they are acknowledged";
    assert!(error.to_string().contains(says), "{error}");
    let one = Stream::from_source(Numbers::to(100).window(20)).filter(|n| n % 100 == 0);
    let error = Relay::new([one.batch(5).to(Keep::new())]).spawn().wait().await.error.unwrap();
    assert!(error.to_string().contains("batch0 holds 1 message, and numbersrc0"), "{error}");
    // Nor is it a stall where the peer does not count them.
    let few = Stream::from_source(Numbers::to(100).then_waits().uncounted(20)).filter(|n| n % 10 == 0);
    let running = Relay::new([few.batch(7).to(Keep::new())]).spawn();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = running.stop().await.unwrap();
    assert_eq!((report.delivered, report.filtered), (10, 90));
    // Nor where what waits goes on in time.
    let few = Stream::from_source(Numbers::to(100).window(20)).filter(|n| n % 10 == 0);
    let limited = crate::ops::Batch::new(5).timeout(Duration::from_secs(1));
    let report = Relay::new([few.via_kind("batch", limited).to(Keep::new())]).run().await.unwrap();
    assert_eq!((report.delivered, report.filtered), (10, 90));
}

/// Also when a sink was the last that moved.
#[tokio::test(start_paused = true)]
async fn a_stall_behind_a_sink_is_noticed_once_the_sink_has_done() {
    let few = Stream::from_source(Numbers::to(100).window(20)).filter(|n| n % 10 == 0);
    let sink = Keep::new().taking(Duration::from_secs(1));
    let running = Relay::new([few.sliding_window(4).to(sink)]).spawn();
    let report = tokio::time::timeout(Duration::from_secs(60), running.wait()).await.unwrap();
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("sliding_window0 holds"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_holds_all_the_bytes_there_may_be_is_noticed() {
    let relay = Relay::new([Stream::from_source(Numbers::to(1_000)).batch(500).to(Keep::new())]).bound(1_000, 20 * 8);
    let error = relay.spawn().wait().await.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("numbersrc0 gives no more than 160 bytes before they are decided"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_small_window_does_not_stall_a_batch_that_fits() {
    let (source, sink) = (Numbers::to(100).window(20), Keep::new());
    let kept = sink.log.clone();
    let report = Relay::new([Stream::from_source(source).batch(15).to(sink)]).run().await.unwrap();
    assert_eq!(report.delivered, 100);
    assert_eq!(kept.lock().unwrap().values().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_holds_more_than_the_window_is_refused() {
    let relay = Relay::new([Stream::from_source(Numbers::to(100).window(20)).batch(50).to(Keep::new())]);
    let error = relay.check().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(
        error.to_string().contains("batch0 holds up to 49 messages") && error.to_string().contains("no more than 20"),
        "{error}"
    );
    let limited = crate::ops::Batch::new(50).timeout(SECOND);
    let relay =
        Relay::new([Stream::from_source(Numbers::to(100).window(20)).via_kind("batch", limited).to(Keep::new())]);
    assert_eq!(relay.run().await.unwrap().delivered, 100);
}

#[tokio::test(start_paused = true)]
async fn operators_that_hold_more_than_the_window_together_are_refused() {
    let source = || Stream::from_source(Numbers::to(100).window(20));
    let limited = || crate::ops::Batch::new(5).timeout(SECOND);
    let says = |relay: Relay| relay.check().unwrap_err().to_string();
    // 4 messages, and batches of 5; without a limit of time, and with one.
    let error = says(Relay::new([source().batch(5).sliding_window(5).to(Keep::new())]));
    assert!(error.contains("sliding_window0 and what is before it hold up to 24 messages"), "{error}");
    let error = says(Relay::new([source().via_kind("batch", limited()).sliding_window(5).to(Keep::new())]));
    assert!(error.contains("sliding_window0 holds up to 20 messages"), "{error}");
    let error = says(Relay::new([source().sliding_window(11).map(|of| of[0]).batch(11).to(Keep::new())]));
    assert!(error.contains("batch0 and what is before it hold up to 20 messages"), "{error}");
    // As much as there is room for.
    for relay in [
        Relay::new([source().batch(5).sliding_window(4).to(Keep::new())]),
        Relay::new([source().via_kind("batch", limited()).sliding_window(4).to(Keep::new())]),
        Relay::new([source().sliding_window(10).map(|of| of[0]).batch(10).to(Keep::new())]),
    ] {
        assert_eq!(relay.run().await.unwrap().delivered, 100);
    }
}

#[tokio::test(start_paused = true)]
async fn emit_comes_back_when_delivered_and_send_when_taken() {
    let sink = Keep::new().taking(5 * SECOND);
    let (input, stream) = Stream::<u64>::input();
    let running = Relay::new([stream.filter(|n| *n != 2).to(sink)]).spawn();
    let began = tokio::time::Instant::now();
    let taken = input.send(1).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    taken.await.unwrap();
    assert_eq!(began.elapsed(), 5 * SECOND);
    input.emit(2).await.unwrap();
    assert_eq!(began.elapsed(), 5 * SECOND, "filtered: nothing to wait for");
    drop(input);
    let report = running.wait().await;
    assert_eq!((report.received, report.delivered, report.filtered), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn emit_says_why_a_value_was_not_delivered() {
    let (input, stream) = Stream::<u64>::input();
    let stream = stream.try_map(|n| match n {
        0 => Err(crate::Error::data(ErrorKind::Malformed, "", "zero")),
        n => Ok(n),
    });
    let running = Relay::new([stream.to(Keep::new())]).spawn();
    assert!(input.emit(0).await.unwrap_err().to_string().contains("zero"));
    input.emit(1).await.unwrap();
    drop(running);
    tokio::task::yield_now().await;
    assert!(input.emit(2).await.is_err(), "the relay is gone");
}

#[tokio::test(start_paused = true)]
async fn a_batch_gives_out_what_it_has_when_its_time_is_up() {
    let sink = Keep::new();
    let kept = sink.log.clone();
    let (input, stream) = Stream::<u64>::input();
    let batched = stream.via_kind("batch", crate::ops::Batch::new(3).timeout(SECOND));
    let running = Relay::new([batched.to(sink)]).spawn();
    let began = tokio::time::Instant::now();
    let taken = input.send(1).await.unwrap();
    taken.await.unwrap();
    assert_eq!(began.elapsed(), SECOND);
    for n in 2..5 {
        input.send(n).await.unwrap();
    }
    drop(input);
    running.wait().await;
    assert_eq!(kept.lock().unwrap().values(), [vec![1], vec![2, 3, 4]]);
}

/// Of a chunk, what is decided does not count.
#[tokio::test(start_paused = true)]
async fn bytes_of_messages_that_are_decided_are_free() {
    // At most 99 are held, and what the sink has.
    let relay = Relay::new([Stream::from_source(Numbers::to(1_000)).batch(100).to(Keep::new())]).bound(1_000, 150 * 8);
    assert_eq!(relay.run().await.unwrap().delivered, 1_000);
}

/// What operators make of messages counts before a sink, whatever the messages themselves weigh.
#[tokio::test(start_paused = true)]
async fn what_waits_before_a_sink_is_bounded_in_bytes() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let large = |n: u64| {
        crate::Message::new({
            MADE.fetch_add(1, Ordering::Relaxed);
            vec![n as u8; 1 << 20]
        })
    };
    let sink = Keep::new().limits(Limits { bytes: 3 << 20, ..Limits::default() }).taking(SECOND);
    let kept = sink.log.clone();
    let stream = Stream::from_source(Numbers::to(100)).flat_map(move |n| (0..2).map(move |i| large(2 * n + i)));
    let running = Relay::new([stream.to(sink)]).bound(1_000, 10 << 20).spawn();
    let mut most = 0;
    while kept.lock().unwrap().values().len() < 200 {
        let delivered = running.monitor().graph().nodes().last().map_or(0, |sink| sink.counts().1);
        most = most.max(MADE.load(Ordering::Relaxed) - delivered as usize);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(running.wait().await.delivered, 100);
    // As much before the sink, and as much in the turn of the pump that found it full.
    assert!((10..=22).contains(&most), "{most} MB");
    assert_eq!(MADE.load(Ordering::Relaxed), 200);
}
