#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::ErrorKind;
use crate::registry::Element;

fn make(text: &str) -> Result<Box<dyn Operator<Message>>> {
    let mut words = text.split(' ');
    let name = words.next().unwrap();
    let pair =
        |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.replace('+', " "))).unwrap();
    match Registry::new().make_named(name, &words.map(pair).collect::<Vec<_>>())? {
        Element::Operator(operator) => Ok(operator),
        _ => panic!("{name} is no operator"),
    }
}

/// What comes out, by payload, of these payloads, a second apart; `|` is the end of the stream.
fn run(text: &str, payloads: &[&'static str]) -> Vec<String> {
    let mut operator = make(text).unwrap();
    let (mut seen, start) = (Vec::new(), Instant::now());
    for (second, payload) in (0..).zip(payloads) {
        let mut out = Output::to(&mut seen, start + Duration::from_secs(second));
        operator.tick(&mut out);
        operator.push(Item::untracked(Message::new(*payload).at("a/b")), &mut out);
    }
    let mut out = Output::to(&mut seen, start + Duration::from_secs(payloads.len() as u64));
    operator.tick(&mut out);
    let mut shown: Vec<String> = seen.drain(..).map(show).collect();
    let mut out = Output::to(&mut seen, start + Duration::from_secs(payloads.len() as u64));
    operator.finish(&mut out);
    if !seen.is_empty() {
        shown.push("|".to_owned());
        shown.extend(seen.into_iter().map(show));
    }
    shown
}

fn show(item: Item<Message>) -> String {
    assert_eq!(item.value.address.as_str(), "a/b");
    item.value.text().unwrap().to_owned()
}

#[test]
fn empty_windows_where_they_are_asked_for() {
    for name in ["timed-window", "timed-window-unique"] {
        let mut operator = make(&format!("{name} interval=1s empty=true")).unwrap();
        let (mut seen, start) = (Vec::new(), Instant::now());
        operator.tick(&mut Output::to(&mut seen, start));
        operator.push(Item::untracked(Message::new("1")), &mut Output::to(&mut seen, start));
        (1..=2).for_each(|second| operator.tick(&mut Output::to(&mut seen, start + Duration::from_secs(second))));
        let shown: Vec<_> = seen.iter().map(|item| item.value.text().unwrap()).collect();
        assert_eq!(shown, ["[]", "[1]", "[]"], "{name}");
    }
}

#[test]
fn what_comes_out() {
    let numbers: &[&str] = &["1", "2", "3", "4", "5"];
    let objects: &[&str] = &[r#"{"d":"x","n":1}"#, r#"{"d":"y","n":2}"#, r#"{"d":"x","n":1.50}"#];
    let cases: &[(&str, &[&'static str], &[&str])] = &[
        ("batch size=2 timeout=1h", numbers, &["[1,2]", "[3,4]", "|", "[5]"]),
        ("batch", numbers, &["[1]", "[2]", "[3]", "[4]", "[5]"]),
        ("batch timeout=3s", numbers, &["[1,2,3]", "|", "[4,5]"]),
        ("batch timeout=1h", numbers, &["|", "[1,2,3,4,5]"]),
        ("partition n=2 timeout=1h", numbers, &["[1,2]", "[3,4]", "|", "[5]"]),
        ("sliding-window n=3", numbers, &["[1]", "[1,2]", "[1,2,3]", "[2,3,4]", "[3,4,5]"]),
        ("sliding-window n=3 full-only=true", numbers, &["[1,2,3]", "[2,3,4]", "[3,4,5]"]),
        ("window n=2", numbers, &["[1]", "[1,2]", "[2,3]", "[3,4]", "[4,5]"]),
        ("timed-window interval=2s", numbers, &["[1,2]", "[3,4]", "|", "[5]"]),
        ("window interval=2s", numbers, &["[1,2]", "[3,4]", "|", "[5]"]),
        ("collect", numbers, &["|", "[1,2,3,4,5]"]),
        ("collect max-items=3", numbers, &["[1,2,3]", "|", "[4,5]"]),
        ("unique", &["1", "2", "1", "3", "1"], &["1", "2", "3"]),
        ("unique key=[0]", &["[1,2]", "[1,3]", "[2]", "7"], &["[1,2]", "[2]", "7"]),
        ("unique max=1", &["1", "1", "2", "1"], &["1", "2", "1"]),
        ("slice start=1 end=4", numbers, &["2", "3", "4"]),
        ("slice step=2", numbers, &["1", "3", "5"]),
        ("slice start=3", numbers, &["4", "5"]),
        ("rate-limit interval=1s", numbers, &["1", "2", "3", "4", "5"]),
        ("rate-limit interval=2s", numbers, &["1", "2", "3", "|", "4", "5"]),
        ("delay interval=2s", numbers, &["1", "2", "3", "4", "|", "5"]),
        ("latest", numbers, &["1", "2", "3", "4", "5"]),
        ("pluck field=n", objects, &["1", "2", "1.5"]),
        ("pluck field=d field=n", objects, &[r#"["x",1]"#, r#"["y",2]"#, r#"["x",1.5]"#]),
        ("pluck field=-1", &["[1,2]", "x", "[]", "{}", "[3]"], &["2", "3"]),
        ("flatten", &["[1, 2.50 ,[3]]", "[]", "x", " [ \"a,]\" ]", "{}"], &["1", "2.50", "[3]", "\"a,]\""]),
        ("unique key=.d", objects, &[objects[0], objects[1]]),
        ("partition-unique n=2 timeout=1h", &["1", "1", "2", "3"], &["[1,2]", "|", "[3]"]),
        (
            "partition-unique n=2 key=d keep=last timeout=1h",
            objects,
            &[r#"[{"d":"x","n":1},{"d":"y","n":2}]"#, "|", r#"[{"d":"x","n":1.50}]"#],
        ),
        ("partition-unique timeout=2s", numbers, &["[1,2]", "[3,4]", "|", "[5]"]),
        ("timed-window-unique interval=3s", &["1", "1", "2", "3", "3"], &["[1,2]", "|", "[3]"]),
        ("timed-window-unique interval=3s key=d keep=last", objects, &[r#"[{"d":"y","n":2},{"d":"x","n":1.50}]"#]),
        ("tumbling-window interval=2s time=.", numbers, &["[1]", "[2,3]", "|", "[4,5]"]),
        ("tumbling-window interval=2s time=. time-unit=ms", numbers, &["|", "[1,2,3,4,5]"]),
        ("tumbling-window interval=2s time=. lateness=1s", &["1", "2", "0", "3", "1"], &["[1,0]", "|", "[2,3]"]),
        ("tumbling-window interval=1s time=. idle=1s max-items=9", &["1.5", "2.5"], &["[1.5]", "[2.5]"]),
        ("tumbling-window interval=10s time=. max-items=2", numbers, &["[1,2,3]"]),
        (
            "tumbling-window interval=1h time=.at",
            &[r#"{"at":"2024-01-01T00:30:00Z"}"#, r#"{"at":"2024-01-01T01:00:00+00:00"}"#],
            &[r#"[{"at":"2024-01-01T00:30:00Z"}]"#, "|", r#"[{"at":"2024-01-01T01:00:00+00:00"}]"#],
        ),
        ("session-window gap=2s time=.", &["1", "2", "5", "6", "9"], &["[1,2]", "[5,6]", "|", "[9]"]),
        (
            "session-window gap=2s time=.n key=d",
            &[r#"{"d":"x","n":1}"#, r#"{"d":"y","n":2}"#, r#"{"d":"x","n":2.5}"#],
            &["|", r#"[{"d":"y","n":2}]"#, r#"[{"d":"x","n":1},{"d":"x","n":2.5}]"#],
        ),
        ("aggregate op=mean", numbers, &["1.0", "1.5", "2.0", "2.5", "3.0"]),
        ("frequencies", &["a", "b", "a"], &[r#"{"a":1}"#, r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#]),
    ];
    let wrong = cases.iter().map(|(text, payloads, expected)| (text, run(text, payloads), expected));
    let wrong: Vec<_> = wrong.filter(|(_, shown, expected)| shown != *expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[cfg(feature = "jq")]
#[test]
fn keys_and_states() {
    let objects: &[&str] = &[r#"{"d":"x","n":1}"#, r#"{"d":"y","n":2}"#, "no", r#"{"d":"x","n":3}"#, r#"{"n":4}"#];
    assert_eq!(run("unique key=d", objects), [objects[0], objects[1], objects[2]]);
    assert_eq!(run("unique key={{+topic+}}", objects), [objects[0]]);
    let x = format!("[{},{}]", objects[0], objects[3]);
    assert_eq!(run("partition n=2 timeout=1h key=d", objects)[0], x);
    assert_eq!(run("scan expr=.state++.value start=0", &["1", "x", "2", "\"a\"", "3"]), [""; 0]);
    let sums = run("accumulate expr=[.state,.value]|add start=10", &["1", "x", "2", "\"a\"", "3"]);
    assert_eq!(sums, ["11", "13", "16"]);
    assert_eq!(run("scan expr=.value", &["1", "2"]), ["1", "2"]);
    assert_eq!(run("scan expr=empty", &["1", "2"]), [""; 0]);
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (text, what) in [
        ("batch size=0", "\"size\" of batch must be at least 1"),
        ("batch size=-1", "\"-1\" is not a whole number"),
        ("batch size=1.5", "not a whole number"),
        ("batch timeout=0s", "must be more than 0"),
        ("batch timeout=-1s", "no duration"),
        ("batch seize=1", "did you mean \"size\""),
        ("partition n=0", "at least 1"),
        ("partition max-keys=0", "at least 1"),
        ("sliding-window", "needs n=, such as n=10"),
        ("sliding-window n=0", "at least 1"),
        ("timed-window", "needs interval="),
        ("timed-window interval=0", "more than 0"),
        ("timed-window interval=1s max-items=0", "at least 1"),
        ("window", "either n= or interval="),
        ("window n=1 interval=1s", "either n= or interval="),
        ("collect max-items=0", "at least 1"),
        ("unique max=0", "at least 1"),
        ("slice step=0", "at least 1"),
        ("slice start=3 end=1", "must not be less"),
        ("slice start=-3", "\"-3\" is not a whole number"),
        ("rate-limit", "needs interval="),
        ("rate-limit interval=0", "more than 0"),
        ("delay interval=soon", "no duration"),
        ("pluck", "needs field="),
        ("latest n=1", "unknown option \"n\""),
        ("frequencies max=0", "at least 1"),
        ("partition-unique n=0", "at least 1"),
        ("partition-unique keep=best", "not one of first, last"),
        ("partition-unique timeout=0", "more than 0"),
        ("partition-unique key=", "names no part"),
        ("unique key=a+b", "names no part"),
        ("timed-window-unique", "needs interval="),
        ("timed-window-unique interval=0", "more than 0"),
        ("timed-window-unique interval=1s max-items=0", "at least 1"),
        ("tumbling-window", "needs interval="),
        ("tumbling-window interval=0s", "more than 0"),
        ("tumbling-window interval=1s time={{topic}}", "is a template"),
        ("tumbling-window interval=1s time=", "names no part"),
        ("tumbling-window interval=1s late=never", "not one of filter, reject"),
        ("tumbling-window interval=1s idle=0", "more than 0"),
        ("tumbling-window interval=1s max-items=0", "at least 1"),
        ("tumbling-window interval=1s gap=1s", "unknown option \"gap\""),
        ("session-window", "needs gap="),
        ("session-window gap=0", "more than 0"),
        ("session-window gap=1s lateness=-1s", "no duration"),
        ("zip", "joins several inputs"),
    ] {
        let error = make(text).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
        assert!(error.to_string().contains(what), "{text}: {error}");
    }
    let join = |name: &str, pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Registry::new().make_join(name, &pairs, 2).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(join("zip", &[("ahead", "0")]).unwrap_err().contains("at least 1"));
    assert!(join("combine-latest", &[("emit-on", "2")]).unwrap_err().contains("no input 2"));
    assert!(join("batch", &[]).unwrap_err().contains("joins no inputs"));
    assert_eq!(join("zip-latest", &[]), Ok(()));
}

#[test]
fn the_time_in_the_data_may_be_the_messages_own() {
    use crate::ops::testing::Bench;
    let at =
        |seconds: i64| Message { timestamp: Some(crate::Timestamp::from_millis(seconds * 1_000)), ..Message::new("x") };
    for text in ["tumbling-window interval=10s late=reject", "session-window gap=10s late=reject"] {
        let mut bench = Bench::<_, Message>::new(make(text).unwrap());
        assert_eq!(bench.track(Message::new("x")).get(), "failed", "{text}: it has no time");
        let first = bench.track(at(3));
        bench.push([at(25)]);
        let windows = bench.take();
        assert_eq!((windows.len(), first.get()), (1, "delivered"), "{text}");
        let start = if text.starts_with('t') { 0 } else { 3 };
        assert_eq!(windows[0].timestamp, at(start).timestamp, "{text}: the beginning of the window");
        assert_eq!(bench.track(at(5)).get(), "failed", "{text}: late");
        assert_eq!(bench.op.held(), Some(1));
    }
}
