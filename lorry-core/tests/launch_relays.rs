//! Relays of launch texts, run.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::{ErrorKind, Message};
use support::{registry, with_stdout};

fn error_of(text: &str) -> String {
    let (registry, _) = registry();
    let error = registry.parse_launch(text).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    error.to_string()
}

fn payloads(seen: &[Message]) -> Vec<&str> {
    seen.iter().map(|message| message.text().unwrap()).collect()
}

#[tokio::test]
async fn a_chain_runs() {
    let (registry, seen) = registry();
    let relay = registry.parse_launch("fakesrc num-buffers=3 ! queue name=q max_size_buffers=7 ! fakesink").unwrap();
    let names: Vec<_> = relay.describe().nodes().iter().map(|node| node.name.to_string()).collect();
    assert!(names.contains(&"q".to_owned()), "{names:?}");
    let report = relay.run().await.unwrap();
    assert_eq!((report.received, report.delivered), (3, 3));
    assert_eq!(payloads(&seen.lock().unwrap()), ["0", "1", "2"]);
}

#[tokio::test]
async fn chains_side_by_side_both_run() {
    let (registry, seen) = registry();
    let relay =
        registry.parse_launch("fakesrc payloads=a|b ! fakesink fakesrc payloads=c ! identity ! fakesink").unwrap();
    let report = relay.run().await.unwrap();
    assert_eq!((report.received, report.delivered), (3, 3));
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|message| message.bytes().to_vec());
    assert_eq!(payloads(&seen), ["a", "b", "c"]);
}

#[cfg(feature = "jq")]
#[tokio::test]
async fn every_message_of_an_expression_is_accounted_for() {
    let (registry, seen) = registry();
    let text = r#"fakesrc payloads='[1,2]|[]|x|{"a":1}|[30]|null' ! map expr=".[]" ! filter expr='. < 10 and $topic == "fake/topic"' ! fakesink"#;
    let report = registry.parse_launch(text).unwrap().on_error(lorry_core::OnError::Drop).run().await.unwrap();
    // `[]` makes nothing and [30] is filtered; `x` is no JSON and null cannot be iterated over.
    assert_eq!((report.received, report.delivered, report.filtered, report.dropped), (6, 2, 2, 2));
    assert_eq!(payloads(&seen.lock().unwrap()), ["1", "2", "1"]);
    assert!(seen.lock().unwrap().iter().all(|message| message.address.as_str() == "fake/topic"));
}

#[cfg(feature = "jq")]
#[tokio::test]
async fn a_bad_payload_stops_the_relay() {
    let (registry, _) = registry();
    let relay = registry.parse_launch("fakesrc payloads=1|x ! filter expr=true ! fakesink").unwrap();
    let error = relay.run().await.unwrap_err();
    assert!(error.to_string().contains("not JSON"), "{error}");
}

#[tokio::test]
async fn without_a_sink_to_stdout_where_there_is_one() {
    let (mut registry, seen) = registry();
    let error = registry.parse_launch("fakesrc num-buffers=1").unwrap_err().to_string();
    assert!(
        error.starts_with("no sink") && error.ends_with("\n  fakesrc num-buffers=1\n  ^^^^^^^^^^^^^^^^^^^^^"),
        "{error}"
    );
    with_stdout(&mut registry, &seen);
    registry.parse_launch("fakesrc num-buffers=1 ! identity").unwrap().run().await.unwrap();
    assert_eq!(payloads(&seen.lock().unwrap()), ["0"]);
    // A link without spaces is not taken for a wish to print.
    let error = registry.parse_launch("filesrc location=a!fakesink").unwrap_err().to_string();
    assert!(error.contains("space on either side"), "{error}");
}

#[test]
fn what_a_chain_cannot_be() {
    for (text, what) in [
        ("identity ! fakesink", "no source"),
        ("fakesink", "no source"),
        ("fakesrc ! fakesrc ! fakesink", "a source has nothing before it"),
        ("fakesrc ! fakesink ! fakesink", "a sink has nothing after it"),
        ("fakesrc ! fakesnik", "did you mean \"fakesink\""),
        ("fakesrc num-bufers=3 ! fakesink", "did you mean \"num-buffers\""),
        ("fakesrc num-buffers=x ! fakesink", "\"x\" is not a whole number"),
        ("fakesrc ! queue leaky=sideways ! fakesink", "not one of no, upstream, downstream"),
        ("fakesrc name=a ! fakesink name=a", "two elements have the name \"a\""),
        ("mqttsrc ! fakesink", "needs location="),
        ("mqttsrc location=file:///x ! fakesink", "cannot open a \"file\" address"),
        ("mqttsrc location=mqtt://h/a?qos=1 qos=0 ! fakesink", "stands in the location and as a property"),
    ] {
        assert!(error_of(text).contains(what), "{text}: {}", error_of(text));
    }
}

#[test]
fn the_caret_stands_under_what_is_wrong() {
    let carets = |text: &str| {
        let error = error_of(text);
        let lines: Vec<_> = error.lines().collect();
        let line = lines[lines.len() - 1];
        let place = line.find('^').unwrap();
        lines[lines.len() - 2].chars().skip(place).take(line.len() - place).collect::<String>()
    };
    assert_eq!(carets("fakesrc ! nosuch a=b ! fakesink"), "nosuch");
    assert_eq!(carets("fakesrc ! queue max-size-buffers=1 leaky=x ! fakesink"), "leaky=x");
    assert_eq!(carets("fakesrc NUM_BUFFERS=x ! fakesink"), "NUM_BUFFERS=x");
    assert_eq!(carets("fakesrc name=a ! fakesink name=a"), "name=a");
    // What does not exist comes before what is not right with the rest.
    assert_eq!(carets("mqttsrc location=mqtt://joe:s3cret@h:99999/a ! nosuch"), "nosuch");
    assert_eq!(carets("mqttsrc location=mqtt://joe:s3cret@h:99999/a ! fakesink"), "mqttsrc");
    assert!(!error_of("mqttsrc location=mqtt://joe:s3cret@h:99999/a ! fakesink").contains("s3cret"));
}

#[test]
fn arguments_make_the_same_relay() {
    let (registry, _) = registry();
    let args = ["fakesrc", "data=a b ! c", "num-buffers=2", "!", "fakesink"].map(str::to_owned);
    assert_eq!(registry.parse_launch_args(&args).unwrap().describe().nodes().len(), 2);
    assert!(registry.parse_launch_args(&["fakesrc ! fakesink".to_owned()]).is_ok());
}

#[cfg(feature = "jq")]
#[tokio::test]
async fn further_operators_stand_behind_the_first_source() {
    let (registry, seen) = registry();
    let step = |name: &str, expr: &str| (name.to_owned(), vec![("expr".to_owned(), expr.to_owned())]);
    let text = "fakesrc num-buffers=4 name=filter0 ! tee name=t ! identity ! fakesink  t. ! fakesink  fakesrc num-buffers=1 ! fakesink";
    let pipeline = lorry_core::launch::parse(text).unwrap();
    let steps = [step("filter", ". > 0"), step("map", ". * 10")];
    let report = registry.launch_with(&pipeline, &steps).unwrap().run().await.unwrap();
    assert_eq!((report.received, report.delivered, report.filtered), (5, 4, 1));
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by_key(|message| message.bytes().to_vec());
    assert_eq!(payloads(&seen), ["0", "10", "10", "20", "20", "30", "30"]);
    for wrong in [step("filter", "nosuchfunction(1)"), step("fakesink", ""), step("nosuch", "")] {
        assert_eq!(registry.launch_with(&pipeline, &[wrong]).map(|_| ()).unwrap_err().kind(), ErrorKind::Usage);
    }
}

/// A count that sources of a join share ends the relay, whatever they have and whenever they end.
#[tokio::test(start_paused = true)]
async fn a_count_of_joined_sources_ends() {
    let src = |n: u32| format!("fakesrc num-buffers={n}");
    let run = async |join: &str, inputs: &[String], count: u64| {
        let inputs: Vec<_> = inputs.iter().map(|input| format!("{input} ! z.")).collect();
        let (registry, _) = registry();
        let relay = registry.parse_launch(&format!("{join} name=z ! fakesink {}", inputs.join(" "))).unwrap();
        let run = relay.count(count).spawn().wait();
        let limit = std::time::Duration::from_secs(3_600);
        tokio::time::timeout(limit, run).await.unwrap_or_else(|_| panic!("{join} of {inputs:?} hangs"))
    };
    for join in ["combine-latest", "zip-latest", "zip"] {
        let report = run(join, &[src(1_000), src(1_000)], 100).await;
        assert_eq!((report.delivered, report.held), (100, 0), "{join}");
        assert_eq!(run(join, &[src(100), format!("{} ! slice end=5", src(100))], 10).await.delivered, 10, "{join}");
        // Each needs more than there is, or than the count.
        for counts in [[1, 100, 1], [100, 1, 1], [1, 1, 100], [0, 300, 10], [100, 100, 100]] {
            for count in [1, 2, 3, 4, 30] {
                let report = run(join, &counts.map(src), count).await;
                assert!(
                    report.delivered <= count && report.received == report.delivered + report.filtered + report.held
                );
                assert_eq!(report.error.is_none(), report.held == 0, "{join} {counts:?} {count}: {report:?}");
            }
        }
    }
    let report = run("zip-latest", &[src(3), src(3)], 4).await;
    assert_eq!((report.delivered, report.held), (4, 0));
    let nested = [src(100), "zip-latest name=y".to_owned()];
    let (registry, _) = registry();
    let text =
        format!("zip-latest name=z ! fakesink {} ! z. {} ! y. {} ! y.", nested.join(" ! z. "), src(100), src(100));
    let report = registry.parse_launch(&text).unwrap().count(30).spawn().wait();
    let report = tokio::time::timeout(std::time::Duration::from_secs(3_600), report).await.unwrap();
    assert!(report.delivered <= 30, "{report:?}");
}
