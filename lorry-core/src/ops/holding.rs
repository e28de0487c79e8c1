//! No operator holds more than it says.

use super::aggregate::{AggregateBatches, AggregateBy, AggregateEach, AggregateItems, Every, Over};
use super::testing::{Bench, Fate, tracked};
use super::*;
use crate::Timestamp;
use crate::flow::{Either, Holds, Item, Operator, Output};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Puts numbers in as far as there is room, delivers what comes out, and counts what is held; then it ends, and nothing may be.
fn check<I, O: Send>(name: &str, op: impl Operator<I, O>, may_hold: usize, make: impl Fn(usize) -> I) {
    let said = match op.holds() {
        Holds::Nothing => Some(0),
        Holds::Items(n) | Holds::ForATime(n) => Some(n),
        Holds::UntilReplaced => None,
    };
    assert!(said.is_none_or(|said| said == may_hold), "{name} says {said:?}");
    let mut bench = Bench::<_, O>::new(op);
    let mut fates: Vec<Fate> = Vec::new();
    let mut most = 0;
    for n in 0..300 {
        // An output that is full every now and then.
        bench.room = if n % 7 == 0 { 0 } else { 1 };
        bench.pass::<I>(Duration::ZERO).take();
        if (0..2).all(|port| bench.op.room(port, bench.room) > 0) {
            let (item, fate) = tracked(make(n));
            let mut seen = Vec::new();
            bench.op.push(item, &mut Output::new(&mut seen, bench.now, bench.room));
            seen.into_iter().for_each(|item: Item<O>| item.token.delivered());
            fates.push(fate);
        }
        let held = |fates: &[Fate]| fates.iter().filter(|fate| fate.get() == "held").count();
        most = most.max(held(&fates));
        if n % 50 == 49 {
            bench.pass::<I>(SECOND).take();
        }
    }
    assert!(most <= may_hold, "{name} held {most}, and says {may_hold}");
    bench.finish::<I>().take();
    let left = fates.iter().filter(|fate| fate.get() == "held").count();
    assert_eq!(left, 0, "{name} still holds {left} after the end");
    assert!(fates.iter().all(|fate| fate.get() != "failed"), "{name} has forgotten some");
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
    check("zip of several", ZipAll::new(2).ahead(5), 5, numbered);
    check("combine_latest of several", CombineLatestAll::new(2), 2, numbered);
    check("zip_latest of several", ZipLatestAll::new(2), 2, numbered);
}
