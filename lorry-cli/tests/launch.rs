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
