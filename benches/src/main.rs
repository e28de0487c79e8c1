//! What Lorry reaches, beside the machine's own limit, measured in one run: machines differ and are noisy, ratios differ less.
//!
//! ```sh
//! cargo run --release -p lorry-benches              # all of them
//! cargo run --release -p lorry-benches -- import    # one
//! LORRY_BENCH_SCALE=0.1 cargo run …                 # fewer messages
//! ```
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod bare;
mod child;
mod files;
mod handover;
mod kill;
mod latency;
mod memory;
mod mqtt;
mod tools;

const ALL: [(&str, fn()); 12] = [
    ("handover", handover::run),
    ("import", files::import),
    ("lines", files::lines),
    ("mqtt-sqlite", mqtt::to_sqlite),
    ("mqtt-postgres", mqtt::to_postgres),
    ("backlog-sqlite", mqtt::backlog_to_sqlite),
    ("backlog-postgres", mqtt::backlog_to_postgres),
    ("mqtt-mqtt", mqtt::to_mqtt),
    ("latency", latency::run),
    ("idle", memory::idle),
    ("still", memory::still),
    ("kill", kill::run),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        // A relay in a process of its own, so that its CPU time and memory are its own.
        Some("relay") => child::relay(&args[1..]),
        None => ALL.iter().for_each(|(_, run)| run()),
        Some(name) => match ALL.iter().find(|(own, _)| *own == name) {
            Some((_, run)) => run(),
            None => {
                let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
                eprintln!("error: no benchmark {name:?}; there are {}", names.join(", "));
                std::process::exit(2);
            }
        },
    }
}
