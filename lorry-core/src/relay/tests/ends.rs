//! How relays end: end of stream against stop, count, idle, drain.

use super::script::{Keep, Numbers, error};
use crate::relay::*;
use crate::{Class, ErrorKind, Stream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn end_of_stream_flushes_and_settles_everything() {
    let (source, sink) = (Numbers::to(10), Keep::new());
    let (read, kept) = (source.log.clone(), sink.log.clone());
    let report = Relay::new([Stream::from_source(source).batch(4).to(sink)]).run().await.unwrap();
    assert_eq!((report.received, report.delivered, report.held), (10, 10, 0));
    let batches: Vec<_> = kept.lock().unwrap().values();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(read.lock().unwrap().up_to(), Some(9));
    assert!(read.lock().unwrap().closed && kept.lock().unwrap().closed);
}

#[tokio::test(start_paused = true)]
async fn stop_keeps_what_operators_hold_with_a_source_that_gives_it_again() {
    let (source, sink) = (Numbers::to(10).then_waits().promising(Guarantee::SurvivesRestart), Keep::new());
    let (read, kept) = (source.log.clone(), sink.log.clone());
    let running = Relay::new([Stream::from_source(source).batch(4).to(sink)]).spawn();
    tokio::time::sleep(SECOND).await;
    let report = running.stop().await.unwrap();
    assert_eq!((report.received, report.delivered, report.held, report.failed), (10, 8, 2, 0));
    assert_eq!(kept.lock().unwrap().values().len(), 2);
    assert_eq!(read.lock().unwrap().up_to(), Some(7), "what is held stays uncommitted");
}

#[tokio::test(start_paused = true)]
async fn stop_flushes_what_would_be_lost() {
    for guarantee in [Guarantee::BestEffort, Guarantee::UntilExit] {
        let (source, sink) = (Numbers::to(10).then_waits().promising(guarantee), Keep::new());
        let kept = sink.log.clone();
        let running = Relay::new([Stream::from_source(source).batch(4).to(sink)]).spawn();
        tokio::time::sleep(SECOND).await;
        let report = running.stop().await.unwrap();
        assert_eq!((report.delivered, report.held), (10, 0));
        assert_eq!(kept.lock().unwrap().values().last().unwrap().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn progress_is_exact_within_a_chunk() {
    // One chunk of ten; eight of them are delivered while two are held: the source may be told of the eight.
    let (source, sink) = (Numbers::to(10).then_waits(), Keep::new());
    let read = source.log.clone();
    let running = Relay::new([Stream::from_source(source).batch(4).to(sink)]).spawn();
    tokio::time::sleep(SECOND).await;
    assert_eq!(read.lock().unwrap().up_to(), Some(7));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn count_is_exact_whatever_is_filtered() {
    for count in [1, 7, 300, 1_000] {
        let (source, sink) = (Numbers::to(1_000_000).promising(Guarantee::SurvivesRestart), Keep::new());
        let (read, kept) = (source.log.clone(), sink.log.clone());
        let stream = Stream::from_source(source).filter(|n| n % 3 == 0);
        let report = Relay::new([stream.to(sink)]).count(count).run().await.unwrap();
        assert_eq!(report.delivered, count);
        assert_eq!(report.held, 0);
        assert_eq!(kept.lock().unwrap().values(), (0..count).map(|n| n * 3).collect::<Vec<_>>());
        assert!(read.lock().unwrap().up_to() >= Some((count - 1) * 3));
    }
}

#[tokio::test(start_paused = true)]
async fn count_is_exact_over_two_sources() {
    let (one, two, sink) = (Numbers::to(1_000), Numbers::to(1_000), Keep::new());
    let kept = sink.log.clone();
    struct Merge;
    impl crate::flow::Operator<(usize, u64), u64> for Merge {
        fn push(&mut self, item: crate::flow::Item<(usize, u64)>, out: &mut crate::flow::Output<'_, u64>) {
            out.emit(item.value.1, item.token);
        }
    }
    let both = Stream::join_all(vec![Stream::from_source(one), Stream::from_source(two)], "union", Merge);
    let report = Relay::new([both.to(sink)]).count(777).run().await.unwrap();
    assert_eq!((report.received, report.delivered), (777, 777));
    assert_eq!(kept.lock().unwrap().values().len(), 777);
}

#[tokio::test(start_paused = true)]
async fn count_with_a_batch_that_never_fills_ends_with_what_was_delivered() {
    let (source, sink) = (Numbers::to(100).then_waits().promising(Guarantee::SurvivesRestart), Keep::new());
    let running = Relay::new([Stream::from_source(source).batch(4).to(sink)]).count(8).spawn();
    assert_eq!(running.wait().await.delivered, 8);
}

#[tokio::test(start_paused = true)]
async fn idle_exit_counts_from_the_last_arrival() {
    let (source, sink) = (Numbers::to(5).then_waits(), Keep::new());
    let began = tokio::time::Instant::now();
    let report = Relay::new([Stream::from_source(source).to(sink)]).idle_exit(3 * SECOND).run().await.unwrap();
    assert_eq!(report.delivered, 5);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn idle_exit_waits_while_messages_are_on_their_way() {
    let (source, sink) = (Numbers::to(5).then_waits(), Keep::new().taking(60 * SECOND));
    let report = Relay::new([Stream::from_source(source).to(sink)]).idle_exit(3 * SECOND).run().await.unwrap();
    assert_eq!(report.delivered, 5);
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_was_read() {
    let (source, sink) = (Numbers::to(1_000).then_waits(), Keep::new().taking(SECOND));
    let read = source.log.clone();
    let sink = sink.limits(Limits { items: 100, ..Limits::default() });
    let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
    tokio::time::sleep(2 * SECOND).await;
    let report = running.stop().await.unwrap();
    assert_eq!(report.delivered, report.received);
    assert_eq!(read.lock().unwrap().up_to(), Some(report.received - 1));
}

#[tokio::test(start_paused = true)]
async fn the_drain_has_a_limit_and_says_what_is_left() {
    let (source, sink) = (Numbers::to(1_000).then_waits(), Keep::new().taking(100 * SECOND));
    let read = source.log.clone();
    let began = tokio::time::Instant::now();
    let running = Relay::new([Stream::from_source(source).to(sink)]).drain_timeout(5 * SECOND).spawn();
    tokio::time::sleep(SECOND).await;
    let error = running.stop().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().contains("1000 messages were left undelivered within 5 s; 1000 wait for keepsink0"),
        "{error}"
    );
    assert_eq!(began.elapsed(), 6 * SECOND);
    assert_eq!(read.lock().unwrap().up_to(), None);
    assert!(read.lock().unwrap().closed, "the source is closed gracefully all the same");
}

#[tokio::test(start_paused = true)]
async fn one_message_that_is_left_is_no_plural() {
    for (messages, says) in [
        (1, "1 message was left undelivered within 0.5 s; 1 waits for keepsink0"),
        (2, "2 messages were left undelivered"),
    ] {
        let (source, sink) = (Numbers::to(messages).then_waits(), Keep::new().taking(100 * SECOND));
        let running = Relay::new([Stream::from_source(source).to(sink)]).drain_timeout(SECOND / 2).spawn();
        tokio::time::sleep(SECOND).await;
        let error = running.stop().await.unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_longer_for_a_peer_that_never_answers() {
    let mut sink = Keep::new();
    sink.is_silent = true;
    let relay = Relay::new([Stream::from_source(Numbers::to(10).then_waits()).to(sink)]);
    let running = relay.drain_timeout(5 * SECOND).spawn();
    tokio::time::sleep(SECOND).await;
    let began = tokio::time::Instant::now();
    let error = running.stop().await.unwrap_err();
    let says = "10 messages were left undelivered within 5 s; keepsink0 is still connecting";
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(began.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_relay_aborts_it() {
    let (source, sink) = (Numbers::to(1_000).then_waits(), Keep::new().taking(SECOND));
    let read = source.log.clone();
    let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
    tokio::time::sleep(SECOND / 2).await;
    drop(running);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(read.lock().unwrap().up_to(), None);
    assert!(!read.lock().unwrap().closed);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_part_of_one_relay() {
    let (input, stream) = Stream::<u64>::input();
    let other = stream.clone();
    let running = Relay::new([stream.to(Keep::new())]).spawn();
    let error = Relay::new([other.to(Keep::new())]).check().unwrap_err();
    assert!(error.to_string().contains("already part of a relay"), "{error}");
    drop((input, running));
}

#[tokio::test(start_paused = true)]
async fn effectively_once_needs_positions_on_both_sides() {
    let source = Numbers::to(5).promising(Guarantee::Replayable);
    let relay = Relay::new([Stream::from_source(source).to(Keep::new())]).require(Guarantee::Replayable);
    let error = relay.check().unwrap_err();
    assert!(error.to_string().contains("keepsink0 keeps no record of positions"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_guarantee_that_is_required_and_not_given_is_refused() {
    let relay = || Relay::new([Stream::from_source(Numbers::to(5).promising(Guarantee::UntilExit)).to(Keep::new())]);
    assert!(relay().require(Guarantee::UntilExit).check().is_ok());
    let error = relay().require(Guarantee::SurvivesRestart).spawn().wait().await.error.unwrap();
    assert!(error.to_string().contains("numbersrc0 promises only"), "{error}");
}

/// Ends at once and remembers what its context required.
struct Asks(std::sync::Arc<std::sync::Mutex<Option<Guarantee>>>);

#[crate::async_trait]
impl Source<u64> for Asks {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("askssrc", "").guarantee(Guarantee::SurvivesRestart)
    }

    async fn open(&mut self, context: Context) -> crate::Result<()> {
        *self.0.lock().unwrap() = context.require;
        Ok(())
    }

    async fn next(&mut self, _: usize) -> crate::Result<Event<u64>> {
        Ok(Event::End)
    }

    async fn settle(&mut self, _: Vec<Settled>) -> crate::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn elements_learn_what_is_required() {
    let seen = std::sync::Arc::default();
    let relay = || Relay::new([Stream::from_source(Asks(std::sync::Arc::clone(&seen))).to(Keep::new())]);
    relay().require(Guarantee::UntilExit).run().await.unwrap();
    assert_eq!(seen.lock().unwrap().take(), Some(Guarantee::UntilExit));
    relay().run().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_count_is_the_end_of_the_stream_for_what_operators_hold() {
    async fn counted<O: Clone + Send + Sync + 'static>(
        build: impl FnOnce(Stream<u64>) -> Stream<O>,
    ) -> (u64, u64, u64) {
        let source = Numbers::to(100).promising(Guarantee::SurvivesRestart).then_waits();
        let stream = build(Stream::from_source(source));
        let relay = Relay::new([stream.to(Keep::new().taking(SECOND))]).count(7);
        let report = tokio::time::timeout(Duration::from_secs(60), relay.run()).await.unwrap().unwrap();
        (report.received, report.delivered, report.filtered)
    }
    assert_eq!(counted(|stream| stream.batch(5)).await, (7, 7, 0));
    assert_eq!(counted(|stream| stream.sliding_window(5)).await, (7, 7, 0));
    assert_eq!(counted(|stream| stream.filter(|n| n % 2 == 0).batch(5)).await, (13, 7, 6));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_sink_that_would_get_nothing() {
    let mut sink = Keep::new();
    sink.opens = (0..100).map(|_| error(Class::Transient)).collect();
    let running = Relay::new([Stream::from_source(Numbers::to(0).then_waits()).to(sink)]).spawn();
    tokio::time::sleep(SECOND).await;
    let began = tokio::time::Instant::now();
    running.stop().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_a_sink_that_is_away_if_there_is_something_for_it() {
    let mut sink = Keep::new();
    sink.opens = (0..5).map(|_| error(Class::Transient)).collect();
    let kept = sink.log.clone();
    let running = Relay::new([Stream::from_source(Numbers::to(10).then_waits()).to(sink)]).spawn();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(!kept.lock().unwrap().opened, "the sink was quicker");
    let report = running.stop().await.unwrap();
    assert_eq!((report.delivered, report.held), (10, 0));
    assert_eq!(kept.lock().unwrap().values(), (0..10).collect::<Vec<_>>());
}

/// The end of the stream is no stop: that the sink cannot work must not stay unknown because there was nothing to deliver today.
#[tokio::test(start_paused = true)]
async fn an_empty_stream_ends_only_when_its_sink_is_there() {
    let mut sink = Keep::<u64>::new();
    sink.opens = [error(Class::Transient)].into();
    let log = sink.log.clone();
    Relay::new([Stream::from_source(Numbers::to(0)).to(sink)]).run().await.unwrap();
    assert!(log.lock().unwrap().opened);
    let mut sink = Keep::<u64>::new();
    sink.opens = [error(Class::Config)].into();
    let error = Relay::new([Stream::from_source(Numbers::to(0)).to(sink)]).run().await.unwrap_err();
    assert_eq!(error.class(), Class::Config);
}

/// What waits for another source, which the count does not admit any more, is not lost: it stays with its source.
#[tokio::test(start_paused = true)]
async fn a_count_that_one_input_of_a_join_has_used_up_loses_nothing() {
    let numbers = || Numbers::to(100).promising(Guarantee::SurvivesRestart).then_waits();
    let (one, other, sink) = (numbers(), numbers(), Keep::new());
    let (read, kept) = ([one.log.clone(), other.log.clone()], sink.log.clone());
    let pairs = Stream::from_source(one).zip(Stream::from_source(other));
    let running = Relay::new([pairs.map(|(n, _)| n).to(sink)]).count(7).spawn();
    let report = tokio::time::timeout(Duration::from_secs(60), running.wait()).await.unwrap();
    assert_eq!((report.received, report.delivered, report.filtered, report.held), (7, 6, 0, 1));
    let error = report.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Stalled);
    assert!(error.to_string().contains("6 of 7 delivered"), "{error}");
    assert_eq!(read.map(|log| log.lock().unwrap().up_to()), [Some(2), Some(2)], "what waits is not acknowledged");
    assert_eq!(kept.lock().unwrap().values(), [0, 1, 2]);
}

/// What is filtered behind a message that waits makes room for others, of its source and of another one.
#[tokio::test(start_paused = true)]
async fn a_count_admits_others_for_those_that_are_filtered() {
    let numbers = |end| Stream::from_source(Numbers::to(end).promising(Guarantee::SurvivesRestart).then_waits());
    for every in [3, 10, 1_000] {
        let pairs = numbers(100_000).filter(move |n| n % every == 0).batch(2);
        let report = Relay::new([pairs.to(Keep::new())]).count(4).run().await.unwrap();
        assert_eq!((report.delivered, report.held), (4, 0), "{every}");
    }
    let (some, rest) = (numbers(4).filter(|n| *n == 0), numbers(1_000));
    let report = Relay::new([some.union(rest).batch(2).to(Keep::new())]).count(4).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (4, 0));
}

/// A source that is quicker than those that it is joined with leaves them their part of the count.
#[tokio::test(start_paused = true)]
async fn a_count_is_shared_by_the_sources_of_a_join() {
    let quick = || Stream::from_source(Numbers::to(10_000).promising(Guarantee::SurvivesRestart).then_waits());
    let slow = || quick().delay(SECOND);
    for count in [2, 20, 1_000] {
        let sink = Keep::new();
        let report = Relay::new([quick().zip(slow()).to(sink)]).count(count).run().await.unwrap();
        assert_eq!((report.received, report.delivered, report.held), (count, count, 0));
    }
    // What is filtered out before the join makes room again.
    let every_third = quick().filter(|n| n % 3 == 2);
    let report = Relay::new([every_third.zip(slow()).to(Keep::new())]).count(4).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (4, 0));
    // Of three each a third.
    let three = quick().zip(slow()).zip(quick()).map(|((n, _), _)| n);
    let report = Relay::new([three.to(Keep::new())]).count(9).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (9, 0));
    // Two that go the same way before they meet a third.
    let both = quick().union(quick());
    let report = Relay::new([both.zip(slow()).to(Keep::new())]).count(20).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (20, 0));
    // One that ends leaves its part to the others, as does one that the join has the newest of.
    let few = Stream::from_source(Numbers::to(3).promising(Guarantee::SurvivesRestart));
    let report =
        Relay::new([quick().zip(few).map(|(n, _)| n).union(quick()).to(Keep::new())]).count(20).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (20, 0));
    for count in [2, 20] {
        let report = Relay::new([quick().combine_latest(slow()).to(Keep::new())]).count(count).run().await.unwrap();
        assert_eq!((report.delivered, report.held), (count, 0));
        let report = Relay::new([quick().zip_latest(slow()).to(Keep::new())]).count(count).run().await.unwrap();
        assert_eq!((report.delivered, report.held), (count, 0));
    }
    // Nothing is kept for a source that nobody waits for.
    let silent = Stream::from_source(Numbers::to(0).promising(Guarantee::SurvivesRestart).then_waits());
    let report = Relay::new([quick().union(silent).batch(10).to(Keep::new())]).count(20).run().await.unwrap();
    assert_eq!((report.delivered, report.held), (20, 0));
}

/// The same of the joins that keep the newest: it is not let go of before it has had a part.
#[tokio::test(start_paused = true)]
async fn what_has_had_no_part_in_a_join_yet_is_not_let_go_of_by_a_count() {
    for (latest, count) in [(false, 1), (true, 1)] {
        let numbers = |end| Numbers::to(end).promising(Guarantee::SurvivesRestart).then_waits();
        let (one, sink) = (numbers(100), Keep::new());
        let read = one.log.clone();
        let (one, late) = (Stream::from_source(one), Stream::from_source(numbers(0)));
        let pairs = if latest { one.combine_latest(late) } else { one.zip_latest(late) };
        let running = Relay::new([pairs.to(sink)]).count(count).spawn();
        let report = tokio::time::timeout(Duration::from_secs(60), running.wait()).await.unwrap();
        assert_eq!((report.delivered, report.filtered, report.held), (0, 0, count));
        assert!(report.error.is_some());
        assert_eq!(read.lock().unwrap().up_to(), None, "nothing is acknowledged");
    }
}

/// The newest of each input has had its part, and is done with.
#[tokio::test(start_paused = true)]
async fn a_count_is_exact_through_combine_latest() {
    let numbers = || Stream::from_source(Numbers::to(10_000).promising(Guarantee::SurvivesRestart).then_waits());
    let report = Relay::new([numbers().combine_latest(numbers()).to(Keep::new())]).count(150).spawn();
    let report = tokio::time::timeout(Duration::from_secs(60), report.wait()).await.unwrap();
    assert_eq!((report.delivered, report.held), (150, 0), "{report:?}");
}

/// On several threads a pump that has nothing to do must not take a source that is about to hand over for one that has had its last.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn count_is_exact_on_several_threads() {
    for round in 0..2_000 {
        let count = [1, 2, 7, 300][round % 4];
        let numbers = || Numbers::to(1_000_000).promising(Guarantee::SurvivesRestart);
        let some = Stream::from_source(numbers()).filter(|n| n % 3 == 0);
        let both = some.union(Stream::from_source(numbers()).filter(|n| n % 2 == 0));
        let report = Relay::new([both.to(Keep::new())]).count(count).run().await.unwrap();
        assert_eq!((report.delivered, report.held), (count, 0), "round {round}");
    }
}

/// The last thing that a source hears of its messages is that they are delivered, on however many threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_messages_are_settled_on_several_threads() {
    for round in 0..300 {
        let relays = (0..8).map(|_| {
            let source = Numbers::to(600).promising(Guarantee::SurvivesRestart);
            let read = source.log.clone();
            let stream = Stream::from_source(source);
            let sinks = [7, 11].map(|items| Keep::new().limits(Limits { items, receipts: 3, ..Limits::default() }));
            let relay = Relay::new(sinks.map(|sink| stream.clone().to(sink)));
            async move { (relay.spawn().wait().await.delivered, read.lock().unwrap().up_to()) }
        });
        for outcome in futures_util::future::join_all(relays).await {
            assert_eq!(outcome, (600, Some(599)), "round {round}");
        }
    }
}

/// Nor a source that has just handed over all that its window allows for one of which nothing more will come.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_window_is_no_stall_on_several_threads() {
    for round in 0..100 {
        let numbers = || Stream::from_source(Numbers::to(1_000).window(8));
        let both = numbers().batch(3).union(numbers().batch(8));
        let report =
            Relay::new([both.to(Keep::new())]).run().await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(report.delivered, 2_000, "round {round}");
    }
}

/// A source that was never there is no source that has nothing to say.
#[tokio::test(start_paused = true)]
async fn idle_exit_of_a_source_that_never_came_up_is_a_failure() {
    let mut source = Numbers::to(10);
    source.refuses_to_open = std::iter::repeat_n(error(Class::Transient), 1_000).collect();
    let relay = Relay::new([Stream::from_source(source).to(Keep::new())]).idle_exit(3 * SECOND);
    let report = relay.spawn().wait().await;
    let error = report.error.unwrap();
    assert_eq!((report.received, error.class()), (0, Class::Transient));
    assert!(error.to_string().contains("numbersrc0 was never ready within 3 s: test: Transient"), "{error}");
    // One that was, and is away now, is only idle.
    let mut source = Numbers::to(10).then_waits();
    source.trips = [(5, super::script::error(Class::Transient))].into();
    let report = Relay::new([Stream::from_source(source).to(Keep::new())]).idle_exit(3 * SECOND).run().await.unwrap();
    assert_eq!(report.delivered, 10);
}

/// Also what is filtered out when its moment has come, behind a message that waits.
#[tokio::test(start_paused = true)]
async fn a_count_admits_others_for_those_that_are_filtered_later() {
    let numbers = |end| Stream::from_source(Numbers::to(end).promising(Guarantee::SurvivesRestart).then_waits());
    for rest in [0, 1_000] {
        let pairs = numbers(100).delay(SECOND).filter(|n| n % 5 == 0).batch(2);
        let relay = Relay::new([pairs.to(Keep::new()), numbers(rest).batch(1).to(Keep::new())]).count(4);
        let report = tokio::time::timeout(600 * SECOND, relay.run()).await.unwrap().unwrap();
        assert_eq!((report.delivered, report.held), (4, 0), "{rest}");
    }
}
