//! No operator holds more than it says, and all say how much they do.

use super::aggregate::{Aggregate, AggregateBatches, AggregateBy, AggregateEach, AggregateItems, Every, Over};
use super::testing::{Fate, tracked};
use super::*;
use crate::flow::{Downstream, Either, Ending, Holds, Item, Meter, Operator, Stage, Status, Turn};
use crate::launch::{Leaky, Queue};
use crate::{Error, ErrorKind, Timestamp};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Delivers what comes, and has so much room.
struct Deliver(Arc<AtomicUsize>);

impl<T> Downstream<T> for Deliver {
    fn push(&mut self, item: Item<T>, _: Instant) {
        item.token.delivered();
    }

    fn turn(&mut self, _: &mut Turn<'_, '_>) -> Status {
        Status { room: self.0.load(Ordering::Relaxed), deadline: None }
    }

    fn finish(&mut self, _: Ending, _: Instant) {}
}

/// What became of the items, against what the accounts say.
fn compare(name: &str, meter: &Meter, fates: &[Fate]) -> usize {
    let count = |wanted: &str| fates.iter().filter(|fate| fate.get() == wanted).count();
    let held = count("held");
    let dropped = count("filtered") + count("failed");
    assert_eq!(meter.read().0, fates.len() as u64, "{name} takes");
    assert_eq!(meter.read_rest(), Some((dropped as u64, held as u64)), "{name} drops and holds");
    held
}

/// Puts numbers in as far as there is room, delivers what comes out, and compares the accounts with what became of the items; then it
/// ends, and nothing may be held.
fn check<I, O: Send + 'static>(name: &str, op: impl Operator<I, O>, may_hold: usize, make: impl Fn(usize) -> I) {
    let said = match op.holds() {
        Holds::Nothing => Some(0),
        Holds::Items(n) | Holds::ForATime(n) => Some(n),
        Holds::UntilReplaced => None,
    };
    assert!(said.is_none_or(|said| said == may_hold), "{name} says {said:?}");
    let (room, meter) = (Arc::<AtomicUsize>::default(), Arc::<Meter>::default());
    let mut stage: Stage<I, O, _> = Stage::new(op, Box::new(Deliver(room.clone())), meter.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let now = Rc::new(Cell::new(Instant::now()));
    let mut fates: Vec<Fate> = Vec::new();
    let mut most = 0;
    let mut turn = |stage: &mut Stage<I, O, _>| {
        (0..2).map(|port| stage.turn_port(&mut Turn { now: now.get(), cx: &mut cx }, port).room).min()
    };
    for n in 0..300 {
        // An output that is full every now and then.
        room.store(usize::from(n % 7 != 0), Ordering::Relaxed);
        if turn(&mut stage).is_some_and(|room| room > 0) {
            let (item, fate) = tracked(make(n));
            stage.push(item, now.get());
            fates.push(fate);
        }
        if n % 50 == 49 {
            now.set(now.get() + SECOND);
        }
        turn(&mut stage);
        most = most.max(compare(name, &meter, &fates));
    }
    assert!(most <= may_hold, "{name} held {most}, and says {may_hold}");
    stage.finish(Ending::EndOfStream, now.get());
    assert_eq!(compare(name, &meter, &fates), 0, "{name} still holds some after the end");
}

fn time(n: &usize) -> Timestamp {
    Timestamp::from_nanos(*n as i64)
}

#[test]
fn no_operator_holds_more_than_it_says() {
    let own = |n: usize| n;
    let third = |n: &usize| n % 3;
    check("batch", Batch::new(5), 4, own);
    check("batch in time", Batch::new(5).timeout(SECOND), 4, own);
    check("partition", Partition::new(5, third).max_keys(2), 8, own);
    check("partition_unique", PartitionUnique::new(5, |n: &usize| n / 2), 4, own);
    check("sliding_window", SlidingWindow::new(5), 4, own);
    check("sliding_window of full ones", SlidingWindow::new(5).full_only(), 4, own);
    check("unique", Unique::new(5, third), 0, own);
    check("frequencies", Frequencies::new(5), 0, own);
    check("slice", Slice::new(3..100).step_by(3), 0, own);
    check("collect", Collect::new().0.max_items(7), 7, own);
    check("timed_window", TimedWindow::new(SECOND).max_items(7), 7, own);
    check("timed_window with empty ones", TimedWindow::new(SECOND).with_empty().max_items(7), 7, own);
    check("timed_window_unique", TimedWindowUnique::new(SECOND, Keep::Last, |n: &usize| *n).max_items(7), 7, own);
    check("tumbling_window", TumblingWindow::new(Duration::from_nanos(90), time).max_items(7), 7, own);
    check("session_window", SessionWindow::new(Duration::from_nanos(9), third, time).max_items(7), 7, own);
    check("delay", Delay::new(SECOND).max_items(7), 7, own);
    check("buffer", Buffer::new(7), 7, own);
    check("latest", Latest::new(), 1, own);
    check("rate_limit", RateLimit::new(SECOND), 1, own);
    let either = |n: usize| if n.is_multiple_of(3) { Either::Left(n) } else { Either::Right(n) };
    check("zip", Zip::new().ahead(5), 5, either);
    check("combine_latest", CombineLatest::new(), 2, either);
    let numbered = |n: usize| (n % 2, n);
    let count = aggregate::Count::new;
    check("aggregate", AggregateItems::new(Over::last(5), count()), 0, own);
    check("aggregate of batches", AggregateBatches::new(Over::last(5), count()), 0, |n| vec![n; n % 3]);
    check("aggregate by", AggregateBy::new(third, count()), 0, own);
    check("aggregate each 5", AggregateEach::new(Every::items(5), count()), 4, own);
    check("aggregate each second", AggregateEach::new(Every::interval(SECOND).max_items(7), count()), 7, own);
    check("aggregate whole", AggregateEach::new(Every::whole().max_items(300), count()), 300, own);
    check(
        "aggregate batches by",
        AggregateBatches::new(Over::all(), count().by(|n: &usize| *n).max_groups(1)),
        0,
        |n| vec![n; 1],
    );
    check("map", Map(own), 0, own);
    check(
        "try_map",
        TryMap(|n: usize| if n.is_multiple_of(5) { Err(Error::data(ErrorKind::Other, "", "five")) } else { Ok(n) }),
        0,
        own,
    );
    check("filter", Filter(|n: &usize| n.is_multiple_of(2)), 0, own);
    check("flat_map", FlatMap(|n| vec![n; n % 3]), 0, own);
    check("union", Union, 0, numbered);
    check("sliding_window that never fills", SlidingWindow::new(1_000).full_only(), 999, own);
    check("sliding_window of one", SlidingWindow::new(1), 0, own);
    check("combine_latest with one", CombineLatest::new().emit_on(EmitOn::Left), 2, either);
    check("combine_latest with one of several", CombineLatestAll::new(2).emit_on([1]), 2, numbered);
    check("zip_latest", ZipLatest::new().waiting(3), 4, |n| {
        if n < 30 || n % 3 > 0 { Either::Left(n) } else { Either::Right(n) }
    });
    check("partition_unique of the last", PartitionUnique::new(5, third).keep(Keep::Last), 4, own);
    check("queue", Queue::new(7, Leaky::No), 7, own);
    check("queue that drops the newest", Queue::new(7, Leaky::Upstream), 7, own);
    check("queue that drops the oldest", Queue::new(7, Leaky::Downstream), 7, own);
    check("zip of several", ZipAll::new(2).ahead(5), 5, numbered);
    check("combine_latest of several", CombineLatestAll::new(2), 2, numbered);
    check("zip_latest of several", ZipLatestAll::new(2), 2, numbered);
}
