//! Starts a mosquitto and a PostgreSQL to try things out with; they end with this program (Enter, end of input, or a kill).
#![allow(clippy::panic)]

use lorry_testkit::servers::{Mosquitto, MosquittoOptions, Postgres, PostgresOptions};
use std::io::Write;

fn main() {
    let broker = Mosquitto::start(MosquittoOptions::default());
    let database = Postgres::start(PostgresOptions::default());
    let show = |url: String, pid: Option<u32>, log: std::path::PathBuf| {
        println!("{url} pid {} log {}", pid.unwrap_or_default(), log.display());
    };
    show(broker.url(), broker.pid(), broker.log_file());
    show(database.url(), database.pid(), database.log_file());
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_line(&mut String::new());
}
