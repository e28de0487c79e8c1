//! What waits when its connection is lost.

use super::replay::Replay;
use super::script::Keep;
use crate::Stream;
use crate::relay::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Ten at a time, one second each.
fn slow() -> Keep<u64> {
    Keep::new().limits(Limits { items: 10, ..Limits::default() }).taking(SECOND)
}

fn adds_up(report: &Report) {
    let Report { received, delivered, filtered, dropped, dead_lettered, failed, held, .. } = report;
    assert_eq!(*received, delivered + filtered + dropped + dead_lettered + failed + held, "{report:?}");
}

/// A hundred numbers, whose connection is lost while the sink has the first ten.
async fn lost_once(source: Replay, through: impl FnOnce(Stream<u64>) -> Stream<u64>) -> (Report, Vec<u64>) {
    let (line, sink) = (source.line.clone(), slow());
    let kept = sink.log.clone();
    let running = Relay::new([through(Stream::from_source(source)).to(sink)]).spawn();
    tokio::time::sleep(SECOND / 2).await;
    line.cut();
    let report = tokio::time::timeout(600 * SECOND, running.wait()).await.unwrap();
    assert!(report.error.is_none(), "{report:?}");
    adds_up(&report);
    let values = kept.lock().unwrap().values();
    (report, values)
}

fn once_and_again() -> Vec<u64> {
    (0..10).chain(0..100).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_dropped_once_it_is_certain_to_come_again() {
    let sure = Replay::to(100, Guarantee::SurvivesRestart).says_repeats();
    let (report, values) = lost_once(sure, |stream| stream).await;
    assert_eq!(values, once_and_again(), "the batch under way, then everything again");
    assert_eq!((report.received, report.delivered, report.superseded, report.held), (110, 110, 90, 0));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_replayed_is_dropped_at_once() {
    let (report, values) = lost_once(Replay::to(100, Guarantee::Replayable), |stream| stream).await;
    assert_eq!(values, once_and_again());
    assert_eq!((report.received, report.superseded), (110, 90));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_gone_is_delivered_all_the_same() {
    for guarantee in [Guarantee::UntilExit, Guarantee::SurvivesRestart] {
        let (report, values) = lost_once(Replay::to(100, guarantee), |stream| stream).await;
        assert_eq!(values, (0..100).chain(0..100).collect::<Vec<_>>());
        assert_eq!((report.delivered, report.superseded), (200, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_gives_again_loses_nothing_that_waits() {
    let source = Replay::to(100, Guarantee::BestEffort);
    let (line, sink) = (source.line.clone(), slow());
    let kept = sink.log.clone();
    let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
    tokio::time::sleep(SECOND / 2).await;
    line.cut();
    tokio::time::sleep(60 * SECOND).await;
    let report = running.stop().await.unwrap();
    assert_eq!(kept.lock().unwrap().values(), (0..100).collect::<Vec<_>>());
    assert_eq!((report.delivered, report.superseded), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn below_an_operator_that_remembers_nothing_is_lost() {
    let mut seen = std::collections::BTreeSet::new();
    let source = Replay::to(100, Guarantee::SurvivesRestart).says_repeats();
    let (report, values) = lost_once(source, move |stream| stream.filter(move |n| seen.insert(*n))).await;
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    assert!(report.superseded > 0, "what no operator has seen is dropped: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_failed_is_not_sent_again_once_its_messages_come_again() {
    let away = super::script::error(crate::Class::Transient);
    let began = tokio::time::Instant::now();
    let sink = slow().answering(move |batch| match began.elapsed() < 5 * SECOND {
        true => Err(Failures::all(batch.len(), &away)),
        false => Ok(()),
    });
    let source = Replay::to(20, Guarantee::SurvivesRestart).says_repeats();
    let (line, kept) = (source.line.clone(), sink.log.clone());
    let running = Relay::new([Stream::from_source(source).to(sink)])
        .retry(Retry { min: 20 * SECOND, max: 20 * SECOND, ..Retry::default() })
        .spawn();
    tokio::time::sleep(4 * SECOND).await;
    line.cut();
    let report = running.wait().await;
    adds_up(&report);
    let landed: Vec<_> =
        kept.lock().unwrap().batches.iter().filter(|(at, _)| *at - began >= 5 * SECOND).cloned().collect();
    let landed: Vec<u64> = landed.into_iter().flat_map(|(_, batch)| batch).collect();
    assert_eq!(landed, (0..20).collect::<Vec<_>>(), "once");
    assert_eq!((report.delivered, report.superseded), (20, 20));
}

#[tokio::test(start_paused = true)]
async fn frequent_losses_and_a_slow_sink_make_progress() {
    let source = Replay::to(200, Guarantee::SurvivesRestart).says_repeats();
    let line = source.line.clone();
    let mut running = std::pin::pin!(Relay::new([Stream::from_source(source).to(slow())]).spawn().wait());
    let report = tokio::time::timeout(300 * SECOND, async {
        loop {
            tokio::select! {
                report = &mut running => break report,
                () = tokio::time::sleep(5 * SECOND / 2) => line.cut(),
            }
        }
    });
    let report = report.await.expect("it delivers the same messages for ever");
    adds_up(&report);
    assert!(report.superseded > 0 && report.error.is_none(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_would_come_again_only_to_this_process() {
    let source = Replay::to(20, Guarantee::UntilExit).says_repeats().falls_silent();
    let (line, sink) = (source.line.clone(), slow());
    let kept = sink.log.clone();
    let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
    tokio::time::sleep(SECOND / 2).await;
    line.cut();
    tokio::time::sleep(SECOND / 10).await;
    let report = running.stop().await.unwrap();
    assert_eq!((report.delivered, report.superseded), (20, 0));
    assert_eq!(kept.lock().unwrap().values(), (0..20).collect::<Vec<_>>());
}

/// A source that is opened again gives again what its lanes have that it opens; of another one nobody knows.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_failure_is_dropped_if_its_lane_is_opened_again() {
    for (to_another, superseded) in [(false, 90), (true, 0)] {
        let (source, sink) = (Replay::to(100, Guarantee::Replayable), slow());
        let (line, kept) = (source.line.clone(), sink.log.clone());
        let running = Relay::new([Stream::from_source(source).to(sink)]).spawn();
        tokio::time::sleep(SECOND / 2).await;
        line.fail(to_another);
        let report = tokio::time::timeout(600 * SECOND, running.wait()).await.unwrap();
        assert!(report.error.is_none(), "{report:?}");
        adds_up(&report);
        assert_eq!(report.superseded, superseded);
        let expected = if to_another { (0..100).chain(0..100).collect() } else { once_and_again() };
        assert_eq!(kept.lock().unwrap().values(), expected);
    }
}
