//! kill -9 in mid-flow, MQTT → SQLite: what is lost, and what is stored twice.

use crate::child::Relay;
use crate::tools::{Folder, ids, row, scaled, until};
use lorry_testkit::servers::{Mosquitto, MosquittoOptions};
use std::io::Write;
use std::process::Stdio;

pub(crate) fn run() {
    let n = scaled(60_000);
    let folder = Folder::new();
    let database = folder.path("kill.db");
    let broker = Mosquitto::start(MosquittoOptions::default().volatile());
    let (source, sink) = (format!("{}/b/%23", broker.url()), format!("sqlite:///{}?table=t", database.display()));
    let mut relay = Relay::start(&source, &sink, 0, "kill");
    until("the relay's subscription", 20, || broker.log().contains(" 1 b/#"));
    let mut publisher =
        broker.client("mosquitto_pub").args(["-q", "1", "-t", "b/x", "-l"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = std::io::BufWriter::new(publisher.stdin.take().unwrap());
    std::thread::spawn(move || (0..n).for_each(|id| writeln!(stdin, "{}", row(id)).unwrap()));
    let mut twice = Vec::new();
    for share in [0.25, 0.6] {
        until("rows", 120, || ids(&database, "t").0 as f64 >= n as f64 * share);
        relay.kill();
        let (distinct, rows) = ids(&database, "t");
        twice.push(rows - distinct);
        relay = Relay::start(&source, &sink, 0, "kill");
    }
    assert!(publisher.wait().unwrap().success());
    until("all rows", 120, || ids(&database, "t").0 == n);
    let (distinct, rows) = ids(&database, "t");
    let window = 1_000;
    let verdict = if rows - distinct <= 2 * window { "reached" } else { "MISSED" };
    println!(
        "kill -9 twice in mid-flow, MQTT → SQLite: {} of {n} lost, {} rows twice (goal: 0 lost, at most the window of {window} a kill: {verdict})",
        n - distinct,
        rows - distinct
    );
}
