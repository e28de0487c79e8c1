//! Files: NDJSON into SQLite beside `sqlite3 .import`, lines to lines beside `cat`.

use crate::child::Relay;
use crate::tools::{Folder, best, ids, ndjson, rate, row, say, scaled, timed};
use std::io::Write;
use std::process::{Command, Stdio};

pub(crate) fn import() {
    let n = scaled(400_000);
    let folder = Folder::new();
    let (source, csv) = (folder.path("in.ndjson"), folder.path("in.csv"));
    ndjson(&source, n);
    let mut file = std::io::BufWriter::new(std::fs::File::create(&csv).unwrap());
    for id in 0..n {
        let temperature = (id * 37 % 1_000) as f64 / 8.0;
        writeln!(
            file,
            "{id},dev-{:02},{temperature:?},{},note number {id}",
            id % 100,
            usize::from(id.is_multiple_of(3))
        )
        .unwrap();
    }
    file.flush().unwrap();
    let mut cpu = f64::MAX;
    let own = best(3, |run| {
        let database = folder.path(&format!("own{run}.db"));
        let sink = format!("sqlite:///{}?table=t", database.display());
        let took = timed(|| cpu = cpu.min(Relay::start(&format!("file:{}", source.display()), &sink, 0, "-").wait()));
        assert_eq!(ids(&database, "t"), (n, n));
        took
    });
    let limit = best(3, |run| {
        let mut shell = Command::new("sqlite3")
            .arg(folder.path(&format!("ref{run}.db")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let script = format!(
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;\nCREATE TABLE t (id INTEGER, device TEXT, temperature REAL, ok BOOLEAN, note TEXT);\n.mode csv\n.import {} t\n",
            csv.display()
        );
        timed(|| {
            shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
            assert!(shell.wait().unwrap().success());
        })
    });
    say("NDJSON file → SQLite, rows", rate(n, own), (".import", rate(n, limit)), 0.8);
    println!("{:<28} {:.2} µs of CPU a row; a row is {} bytes of JSON", "", cpu / n as f64 * 1e6, row(1).len());
}

pub(crate) fn lines() {
    let n = scaled(10_000_000);
    let folder = Folder::new();
    let source = folder.path("in.txt");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&source).unwrap());
    (0..n).for_each(|id| writeln!(file, "this is line number {id:08} of a text file").unwrap());
    file.flush().unwrap();
    let own = best(3, |run| {
        let target = folder.path(&format!("out{run}.txt"));
        let took = timed(|| {
            Relay::start(&format!("file:{}", source.display()), &format!("file:{}", target.display()), 0, "-").wait();
        });
        assert_eq!(std::fs::metadata(&target).unwrap().len(), std::fs::metadata(&source).unwrap().len());
        std::fs::remove_file(target).unwrap();
        took
    });
    let limit = best(3, |_| {
        let target = std::fs::File::create(folder.path("cat.txt")).unwrap();
        timed(|| assert!(Command::new("cat").arg(&source).stdout(target).status().unwrap().success()))
    });
    let rate_own = rate(n, own);
    let verdict = if rate_own >= 5e6 { "reached" } else { "MISSED" };
    println!(
        "{:<28} {rate_own:>12.0}/s   cat     {:>12.0}/s   goal 5000000/s {verdict}",
        "lines file → lines file",
        rate(n, limit)
    );
}
