//! `lorry demo` keeps what it promises: every message that a device has published is a row.
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use util::{Dir, Ran};

/// The number behind these words in the summary.
fn number(ran: &Ran, words: &str) -> u64 {
    let line = ran.out.lines().find_map(|line| line.strip_prefix(words)).unwrap_or_default();
    let digits = line.split("  (").next().unwrap_or_default().replace([' ', ','], "");
    digits.parse().unwrap_or_default()
}

fn judge(ran: &Ran) {
    let published = number(ran, "published and confirmed");
    assert!(published > 0, "{ran:#?}");
    assert_eq!((number(ran, "relayed"), number(ran, "rows in the table")), (published, published), "{ran:#?}");
    assert!(ran.out.contains("(equal)"), "{ran:#?}");
    assert_eq!(ran.err, "");
    // Somebody else's SQLite, so to speak: the file is where the demo says.
    let path = ran.out.lines().find_map(|line| line.strip_prefix("The rows stay in ")).unwrap();
    let file = rusqlite::Connection::open(path).unwrap();
    let (count, devices): (i64, i64) = file
        .query_row("SELECT count(*), count(DISTINCT device) FROM readings", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((count.unsigned_abs(), devices), (published, 5));
    drop(file);
    std::fs::remove_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
}

#[test]
fn it_ends_by_itself() {
    judge(&Dir::new().run(&["demo", "--seconds", "2"]).exits(0));
}

#[cfg(unix)]
#[test]
fn or_by_a_signal() {
    let mut run = Dir::new().start(&["demo"]);
    let began = std::time::Instant::now();
    run.until("two seconds", || began.elapsed().as_secs() >= 2);
    run.signal("INT");
    judge(&run.wait().exits(0));
}
