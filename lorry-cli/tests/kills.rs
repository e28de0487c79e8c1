//! kill -9 in mid-flow, of each party in turn: every message is there in the end.
//!
//! `LORRY_KILL_MESSAGES` sets how many messages are sent (20,000 unless set).
#![allow(clippy::unwrap_used, clippy::panic)]

mod util;

use lorry_testkit::servers::{Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use rusqlite::Connection;
use std::thread::JoinHandle;
use util::{Dir, Run};

fn messages() -> i64 {
    std::env::var("LORRY_KILL_MESSAGES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// What a broker leaves unacknowledged at most, which is what may come twice after a kill.
const WINDOW: i64 = 1_000;

fn rows(n: i64) -> impl Iterator<Item = String> {
    (0..n).map(|id| format!(r#"{{"id":{id},"celsius":{}.5,"ok":true,"device":"dev-{}"}}"#, id % 50, id % 9))
}

fn subscribed(run: &mut Run, broker: &Mosquitto) {
    run.until("the subscription", || broker.log().contains(" 1 t/#"));
}

/// Messages of one publisher: Debian's mosquitto 2.0.11 throws out a mosquitto_pub that sends more than 65,535 ("out of memory").
const PUBLISHER: usize = 50_000;

/// Publishes all rows in the background.
fn publish(broker: &Mosquitto, n: i64) -> JoinHandle<()> {
    use std::io::Write;
    let rows: Vec<String> = rows(n).map(|row| row + "\n").collect();
    let publishers: Vec<_> =
        rows.chunks(PUBLISHER).map(|rows| (broker.client("mosquitto_pub"), rows.concat())).collect();
    std::thread::spawn(move || {
        for (mut publisher, lines) in publishers {
            publisher.args(["-t", "t/x", "-q", "1", "-l"]).stdin(std::process::Stdio::piped());
            let mut child = publisher.spawn().unwrap();
            child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success(), "the publisher itself failed");
        }
    })
}

/// Distinct ids and rows.
fn in_sqlite(dir: &Dir) -> (i64, i64) {
    let Ok(file) = Connection::open(dir.path("a.db")) else { return (0, 0) };
    let sql = "SELECT count(DISTINCT id), count(*) FROM t";
    file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap_or((0, 0))
}

fn in_postgres(server: &Postgres) -> (i64, i64) {
    let answer = server.try_psql("SELECT count(DISTINCT id) || ' ' || count(*) FROM t").unwrap_or_default();
    let mut numbers = answer.split_whitespace().filter_map(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn sqlite(dir: &Dir) -> String {
    format!("sqlite:///{}?table=t", dir.text("a.db"))
}

#[test]
#[ignore = "needs mosquitto"]
fn lorry_killed_twice_loses_nothing_and_repeats_no_more_than_the_window() {
    let (dir, broker, n) = (Dir::new(), Mosquitto::start(MosquittoOptions::default()), messages());
    let source = format!("{}/t/#", broker.url());
    let start = || dir.start(&["relay", &source, &sqlite(&dir), "--name", "weather"]);
    let mut run = start();
    subscribed(&mut run, &broker);
    let publisher = publish(&broker, n);
    for eighth in [1, 4] {
        run.until("some rows", || in_sqlite(&dir).0 >= n * eighth / 8);
        run.signal("KILL");
        run.wait();
        run = start();
    }
    publisher.join().unwrap();
    run.until("all ids", || in_sqlite(&dir).0 == n);
    run.signal("INT");
    run.wait().exits(0);
    let (distinct, all) = in_sqlite(&dir);
    assert_eq!(distinct, n);
    assert!(all - distinct <= 2 * WINDOW, "{} rows twice", all - distinct);
}

#[test]
#[ignore = "needs mosquitto and postgresql"]
fn the_database_killed_twice_loses_nothing() {
    let (dir, broker, n) = (Dir::new(), Mosquitto::start(MosquittoOptions::default()), messages());
    let mut server = Postgres::start(PostgresOptions::default());
    let sink = format!("{}?table=t", server.url());
    let mut run = dir.start(&["relay", &format!("{}/t/#", broker.url()), &sink, "--name", "weather"]);
    subscribed(&mut run, &broker);
    let publisher = publish(&broker, n);
    for eighth in [1, 4] {
        run.until("some rows", || in_postgres(&server).0 >= n * eighth / 8);
        server.kill9();
        server.restart();
    }
    publisher.join().unwrap();
    run.until("all ids", || in_postgres(&server).0 == n);
    run.signal("TERM");
    run.wait().exits(0);
    assert_eq!(in_postgres(&server).0, n);
}

/// mosquitto acknowledges from memory, so it is told to save before the kill; what it acknowledged to its publisher it then has.
#[test]
#[ignore = "needs mosquitto"]
fn the_broker_killed_in_mid_flow_loses_nothing_that_it_had() {
    let (dir, mut broker, n) = (Dir::new(), Mosquitto::start(MosquittoOptions::default()), messages());
    let lock = Connection::open(dir.path("a.db")).unwrap();
    lock.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t (id BIGINT); BEGIN IMMEDIATE").unwrap();
    let mut run = dir.start(&["relay", &format!("{}/t/#", broker.url()), &sqlite(&dir), "--name", "weather"]);
    subscribed(&mut run, &broker);
    // While the database is locked the messages pile up at the broker.
    publish(&broker, n).join().unwrap();
    assert_eq!(in_sqlite(&dir), (0, 0));
    lock.execute_batch("COMMIT").unwrap();
    run.until("some rows", || in_sqlite(&dir).0 >= n / 8);
    broker.save();
    broker.kill9();
    broker.restart();
    run.until("all ids", || in_sqlite(&dir).0 == n);
    run.signal("INT");
    run.wait().exits(0);
    assert_eq!(in_sqlite(&dir).0, n);
}
