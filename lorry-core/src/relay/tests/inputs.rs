//! Values that the program puts in, and the ends of a relay.
#![allow(clippy::unwrap_used)]

use super::script::Keep;
use crate::relay::*;
use crate::{ErrorKind, Stream};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A program need not drop its inputs to stop a relay; what it put in is delivered.
#[tokio::test(start_paused = true)]
async fn a_stop_closes_the_inputs() {
    let (input, stream) = Stream::input();
    let sink = Keep::new().taking(SECOND);
    let kept = sink.log.clone();
    let running = Relay::new([stream.batch(2).map(|some| some.len()).to(sink)]).spawn();
    let taken = [input.send(1).await.unwrap(), input.send(2).await.unwrap(), input.send(3).await.unwrap()];
    let report = running.stop().await.unwrap();
    assert_eq!((report.received, report.delivered), (3, 3));
    assert!(report.elapsed < 5 * SECOND, "{report:?}");
    assert_eq!(kept.lock().unwrap().values(), [2, 1]);
    for taken in taken {
        taken.await.unwrap();
    }
    assert_eq!(input.emit(4).await.unwrap_err().kind(), ErrorKind::Closed);
}

/// What is put in too late was never there.
#[tokio::test(start_paused = true)]
async fn what_comes_after_a_stop_counts_for_nothing() {
    let (input, stream) = Stream::input();
    let running = Relay::new([stream.to(Keep::new().taking(SECOND))]).spawn();
    let taken = input.send(1).await.unwrap();
    running.stopper().stop();
    assert_eq!(input.emit(2).await.unwrap_err().kind(), ErrorKind::Closed);
    let report = running.wait().await;
    assert_eq!((report.received, report.delivered, report.failed), (1, 1, 0));
    taken.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_count_of_values_put_in_ends_the_relay() {
    let (input, stream) = Stream::input();
    let running = Relay::new([stream.to(Keep::new())]).count(3).spawn();
    for n in 0..3 {
        input.emit(n).await.unwrap();
    }
    let report = tokio::time::timeout(SECOND, running.wait()).await.unwrap();
    assert_eq!((report.delivered, report.held), (3, 0));
    assert!(report.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn values_put_in_are_arrivals() {
    let (input, stream) = Stream::input();
    let running = Relay::new([stream.to(Keep::new())]).idle_exit(3 * SECOND).spawn();
    for n in 0..10 {
        tokio::time::sleep(2 * SECOND).await;
        input.emit(n).await.unwrap();
    }
    let report = running.wait().await;
    assert_eq!(report.delivered, 10);
    assert_eq!(report.elapsed.as_secs(), 23);
}
