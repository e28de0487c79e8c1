//! Rows, rates, files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The number of messages, scaled by `LORRY_BENCH_SCALE`.
pub(crate) fn scaled(n: usize) -> usize {
    let scale = std::env::var("LORRY_BENCH_SCALE").ok().and_then(|scale| scale.parse::<f64>().ok()).unwrap_or(1.0);
    ((n as f64 * scale) as usize).max(1_000)
}

pub(crate) fn rate(n: usize, took: Duration) -> f64 {
    n as f64 / took.as_secs_f64()
}

/// The better of several runs.
pub(crate) fn best(runs: usize, mut run: impl FnMut(usize) -> Duration) -> Duration {
    (0..runs).map(&mut run).min().unwrap_or_default()
}

/// The middle one.
pub(crate) fn median(of: impl Iterator<Item = Duration>) -> Duration {
    let mut all: Vec<Duration> = of.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

pub(crate) fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

/// One line of a result: what, figure, limit, ratio, goal.
pub(crate) fn say(what: &str, own: f64, limit: (&str, f64), goal: f64) {
    let ratio = own / limit.1;
    let verdict = if ratio >= goal { "reached" } else { "MISSED" };
    println!(
        "{what:<28} {own:>12.0}/s   {} {:>12.0}/s   ratio {ratio:.2}   goal {goal:.2} {verdict}",
        limit.0, limit.1
    );
}

/// A row like those that sensors send, about 100 bytes.
pub(crate) fn row(id: usize) -> String {
    let temperature = (id * 37 % 1_000) as f64 / 8.0;
    let ok = id.is_multiple_of(3);
    format!(
        r#"{{"id": {id}, "device": "dev-{:02}", "temperature": {temperature:?}, "ok": {ok}, "note": "note number {id}"}}"#,
        id % 100
    )
}

pub(crate) fn ndjson(path: &Path, n: usize) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    (0..n).for_each(|id| writeln!(file, "{}", row(id)).unwrap());
    file.flush().unwrap();
}

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Distinct ids and rows of a SQLite table.
pub(crate) fn ids(database: &Path, table: &str) -> (usize, usize) {
    let Ok(connection) = rusqlite::Connection::open(database) else { return (0, 0) };
    let sql = format!("SELECT count(DISTINCT id), count(*) FROM \"{table}\"");
    connection
        .query_row(&sql, [], |row| Ok((row.get::<_, i64>(0)? as usize, row.get::<_, i64>(1)? as usize)))
        .unwrap_or_default()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Waits for a condition.
pub(crate) fn until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed().as_secs() < seconds, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
