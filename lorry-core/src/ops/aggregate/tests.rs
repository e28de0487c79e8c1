//! What was computed as items came and went is what is computed from the beginning, and how it is emitted.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::flow::Operator;
use crate::ops::testing::{Bench, fates};
use crate::{Relay, Stream, Timestamp};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

/// Eighths, so that there is an exact answer to compare with: mostly of one size, some far from zero, some enormous.
fn eighths() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -8_000_i64..8_000,
        2 => (8_i64 << 30)..(8_i64 << 30) + 64,
        1 => -(1_i64 << 42)..1_i64 << 42,
        1 => Just(0),
    ]
}

fn floats(eighths: &[i64]) -> Vec<f64> {
    eighths.iter().map(|n| *n as f64 / 8.0).collect()
}

fn exact_sum(eighths: &[i64]) -> f64 {
    eighths.iter().map(|n| i128::from(*n)).sum::<i128>() as f64 / 8.0
}

fn exact_var(eighths: &[i64], ddof: usize) -> Option<f64> {
    let n = eighths.len();
    let sum: i128 = eighths.iter().map(|n| i128::from(*n)).sum();
    let squares: i128 = eighths.iter().map(|n| i128::from(*n).pow(2)).sum();
    (n > ddof).then(|| (squares * n as i128 - sum * sum) as f64 / 64.0 / (n * (n - ddof)) as f64)
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// A running value over the last `n`, against the exact one.
fn over_last<A: Aggregate<f64>>(
    values: &[i64],
    n: usize,
    aggregate: A,
    found: impl Fn(A::Output) -> Option<f64>,
    expect: impl Fn(&[i64]) -> Option<f64>,
) where
    A::Output: Send,
{
    let mut bench = Bench::new(AggregateItems::new(Over::last(n), aggregate));
    let seen = bench.push(floats(values)).take();
    assert_eq!(seen.len(), values.len());
    for (end, value) in seen.into_iter().enumerate() {
        let (value, exact) = (found(value), expect(&values[(end + 1).saturating_sub(n)..=end]));
        assert!(close(value, exact), "{value:?}, not {exact:?}, after {} of {values:?}", end + 1);
    }
}

/// What depends on the order, and what does not, of the same values.
fn everything(values: &[f64]) -> Vec<Option<f64>> {
    let one = |value: Option<f64>| value;
    vec![
        Some(Sum::new().of_all(values)),
        Some(Count::new().of_all(values) as f64),
        one(Mean::new().of_all(values)),
        one(Min::new().of_all(values)),
        one(Max::new().of_all(values)),
        one(Var::new().of_all(values)),
        one(First::new().of_all(values)),
        one(Last::new().of_all(values)),
        one(EwMean::span(3.0).of_all(values)),
        Quantiles::median().of_all(values)[0],
    ]
}

/// Puts items in, and compares each result with what a function makes of the items so far.
fn each_result<A: Aggregate<(i64, f64)>>(
    items: &[(i64, f64)],
    aggregate: A,
    window: i64,
    found: impl Fn(A::Output) -> Option<f64>,
    which: usize,
) where
    A::Output: Send,
{
    let over = Over::last_for(Duration::from_nanos(window as u64), |item: &(i64, f64)| Timestamp::from_nanos(item.0));
    let mut bench = Bench::new(AggregateItems::new(over, aggregate));
    let (mut seen, mut latest) = (Vec::<(i64, f64)>::new(), i64::MIN);
    for item in items {
        latest = latest.max(item.0);
        let late = item.0 <= latest - window;
        let fate = bench.track(*item);
        let results = bench.take();
        assert_eq!((fate.get(), results.len()), if late { ("filtered", 0) } else { ("delivered", 1) });
        if late {
            continue;
        }
        seen.push(*item);
        seen.retain(|other| other.0 > latest - window);
        seen.sort_by_key(|other| other.0);
        let values: Vec<_> = seen.iter().map(|other| other.1).collect();
        let (value, expect) = (results.into_iter().next().and_then(&found), everything(&values)[which]);
        assert!(close(value, expect), "{value:?}, not {expect:?}, of {values:?}");
    }
}

proptest! {
    #[test]
    fn over_the_last_items_it_is_what_it_is_from_the_beginning(
        values in proptest::collection::vec(eighths(), 1..300),
        n in 1_usize..80,
    ) {
        over_last(&values, n, Sum::new(), Some, |window| Some(exact_sum(window)));
        over_last(&values, n, Mean::new(), |mean| mean, |window| Some(exact_sum(window) / window.len() as f64));
        over_last(&values, n, Count::new(), |count| Some(count as f64), |window| Some(window.len() as f64));
        over_last(&values, n, Min::new(), |min| min, |window| window.iter().min().map(|n| *n as f64 / 8.0));
        over_last(&values, n, Max::new(), |max| max, |window| window.iter().max().map(|n| *n as f64 / 8.0));
        over_last(&values, n, First::new(), |first| first, |window| Some(window[0] as f64 / 8.0));
        over_last(&values, n, Last::new(), |last| last, |window| window.last().map(|n| *n as f64 / 8.0));
        for ddof in 0..3 {
            over_last(&values, n, Var::new().ddof(ddof as u64), |var| var, |window| exact_var(window, ddof));
            over_last(&values, n, Std::new().ddof(ddof as u64), |std| std, |w| exact_var(w, ddof).map(f64::sqrt));
        }
        let ew_mean = |window: &[i64]| {
            let weights = || (0..window.len() as i32).rev().map(|age| 0.5_f64.powi(age));
            Some(weights().zip(window).map(|(w, n)| w * *n as f64 / 8.0).sum::<f64>() / weights().sum::<f64>())
        };
        let positive: Vec<_> = values.iter().map(|n| n.abs()).collect();
        over_last(&positive, n, EwMean::com(1.0), |mean| mean, ew_mean);
    }

    #[test]
    fn over_numbers_of_all_sizes_too(
        values in proptest::collection::vec((-1.0..1.0, -30_i32..30).prop_map(|(x, e)| x * 10_f64.powi(e)), 1..300),
        n in 1_usize..20,
    ) {
        let all = (Sum::new(), Mean::new(), Var::new(), Std::new().ddof(0));
        let mut bench = Bench::new(AggregateItems::new(Over::last(n), all.clone()));
        for (end, seen) in bench.push(values.clone()).take().into_iter().enumerate() {
            let window = &values[(end + 1).saturating_sub(n)..=end];
            let anew = all.of_all(window);
            let same = close(Some(seen.0), Some(anew.0)) && close(seen.1, anew.1);
            prop_assert!(same && close(seen.2, anew.2) && close(seen.3, anew.3), "{seen:?}, not {anew:?}, of {window:?}");
        }
    }

    #[test]
    fn over_the_last_time_too_in_whatever_order_they_come(
        items in proptest::collection::vec((0_i64..200, 1_i64..1_000), 1..100),
        window in 1_i64..100,
    ) {
        let items: Vec<_> = items.into_iter().map(|(time, value)| (time, value as f64 / 8.0)).collect();
        let value = |item: &(i64, f64)| item.1;
        each_result(&items, Sum::new().of(value), window, Some, 0);
        each_result(&items, Count::new(), window, |count| Some(count as f64), 1);
        each_result(&items, Mean::new().of(value), window, |mean| mean, 2);
        each_result(&items, Min::new().of(value), window, |min| min, 3);
        each_result(&items, Max::new().of(value), window, |max| max, 4);
        each_result(&items, Var::new().of(value), window, |var| var, 5);
        each_result(&items, First::new().of(value), window, |first| first, 6);
        each_result(&items, Last::new().of(value), window, |last| last, 7);
        each_result(&items, EwMean::span(3.0).of(value), window, |mean| mean, 8);
        each_result(&items, Quantiles::median().of(value), window, |median| median[0], 9);
    }

    #[test]
    fn groups_are_what_they_are_by_themselves(
        values in proptest::collection::vec(-50_i64..50, 1..200),
        n in 1_usize..40,
        keys in 1_i64..10,
    ) {
        let key = move |value: &i64| value.rem_euclid(keys);
        let both = (Sum::new(), Max::new());
        let mut bench = Bench::new(AggregateItems::new(Over::last(n), both.clone().by(key)));
        let tables = bench.push(values.clone()).take();
        let mut counts = Bench::new(AggregateItems::new(Over::last(n), ValueCounts::new(1).of(key)));
        let counts = counts.push(values.clone()).take();
        for (end, table) in tables.into_iter().enumerate() {
            let mut groups = HashMap::<i64, Vec<i64>>::new();
            for value in &values[(end + 1).saturating_sub(n)..=end] {
                groups.entry(key(value)).or_default().push(*value);
            }
            let sizes: HashMap<_, _> = groups.iter().map(|(key, group)| (*key, group.len() as u64)).collect();
            prop_assert_eq!(&counts[end], &sizes);
            let alone: HashMap<_, _> = groups.into_iter().map(|(key, group)| (key, both.of_all(&group))).collect();
            prop_assert_eq!(table, alone);
        }
    }

    #[test]
    fn quantiles_are_within_one_per_cent_of_a_value(
        values in proptest::collection::vec(prop_oneof![-1e6..1e6, -1.0..1.0], 1..300),
        q in 0.0..=1.0,
    ) {
        let found = Quantiles::new([q]).of_all(&values)[0].unwrap();
        let mut sorted = values;
        sorted.sort_by(f64::total_cmp);
        let rank = q * (sorted.len() - 1) as f64;
        let around = &sorted[rank.floor() as usize..=rank.ceil() as usize];
        prop_assert!(around.iter().any(|x| (found - x).abs() <= 0.0101 * x.abs() + 1e-9), "{found} of {around:?}");
    }
}

#[test]
fn quantiles_of_values_that_are_far_apart() {
    // Four of each: the smallest and the largest of all are known exactly.
    let quartiles = |a: f64, b: f64| {
        let found = Quantiles::new([0.25, 0.75]).of_all(&[a, b].repeat(4));
        [found[0].unwrap(), found[1].unwrap()]
    };
    let near = |found: f64, x: f64| (found - x).abs() <= 0.0101 * x.abs();
    let found = quartiles(1e-8, 1e9);
    assert!(near(found[0], 1e-8) && near(found[1], 1e9), "17 orders: {found:?}");
    let found = quartiles(-1e-8, -1e9);
    assert!(near(found[0], -1e9) && near(found[1], -1e-8), "17 orders: {found:?}");
    let found = quartiles(1e-8, -1e12);
    assert!(near(found[0], -1e12) && near(found[1], 1e-8), "each sign by itself: {found:?}");
    let found = quartiles(1e-8, 1e300);
    assert!(near(found[1], 1e300) && (1e282..1e283).contains(&found[0]), "308 orders: {found:?}");
    assert_eq!(quartiles(1e-10, -1e-10), [0.0, 0.0]);
}

#[test]
fn rounding_errors_do_not_pile_up() {
    let n = 1_000;
    let value = |k: u64| 1e9 + (k * 7_919 % 1_000) as f64 / 8.0;
    let mut bench = Bench::new(AggregateItems::new(Over::last(n), (Sum::new(), Var::new())));
    let (sum, var) = bench.push((0..200_000).map(value)).take().pop().unwrap();
    let last: Vec<_> = (200_000 - n as u64..200_000).map(|k| (value(k) * 8.0) as i64).collect();
    assert!(close(Some(sum), Some(exact_sum(&last))) && close(var, exact_var(&last, 1)), "{sum} {var:?}");
}

#[test]
fn rising_and_falling_values_take_constant_time_for_each() {
    let rising = |n: i64| (0..n).chain((0..n).rev());
    let mut bench = Bench::new(AggregateItems::new(Over::last(50_000), (Min::new(), Max::new())));
    assert_eq!(bench.push(rising(100_000)).take().pop(), Some((Some(0), Some(49_999))));
}

#[test]
fn not_a_number_spoils_what_it_is_in_and_no_more() {
    let values = [1.0, f64::NAN, 3.0, 5.0];
    let mut bench = Bench::new(AggregateItems::new(Over::last(2), (Sum::new(), Min::new(), Var::new())));
    let seen = bench.push(values).take();
    assert!(seen[1].0.is_nan() && seen[2].0.is_nan() && seen[2].2.unwrap().is_nan());
    assert_eq!((seen[2].1, seen[3]), (Some(3.0), (8.0, Some(3.0), Some(2.0))));
    let present = Mean::new().of_some(|x: &f64| Some(*x).filter(|x| !x.is_nan()));
    assert_eq!(present.of_all(&values), Some(3.0));
}

#[test]
fn of_nothing() {
    let none: [f64; 0] = [];
    assert_eq!((Sum::new(), Count::new()).of_all(&none), (0.0, 0));
    assert_eq!(
        (Mean::new(), Min::new(), Max::new(), Var::new(), Std::new()).of_all(&none),
        (None, None, None, None, None)
    );
    assert_eq!((First::new(), Last::new(), EwMean::alpha(0.5)).of_all(&none), (None, None, None));
    assert_eq!(Quantiles::new([0.0, 1.0]).of_all(&none), [None, None]);
}

#[test]
fn weights_that_make_no_sense() {
    for mean in
        [EwMean::alpha(2.0), EwMean::alpha(f64::NAN), EwMean::span(0.0), EwMean::com(-1.0), EwMean::half_life(0.0)]
    {
        assert_eq!(mean.of_all(&[1.0, 2.0]), Some(2.0), "only the last counts: {mean:?}");
    }
    assert!(EwMean::alpha(0.0).of_all(&[1.0, 2.0]).is_some_and(|mean| (mean - 1.5).abs() < 1e-9));
    let half = EwMean::half_life(1.0).of_all(&[0.0, 3.0]).unwrap();
    assert!((half - 2.0).abs() < 1e-12, "{half}");
}

#[test]
fn running_values_pass_tokens_on() {
    let mut bench = Bench::new(AggregateItems::new(Over::all(), (Sum::new(), Count::new())));
    let all = [bench.track(1_u8), bench.track(2)];
    assert_eq!(bench.take(), [(1, 1), (3, 2)]);
    assert_eq!(fates(&all), ["delivered"; 2]);
    let mut bench = Bench::new(AggregateItems::new(Over::last(0), Sum::new()));
    assert_eq!(bench.push([1_u8, 2]).take(), [1, 2]);
}

#[test]
fn one_group_too_many() {
    let mut bench = Bench::new(AggregateItems::new(Over::all(), Count::new().by(|n: &i32| *n).max_groups(2)));
    let all = [1, 2, 3, 1].map(|n| bench.track(n));
    assert_eq!(bench.take().pop(), Some(HashMap::from([(1, 2), (2, 1)])));
    assert_eq!(fates(&all), ["delivered", "delivered", "failed", "delivered"]);
    // Where items leave again the window is the limit.
    let mut bench = Bench::new(AggregateItems::new(Over::last(3), Count::new().by(|n: &i32| *n).max_groups(2)));
    assert_eq!(bench.push([1, 2, 3, 4]).take().pop(), Some(HashMap::from([(2, 1), (3, 1), (4, 1)])));
    let mut bench = Bench::new(AggregateEach::new(Every::items(2), Count::new().by(|n: &i32| *n).max_groups(1)));
    let all = [1, 2, 1].map(|n| bench.track(n));
    assert_eq!(bench.take(), [HashMap::from([(1, 2)])]);
    assert_eq!(fates(&all), ["delivered", "failed", "delivered"]);
}

#[test]
fn a_running_value_for_each_group_alone() {
    let by = || AggregateBy::new(|n: &i32| n % 3, Count::new()).max_groups(2);
    let mut bench = Bench::new(by());
    let all = [1, 2, 3, 4].map(|n| bench.track(n));
    assert_eq!(bench.take(), [(1, 1), (2, 1), (1, 2)]);
    assert_eq!(fates(&all), ["delivered", "delivered", "failed", "delivered"]);
    let mut bench = Bench::new(by().forget_oldest());
    assert_eq!(bench.push([1, 2, 4, 3, 1, 2]).take(), [(1, 1), (2, 1), (1, 2), (0, 1), (1, 3), (2, 1)]);
}

#[test]
fn one_value_for_each_number_of_items() {
    let mut bench = Bench::new(AggregateEach::new(Every::items(2), Sum::new()));
    let all = [1_i32, 2, 3].map(|n| bench.track(n));
    assert_eq!(bench.take(), [3]);
    assert_eq!(fates(&all), ["delivered", "delivered", "held"]);
    assert_eq!(bench.finish::<i32>().take(), [3]);
    assert_eq!(fates(&all), ["delivered"; 3]);
    assert!(bench.finish::<i32>().take().is_empty());
}

#[test]
fn one_value_for_each_interval() {
    let second = Duration::from_secs(1);
    let mut bench = Bench::new(AggregateEach::new(Every::interval(second).max_items(5), Max::new()));
    let fate = bench.push([3, 9]).track(4);
    assert_eq!((bench.due::<i32>(), Operator::<i32, _>::room(&bench.op, 0, 9)), (Some(second), 2));
    bench.room = 0;
    assert!(bench.pass::<i32>(second).take().is_empty(), "there is no room below");
    bench.room = 1;
    assert_eq!(bench.pass::<i32>(Duration::ZERO).take(), [Some(9)]);
    assert_eq!((fate.get(), bench.due::<i32>()), ("delivered", None));
    assert!(bench.pass::<i32>(second).take().is_empty(), "an empty one is not given out");
    assert_eq!(bench.push([1]).finish::<i32>().take(), [Some(1)]);
}

#[test]
fn one_value_of_the_whole_stream() {
    let mut bench = Bench::new(AggregateEach::new(Every::whole().max_items(2), Sum::new()));
    let all = [1_i32, 2, 3].map(|n| bench.track(n));
    assert_eq!(fates(&all), ["held", "held", "failed"]);
    assert_eq!(bench.finish::<i32>().take(), [3]);
    let mut bench = Bench::new(AggregateEach::new(Every::whole(), Count::new()));
    assert_eq!(bench.finish::<i32>().take(), [0]);
}

#[test]
fn time_windows_at_the_end_of_all_time_and_with_too_many_items() {
    for length in [Duration::ZERO, Duration::MAX] {
        let over = Over::last_for(length, |n: &i64| Timestamp::from_nanos(*n));
        let mut bench = Bench::new(AggregateItems::new(over, Count::new()));
        assert_eq!(bench.push([i64::MIN, 0, i64::MAX]).take().len(), 3);
    }
    let over = Over::last_for(Duration::from_secs(1), |n: &i64| Timestamp::from_nanos(*n)).max_items(2);
    let mut bench = Bench::new(AggregateItems::new(over, Sum::new()));
    assert_eq!(bench.push([1, 2, 3]).take(), [1, 3, 5]);
}

#[test]
fn batches_give_one_value_each_empty_ones_too() {
    let mut bench = Bench::new(AggregateBatches::new(Over::last(3), vec![Sum::new(), Sum::starting_at(10)]));
    let fate = bench.track(vec![1, 2]);
    assert_eq!(bench.push([vec![], vec![3, 4]]).take(), [[3_i128, 13], [3, 13], [9, 19]]);
    assert_eq!(fate.get(), "delivered");
    let mut bench = Bench::new(AggregateBatches::new(Over::all(), Count::new().by(|n: &i32| *n).max_groups(1)));
    let all = [vec![1], vec![1, 2], vec![1]].map(|n| bench.track(n));
    assert_eq!(bench.take(), [HashMap::from([(1, 1)]), HashMap::from([(1, 3)])]);
    assert_eq!(fates(&all), ["delivered", "failed", "delivered"]);
}

#[tokio::test(start_paused = true)]
async fn in_a_relay_by_count_and_by_clock() {
    let (input, numbers) = Stream::<i64>::input();
    let (a, b) = numbers.tee();
    let (by_count, counted) = a.aggregate_each(Every::items(4), (Sum::new(), Mean::new())).collect_vec();
    let (by_clock, timed) = b.aggregate_each(Every::interval(Duration::from_secs(1)), Count::new()).collect_vec();
    let running = Relay::new([by_count, by_clock]).spawn();
    for n in 0..6 {
        input.send(n).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(timed.values(), [6]);
    input.send(6).await.unwrap();
    drop(input);
    let report = running.wait().await;
    assert_eq!((report.received, report.delivered), (7, 7));
    assert_eq!(counted.values(), [(6, Some(1.5)), (15, Some(5.0))]);
    assert_eq!(timed.values(), [6, 1]);
}
