//! `lorry launch`: both forms, and texts that never yield half a pipeline.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use util::Dir;

#[test]
fn one_text_or_tokens() {
    let dir = Dir::new();
    assert_eq!(dir.feed(&["launch", "stdinsrc ! stdoutsink"], "a\nb\n").exits(0).out, "a\nb\n");
    assert_eq!(dir.feed(&["launch", "stdinsrc", "!", "stdoutsink"], "a\nb\n").exits(0).out, "a\nb\n");
    let spaced = dir.text("a b.txt");
    dir.feed(&["launch", "stdinsrc", "!", "filesink", &format!("location={spaced}")], "x\n").exits(0);
    assert_eq!(dir.read("a b.txt"), "x\n");
    let ran = dir.run(&["launch", "testsrc count=1000 ! nullsink", "--count", "7", "--report", "-"]).exits(0);
    assert!(ran.err.contains("\"delivered\":7"), "{ran:?}");
}

#[test]
fn expressions_in_the_text_and_as_flags() {
    let dir = Dir::new();
    let input = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n";
    let text = "stdinsrc ! map expr=.a ! filter expr=\". > 1\" ! stdoutsink";
    assert_eq!(dir.feed(&["launch", text], input).exits(0).out, "2\n3\n");
    let text = "stdinsrc ! filter expr=\". > 2\" ! stdoutsink";
    assert_eq!(dir.feed(&["launch", "--map", ".a", "--map", ". + 1", text], input).exits(0).out, "3\n4\n");
    dir.run(&["launch", "--filter", ".a >", "testsrc count=1 ! nullsink"]).exits(2).says(".a >");
}

#[test]
fn a_mistake_is_shown_with_a_caret_and_nothing_runs() {
    let dir = Dir::new();
    let made = dir.text("half.txt");
    let cases = [
        (format!("stdinsrc ! ! filesink location={made}"), ""),
        (format!("stdinsrc ! filesink location={made} !"), ""),
        (format!("testsrc count=1 ! nosuch ! filesink location={made}"), "nosuch"),
        (format!("testsrc count=1 ! filesink location={made} nosuch=1"), "nosuch"),
        (format!("testsrc count=1 ! filesink location=\"{made}"), ""),
        (format!("testsrc count=many ! filesink location={made}"), "many"),
        (format!("testsrcc ! filesink location={made}"), "testsrc"),
        (format!("mqttsrc location=mqtt://joe:hunter2@host:99999/a ! filesink location={made}"), "99999"),
    ];
    for (text, says) in &cases {
        let ran = dir.feed(&["launch", text], "x\n").exits(2).says(says);
        assert!(ran.err.starts_with("error: ") && ran.err.contains('^'), "{ran:#?}");
        assert_eq!(ran.out, "", "{ran:?}");
        assert!(!dir.path("half.txt").exists(), "half a pipeline ran: {text}");
    }
    dir.run(&["launch", ""]).exits(2);
}

#[test]
fn a_graph_branches_and_joins() {
    let dir = Dir::new();
    let copy = dir.text("copy.txt");
    let text = format!(
        "stdinsrc ! tee name=t ! filter expr=\". > 1\" ! funnel name=f ! stdoutsink  t. ! filesink location={copy}  t. ! f."
    );
    let mut lines: Vec<_> = dir.feed(&["launch", &text], "1\n2\n").exits(0).out.lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["1", "2", "2"]);
    assert_eq!(dir.read("copy.txt"), "1\n2\n");
    let text = "testsrc count=3 ! filter name=keep expr='.id > 0' ! nullsink";
    let ran = dir.run(&["launch", text, "--report", "-"]).exits(0);
    let report: serde_json::Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
    let keep = serde_json::json!({ "taken": 3, "given": 2, "dropped": 1, "held": 0 });
    assert_eq!((&report["nodes"]["keep"], &report["nodes"]["nullsink0"]["given"]), (&keep, &2.into()));
    let text = "testsrc count=2 content-type=json ! text/csv ! stdoutsink";
    dir.run(&["launch", text, "--report", "-"]).exits(1).says("application/json");
}

#[test]
fn windows_and_aggregates() {
    let dir = Dir::new();
    let readings = "{\"d\":\"x\",\"t\":0,\"c\":20}\n{\"d\":\"y\",\"t\":5,\"c\":1.5}\n{\"d\":\"x\",\"t\":9,\"c\":22}\n{\"d\":\"x\",\"t\":10,\"c\":30}\n";
    let runs = |text: &str, says: &str| {
        let text = format!("stdinsrc ! {text} ! stdoutsink");
        assert_eq!(dir.feed(&["launch", &text], readings).exits(0).out, says, "{text}");
    };
    let by = "{\"d\":\"x\",\"mean\":21.0}\n{\"d\":\"y\",\"mean\":1.5}\n{\"d\":\"x\",\"mean\":30.0}\n";
    runs("aggregate op=mean value=.c by=.d interval=10s time=.t", by);
    runs("aggregate op=count,max value=c emit=window", "{\"count\":4,\"max\":30}\n");
    runs("aggregate op=sum value=c", "20\n21.5\n43.5\n73.5\n");
    runs("tumbling-window interval=10s time=.t ! map expr=length", "3\n1\n");
    runs("session-window gap=4s time=.t key=d ! map expr='map(.c)'", "[20]\n[1.5]\n[22,30]\n");
    runs("partition-unique n=2 key=d keep=last ! map expr='map(.c)'", "[20,1.5]\n[30]\n");
    runs("timed-window-unique interval=1h key=d ! map expr='map(.c)'", "[20,1.5]\n");
    // What is no number follows the error policy.
    let text = "stdinsrc ! aggregate op=sum value=.c ! stdoutsink";
    let ran = dir.feed(&["launch", text], "{\"c\":1}\n{\"c\":\"2\"}\n").exits(1).says("is no number");
    // A stop acts at once: what came before it may be written or not.
    assert!(["", "1\n"].contains(&ran.out.as_str()), "{ran:?}");
    let bad = "{\"c\":1}\n{}\n{\"c\":2}\n";
    assert_eq!(dir.feed(&["launch", text, "--on-error", "drop"], bad).exits(0).out, "1\n3\n");
    // Each message is in one place.
    let text = "stdinsrc ! aggregate name=a op=sum value=.c n=2 ! stdoutsink";
    let ran = dir.feed(&["launch", text, "--on-error", "drop", "--report", "-"], bad).exits(0);
    let report: serde_json::Value = serde_json::from_str(ran.err.lines().last().unwrap()).unwrap();
    assert_eq!(report["nodes"]["a"], serde_json::json!({ "taken": 3, "given": 1, "dropped": 1, "held": 0 }));
    for (text, says) in [
        ("testsrc ! aggregate op=men ! nullsink", "did you mean \"mean\""),
        ("testsrc ! aggregate ! nullsink", "needs op="),
        ("testsrc ! aggregate op=sum n=0 ! nullsink", "at least 1"),
        ("testsrc ! session-window gap=-5s ! nullsink", "no duration"),
        ("mqttsrc location=mqtt://localhost/a?qos=1 ! tumbling-window interval=1m ! nullsink", "give it a time limit"),
    ] {
        let ran = dir.run(&["launch", text]).exits(2).says(says);
        assert!(text.contains("mqtt") || ran.err.contains('^'), "{ran:?}");
    }
}

#[test]
fn a_join_that_can_never_move_ends_the_program() {
    let dir = Dir::new();
    let text = "zip name=z ! stdoutsink  stdinsrc ! tee name=t ! z.  t. ! filter expr=false ! z.";
    for lines in [13, 20_000] {
        // The end of the input comes after what is in it.
        let mut run = dir.start(&["launch", text]);
        run.write(&"1\n".repeat(lines));
        if lines < 100 {
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        run.end().exits(1).says("z holds 10 messages");
    }
}

#[test]
fn a_name_cannot_be_empty() {
    let ran = Dir::new().run(&["launch", "testsrc ! identity name=\"\" ! nullsink"]).exits(2).says("cannot be empty");
    assert!(ran.err.contains('^'), "{ran:?}");
}

#[test]
fn a_graph_in_fbp_notation() {
    let dir = Dir::new();
    let file = dir.write(
        "a.fbp",
        "# @name Example\nIn(stdinsrc) OUT -> IN Keep(filter) -> Out(stdoutsink)\n'. > 1' -> EXPR Keep\n",
    );
    assert_eq!(dir.feed(&["launch", "--fbp", &file], "1\n2\n").exits(0).out, "2\n");
    assert_eq!(dir.feed(&["launch", "--fbp", &file, "--map", ". + 1"], "1\n2\n").exits(0).out, "2\n3\n");
    let wrong = dir.write("b.fbp", "In(stdinsrc) ->\n");
    let ran = dir.feed(&["launch", "--fbp", &wrong], "").exits(2).says("line 1");
    assert!(ran.err.contains('^'), "{ran:?}");
    dir.run(&["launch", "--fbp", "nosuch.fbp"]).refused("cannot be read");
    dir.run(&["launch", "--fbp", &file, "testsrc ! nullsink"]).refused("exclude each other");
    dir.run::<&str>(&["launch"]).refused("PIPELINE");
}

/// The examples of `lorry launch --help` and of the documentation, as they stand there.
fn examples() -> Vec<String> {
    let help = Dir::new().run(&["launch", "--help"]).exits(0).out;
    let shown =
        help.lines().skip_while(|line| !line.starts_with("Examples")).skip(1).take_while(|line| !line.is_empty());
    let mut examples: Vec<_> = shown.map(|line| line.trim().split_once("  ").unwrap().1.trim().to_owned()).collect();
    assert!(examples.len() >= 7, "{examples:?}");
    for page in [include_str!("../../docs/launch.md"), include_str!("../../docs/cli.md")] {
        let commands: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("lorry launch \"")).collect();
        assert!(!commands.is_empty());
        // As a shell reads what stands in double quotes.
        examples.extend(commands.iter().map(|rest| rest.rsplit_once('"').unwrap().0.replace("\\\"", "\"")));
    }
    examples
}

#[test]
fn the_examples_are_right() {
    let dir = Dir::new();
    for example in examples() {
        let plan = dir.run(&["check", "launch", &example]).exits(0).out;
        assert!(plan.starts_with("Plan\n"), "{example}: {plan}");
        // What needs no server runs, in a folder of its own.
        let here = example.replace("/tmp/", &format!("{}/", dir.text("")));
        if here.contains("testsrc") && !here.contains("location=mqtt") || here.starts_with("test:") {
            dir.run(&["launch", &here, "--idle-exit", "5s"]).exits(0);
        }
    }
    let help = dir.run(&["launch", "--help"]).exits(0).out;
    let fbp = help.split_once("(--fbp FILE):\n").unwrap().1;
    assert_eq!(dir.run(&["launch", "--fbp", &dir.write("help.fbp", fbp)]).exits(0).out.lines().count(), 2);
}
