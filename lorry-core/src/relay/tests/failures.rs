//! Error classes and policies.

use super::script::{Keep, Numbers, error};
use crate::relay::*;
use crate::{Class, Error, ErrorKind, Stream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn failures(indices: impl IntoIterator<Item = usize>, class: Class) -> Failures {
    Failures::some(indices.into_iter().map(|index| Failure { index, error: error(class) }).collect())
}

#[tokio::test(start_paused = true)]
async fn transient_failures_are_sent_again_in_order_before_anything_newer() {
    let mut left = 5;
    let sink = Keep::new().limits(Limits { items: 10, receipts: 3, ..Limits::default() }).answering(move |batch| {
        if left > 0 && batch[0] >= 20 {
            left -= 1;
            return Err(failures((0..batch.len()).filter(|index| index % 2 == 1), Class::Transient));
        }
        Ok(())
    });
    let (source, kept) = (Numbers::to(100), sink.log.clone());
    let read = source.log.clone();
    let report = Relay::new([Stream::from_source(source).to(sink)]).run().await.unwrap();
    assert_eq!(report.delivered, 100);
    assert!(report.retried >= 5);
    assert_eq!(read.lock().unwrap().up_to(), Some(99));
    // Once a failure was seen, only failed messages are sent until they have landed.
    let batches = kept.lock().unwrap().batches.clone();
    let mut seen = std::collections::BTreeSet::new();
    let mut newest = 0;
    for (_, batch) in &batches {
        assert!(batch.is_sorted());
        let again = batch.iter().filter(|n| !seen.insert(**n)).count();
        assert!(again == 0 || again == batch.len(), "new and old in one batch: {batch:?}");
        if again == 0 {
            assert!(batch[0] >= newest);
            newest = *batch.last().unwrap();
        }
    }
    assert_eq!(seen.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_away_is_retried_for_ever_with_back_off() {
    let mut left = 40;
    let sink = Keep::new().answering(move |batch| {
        left -= 1;
        if left > 0 { Err(Failures::all(batch.len(), &error(Class::Transient))) } else { Ok(()) }
    });
    let kept = sink.log.clone();
    let report = Relay::new([Stream::from_source(Numbers::to(3)).to(sink)]).run().await.unwrap();
    assert_eq!((report.delivered, report.reconnects), (3, 0));
    let batches = &kept.lock().unwrap().batches;
    assert_eq!(batches.len(), 40);
    assert!(batches.windows(2).all(|pair| pair[1].0 - pair[0].0 <= Duration::from_secs(31)));
    assert!(batches[39].0 - batches[0].0 > Duration::from_secs(60), "it does not hammer");
}

#[tokio::test(start_paused = true)]
async fn stop_ends_at_the_first_refused_message_and_settles_what_precedes_it() {
    let sink = Keep::new().limits(Limits { items: 10, ..Limits::default() }).answering(|batch| {
        match batch.iter().position(|n| *n == 42) {
            Some(index) => Err(failures([index], Class::Data)),
            None => Ok(()),
        }
    });
    let (source, kept) = (Numbers::to(100), sink.log.clone());
    let read = source.log.clone();
    let report = Relay::new([Stream::from_source(source).to(sink)]).spawn().wait().await;
    let error = report.error.unwrap();
    assert!(error.to_string().contains("numbersrc0 #42"), "{error}");
    assert_eq!(report.failed, 1);
    assert_eq!(read.lock().unwrap().up_to(), Some(41));
    assert!(read.lock().unwrap().closed);
    assert_eq!(kept.lock().unwrap().values().last(), Some(&49), "nothing is sent behind the batch that failed");
}

/// An operator's refusal ends the relay as a stop does: what precedes it is delivered, and of lanes that do not come again also what
/// operators hold of it.
#[tokio::test(start_paused = true)]
async fn what_precedes_a_message_that_an_operator_refuses_is_delivered() {
    for (guarantee, delivered) in [(Guarantee::BestEffort, 42), (Guarantee::SurvivesRestart, 40)] {
        let (source, sink) = (Numbers::to(100).then_waits().promising(guarantee), Keep::new());
        let (read, kept) = (source.log.clone(), sink.log.clone());
        let picky = Stream::from_source(source).try_map(|n| match n {
            42 => Err(Error::data(ErrorKind::Malformed, "map", "no")),
            _ => Ok(n),
        });
        let report = Relay::new([picky.batch(10).to(sink)]).spawn().wait().await;
        let error = report.error.unwrap();
        assert!(error.to_string().contains("numbersrc0 #42"), "{error}");
        assert_eq!((report.delivered, report.failed, report.held), (delivered, 1, 99 - delivered));
        assert_eq!(kept.lock().unwrap().values().concat(), (0..delivered).collect::<Vec<_>>());
        assert_eq!(read.lock().unwrap().up_to(), Some(delivered - 1));
    }
}

/// Neither a sibling nor a queue in the middle lets anything pass that is behind the message that ends the relay.
#[tokio::test(start_paused = true)]
async fn nothing_behind_a_message_that_an_operator_refuses_goes_on() {
    let picky = |n| if n == 42 { Err(Error::data(ErrorKind::Malformed, "map", "no")) } else { Ok(n) };
    let (slow, other) = (Keep::new().limits(Limits { items: 1, ..Limits::default() }), Keep::new());
    let (kept, others) = (slow.log.clone(), other.log.clone());
    let (a, b) = Stream::from_source(Numbers::to(100)).tee();
    let report = Relay::new([a.try_map(picky).to(slow), b.to(other)]).spawn().wait().await;
    assert!(report.error.is_some());
    assert_eq!(report.delivered, 42);
    for log in [kept, others] {
        // The sibling may be ahead by the message itself.
        let values = log.lock().unwrap().values();
        assert_eq!(values[..42], (0..42).collect::<Vec<_>>());
        assert!(values.len() <= 43, "{values:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_source_gave_before_it_failed_is_delivered() {
    let lost = Error::config(ErrorKind::Other, "", "the disk is gone");
    let (mut source, sink) = (Numbers::to(100), Keep::new());
    source.trips.push_back((50, lost));
    let kept = sink.log.clone();
    let report = Relay::new([Stream::from_source(source).batch(20).to(sink)]).spawn().wait().await;
    assert!(report.error.unwrap().to_string().contains("the disk is gone"));
    assert_eq!((report.delivered, report.held), (50, 0));
    assert_eq!(kept.lock().unwrap().values().concat().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn drop_counts_and_goes_on() {
    let sink = Keep::new().limits(Limits { items: 10, ..Limits::default() }).answering(|batch| {
        let guilty: Vec<_> = (0..batch.len()).filter(|index| batch[*index] % 10 == 3).collect();
        Err(failures(guilty, Class::Data))
    });
    let source = Numbers::to(100);
    let read = source.log.clone();
    let relay = Relay::new([Stream::from_source(source).to(sink)]).on_error(OnError::Drop);
    let running = relay.spawn();
    let monitor = running.monitor();
    let report = running.wait().await;
    assert_eq!((report.delivered, report.dropped, report.failed), (90, 10, 0));
    let sink = monitor.graph().nodes().last().unwrap().account();
    assert_eq!((sink.taken, sink.given, sink.dropped, sink.held), (100, 90, Some(10), Some(0)));
    let log = read.lock().unwrap();
    assert_eq!(log.up_to(), Some(99));
    let refused = log.settled.iter().map(|settled| match settled {
        Settled::Items(_, verdicts) => verdicts.iter().filter(|verdict| verdict.refused.is_some()).count(),
        Settled::UpTo(..) => 0,
    });
    assert_eq!(refused.sum::<usize>(), 10, "the source hears what was refused");
}

#[tokio::test(start_paused = true)]
async fn one_branch_that_refuses_does_not_hurt_its_sibling() {
    let (left, right) = (Keep::new().answering(|batch| Err(failures(0..batch.len(), Class::Data))), Keep::new());
    let kept = right.log.clone();
    let (one, two) = Stream::from_source(Numbers::to(50)).tee();
    let relay = Relay::new([one.to(left), two.to(right)]).on_error(OnError::Drop);
    let report = relay.run().await.unwrap();
    assert_eq!((report.received, report.dropped, report.delivered), (50, 50, 0));
    assert_eq!(kept.lock().unwrap().values().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn config_before_the_first_success_ends_the_relay() {
    let mut sink = Keep::<u64>::new();
    sink.opens.push_back(error(Class::Config));
    let report = Relay::new([Stream::from_source(Numbers::to(5).then_waits()).to(sink)]).spawn().wait().await;
    assert_eq!(report.error.unwrap().class(), Class::Config);
    assert_eq!(report.delivered, 0);

    let mut source = Numbers::to(5);
    source.refuses_to_open.push_back(error(Class::Config));
    let report = Relay::new([Stream::from_source(source).to(Keep::new())]).spawn().wait().await;
    assert_eq!(report.error.unwrap().class(), Class::Config);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_up_after_a_success_ends_the_relay() {
    let mut source = Numbers::to(100).then_waits();
    source.trips.push_back((10, error(Class::Config)));
    let running = Relay::new([Stream::from_source(source).to(Keep::new())]).spawn();
    let report = tokio::time::timeout(Duration::from_secs(5), running.wait()).await.unwrap();
    assert_eq!(report.error.unwrap().class(), Class::Config);
}

#[tokio::test(start_paused = true)]
async fn config_after_a_success_is_tried_again_at_long_intervals() {
    let mut calls = 0;
    let sink = Keep::new().limits(Limits { items: 1, ..Limits::default() }).answering(move |batch| {
        calls += 1;
        if (2..5).contains(&calls) { Err(Failures::all(batch.len(), &error(Class::Config))) } else { Ok(()) }
    });
    let kept = sink.log.clone();
    let report = Relay::new([Stream::from_source(Numbers::to(2)).to(sink)]).run().await.unwrap();
    assert_eq!(report.delivered, 2);
    let batches = &kept.lock().unwrap().batches;
    assert_eq!(batches[2].0 - batches[1].0, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_source_is_opened_again_after_a_transient_error_and_its_old_lane_is_lost() {
    let mut source = Numbers::to(20);
    source.trips.push_back((10, error(Class::Transient)));
    source.refuses_to_open.push_back(error(Class::Transient));
    let read = source.log.clone();
    let sink = Keep::new().taking(Duration::from_secs(100));
    let report = Relay::new([Stream::from_source(source).to(sink)]).run().await.unwrap();
    assert_eq!(report.delivered, 20);
    let log = read.lock().unwrap();
    assert_eq!(log.opened, 3);
    assert!(log.settled.iter().all(|settled| matches!(settled, Settled::UpTo(LaneId(3), _))), "{:?}", log.settled);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_closure_ends_the_relay_and_nothing_of_it_is_settled() {
    let (source, sink) = (Numbers::to(10), Keep::new());
    let read = source.log.clone();
    let stream = Stream::from_source(source).map(|n| if n == 3 { panic!("three") } else { n });
    let report = Relay::new([stream.to(sink)]).spawn().wait().await;
    assert_eq!(report.error.as_ref().unwrap().kind(), ErrorKind::Panic);
    assert!(read.lock().unwrap().up_to() < Some(3));
}

#[tokio::test(start_paused = true)]
async fn try_map_rejects_the_message_alone() {
    let sink = Keep::new();
    let kept = sink.log.clone();
    let stream = Stream::from_source(Numbers::to(10)).try_map(|n| if n == 3 { Err(error(Class::Data)) } else { Ok(n) });
    let report = Relay::new([stream.to(sink)]).on_error(OnError::Drop).run().await.unwrap();
    assert_eq!((report.delivered, report.dropped), (9, 1));
    assert!(!kept.lock().unwrap().values().contains(&3));
}

#[tokio::test(start_paused = true)]
async fn a_config_error_of_kind_closed_is_final_even_after_a_success() {
    let closed = crate::Error::config(ErrorKind::Closed, "write stdout", "its reader has gone");
    let mut first = true;
    let sink = Keep::new().limits(Limits { items: 1, ..Limits::default() }).answering(move |batch| {
        if std::mem::take(&mut first) { Ok(()) } else { Err(Failures::all(batch.len(), &closed)) }
    });
    let began = tokio::time::Instant::now();
    let report = Relay::new([Stream::from_source(Numbers::to(9).then_waits()).to(sink)]).spawn().wait().await;
    assert_eq!(report.error.unwrap().kind(), ErrorKind::Closed);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_source_refuses_follows_the_policy() {
    let report = Relay::new([Stream::from_source(Numbers::to(20).unfit(10)).to(Keep::new())]).spawn().wait().await;
    let failure = report.error.unwrap();
    assert!(failure.class() == Class::Data && failure.to_string().contains("numbersrc0 #10"), "{failure}");
    assert_eq!((report.failed, report.delivered), (1, 10));

    let source = Numbers::to(20).unfit(19);
    let log = source.log.clone();
    let relay = Relay::new([Stream::from_source(source).to(Keep::new())]).on_error(OnError::Drop);
    let report = relay.run().await.unwrap();
    assert_eq!((report.received, report.delivered, report.dropped, report.held), (20, 19, 1, 0));
    assert_eq!(log.lock().unwrap().up_to(), Some(19), "the last one is settled too");
}

#[tokio::test(start_paused = true)]
async fn a_data_error_of_a_source_ends_the_relay_whatever_the_policy() {
    let mut source = Numbers::to(20).then_waits();
    source.trips.push_back((10, error(Class::Data)));
    let relay = Relay::new([Stream::from_source(source).to(Keep::new())]).on_error(OnError::Drop);
    let report = relay.spawn().wait().await;
    assert_eq!(report.error.unwrap().class(), Class::Data);
    assert_eq!((report.received, report.delivered, report.failed), (10, 10, 0));
}

/// Counts the lines that are logged, by a word in them.
struct Lines(&'static str, std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let (word, found) = (self.0, &self.1);
        event.record(&mut |_: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if format!("{value:?}").contains(word) {
                found.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        });
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// As a transactional sink does it: what precedes the refused message lands, what follows it is not tried.
fn up_to_the_refused(guilty: u64) -> impl FnMut(&[u64]) -> Result<(), Failures> + Send + 'static {
    move |batch| {
        let Some(at) = batch.iter().position(|n| *n == guilty) else { return Ok(()) };
        let not_tried = |index| Failure { index, error: error(Class::Transient) };
        let refused = Failure { index: at, error: error(Class::Data) };
        Err(Failures::some([refused].into_iter().chain((at + 1..batch.len()).map(not_tried)).collect()))
    }
}

#[tokio::test(start_paused = true)]
async fn messages_left_out_because_of_a_refused_one_cause_no_noise() {
    let lines = std::sync::Arc::default();
    let _guard = tracing::subscriber::set_default(Lines("trying again", std::sync::Arc::clone(&lines)));
    let count = || lines.load(std::sync::atomic::Ordering::SeqCst);
    let sink = || Keep::new().limits(Limits { items: 10, ..Limits::default() }).answering(up_to_the_refused(42));
    // The relay ends: nothing is tried again.
    let report = Relay::new([Stream::from_source(Numbers::to(100)).to(sink())]).spawn().wait().await;
    assert_eq!((report.error.unwrap().class(), report.delivered, report.retried), (Class::Data, 42, 0));
    assert_eq!(count(), 0);
    // Values of the program go on: at once, since there is nothing to wait for.
    let (input, stream) = Stream::<u64>::input();
    let running = Relay::new([stream.to(sink().taking(Duration::from_secs(1)))]).spawn();
    let began = tokio::time::Instant::now();
    let mut taken = Vec::new();
    for n in 40..50 {
        taken.push(input.send(n).await.unwrap());
    }
    drop(input);
    let report = running.wait().await;
    assert_eq!((report.delivered, report.failed, report.retried, count()), (9, 1, 7, 0), "{report:?}");
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    // While one that is really away is heard of.
    let mut left = 3;
    let away = Keep::new().answering(move |batch| {
        left -= 1;
        if left > 0 { Err(Failures::all(batch.len(), &error(Class::Transient))) } else { Ok(()) }
    });
    Relay::new([Stream::from_source(Numbers::to(3)).to(away)]).run().await.unwrap();
    assert!(count() > 0);
}

/// Fails once the sink is open, without having given anything.
struct FailsLater(std::sync::Arc<std::sync::Mutex<super::script::SinkLog<u64>>>);

#[crate::async_trait]
impl Source<u64> for FailsLater {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("failsrc", "fail")
    }

    async fn open(&mut self, _: Context) -> crate::Result<()> {
        Ok(())
    }

    async fn next(&mut self, _: usize) -> crate::Result<Event<u64>> {
        while !self.0.lock().unwrap().opened {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(error(Class::Config))
    }

    async fn settle(&mut self, _: Vec<Settled>) -> crate::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_sink_is_closed_when_its_source_fails() {
    // Whether the sink hears of the failure before its queue is closed is a matter of luck: both must go well.
    for _ in 0..100 {
        let sink = Keep::new();
        let log = sink.log.clone();
        let report = Relay::new([Stream::from_source(FailsLater(log.clone())).to(sink)]).spawn().wait().await;
        assert_eq!(report.error.unwrap().class(), Class::Config);
        assert!(log.lock().unwrap().closed);
    }
}

/// Also while the failed one is under way for the second time.
#[tokio::test(start_paused = true)]
async fn nothing_newer_overtakes_a_batch_that_is_sent_again() {
    let mut left = 1;
    let limits = Limits { items: 10, receipts: 3, ..Limits::default() };
    let sink = Keep::new().limits(limits).taking(SECOND).answering(move |batch| {
        left -= 1;
        if left >= 0 { Err(Failures::all(batch.len(), &error(Class::Transient))) } else { Ok(()) }
    });
    let kept = sink.log.clone();
    let report = Relay::new([Stream::from_source(Numbers::to(100)).to(sink)]).run().await.unwrap();
    assert_eq!((report.delivered, report.retried), (100, 10));
    let batches = &kept.lock().unwrap().batches;
    let again = batches.iter().rposition(|(_, batch)| batch[0] == 0).unwrap();
    assert_eq!(again, 3, "three were out when the first failed");
    assert!(batches[again + 1].0 >= batches[again].0 + SECOND, "{batches:?}");
}

/// What a sink refuses ends the relay, but not what other sources have before it.
#[tokio::test(start_paused = true)]
async fn a_refused_message_does_not_hurt_those_of_other_sources() {
    for receipts in [1, 3] {
        let limits = Limits { items: 10, receipts, ..Limits::default() };
        let sink = Keep::new()
            .limits(limits)
            .taking(SECOND)
            .answering(|batch| Err(failures((0..batch.len()).filter(|index| batch[*index] == 1_003), Class::Data)));
        let kept = sink.log.clone();
        let (one, other) = (Numbers::to(100), Numbers::to(20).then_waits());
        let read = one.log.clone();
        let both = Stream::from_source(one).union(Stream::from_source(other).map(|n| n + 1_000));
        let report = Relay::new([both.to(sink)]).spawn().wait().await;
        assert!(report.error.unwrap().to_string().contains("#3"));
        let values = kept.lock().unwrap().values();
        assert_eq!(values.iter().filter(|n| **n < 1_000).count(), 100);
        assert_eq!(read.lock().unwrap().up_to(), Some(99));
        // Behind it nothing is sent that was not under way.
        assert_eq!(report.failed, 1);
        assert!(report.received == report.delivered + report.failed + report.held);
        assert!(report.delivered >= 103 && values.iter().all(|n| *n < 1_000 + 10 * (receipts as u64 + 1)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_answers_for_what_it_never_got_is_not_believed() {
    let sink = Keep::new().answering(|batch| Err(failures([1, batch.len()], Class::Transient)));
    let report = Relay::new([Stream::from_source(Numbers::to(3)).to(sink)]).spawn().wait().await;
    assert_eq!((report.delivered, report.failed), (0, 3));
    assert!(report.error.unwrap().to_string().contains("message 3 of a batch of 3"));
}

/// A source that has no connection of its own to speak of.
#[tokio::test(start_paused = true)]
async fn a_source_that_was_opened_again_is_up() {
    let mut source = Numbers::to(10).then_waits();
    source.trips = [(5, error(Class::Transient))].into();
    let running = Relay::new([Stream::from_source(source).to(Keep::new())]).spawn();
    tokio::time::sleep(60 * SECOND).await;
    let snapshot = running.monitor().snapshot();
    assert_eq!((snapshot.counts.delivered, snapshot.counts.reconnects), (10, 0));
    let states: Vec<_> = snapshot.elements.iter().map(|(_, state)| state.to_string()).collect();
    assert_eq!(states, ["up", "up"]);
}

/// Nor where an operator has joined some of the other's with some that stay.
#[tokio::test(start_paused = true)]
async fn a_refused_message_fails_no_source_that_was_joined_with_it() {
    let one = Numbers::to(5).then_waits().promising(Guarantee::SurvivesRestart);
    let other = Numbers::to(5).then_waits().promising(Guarantee::SurvivesRestart);
    let other = Stream::from_source(other);
    let both = Stream::from_source(one).union(other.clone().map(|n| n + 1_000));
    let limits = Limits { items: 1, ..Limits::default() };
    let alone = Keep::new().limits(limits).taking(SECOND);
    let kept = alone.log.clone();
    let sink = Keep::new().limits(limits).taking(SECOND).answering(|batch| match batch[0] {
        1 => Err(Failures::all(1, &error(Class::Data))),
        _ => Ok(()),
    });
    // Pairs of one source, then one of both.
    let pairs = both.batch(2).map(|pair| pair[0] % 1_000 + u64::from(pair[1] % 2 == 1 && pair[0] == 0));
    let report = Relay::new([pairs.to(sink), other.to(alone)]).spawn().wait().await;
    let error = report.error.unwrap();
    assert_eq!(error.class(), Class::Data, "{error}");
    assert!(error.to_string().contains("from: numbersrc"), "{error}");
    // The relay ends as on any stop: what the other sink has before it is delivered.
    assert_eq!(kept.lock().unwrap().values(), [0, 1, 2, 3, 4]);
    // The pair that was refused; all others stay where they are.
    assert_eq!(report.failed, 2);
    assert_eq!(report.received, report.delivered + report.failed + report.held);
}
