//! `cargo bench -p lorry-sql --features postgres --bench postgres`: JSON messages into PostgreSQL, beside the same rows by `COPY`.

#![allow(clippy::unwrap_used, missing_docs)]

use lorry_core::Message;
use lorry_core::relay::{Batch, Context, Sink};
use lorry_sql::{SqlOptions, SqlSink};
use lorry_testkit::servers::{Postgres, PostgresOptions};
use std::fmt::Write;
use std::time::{Duration, Instant};

const ROWS: usize = 400_000;

fn values(id: usize) -> (String, f64, u8) {
    (format!("device-{}", id % 500), 20.0 + (id % 97) as f64 / 8.0, (id % 100) as u8)
}

/// Into a table that is there: making it is not what is measured.
fn fresh(server: &Postgres) {
    server.psql("DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint, device text, celsius double precision, humidity bigint); CHECKPOINT");
}

fn copy(server: &Postgres, file: &str) -> Duration {
    fresh(server);
    let begun = Instant::now();
    server.psql(&format!("\\copy t FROM '{file}' WITH (FORMAT csv)"));
    begun.elapsed()
}

async fn sink(server: &Postgres, messages: &[Message], size: usize) -> Duration {
    fresh(server);
    let mut sink = SqlSink::new(SqlOptions::new(server.url()).table("t"));
    sink.open(Context::detached("sqlsink0")).await.unwrap();
    let batches: Vec<_> = messages.chunks(size).map(|chunk| Batch::new(chunk.to_vec())).collect();
    let begun = Instant::now();
    for batch in batches {
        sink.send(batch).await.unwrap().await.unwrap();
    }
    let took = begun.elapsed();
    assert_eq!(server.psql("SELECT count(DISTINCT id) FROM t"), messages.len().to_string());
    took
}

#[tokio::main]
async fn main() {
    let (mut messages, mut csv) = (Vec::with_capacity(ROWS), String::new());
    for id in 0..ROWS {
        let (device, celsius, humidity) = values(id);
        writeln!(csv, "{id},{device},{celsius:?},{humidity}").unwrap();
        messages.push(Message::new(format!(
            r#"{{"id": {id}, "device": "{device}", "celsius": {celsius:?}, "humidity": {humidity}}}"#
        )));
    }
    let file = std::env::temp_dir().join(format!("lorry-bench-{}.csv", std::process::id()));
    std::fs::write(&file, csv).unwrap();
    for (name, options) in
        [("fsync off", PostgresOptions::default().without_fsync()), ("durable", PostgresOptions::default())]
    {
        let server = Postgres::start(options.setting("max_wal_size", "4GB"));
        let limit = copy(&server, file.to_str().unwrap()).min(copy(&server, file.to_str().unwrap()));
        let rate = |took: Duration| ROWS as f64 / took.as_secs_f64();
        println!("{name}: psql \\copy of {ROWS} rows: {:.0} rows/s (the limit)", rate(limit));
        for size in [100, 1_000, 5_000, 10_000] {
            let took = sink(&server, &messages, size).await.min(sink(&server, &messages, size).await);
            let ratio = 100.0 * limit.as_secs_f64() / took.as_secs_f64();
            println!("{name}: JSON messages by batches of {size}: {:.0} rows/s, {ratio:.0} % of COPY", rate(took));
        }
    }
    std::fs::remove_file(&file).unwrap();
}
