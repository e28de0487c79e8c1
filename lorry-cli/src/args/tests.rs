#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn parse_words(line: &str) -> Result<Cli, Failure> {
    parse(line.split_whitespace().map(OsString::from))
}

fn refused(line: &str) -> String {
    match parse_words(line) {
        Err(Failure::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn filters_and_maps_keep_their_order_among_each_other() {
    let line = "lorry relay test: --map .a --filter .b --filter=.c --map -.d null:";
    let Command::Relay(RelayArgs { flags, sinks, .. }) = parse_words(line).unwrap().command else { panic!("no relay") };
    let steps = [Step::Map(".a".into()), Step::Filter(".b".into()), Step::Filter(".c".into()), Step::Map("-.d".into())];
    assert_eq!(flags.steps.0, steps);
    assert_eq!(sinks, ["null:"]);
}

#[test]
fn flags_may_stand_anywhere() {
    let line = "lorry -v launch --count 3 testsrc ! nullsink --idle-exit 2m";
    let cli = parse_words(line).unwrap();
    let Command::Launch(LaunchArgs { pipeline, flags, .. }) = cli.command else { panic!("no launch") };
    assert_eq!(pipeline, ["testsrc", "!", "nullsink"]);
    assert_eq!((flags.count, flags.idle_exit), (Some(3), Some(Duration::from_secs(120))));
    assert_eq!((flags.drain_timeout, flags.on_error), (Duration::from_secs(30), Policy::Stop));
    assert_eq!(cli.log.verbose, 1);
}

/// What is wrong and what to write instead, each in one line.
#[test]
fn errors_are_one_line_and_say_what_to_write() {
    let cases = [
        ("lorry", "lorry --help"),
        ("lorry relay", "SOURCE is missing (see: lorry relay --help)"),
        ("lorry relya a b", "did you mean \"relay\"?"),
        ("lorry frobnicate", "the commands are relay"),
        ("lorry mqtt://host/a null:", "lorry relay SOURCE SINK"),
        ("lorry relay --filtre .a test:", "did you mean --filter?"),
        ("lorry relay test: --on-error explode", "write one of stop, drop, dlq"),
        ("lorry relay test: --on-error stopp", "did you mean \"stop\"?"),
        ("lorry relay test: --require twice", "at-least-once, effectively-once"),
        ("lorry relay test: --max-held 0", "--max-held: 0 holds no message"),
        ("lorry relay test: --max-held 5parsecs", "--max-held: \"5parsecs\" is no size"),
        ("lorry relay test: --idle-exit 5parsecs", "--idle-exit: \"5parsecs\" is no duration"),
        ("lorry relay test: --count 0", "--count: 0 is no number of messages"),
        ("lorry relay test: --count -5", "\"-5\" is no number of messages"),
        ("lorry relay test: --count", "--count needs a value"),
        ("lorry relay test: --count 1 --count 2", "--count is given twice"),
        ("lorry relay test: --instance 1", "--name NAME is missing"),
        ("lorry publish a --data x --file y", "--data and --file exclude each other"),
        ("lorry check a b --dot --json", "--dot and --json exclude each other"),
        ("lorry info -v -q", "--verbose and --quiet exclude each other"),
        ("lorry info surplus", "unknown argument \"surplus\""),
        ("lorry demo --seconds 0", "--seconds"),
        ("lorry completions nosuch", "write one of bash, elvish, fish, powershell, zsh"),
    ];
    for (line, says) in cases {
        let text = refused(line);
        assert!(text.contains(says), "{line}: {text}");
        assert!(!text.contains('\n') && !text.contains('\x1b'), "{line}: {text}");
    }
}

#[test]
fn no_error_repeats_a_password() {
    for line in [
        "lorry mqtt://joe:hunter2@host/a",
        "lorry info mqtt://joe:hunter2@host/a",
        "lorry relay a --nosuch=mqtt://joe:hunter2@host/a",
        "lorry relay a --nosuch-password=hunter2",
        "lorry relay a --count mqtt://joe:hunter2@host/a",
        "lorry relay a --on-error mqtt://joe:hunter2@host/a",
        "lorry relay a --idle-exit mqtt://joe:hunter2@host/a",
        "lorry demo --seconds mqtt://joe:hunter2@host/a",
        "lorry completions mqtt://joe:hunter2@host/a",
    ] {
        assert!(!refused(line).contains("hunter2"), "{line}: {}", refused(line));
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["lorry --help", "lorry --version", "lorry relay -h", "lorry help launch"] {
        assert!(matches!(parse_words(line), Err(Failure::Shown(_))), "{line}");
    }
}
