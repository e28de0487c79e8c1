//! MQTT QoS 1 into databases and to MQTT, beside subscribers and publishers that do nothing else.

use crate::bare::{self, Drained};
use crate::child::{Relay, cpu_of_server};
use crate::tools::{Folder, best, ids, median, rate, row, runtime, say, scaled, timed};
use lorry_testkit::servers::{Mosquitto, MosquittoOptions, Postgres, PostgresOptions, Process};
use std::io::Write;
use std::process::Stdio;
use std::thread::JoinHandle;
use std::time::Duration;

fn broker() -> Mosquitto {
    Mosquitto::start(MosquittoOptions::default().volatile())
}

/// Messages of one mosquitto_pub; Debian's mosquitto 2.0.11 throws out one that sends more than 65,535.
const PUBLISHER: usize = 50_000;

/// Publishes the rows over two connections of mosquitto_pub at once.
fn feed(broker: &Mosquitto, n: usize) -> Vec<JoinHandle<()>> {
    let feed = |start: usize| {
        let ids: Vec<usize> = (start..n).step_by(2).collect();
        let publishers: Vec<_> =
            ids.chunks(PUBLISHER).map(|ids| (broker.client("mosquitto_pub"), ids.to_vec())).collect();
        std::thread::spawn(move || {
            for (mut command, ids) in publishers {
                command.args(["-q", "1", "-t", "b/x", "-l"]).stdin(Stdio::piped());
                let mut child = command.spawn().unwrap();
                let mut stdin = std::io::BufWriter::new(child.stdin.take().unwrap());
                ids.into_iter().for_each(|id| writeln!(stdin, "{}", row(id)).unwrap());
                drop(stdin);
                assert!(child.wait().unwrap().success());
            }
        })
    };
    vec![feed(0), feed(1)]
}

fn reap(feeds: Vec<JoinHandle<()>>) {
    feeds.into_iter().for_each(|feed| feed.join().unwrap());
}

/// A subscription of mosquitto_sub that counts and acknowledges.
fn live_limit(n: usize) -> Duration {
    let broker = broker();
    let mut command = broker.client("mosquitto_sub");
    let mut counter = command
        .args(["-q", "1", "-t", "b/#", "-i", "counter", "-C", &n.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    subscribed(&broker, 1);
    timed(|| {
        let feeds = feed(&broker, n);
        assert!(counter.wait().unwrap().success());
        reap(feeds);
    })
}

fn subscribed(broker: &Mosquitto, times: usize) {
    crate::tools::until("a subscription", 20, || broker.log().matches(" 1 b/#").count() >= times);
}

/// Live flow into a sink: the time until the relay has delivered all, and its CPU seconds.
fn live(n: usize, sink: &str) -> (Duration, f64) {
    let broker = broker();
    let relay = Relay::start(&format!("{}/b/%23", broker.url()), sink, n, "-");
    subscribed(&broker, 1);
    let mut cpu = 0.0;
    let took = timed(|| {
        let feeds = feed(&broker, n);
        cpu = relay.wait();
        reap(feeds);
    });
    (took, cpu)
}

/// A stored backlog into a sink, from the start of the process; the CPU seconds of the relay and of the broker.
fn drain(n: usize, sink: &str) -> (Drained, f64, f64) {
    let broker = broker();
    let source = format!("{}/b/%23", broker.url());
    let mut first = Relay::start(&source, sink, 0, "drain");
    subscribed(&broker, 1);
    first.kill();
    reap(feed(&broker, n));
    let before = cpu_of_server(&broker);
    let (cpu, drained) = Relay::start(&source, sink, n, "drain").drained();
    (drained, cpu, cpu_of_server(&broker) - before)
}

fn drain_limit(n: usize) -> Drained {
    let broker = broker();
    runtime().block_on(bare::keep(broker.port(), "bare", "b/#"));
    reap(feed(&broker, n));
    runtime().block_on(bare::drain(broker.port(), "bare", n))
}

fn say_cpu(seconds: f64, n: usize) {
    println!("{:<28} {:.1} µs of CPU a message (goal for SQLite: ≤ 8)", "", seconds / n as f64 * 1e6);
}

/// A database under test: the address of a table's sink, and a check that a table has so many rows, all different.
struct Database<'a> {
    name: &'a str,
    /// The server's process, where there is one.
    server: Option<&'a Process>,
    sink: &'a dyn Fn(&str) -> String,
    check: &'a dyn Fn(&str, usize),
}

fn live_into(database: &Database<'_>) {
    let n = scaled(100_000);
    let limit = best(3, |_| live_limit(n));
    let mut cpu = f64::MAX;
    let own = best(3, |run| {
        let table = format!("live{run}");
        let (took, used) = live(n, &(database.sink)(&table));
        cpu = cpu.min(used);
        (database.check)(&table, n);
        took
    });
    say(&format!("MQTT → {}, live", database.name), rate(n, own), ("mosquitto_sub", rate(n, limit)), 0.9);
    say_cpu(cpu, n);
}

/// Limit and relay by turns, since the machine's pace changes; of each the median.
fn backlog_into(database: &Database<'_>) {
    // More of them than live, so that the start of the process weighs less.
    let n = scaled(200_000);
    let (mut limits, mut drains, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..5 {
        limits.push(drain_limit(n));
        let table = format!("drain{run}");
        let before = database.server.map(cpu_of_server);
        let (drained, relay, broker) = drain(n, &(database.sink)(&table));
        let server = database.server.map(cpu_of_server).zip(before).map(|(after, before)| after - before);
        drains.push(drained);
        cpus.push((relay, broker, server.unwrap_or_default()));
        (database.check)(&table, n);
    }
    let rates = |of: fn(&Drained) -> Duration| {
        let rate = |drained: &[Drained]| rate(n, median(drained.iter().map(of)));
        (rate(&drains), rate(&limits))
    };
    let (own, limit) = rates(|drained| drained.gone);
    say(&format!("MQTT → {}, backlog", database.name), own, ("bare subscriber", limit), 0.65);
    let (own, limit) = rates(|drained| drained.there);
    println!(
        "{:<28} {own:>12.0}/s   bare subscriber {limit:>12.0}/s   ratio {:.2}",
        "  before the last acks",
        own / limit
    );
    let cpu = |of: fn(&(f64, f64, f64)) -> f64| median(cpus.iter().map(of).map(Duration::from_secs_f64)).as_secs_f64();
    say_cpu(cpu(|cpu| cpu.0), n);
    let micros = |seconds: f64| seconds / n as f64 * 1e6;
    print!("{:<28} broker {:.1} µs", "", micros(cpu(|cpu| cpu.1)));
    println!(", server {:.1} µs", micros(cpu(|cpu| cpu.2)));
}

fn with_sqlite(run: impl Fn(&Database<'_>)) {
    let folder = Folder::new();
    let file = |table: &str| folder.path(&format!("{table}.db"));
    let sink = |table: &str| format!("sqlite:///{}?table={table}", file(table).display());
    let check = |table: &str, n: usize| assert_eq!(ids(&file(table), table), (n, n));
    run(&Database { name: "SQLite", server: None, sink: &sink, check: &check });
}

fn with_postgres(run: impl Fn(&Database<'_>)) {
    let server = Postgres::start(PostgresOptions::default().without_fsync());
    let sink = |table: &str| {
        let url = server.url();
        format!("{url}{}table={table}", if url.contains('?') { '&' } else { '?' })
    };
    let check = |table: &str, n: usize| {
        let count = server.psql(&format!("SELECT count(DISTINCT id) || ' ' || count(*) FROM {table}"));
        assert_eq!(count.trim(), format!("{n} {n}"));
    };
    run(&Database { name: "PostgreSQL", server: Some(&server), sink: &sink, check: &check });
}

pub(crate) fn to_sqlite() {
    with_sqlite(live_into);
}

pub(crate) fn to_postgres() {
    with_postgres(live_into);
}

pub(crate) fn backlog_to_sqlite() {
    with_sqlite(backlog_into);
}

pub(crate) fn backlog_to_postgres() {
    with_postgres(backlog_into);
}

/// What the machine can do of the same job: a bare subscriber drains one broker while a bare publisher fills another.
fn both_limit(n: usize) -> Duration {
    let (from, to) = (broker(), broker());
    runtime().block_on(bare::keep(from.port(), "bare", "b/#"));
    reap(feed(&from, n));
    let (from_port, to_port) = (from.port(), to.port());
    timed(|| {
        runtime().block_on(async {
            let published = tokio::spawn(bare::publish(to_port, n));
            bare::drain(from_port, "bare", n).await;
            published.await.unwrap();
        });
    })
}

/// The backlog of one broker into another. Limits and relay by turns, since the machine's pace changes; of each the median.
pub(crate) fn to_mqtt() {
    let n = scaled(200_000);
    let (mut alone, mut both, mut own, mut wide) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let to = broker();
        alone.push(timed(|| runtime().block_on(bare::publish(to.port(), n))));
        both.push(both_limit(n));
        let sink = format!("{}/out", to.url());
        own.push(drain(n, &sink).0.there);
        // mosquitto grants a publisher of version 5 twenty unanswered messages, one of 3.1.1 as many as it likes: here 1,000.
        wide.push(drain(n, &format!("{sink}?version=3.1.1")).0.there);
    }
    let own = rate(n, median(own.into_iter()));
    say("MQTT → MQTT, QoS 1", own, ("bare publisher", rate(n, median(alone.into_iter()))), 0.9);
    let both = rate(n, median(both.into_iter()));
    println!(
        "{:<28} {own:>12.0}/s   bare subscriber and publisher at once {both:>12.0}/s   ratio {:.2}",
        "",
        own / both
    );
    println!("{:<28} {:>12.0}/s   over MQTT 3.1.1, 1,000 in flight", "", rate(n, median(wide.into_iter())));
}
