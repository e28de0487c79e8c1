//! The line reader and writer alone, beside what the machine does at best: `cargo bench -p lorry-net`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_core::relay::{Batch, Context, Event, Sink, Source};
use lorry_net::file::{FileSink, FileSinkOptions, FileSource, FileSourceOptions};
use lorry_net::test::{TestOptions, TestSource};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::time::Instant;

const LINES: usize = 5_000_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for length in [20, 100] {
        let path = dir.path().join("in.txt");
        let mut file = std::io::BufWriter::new(File::create(&path).unwrap());
        (0..LINES).for_each(|n| writeln!(file, "{n:0>length$}").unwrap());
        drop(file);
        let best = |name: &str, run: &mut dyn FnMut() -> usize| {
            let times = (0..3).map(|_| {
                let began = Instant::now();
                assert_eq!(run(), LINES);
                began.elapsed().as_nanos() as f64 / LINES as f64
            });
            println!("{name:<44} {:>7.1} ns/line", times.fold(f64::INFINITY, f64::min));
        };
        println!("{length} bytes a line");
        best("  limit: read and count line ends", &mut || {
            let mut reader = BufReader::with_capacity(128 << 10, File::open(&path).unwrap());
            let mut count = 0;
            loop {
                let block = reader.fill_buf().unwrap();
                if block.is_empty() {
                    return count;
                }
                count += memchr::memchr_iter(b'\n', block).count();
                let used = block.len();
                reader.consume(used);
            }
        });
        best("  limit: a Vec a line (BufRead::split)", &mut || {
            BufReader::with_capacity(128 << 10, File::open(&path).unwrap())
                .split(b'\n')
                .map(|line| assert!(line.unwrap().len() == length))
                .count()
        });
        best("  file source, next(256)", &mut || {
            runtime.block_on(drain(FileSource::new(&path, FileSourceOptions::default())))
        });
        best("  file source to file sink, in turn", &mut || {
            let _ = std::fs::remove_file(dir.path().join("out.txt"));
            let sink = FileSink::new(dir.path().join("out.txt"), FileSinkOptions::default());
            runtime.block_on(copy(FileSource::new(&path, FileSourceOptions::default()), sink))
        });
        best("  whole relay, file to file", &mut || {
            let _ = std::fs::remove_file(dir.path().join("out.txt"));
            let mut registry = Registry::new();
            lorry_net::register(&mut registry);
            let address = |name: &str| format!("file://{}", dir.path().join(name).display());
            let relay = registry.relay(&address("in.txt"), &address("out.txt")).unwrap();
            runtime.block_on(relay.run()).unwrap().delivered as usize
        });
        let values: Vec<_> = (0..4_000).map(|n| Message::new(format!("{n:0>length$}"))).collect();
        let batch = Batch::new(values);
        best("  file sink, batches of 4,000", &mut || {
            let _ = std::fs::remove_file(dir.path().join("out.txt"));
            let mut sink = FileSink::new(dir.path().join("out.txt"), FileSinkOptions::default());
            runtime.block_on(async {
                sink.open(Context::detached("sink")).await.unwrap();
                for _ in 0..LINES / 4_000 {
                    sink.send(batch.clone()).await.unwrap().await.unwrap();
                }
                sink.close().await.unwrap();
            });
            LINES
        });
        let block = vec![b'x'; (length + 1) * 4_000];
        best("  limit: write the same bytes", &mut || {
            let _ = std::fs::remove_file(dir.path().join("out.txt"));
            let mut file = File::create(dir.path().join("out.txt")).unwrap();
            (0..LINES / 4_000).for_each(|_| file.write_all(&block).unwrap());
            LINES
        });
        best("  test source, next(256)", &mut || {
            let options = TestOptions { count: Some(LINES as u64), size: None, ..TestOptions::default() };
            runtime.block_on(drain(TestSource::new(options).unwrap()))
        });
    }
}

async fn drain(source: impl Source) -> usize {
    let mut source = source;
    source.open(Context::detached("source")).await.unwrap();
    let mut count = 0;
    loop {
        match source.next(256).await.unwrap() {
            Event::Chunk(chunk) => count += chunk.values.len(),
            Event::End => return count,
            _ => {}
        }
    }
}

async fn copy(mut source: impl Source, mut sink: impl Sink) -> usize {
    source.open(Context::detached("source")).await.unwrap();
    sink.open(Context::detached("sink")).await.unwrap();
    let (mut count, mut values) = (0, Vec::new());
    loop {
        let event = source.next(256).await.unwrap();
        let end = matches!(event, Event::End);
        if let Event::Chunk(chunk) = event {
            values.extend(chunk.values);
        }
        if values.len() >= 4_000 || end {
            count += values.len();
            sink.send(Batch::new(std::mem::take(&mut values))).await.unwrap().await.unwrap();
        }
        if end {
            sink.close().await.unwrap();
            return count;
        }
    }
}
