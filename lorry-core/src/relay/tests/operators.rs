//! Operators in a relay: what they may hold, inputs that end, stops.

use super::replay::Replay;
use super::script::{Keep, Numbers};
use crate::flow::{Item, Operator, Output};
use crate::ops::*;
use crate::relay::*;
use crate::{ErrorKind, Stream, Timestamp};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Whether a source that must be acknowledged in order, with 20 at most before, may stand above.
fn is_refused<O: Clone + Send + Sync + 'static>(build: impl FnOnce(Stream<u64>) -> Stream<O>) -> bool {
    let stream = Stream::from_source(Numbers::to(100).window(20));
    let checked = Relay::new([build(stream).to(Keep::new())]).check();
    if let Err(error) = &checked {
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("must acknowledge in order"), "{error}");
    }
    checked.is_err()
}

fn via<O: Clone + Send + Sync + 'static>(op: impl Operator<u64, O> + 'static) -> bool {
    is_refused(|stream| stream.via(op))
}

fn time(n: &u64) -> Timestamp {
    Timestamp::from_nanos(*n as i64)
}

fn halves(stream: Stream<u64>) -> (Stream<u64>, Stream<u64>) {
    stream.tee()
}

#[test]
fn what_would_wait_for_more_than_the_window_is_refused() {
    let key = |n: &u64| n % 2;
    assert!(is_refused(|stream| stream.batch(21)));
    assert!(via(Partition::new(11, key).max_keys(2)));
    assert!(via(PartitionUnique::new(21, |n: &u64| *n)));
    assert!(is_refused(|stream| stream.sliding_window(21)));
    assert!(is_refused(|stream| stream.collect().0));
    assert!(is_refused(|stream| stream.tumbling_window(SECOND, time)));
    assert!(is_refused(|stream| stream.session_window(SECOND, move |n| n % 2, time)));
    assert!(is_refused(|stream| {
        let (a, b) = halves(stream);
        a.join(b, "zip", Zip::new().ahead(20))
    }));
    assert!(is_refused(|stream| {
        let (a, b) = halves(stream);
        Stream::zip_all(vec![a.clone(), a, b])
    }));
}

#[test]
fn what_waits_to_be_replaced_is_refused() {
    assert!(is_refused(|stream| {
        let (a, b) = halves(stream);
        a.combine_latest(b)
    }));
    assert!(is_refused(|stream| {
        let (a, b) = halves(stream);
        a.zip_latest(b)
    }));
    assert!(is_refused(|stream| Stream::combine_latest_all(vec![stream.clone(), stream])));
    assert!(is_refused(|stream| stream.clone().zip_latest_all(vec![stream])));
}

#[test]
fn what_fits_the_window_or_lets_go_in_time_is_not() {
    let key = |n: &u64| n % 2;
    assert!(!is_refused(|stream| stream.batch(20)));
    assert!(!via(Partition::new(10, key).max_keys(2)));
    assert!(!via(Partition::new(1_000, key).timeout(SECOND)));
    assert!(!via(PartitionUnique::new(1_000, |n: &u64| *n).timeout(SECOND)));
    assert!(!is_refused(|stream| stream.sliding_window(20)));
    assert!(!is_refused(|stream| stream.timed_window(SECOND)));
    assert!(!is_refused(|stream| stream.timed_window_unique(SECOND, crate::ops::Keep::First, |n| *n)));
    assert!(!via(TumblingWindow::new(SECOND, time).idle(SECOND)));
    assert!(!via(SessionWindow::new(SECOND, key, time).idle(SECOND)));
    assert!(!via(Collect::new().0.max_items(19)));
    assert!(!is_refused(|stream| stream.delay(SECOND).rate_limit(SECOND).buffer(1_000).latest()));
    assert!(!is_refused(|stream| stream.unique(1_000).slice(1..).scan(0, |sum: &mut u64, n| *sum + n)));
    assert!(!is_refused(|stream| stream.map_async(100, |n| async move { Ok(n) })));
    assert!(!is_refused(|stream| stream.partition_by(4, |n| *n, |lane| lane.batch(20))));
    assert!(is_refused(|stream| stream.partition_by(4, |n| *n, |lane| lane.batch(21))));
    assert!(!is_refused(|stream| {
        let (a, b) = halves(stream);
        a.zip(b)
    }));
}

#[tokio::test(start_paused = true)]
async fn an_input_that_has_ended_holds_nobody_back() {
    let short = Stream::from_source(Numbers::to(3));
    let long = Stream::from_source(Numbers::to(5_000));
    let sink = Keep::new();
    let kept = sink.log.clone();
    let report = Relay::new([short.zip(long).to(sink)]).run().await.unwrap();
    assert_eq!(kept.lock().unwrap().values(), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!((report.received, report.delivered, report.filtered), (5_003, 6, 4_997));
    let short = Stream::from_source(Numbers::to(0));
    let long = Stream::from_source(Numbers::to(5_000));
    let report = Relay::new([long.zip_latest(short).to(Keep::new())]).run().await.unwrap();
    assert_eq!((report.received, report.filtered), (5_000, 5_000));
}

#[tokio::test(start_paused = true)]
async fn a_join_that_waits_for_what_was_filtered_says_so_at_the_end() {
    let (a, b) = Stream::from_source(Numbers::to(100)).tee();
    let report = Relay::new([a.filter(|n| *n > 1_000).zip(b).to(Keep::new())]).spawn().wait().await;
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("zip0 holds 10 messages"), "{error}");
    assert_eq!(report.delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_waits_for_what_was_filtered_says_so_before_the_end_too() {
    // More than there is room for before the join, so that the source does not come to its end.
    let (a, b) = Stream::from_source(Numbers::to(20_000)).tee();
    let report = Relay::new([a.filter(|n| *n > 100_000).zip(b).to(Keep::new())]).spawn().wait().await;
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("zip0 holds 10 messages"), "{error}");
}

/// Takes nothing, and holds nothing.
struct Shut;

impl Operator<u64> for Shut {
    fn push(&mut self, item: Item<u64>, out: &mut Output<'_, u64>) {
        out.push(item);
    }

    fn room(&self, _: usize, _: usize) -> usize {
        0
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_noticed_also_when_the_end_comes_long_after_the_last_message() {
    let source = Numbers::to(100).ending_after(SECOND);
    let running = Relay::new([Stream::from_source(source).via(Shut).to(Keep::new())]).spawn();
    let report = tokio::time::timeout(60 * SECOND, running.wait()).await.expect("nobody noticed the end");
    let error = report.error.unwrap();
    assert!(error.to_string().contains("all sources have ended"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_the_program_may_yet_ask_for_is_no_stall() {
    let (a, b) = Stream::from_source(Numbers::to(20_000).promising(Guarantee::SurvivesRestart)).tee();
    let (collected, flush) = a.collect();
    let sink = Keep::new();
    let kept = sink.log.clone();
    let running = Relay::new([collected.zip(b).to(sink)]).spawn();
    for round in 1..=3 {
        tokio::time::sleep(SECOND).await;
        flush.flush();
        tokio::time::sleep(SECOND).await;
        assert_eq!(kept.lock().unwrap().values().len(), round);
    }
    running.stopper().abort();
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_the_partner_of_what_a_join_holds() {
    let numbers = || Numbers::to(100).promising(Guarantee::SurvivesRestart);
    let (few, many) = (Numbers::to(1).promising(Guarantee::SurvivesRestart).then_waits(), numbers().then_waits());
    let sink = Keep::new();
    let kept = sink.log.clone();
    let running = Relay::new([Stream::from_source(few).zip(Stream::from_source(many)).to(sink)]).spawn();
    tokio::time::sleep(SECOND).await;
    let began = tokio::time::Instant::now();
    let report = running.stop().await.unwrap();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(kept.lock().unwrap().values(), [(0, 0)]);
    assert_eq!((report.received, report.delivered, report.held), (101, 2, 99));
}

#[tokio::test(start_paused = true)]
async fn everything_held_goes_out_at_the_end() {
    async fn all_of<O: Clone + Send + Sync + 'static>(build: impl FnOnce(Stream<u64>) -> Stream<O>) -> usize {
        let sink = Keep::new();
        let kept = sink.log.clone();
        let report = Relay::new([build(Stream::from_source(Numbers::to(10))).to(sink)]).run().await.unwrap();
        assert_eq!(report.delivered + report.filtered, 10);
        kept.lock().unwrap().values().len()
    }
    let hour = 3_600 * SECOND;
    assert_eq!(all_of(|stream| stream.timed_window(hour)).await, 1);
    assert_eq!(all_of(|stream| stream.timed_window_unique(hour, crate::ops::Keep::Last, |n| n % 3)).await, 1);
    assert_eq!(all_of(|stream| stream.delay(hour)).await, 10);
    assert_eq!(all_of(|stream| stream.flat_map(|n| [n, n]).rate_limit(hour)).await, 20);
    assert_eq!(all_of(|stream| stream.collect().0).await, 1);
    assert_eq!(all_of(|stream| stream.partition(4, |n| n % 3)).await, 3);
    assert_eq!(all_of(|stream| stream.tumbling_window(Duration::from_nanos(4), time)).await, 3);
    assert_eq!(all_of(|stream| stream.map_async(3, |n| async move { Ok(n) })).await, 10);
    assert_eq!(all_of(|stream| stream.partition_by(1, |n| *n, |lane| lane.batch(100))).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_middle_of_the_graph_survives_a_lost_connection() {
    for in_lanes in [false, true] {
        let source = Replay::to(100, Guarantee::SurvivesRestart).says_repeats();
        let (line, sink) = (source.line.clone(), Keep::new());
        let kept = sink.log.clone();
        // The second time `unique` removes everything: what it let through the first time must arrive.
        let numbers = Stream::from_source(source).unique(1_000);
        let stream = if in_lanes {
            numbers.partition_by(3, |n| *n, |lane| lane.rate_limit(SECOND / 10))
        } else {
            numbers.map_async(2, |n| async move {
                tokio::time::sleep(SECOND / 10).await;
                Ok(n)
            })
        };
        let running = Relay::new([stream.to(sink)]).spawn();
        tokio::time::sleep(SECOND / 2).await;
        line.cut();
        let report = tokio::time::timeout(600 * SECOND, running.wait()).await.unwrap();
        assert!(report.error.is_none(), "{report:?}");
        let mut values = kept.lock().unwrap().values();
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_of_nothing_ends_at_once() {
    let none = || Vec::<Stream<u64>>::new();
    let joins = [
        Stream::union_all(none()).to(Keep::new()),
        Stream::zip_all(none()).to(Keep::new()),
        Stream::combine_latest_all(none()).to(Keep::new()),
    ];
    let report = tokio::time::timeout(SECOND, Relay::new(joins).run()).await.unwrap().unwrap();
    assert_eq!(report.received, 0);
}
