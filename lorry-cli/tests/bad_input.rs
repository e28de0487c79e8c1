//! Wrong requests: exit 2, one line that says what is wrong and what to write instead, nothing on stdout, nothing made.

mod util;

use util::Dir;

#[test]
fn the_command_line_itself() {
    let dir = Dir::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "lorry --help"),
        (&["relya", "a", "b"], "did you mean \"relay\"?"),
        (&["mqtt://joe:hunter2@host/a", "null:"], "lorry relay SOURCE SINK"),
        (&["relay"], "SOURCE is missing"),
        (&["relay", "--filtre", ".a", "test://"], "--filter"),
        (&["relay", "--idle-exit", "5parsecs", "test://?count=1"], "5parsecs"),
        (&["relay", "--count", "-5", "test://?count=1"], "-5"),
        (&["relay", "--on-error", "explode", "test://?count=1"], "stop, drop, dlq"),
        (&["relay", "test://", "--count", "mqtt://joe:hunter2@host"], "no number of messages"),
        (&["launch"], "PIPELINE… is missing"),
        (&["check"], "WHAT… is missing"),
        (&["publish"], "SINK is missing"),
        (&["publish", "null:", "--data", "a", "--file", "b"], "exclude each other"),
        (&["completions", "nosuch"], "bash"),
        (&["man", "relai"], "did you mean \"relay\"?"),
        (&["inspect", "nosuch"], "nosuch"),
        (&["info", "surplus"], "surplus"),
    ];
    for (args, says) in cases {
        dir.run(args).refused(says);
    }
}
