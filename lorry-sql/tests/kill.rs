//! A process killed (-9) in the middle of writing leaves whole batches, and everything it had a receipt for.
//!
//! This test has its own `main`: it runs itself as the process to be killed.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, batch};
use lorry_core::relay::{Context, Sink};
use lorry_sql::{SqlOptions, SqlSink};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

const ROWS: usize = 700;
const KILLS: usize = 8;

fn main() {
    let args: Vec<_> = std::env::args().collect();
    match args.iter().position(|arg| arg == "--write") {
        Some(at) => write(&args[at + 1], args[at + 2].parse().unwrap()),
        None => kill_and_count(),
    }
}

/// Writes batches without end, and says of each when its receipt is there.
#[tokio::main(flavor = "current_thread")]
async fn write(address: &str, first: usize) {
    let mut sink = SqlSink::new(SqlOptions::new(address));
    sink.open(Context::detached("sqlsink0")).await.unwrap();
    for number in first.. {
        let rows = (0..ROWS).map(|i| format!(r#"{{"batch": {number}, "row": {i}, "text": "{}"}}"#, "x".repeat(i % 90)));
        sink.send(batch(rows)).await.unwrap().await.unwrap();
        println!("{number}");
        std::io::stdout().flush().unwrap();
    }
}

fn kill_and_count() {
    let folder = Folder::new();
    let address = format!("sqlite:///{}?table=t", folder.file().display());
    let (mut next, mut acknowledged) = (0, Vec::new());
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--write", &address, &next.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after another number of batches each time, while the one after is being written.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let numbers = lines.map(|line| line.unwrap().parse::<usize>().unwrap());
        acknowledged.extend(numbers.take(2 + 3 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // Unlike a relay, which would send it again, the next round leaves a gap.
        next = acknowledged.last().unwrap() + 100;
    }
    let torn = folder.texts(&format!(
        "SELECT batch FROM t GROUP BY batch HAVING count(*) <> {ROWS} OR count(DISTINCT row) <> {ROWS}"
    ));
    assert!(torn.is_empty(), "torn batches: {torn:?}");
    let there: Vec<usize> =
        folder.texts("SELECT DISTINCT batch FROM t").iter().map(|number| number.parse().unwrap()).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|number| !there.contains(number)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert_eq!(folder.texts("PRAGMA integrity_check"), ["ok"]);
    println!(
        "test killed_in_mid_flow ... ok ({KILLS} kills, {} batches acknowledged, {} there)",
        acknowledged.len(),
        there.len()
    );
}
