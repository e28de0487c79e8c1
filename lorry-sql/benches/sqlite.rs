//! Rows per second of the SQLite sink alone, beside the machine's own limit: `cargo bench -p lorry-sql --bench sqlite`.
//!
//! Rows have five columns {id, device, temperature, ok, note}, as in the bench of the whole relay. The limit is `sqlite3 .import` of
//! the same rows, where the program is there. On a machine that does other things too, look at the ratio and not at the rate.

#![allow(clippy::unwrap_used)]

use lorry_core::Message;
use lorry_core::relay::{Batch, Context, Sink};
use lorry_sql::{SqlOptions, SqlSink};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROWS: usize = 600_000;
const TABLE: &str = "CREATE TABLE t (id INTEGER, device TEXT, temperature REAL, ok BOOLEAN, note TEXT);";

fn payload(i: usize) -> String {
    let note = if i % 10 == 9 { String::new() } else { format!(r#", "note": "grün ✓ 'it''s' \"{i}\"""#) };
    let temperature = (i * 37 % 1000) as f64 / 8.0;
    format!(
        r#"{{"id": {i}, "device": "dev-{:02}", "temperature": {temperature:?}, "ok": {}{note}}}"#,
        i % 100,
        i.is_multiple_of(3)
    )
}

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("lorry-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let limit = import(&folder);
    for batch in [100, 1_000, 4_000, 6_000] {
        let best = best_of_three(&folder, batch).await;
        match limit {
            Some(limit) => println!("batches of {batch:>5}: {best:>9.0} rows/s, {:.2} of .import", best / limit),
            None => println!("batches of {batch:>5}: {best:>9.0} rows/s"),
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

async fn best_of_three(folder: &Path, batch: usize) -> f64 {
    let messages: Vec<_> = (0..ROWS).map(|i| Message::new(payload(i))).collect();
    let batches: Vec<_> = messages.chunks(batch).map(|chunk| Batch::new(chunk.to_vec())).collect();
    let mut best = 0.0f64;
    for n in 0..3 {
        let file = folder.join(format!("{batch}-{n}.db"));
        let mut sink = SqlSink::new(SqlOptions::new(format!("sqlite:///{}", file.display())).table("t"));
        let began = Instant::now();
        sink.open(Context::detached("bench")).await.unwrap();
        for batch in &batches {
            sink.send(batch.clone()).await.unwrap().await.unwrap();
        }
        sink.close().await.unwrap();
        best = best.max(ROWS as f64 / began.elapsed().as_secs_f64());
        std::fs::remove_file(file).unwrap();
    }
    best
}

/// Rows per second of `sqlite3 .import`, the database's own bulk loader.
fn import(folder: &Path) -> Option<f64> {
    let csv = folder.join("in.csv");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&csv).unwrap());
    for i in 0..ROWS {
        let note = if i % 10 == 9 { String::new() } else { format!("\"grün ✓ 'it''s' \"\"{i}\"\"\"") };
        writeln!(
            out,
            "{i},dev-{:02},{:?},{},{note}",
            i % 100,
            (i * 37 % 1000) as f64 / 8.0,
            u8::from(i.is_multiple_of(3))
        )
        .unwrap();
    }
    out.flush().unwrap();
    let mut best = None::<f64>;
    for n in 0..3 {
        let file = folder.join(format!("import-{n}.db"));
        let began = Instant::now();
        let mut child = Command::new("sqlite3").arg(&file).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().ok()?;
        let pragmas = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;";
        write!(child.stdin.take()?, "{pragmas}\n{TABLE}\n.mode csv\n.import {} t\n", csv.display()).ok()?;
        child.wait().ok()?;
        let rate = ROWS as f64 / began.elapsed().as_secs_f64();
        best = Some(best.map_or(rate, |best| best.max(rate)));
        std::fs::remove_file(file).ok()?;
    }
    best.inspect(|rate| println!("sqlite3 .import  : {rate:>9.0} rows/s"))
}
