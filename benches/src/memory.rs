//! Memory: idle, and with a sink that stands still under full load.

use crate::child::Relay;
use crate::tools::{Folder, ids, row, scaled, until};
use lorry_testkit::servers::{Mosquitto, MosquittoOptions};
use std::time::Duration;

pub(crate) fn idle() {
    let folder = Folder::new();
    let database = folder.path("idle.db");
    let broker = Mosquitto::start(MosquittoOptions::default().volatile());
    let sink = format!("sqlite:///{}?table=t", database.display());
    let relay = Relay::start(&format!("{}/a/%23", broker.url()), &sink, 0, "-");
    until("the relay's subscription", 20, || broker.log().contains(" 1 a/#"));
    broker.publish_lines("a/b", 1, (0..100).map(row));
    until("the rows", 20, || ids(&database, "t").1 == 100);
    std::thread::sleep(Duration::from_secs(3));
    let before = relay.cpu();
    std::thread::sleep(Duration::from_secs(5));
    let (rss, cpu) = (relay.rss(), (relay.cpu() - before) / 5.0 * 100.0);
    let verdict = if rss < 15.0 { "reached" } else { "MISSED" };
    println!("idle, MQTT → SQLite: {rss:.1} MB resident (goal < 15 {verdict}), {cpu:.1} % CPU");
}

/// A database that somebody else has locked: for a minute nothing can be committed, while messages come as fast as they can.
pub(crate) fn still() {
    let folder = Folder::new();
    let database = folder.path("still.db");
    let source = folder.path("in.ndjson");
    crate::tools::ndjson(&source, scaled(3_000_000));
    let blocker = rusqlite::Connection::open(&database).unwrap();
    blocker.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER); BEGIN IMMEDIATE;").unwrap();
    let relay = Relay::start(
        &format!("file:{}", source.display()),
        &format!("sqlite:///{}?table=t", database.display()),
        0,
        "-",
    );
    let mut most = 0.0_f64;
    for _ in 0..60 {
        std::thread::sleep(Duration::from_secs(1));
        most = most.max(relay.rss());
    }
    println!(
        "a sink that stands still for 60 s under full load: at most {most:.1} MB resident; the bound is 32,768 messages or 64 MiB a source"
    );
    assert_eq!(blocker.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}
