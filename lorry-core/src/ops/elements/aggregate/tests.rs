#![allow(clippy::unwrap_used, clippy::panic)]
use crate::flow::{Holds, Operator};
use crate::ops::testing::{Bench, fates};
use crate::registry::{Element, Registry};
use crate::{ErrorKind, Message, Result, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn make(text: &str) -> Result<Box<dyn Operator<Message>>> {
    let pairs: Vec<_> =
        text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).map(|(a, b)| (a.into(), b.into())).collect();
    match Registry::new().make_named("aggregate", &pairs)? {
        Element::Operator(operator) => Ok(operator),
        _ => panic!("no operator"),
    }
}

fn bench(text: &str) -> Bench<Box<dyn Operator<Message>>, Message> {
    Bench::new(make(text).unwrap())
}

fn message(payload: &Value) -> Message {
    Message::new(payload.to_string()).at("a/b")
}

fn shown(messages: Vec<Message>) -> Vec<Value> {
    messages.iter().map(|message| serde_json::from_slice(message.bytes()).unwrap()).collect()
}

/// What comes out of these payloads, a second apart, and at the end.
fn run(text: &str, payloads: &[Value]) -> Vec<Value> {
    let mut bench = bench(text);
    for payload in payloads {
        bench.push([message(payload)]).pass::<Message>(SECOND);
    }
    shown(bench.finish::<Message>().take())
}

#[test]
fn each_function_over_all_at_the_end() {
    let numbers = [2, 4, 4, 4, 5, 5, 7, 9].map(|n| json!(n));
    for (op, expected) in [
        ("op=count", json!(8)),
        ("op=sum", json!(40)),
        ("op=mean", json!(5.0)),
        ("op=min", json!(2)),
        ("op=max", json!(9)),
        ("op=var ddof=0", json!(4.0)),
        ("op=std ddof=0", json!(2.0)),
        ("op=first", json!(2)),
        ("op=last", json!(9)),
        ("op=value-counts", json!({"2": 1, "4": 3, "5": 2, "7": 1, "9": 1})),
        ("op=count,sum", json!({"count": 8, "sum": 40})),
        ("op=min op=max", json!({"min": 2, "max": 9})),
        ("op=ewm-mean alpha=1", json!(9.0)),
    ] {
        assert_eq!(run(&format!("{op} emit=window"), &numbers), [expected], "{op}");
    }
    let near = |op: &str, wanted: f64| {
        let found = run(&format!("op={op} emit=window"), &numbers)[0].as_f64().unwrap();
        assert!((found - wanted).abs() <= wanted * 0.01, "{op}: {found}");
    };
    near("median", 4.0);
    near("p100", 9.0);
    near("p0", 2.0);
    near("p99.9", 7.0);
    let var = run("op=var emit=window", &numbers)[0].as_f64().unwrap();
    assert!((var - 32.0 / 7.0).abs() < 1e-12, "{var}");
}

#[test]
fn of_nothing_is_known_what_is_known_of_nothing() {
    let all = "op=count,sum,mean,min,max,var,std,median,first,last,value-counts,ewm-mean span=2 emit=window";
    let nothing = json!({"count": 0, "sum": 0, "mean": null, "min": null, "max": null, "var": null, "std": null,
        "median": null, "first": null, "last": null, "value-counts": {}, "ewm-mean": null});
    assert_eq!(run(all, &[]), [nothing]);
    for nothing in
        ["op=count emit=window by=d", "op=count", "op=count n=2", "op=count interval=1s", "op=count interval=1s time=."]
    {
        assert_eq!(run(nothing, &[]), [json!(null); 0], "{nothing}");
    }
}

#[test]
fn windows_and_running_values() {
    let numbers: Vec<_> = (1..=5).map(|n| json!(n)).collect();
    for (text, expected) in [
        ("op=sum", vec![1, 3, 6, 10, 15]),
        ("op=sum emit=window", vec![15]),
        ("op=sum n=2", vec![3, 7, 5]),
        ("op=sum n=2 emit=running", vec![1, 3, 5, 7, 9]),
        ("op=max n=1 emit=running", vec![1, 2, 3, 4, 5]),
        ("op=sum interval=2s", vec![3, 7, 5]),
        ("op=sum interval=2s emit=running", vec![1, 3, 5, 7, 9]),
        ("op=sum interval=2s time=.", vec![1, 5, 9]),
        ("op=sum interval=2000s time=. time-unit=ms", vec![15]),
        ("op=sum interval=2s emit=running time=.", vec![1, 3, 5, 7, 9]),
        ("op=count interval=10s emit=running time=. max-items=2", vec![1, 2, 2, 2, 2]),
    ] {
        assert_eq!(run(text, &numbers), expected.into_iter().map(|n| json!(n)).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn sums_beyond_64_bits_are_floats_and_exact_again_when_they_fit() {
    let most = json!(u64::MAX);
    assert_eq!(
        run("op=sum", &[most.clone(), json!(2), json!(-3)]),
        [most, json!(18_446_744_073_709_551_616.0), json!(u64::MAX - 1)]
    );
    let least = json!(i64::MIN);
    assert_eq!(
        run("op=sum", &[least.clone(), json!(-1), json!(2)]),
        [least, json!(-9_223_372_036_854_775_808.0), json!(i64::MIN + 1)]
    );
    let mut bench = bench("op=sum");
    bench.push([Message::new("18446744073709551616"), Message::new("1")]);
    assert_eq!(shown(bench.take()), [json!(18_446_744_073_709_551_616.0), json!(18_446_744_073_709_551_616.0)]);
}

#[test]
fn groups_have_a_message_each() {
    let of = |device: &str, celsius: f64| json!({"device": device, "at": {"c": celsius}});
    let readings = [of("y", 1.5), of("x", 20.0), of("x", 22.0), of("y", 2.5), json!({"at": {"c": 7}})];
    let by = |device: Value, mean: f64| json!({"device": device, "mean": mean});
    assert_eq!(
        run("op=mean value=.at.c by=.device emit=window", &readings),
        [by(json!("x"), 21.0), by(json!("y"), 2.0), by(json!(null), 7.0)]
    );
    assert_eq!(
        run("op=mean value=at.c by=device", &readings),
        [by(json!("y"), 1.5), by(json!("x"), 20.0), by(json!("x"), 21.0), by(json!("y"), 2.0), by(json!(null), 7.0)]
    );
    assert_eq!(
        run("op=mean value=at.c by=device n=2 emit=running", &readings),
        [by(json!("y"), 1.5), by(json!("x"), 20.0), by(json!("x"), 21.0), by(json!("y"), 2.5), by(json!(null), 7.0)],
        "the last two of all groups"
    );
    assert_eq!(
        run("op=count,max value=.at.c by=at.c n=1", &readings[..1]),
        [json!({"c": 1.5, "count": 1, "max": 1.5})]
    );
    assert_eq!(run("op=count by=at n=1", &readings[..1]), [json!({"at": {"c": 1.5}, "count": 1})]);
    assert_eq!(run("op=count by=.[0] n=1", &[json!([3])]), [json!({"key": 3, "count": 1})]);
    assert_eq!(run("op=count by=count n=1", &[json!({"count": 3})]), [json!({"key": 3, "count": 1})]);
}

#[cfg(feature = "template")]
#[test]
fn groups_by_a_template_need_no_json() {
    let mut bench = bench("op=count by={{topic}} n=2");
    bench.push([Message::new("no JSON").at("b"), Message::new("").at("a")]);
    assert_eq!(shown(bench.take()), [json!({"key": "a", "count": 1}), json!({"key": "b", "count": 1})]);
}

#[test]
fn what_cannot_be_counted_is_rejected_and_changes_nothing() {
    for (text, payload) in [
        ("op=sum", "x"),
        ("op=sum", ""),
        ("op=sum", "null"),
        ("op=sum", "\"1\""),
        ("op=sum", "[1]"),
        ("op=sum", "1e999"),
        ("op=sum value=.a", "{}"),
        ("op=sum value=.a", "{\"a\":null}"),
        ("op=count value=.a", "{}"),
        ("op=first value=[2]", "[1]"),
        ("op=count by=a", "x"),
        ("op=sum interval=1s time=.at value=.a", "{\"a\":1}"),
        ("op=sum interval=1s time=.at value=.a", "{\"a\":1,\"at\":\"noon\"}"),
        ("op=sum interval=1s time=$timestamp", "1"),
        ("op=sum by=a max-groups=1 value=n", "{\"a\":2,\"n\":1}"),
    ] {
        let mut bench = bench(&format!("{text} emit=running"));
        if text.contains("max-groups") {
            bench.push([Message::new("{\"a\":1,\"n\":1}")]);
            bench.take();
        }
        assert_eq!(bench.track(Message::new(payload.to_owned())).get(), "failed", "{text}: {payload}");
        assert_eq!(bench.take(), []);
    }
    assert_eq!(run("op=sum", &[json!(1), json!("2"), json!(3)]), [json!(1), json!(4)]);
    assert_eq!(run("op=count", &[json!(1), json!("2")]), [json!(1), json!(2)], "what is counted may be anything");
    assert_eq!(run("op=last value=.a", &[json!({"a": null})]), [json!(null)]);
}

#[test]
fn windows_by_the_time_in_the_data() {
    let at =
        |seconds: i64, n: i64| message(&json!({"at": Timestamp::from_millis(seconds * 1_000).to_string(), "n": n}));
    let mut bench = bench("op=sum,count value=n interval=10s time=.at lateness=2s late=reject idle=1m");
    let all = [at(1, 1), at(11, 2), at(9, 4)].map(|message| bench.track(message));
    assert_eq!(bench.take(), []);
    assert_eq!(bench.op.held(), Some(3));
    bench.push([at(12, 8)]);
    let first = bench.take();
    assert_eq!(first[0].timestamp, Some(Timestamp::from_millis(0)));
    assert_eq!(
        (first[0].address.as_str(), first[0].properties().content_type.as_deref()),
        ("a/b", Some("application/json"))
    );
    assert_eq!(shown(first), [json!({"sum": 5, "count": 2})]);
    assert_eq!(fates(&all), ["delivered", "held", "delivered"]);
    assert_eq!(bench.track(at(8, 1)).get(), "failed", "late");
    assert_eq!(bench.op.holds(), Holds::ForATime(65_536));
    assert_eq!(shown(bench.pass::<Message>(60 * SECOND).take()), [json!({"sum": 10, "count": 2})]);
}

#[test]
fn a_window_of_several_groups_is_delivered_when_all_are() {
    let mut bench = bench("op=count by=. n=3");
    let all = [1, 2, 1].map(|n| bench.track(message(&json!(n))));
    assert_eq!(fates(&all), ["held"; 3]);
    assert_eq!(bench.take().len(), 2);
    assert_eq!(fates(&all), ["delivered"; 3]);
}

#[test]
fn what_it_holds() {
    for (text, holds) in [
        ("op=sum", Holds::Nothing),
        ("op=sum n=10 emit=running", Holds::Nothing),
        ("op=sum n=10", Holds::Items(9)),
        ("op=sum interval=1s", Holds::ForATime(65_536)),
        ("op=sum interval=1s max-items=5", Holds::ForATime(5)),
        ("op=sum emit=window max-items=5", Holds::Items(5)),
        ("op=sum interval=1s time=. max-items=5", Holds::Items(5)),
        ("op=sum interval=1s time=. idle=1s", Holds::ForATime(65_536)),
    ] {
        assert_eq!(make(text).unwrap().holds(), holds, "{text}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (text, what) in [
        ("", "needs op="),
        ("op=", "needs op="),
        ("op=,", "needs op="),
        ("op=mean,", "\"\" is not one of"),
        ("op=men", "did you mean \"mean\""),
        ("op=p101", "is not one of"),
        ("op=p", "is not one of"),
        ("op=pinf", "is not one of"),
        ("op=p-1", "is not one of"),
        ("op=sum,sum", "given twice"),
        ("op=sum n=0", "at least 1"),
        ("op=sum n=-1", "\"-1\" is not a whole number"),
        ("op=sum n=99999999999999999999999", "not a whole number"),
        ("op=sum interval=0", "more than 0"),
        ("op=sum interval=-1s", "no duration"),
        ("op=sum n=1 interval=1s", "not both"),
        ("op=sum emit=never", "not one of window, running"),
        ("op=sum max-items=0", "at least 1"),
        ("op=sum max-groups=0", "at least 1"),
        ("op=sum max-values=0", "at least 1"),
        ("op=sum value=..a", "names no part"),
        ("op=sum by=a|b", "names no part"),
        ("op=sum time=.at", "goes with interval="),
        ("op=sum interval=1s time-unit=ms", "goes with time="),
        ("op=sum interval=1s time=.at time-unit=h", "not one of s, ms, us, ns"),
        ("op=sum interval=1s lateness=1s", "goes with time="),
        ("op=sum interval=1s time=.at emit=running idle=1s", "emit=window"),
        ("op=sum interval=1s time=.at idle=0", "more than 0"),
        ("op=sum ddof=1", "goes with op=var"),
        ("op=var ddof=-1", "not a whole number"),
        ("op=sum alpha=0.5", "go with op=ewm-mean"),
        ("op=ewm-mean", "needs one of alpha="),
        ("op=ewm-mean alpha=0", "more than 0"),
        ("op=ewm-mean alpha=nan", "more than 0"),
        ("op=ewm-mean span=inf", "at least 1"),
        ("op=ewm-mean span=1 com=1", "not both"),
        ("op=ewm-mean half-life=-1", "more than 0"),
        ("op=sum windw=1", "unknown option \"windw\""),
    ] {
        let error = make(text).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        assert!(error.to_string().contains(what), "{text}: {error}");
    }
}

#[test]
fn sizes_beyond_all_measure() {
    let most = usize::MAX;
    for text in [
        format!("op=sum n={most}"),
        format!("op=sum n={most} emit=running"),
        format!("op=sum interval=999999999999d emit=running max-items={most}"),
        format!("op=sum interval=999999999999d max-items={most}"),
        format!("op=sum interval=999999999999d time=. max-items={most} lateness=999999999999d"),
        format!("op=count,value-counts by=. max-groups={most} max-values={most} n=2"),
        format!("op=var ddof={} emit=window", u64::MAX),
    ] {
        run(&text, &[json!(1), json!(i64::MAX), json!(-1e300)]);
    }
}
