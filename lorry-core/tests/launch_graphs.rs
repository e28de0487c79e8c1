//! Launch texts that branch and join, run; and what no graph can be.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::launch::{Leaky, Queue};
use lorry_core::registry::{ElementSpec, Registry};
use lorry_core::relay::{Batch, Context, Failure, Failures, Identity, Limits, Receipt, Sink, SinkInfo};
use lorry_core::{Error, ErrorKind, Message, OnError, Relay, Report, Result, Stream, async_trait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// What each sink got, by its `id`.
type Got = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct KeepOptions {
    id: String,
    /// This payload is refused.
    refuses: String,
    /// Takes nothing before the gate is open.
    waits: bool,
}

struct Keep {
    options: KeepOptions,
    got: Got,
    gate: watch::Receiver<bool>,
}

#[async_trait]
impl Sink for Keep {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("keepsink", "")
    }

    fn limits(&self) -> Limits {
        Limits { items: 2, ..Limits::default() }
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        if self.options.waits {
            let _ = self.gate.wait_for(|open| *open).await;
        }
        let (mut kept, mut failures) = (Vec::new(), Vec::new());
        for (index, message) in batch.iter().enumerate() {
            let text = message.text().unwrap();
            if !text.is_empty() && text == self.options.refuses {
                failures.push(Failure { index, error: Error::data(ErrorKind::Constraint, "keep", "refused") });
            } else {
                kept.push(text.to_owned());
            }
        }
        self.got.lock().unwrap().entry(self.options.id.clone()).or_default().extend(kept);
        let outcome = if failures.is_empty() { Ok(()) } else { Err(Failures::some(failures)) };
        Ok(Box::pin(async { outcome }))
    }
}

struct Bench {
    registry: Registry,
    got: Got,
    gate: watch::Sender<bool>,
}

impl Bench {
    fn new() -> Self {
        let (mut registry, _) = support::registry();
        let got = Got::default();
        let (gate, opens) = watch::channel(false);
        let kept = got.clone();
        registry.add(
            ElementSpec::sink("keepsink", move |args| {
                Ok(Box::new(Keep { options: args.take()?, got: kept.clone(), gate: opens.clone() }))
            })
            .optional_location(),
        );
        Self { registry, got, gate }
    }

    fn got(&self, id: &str) -> Vec<String> {
        self.got.lock().unwrap().get(id).cloned().unwrap_or_default()
    }

    async fn run(&self, text: &str) -> Report {
        self.registry.parse_launch(text).unwrap().on_error(OnError::Drop).run().await.unwrap()
    }
}

fn error_of(text: &str) -> String {
    let error = Bench::new().registry.parse_launch(text).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{text}");
    error.to_string()
}

#[tokio::test]
async fn branches_and_joins_run() {
    for (text, a, b) in [
        ("fakesrc payloads=1|2 ! tee name=t ! keepsink id=a  t. ! keepsink id=b", "1 2", "1 2"),
        ("t.src_1 ! keepsink id=a  t.src_0 ! keepsink id=b  fakesrc payloads=1 ! tee name=t", "1", "1"),
        ("fakesrc payloads=1|2 ! f.  fakesrc payloads=1 ! f.  funnel name=f ! keepsink id=a", "1 1 2", ""),
        ("fakesrc payloads=1 ! u.sink_1 fakesrc payloads=2 ! u.sink_0 union name=u ! keepsink id=a", "1 2", ""),
        // A diamond, and it comes together twice.
        ("fakesrc payloads=x ! tee name=t ! identity ! union name=u ! keepsink id=a  t. ! queue ! u.", "x x", ""),
        (
            "( fakesrc payloads=1 ! identity ) ! bin.( name=b queue ! ( identity ! tee name=t ) ) t. ! keepsink id=a t. ! keepsink id=b",
            "1",
            "1",
        ),
        ("fakesrc payloads=1 ! text/plain ! keepsink id=a", "1", ""),
        ("pipeline.( name=p fakesrc payloads=1 ) ! keepsink id=a  fakesrc payloads=2 ! ( keepsink id=b )", "1", "2"),
        ("( fakesrc payloads=1 : keepsink id=a  fakesrc payloads=2 ) : ( keepsink id=b )", "1", "2"),
        ("fakesrc payloads=1 ! funnel ! keepsink id=a", "1", ""),
        ("zip name=z ! keepsink id=a  fakesrc payloads=1 ! z.sink_1  fakesrc payloads=2 ! z.", "[2,1]", ""),
        ("fakesrc payloads=1 name=s  identity name=i  s. ! i.  keepsink id=a name=k  i. ! k.", "1", ""),
    ] {
        let bench = Bench::new();
        let report = bench.run(text).await;
        assert_eq!((report.received, report.held), (report.delivered, 0), "{text}");
        let sorted = |id| {
            let mut got = bench.got(id);
            got.sort();
            got.join(" ")
        };
        assert_eq!((sorted("a").as_str(), sorted("b").as_str()), (a, b), "{text}");
    }
}

#[cfg(feature = "jq")]
#[tokio::test]
async fn a_branch_that_drops_or_refuses_leaves_its_siblings_alone() {
    let bench = Bench::new();
    let report = bench
        .run(r#"fakesrc payloads='1|x|2|3' ! tee name=t ! filter expr=". > 1" ! keepsink id=a refuses=3  t. ! keepsink id=b"#)
        .await;
    assert_eq!(bench.got("b"), ["1", "x", "2", "3"]);
    assert_eq!(bench.got("a"), ["2"]);
    // x is no JSON and 3 is refused: both are dropped by policy, although one sink has them. 1 was filtered in one branch only.
    assert_eq!((report.received, report.delivered, report.dropped), (4, 2, 2));
}

#[tokio::test]
async fn a_content_type_lets_only_its_own_through() {
    let bench = Bench::new();
    let report = bench.run("fakesrc payloads=1|2 content-type=text ! application/json ! keepsink id=a").await;
    assert_eq!((report.delivered, report.dropped), (0, 2));
    let report = bench.run("fakesrc payloads=1|2 content-type=json ! text/csv; application/json ! keepsink id=a").await;
    assert_eq!((report.delivered, bench.got("a").join(" ")), (2, "1 2".to_owned()));
    let error =
        bench.registry.parse_launch("fakesrc payloads=1 content-type=text ! application/json ! keepsink").unwrap();
    let error = error.run().await.unwrap_err().to_string();
    assert!(error.contains("text/plain") && error.contains("only application/json may pass"), "{error}");
}

#[tokio::test]
async fn operators_with_several_inputs() {
    let sources = "fakesrc payloads='1|2|3' ! j.sink_0  fakesrc payloads='a|b' ! j.sink_1";
    for (join, got) in [
        ("zip name=j", vec![r#"[1,"a"]"#, r#"[2,"b"]"#]),
        ("zip name=j ahead=1", vec![r#"[1,"a"]"#, r#"[2,"b"]"#]),
        ("combine-latest name=j emit-on=1", vec![r#"[3,"a"]"#, r#"[3,"b"]"#]),
        ("zip-latest name=j", vec![r#"[1,"a"]"#, r#"[2,"a"]"#, r#"[3,"a"]"#]),
        ("batch name=i size=2 ! flatten ! keepsink id=b  union name=j ! i.", vec![]),
    ] {
        let bench = Bench::new();
        let report = bench.run(&format!("{join} ! keepsink id=a  {sources}").replace("i. ! keepsink id=a", "i.")).await;
        assert_eq!((report.received, report.held, report.failed), (5, 0, 0), "{join}");
        assert_eq!(bench.got("a"), got, "{join}");
        assert_eq!(bench.got("b").len(), if got.is_empty() { 5 } else { 0 }, "{join}");
    }
    // A diamond: the two arms of a message make one.
    let bench = Bench::new();
    let text = "fakesrc payloads='1|2' ! tee name=t ! identity ! zip name=z ! keepsink id=a  t. ! queue ! z.";
    assert_eq!(bench.run(text).await.delivered, 2);
    assert_eq!(bench.got("a"), ["[1,1]", "[2,2]"]);
}

/// What each node took, gave, dropped and held at the end, by name.
#[cfg(feature = "jq")]
async fn accounts(bench: &Bench, text: &str) -> BTreeMap<String, [u64; 4]> {
    let running = bench.registry.parse_launch(text).unwrap().on_error(OnError::Drop).spawn();
    let monitor = running.monitor();
    let report = running.wait().await;
    let sum = report.delivered + report.filtered + report.dropped + report.dead_lettered + report.failed + report.held;
    assert_eq!(report.received, sum);
    let graph = monitor.graph();
    for (node, place) in graph.nodes().iter().zip(0..) {
        // Between two nodes nothing is lost: what goes into an operator or a sink has come out of those above.
        let above: u64 = node.inputs.iter().map(|&input| graph.nodes()[input].account().given).sum();
        assert!(node.inputs.is_empty() || node.account().taken == above, "{place} {}: {text}", node.name);
    }
    let account = |node: &lorry_core::flow::GraphNode| {
        let counts = node.account();
        (node.name.to_string(), [counts.taken, counts.given, counts.dropped.unwrap(), counts.held.unwrap()])
    };
    graph.nodes().iter().map(account).collect()
}

#[cfg(feature = "jq")]
#[tokio::test]
async fn every_node_accounts_for_what_it_took() {
    let bench = Bench::new();
    let text = "fakesrc payloads='1|2|x|3|3' ! tee name=t ! filter expr='. > 1' ! unique ! queue ! keepsink id=a refuses=2  \
                t. ! application/json ! slice start=2 ! funnel name=f ! keepsink id=b  fakesrc num-buffers=7 ! queue ! f.";
    let accounts = accounts(&bench, text).await;
    for (name, [taken, given, dropped, held]) in &accounts {
        assert_eq!(*taken, given + dropped + held, "{name}: {accounts:?}");
    }
    let of = |name: &str| accounts[name];
    assert_eq!((of("t"), of("filter0")), ([5, 5, 0, 0], [5, 3, 2, 0]));
    assert_eq!((of("unique0"), of("slice0"), of("f")), ([3, 2, 1, 0], [5, 3, 2, 0], [10, 10, 0, 0]));
    assert_eq!((of("keepsink0"), of("keepsink1"), of("fakesrc1")), ([2, 1, 1, 0], [10, 10, 0, 0], [7, 7, 0, 0]));
}

#[tokio::test]
async fn what_is_held_and_what_leaks_is_counted() {
    let bench = Bench::new();
    // A source that does not end: at its end a queue lets go of everything.
    let (input, stream) = Stream::<Message>::input();
    let options = KeepOptions { id: "a".to_owned(), waits: true, ..KeepOptions::default() };
    let sink = Keep { options, got: bench.got.clone(), gate: bench.gate.subscribe() };
    let queue = stream.via_kind("queue", Queue::new(10, Leaky::Upstream)).named("q");
    let running = Relay::new([queue.to(sink)]).spawn();
    let monitor = running.monitor();
    for n in 0..100 {
        input.send(Message::new(n.to_string())).await.unwrap();
    }
    let account = |name: &str| {
        let node = monitor.graph().nodes().iter().find(|node| *node.name == *name).unwrap();
        node.account()
    };
    until("all are at the queue", || account("q").taken == 100).await;
    let (queue, sink) = (account("q"), account("keepsink0"));
    assert_eq!(queue.held, Some(10));
    assert_eq!(queue.taken, queue.given + queue.dropped.unwrap() + 10);
    assert_eq!((sink.taken, sink.held), (queue.given, Some(queue.given)));
    bench.gate.send(true).unwrap();
    drop(input);
    let report = running.wait().await;
    assert_eq!((report.delivered, report.filtered), (account("keepsink0").given, account("q").dropped.unwrap()));
    assert_eq!(account("q").held, Some(0));
    assert_eq!(bench.got("a").len() as u64, report.delivered);
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_sink_that_is_away_holds_the_others_unless_a_queue_leaks() {
    let source = "fakesrc num-buffers=500 ! tee name=t ! keepsink id=here";
    let away = "keepsink id=away waits=true";

    let bench = Bench::new();
    let running = bench.registry.parse_launch(&format!("{source}  t. ! {away}")).unwrap().spawn();
    until("the other sink has some", || bench.got("here").len() >= 2).await;
    let mut before = 0;
    // Held: nothing more comes, however long one waits.
    until("it comes to rest", || {
        let now = bench.got("here").len();
        let rests = now == before && now > 0;
        before = now;
        rests
    })
    .await;
    assert!(bench.got("here").len() < 100, "{}", bench.got("here").len());
    bench.gate.send(true).unwrap();
    assert_eq!(running.wait().await.delivered, 500);
    assert_eq!(bench.got("away").len(), 500);

    for (leaky, last) in [("downstream", "499"), ("upstream", "")] {
        let bench = Bench::new();
        let text = format!("{source}  t. ! queue name=q max-size-buffers=10 leaky={leaky} ! {away}");
        let running = bench.registry.parse_launch(&text).unwrap().spawn();
        let monitor = running.monitor();
        until("the other sink has all", || bench.got("here").len() == 500).await;
        assert!(bench.got("away").is_empty());
        bench.gate.send(true).unwrap();
        let report = running.wait().await;
        assert_eq!((report.received, report.delivered, report.held), (500, 500, 0));
        let got = bench.got("away");
        assert!(got.len() >= 10 && got.len() < 100, "{leaky}: {got:?}");
        assert_eq!(got.last().is_some_and(|payload| payload == "499"), !last.is_empty(), "{leaky}: {got:?}");
        assert_eq!(got[0], "0");
        drop(monitor);
    }
}

#[test]
fn what_no_graph_can_be() {
    let many = vec!["identity"; 251].join(" ! text/plain ! ");
    for (text, what) in [
        ("fakesrc ! tee name=t", "no branch"),
        ("fakesrc ! tee name=t t. ! nosuch. ", "no element is named \"nosuch\""),
        ("fakesrc ! tee name=tea  te. ! fakesink  tea. ! fakesink", "did you mean tea."),
        ("fakesrc ! zip ! fakesink", "one input"),
        ("zip name=z ! fakesink  fakesrc ! z.sink_3", "one input"),
        ("fakesrc ! identity name=i ! fakesink  i. ! fakesink", "output of i is linked already"),
        ("fakesrc ! fakesink name=k  fakesrc ! k.", "input of k is linked already; to bring several together"),
        ("fakesrc ! tee name=t  t.src_1 ! fakesink  t.src_1 ! fakesink", "t.src_1 is linked already"),
        ("fakesrc ! tee name=t  t.out ! fakesink", "its pads are src_0"),
        ("fakesrc .video ! fakesink", "has no pad \"video\""),
        ("fakesrc ! ( identity ) .x ! fakesink", "identity0 has no pad \"x\""),
        ("fakesrc ! tee name=t ! fakesink  t. ! fakesink  t.src_0 ! fakesink", "t.src_0 is linked already"),
        ("fakesrc ! ( t. ! fakesink  identity ) ! tee name=t", "nothing can be linked to bin0"),
        ("( tee name=t ! fakesink  fakesrc ! t. ) ! fakesink", "nothing can be linked from bin0"),
        ("fakesrc ! tee name=t t.src_1, src_2 ! .sink_0, sink_1, sink_2 funnel ! fakesink", "2 pads are linked to 3"),
        ("identity name=a ! identity name=b ! a.  fakesrc ! fakesink", "a loop: a ! b ! a"),
        ("fakesrc ! f.  funnel name=f ! tee name=t ! fakesink  t. ! identity ! f.", "a loop"),
        ("fakesrc ! identity", "no sink"),
        ("fakesrc fakesrc ! fakesink", "no sink"),
        ("fakesrc ! fakesink  identity ! fakesink", "no source"),
        ("fakesrc ! fakesink  ( identity ) ! fakesink", "no source"),
        ("fakesrc ! ( fakesink ) ! fakesink", "a sink has nothing after it"),
        ("fakesrc ! queue max-size-buffers=0 ! fakesink", "at least 1"),
        ("fakesrc ! queue max-size-buffers=-1 ! fakesink", "-1"),
        ("fakesrc ! queue max-size-buffers=1.5 ! fakesink", "not a whole number"),
        ("fakesrc ! funnel name=f size=1 ! fakesink  fakesrc ! f.", "unknown option \"size\""),
        ("fakesrc ! tee size=1 ! fakesink", "unknown option \"size\""),
        ("fakesrc ! application/json, x=(nosuch)1 ! fakesink", "no content type"),
        ("fakesrc ! capsfilter ! fakesink", "needs caps="),
        ("fakesrc ! basket.( identity ) ! fakesink", "no bin \"basket\""),
        ("bin.( size=3 fakesrc ! fakesink )", "unknown option \"size\" for bin"),
        ("fakesrc ! a. ( name=a identity ) ! fakesink name=a", "two elements have the name"),
        (&format!("fakesrc ! {many} ! fakesink"), "at most 500 elements"),
    ] {
        let error = error_of(text);
        assert!(error.contains(what), "{text}: {error}");
        assert!(error.contains('^'), "{text}: {error}");
    }
}

#[test]
fn the_longest_chain_that_is_allowed_runs() {
    let text = format!("fakesrc num-buffers=10 ! {} ! keepsink id=a", vec!["identity"; 498].join(" ! "));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bench = Bench::new();
    // On a worker, whose stack is smaller than the main thread's.
    let report = runtime.block_on(async { bench.registry.parse_launch(&text).unwrap().spawn().wait().await });
    assert_eq!((report.delivered, bench.got("a").len()), (10, 10));
}

#[tokio::test]
async fn diamonds_in_a_row() {
    let diamond = |n: usize| format!("tee name=t{n} ! f{n}.  t{n}. ! queue ! f{n}.  funnel name=f{n}");
    let row = |n: usize| (0..n).map(|i| diamond(i) + " ! ").collect::<String>();
    let bench = Bench::new();
    bench.run(&format!("fakesrc num-buffers=1 ! {} keepsink id=a", row(5))).await;
    assert_eq!(bench.got("a").len(), 32);
    bench.run(&format!("fakesrc num-buffers=3 ! {} keepsink id=b", row(13).replace("funnel", "zip"))).await;
    assert_eq!(bench.got("b").len(), 3);
    // Twice as many with each: of one message there would be a thousand million.
    assert!(error_of(&format!("fakesrc ! {} fakesink", row(30))).contains("more than 10000 ways"));
}
