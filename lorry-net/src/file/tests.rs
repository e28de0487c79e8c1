#![allow(clippy::unwrap_used, clippy::panic)]
use super::sink::Disk;
use super::*;
use crate::writer::Destination;
use lorry_core::registry::{Registry, Size};
use lorry_core::relay::{
    Batch, Chunk, Context, Event, Guarantee, Identity, LaneId, LaneKey, Position, Settled, Sink, Source,
};
use lorry_core::{Class, ErrorKind, Message, Result};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, timeout};

fn append(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn followed() -> FileSourceOptions {
    FileSourceOptions { follow: true, ..FileSourceOptions::default() }
}

async fn opened(path: &Path, options: FileSourceOptions) -> FileSource {
    let mut source = FileSource::new(path, options);
    source.open(Context::detached("filesrc0")).await.unwrap();
    source
}

async fn lane(source: &mut FileSource) -> (LaneId, LaneKey) {
    match source.next(256).await.unwrap() {
        Event::LaneOpened(lane, key) => (lane, key),
        other => panic!("{other:?}"),
    }
}

async fn chunk(source: &mut FileSource, limit: usize) -> Option<Chunk> {
    match source.next(limit).await.unwrap() {
        Event::Chunk(chunk) => Some(chunk),
        Event::End => None,
        other => panic!("{other:?}"),
    }
}

fn texts(chunk: &Chunk) -> Vec<String> {
    chunk.values.iter().map(|message| message.text().unwrap().to_owned()).collect()
}

async fn rest(source: &mut FileSource, limit: usize) -> Vec<(String, u64)> {
    let mut lines = Vec::new();
    while let Some(chunk) = chunk(source, limit).await {
        assert!(chunk.values.len() <= limit);
        lines.extend(texts(&chunk).into_iter().enumerate().map(|(index, text)| (text, chunk.at.position(index).0)));
    }
    lines
}

#[tokio::test]
async fn positions_lie_behind_the_lines_whatever_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let expected: Vec<_> = (0..20_000).map(|n| format!("line {n} {}", "x".repeat(n % 50))).collect();
    fs::write(&path, expected.join("\n")).unwrap();
    for limit in [1, 7, 256, 10_000] {
        let mut source = opened(&path, FileSourceOptions::default()).await;
        lane(&mut source).await;
        let lines = rest(&mut source, limit).await;
        let mut end = 0;
        for ((text, position), expected) in lines.iter().zip(&expected) {
            end += expected.len() as u64 + 1;
            assert_eq!((text, *position), (expected, end.min(fs::metadata(&path).unwrap().len())));
        }
        assert_eq!(lines.len(), expected.len());
    }
}

#[tokio::test]
async fn resumes_behind_a_settled_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let mut source = opened(&path, FileSourceOptions::default()).await;
    let (id, key) = lane(&mut source).await;
    assert_eq!(texts(&chunk(&mut source, 2).await.unwrap()), ["one", "two"]);
    source.settle(vec![Settled::UpTo(id, Position(4))]).await.unwrap();

    // The same source, opened again after an error.
    source.open(Context::detached("filesrc0")).await.unwrap();
    let (again, same) = lane(&mut source).await;
    assert!(again != id && same == key);
    assert_eq!(rest(&mut source, 256).await, [("two".into(), 8), ("three".into(), 14)]);

    // Another process.
    let mut context = Context::detached("filesrc0");
    context.start = [(key, Position(8))].into_iter().collect();
    let mut source = FileSource::new(&path, FileSourceOptions::default());
    source.open(context).await.unwrap();
    lane(&mut source).await;
    assert_eq!(rest(&mut source, 256).await, [("three".into(), 14)]);
}

#[tokio::test]
async fn a_file_shorter_than_its_position_begins_anew_under_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    fs::write(&path, "new\n").unwrap();
    let mut source = opened(&path, FileSourceOptions::default()).await;
    let (_, key) = lane(&mut source).await;
    let mut context = Context::detached("filesrc0");
    context.start = [(key.clone(), Position(400))].into_iter().collect();
    source.open(context).await.unwrap();
    let (_, second) = lane(&mut source).await;
    assert_ne!(second, key);
    assert_eq!(rest(&mut source, 256).await, [("new".into(), 4)]);
    // And again: the second generation's position is taken up.
    let mut context = Context::detached("filesrc0");
    context.start = [(key, Position(400)), (second.clone(), Position(4))].into_iter().collect();
    source.open(context).await.unwrap();
    assert_eq!(lane(&mut source).await.1, second);
    assert_eq!(rest(&mut source, 256).await, []);
}

#[tokio::test]
async fn a_line_too_long_is_refused_and_the_stream_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    let long = "x".repeat(1_000_000);
    fs::write(&path, format!("a\n{long}\nb\n{long}")).unwrap();
    let mut source = opened(&path, FileSourceOptions { max_size: Size(1_000), ..FileSourceOptions::default() }).await;
    lane(&mut source).await;
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["a"]);
    for (offset, end, next) in [(2, 1_000_003, Some("b")), (1_000_005, 2_000_005, None)] {
        let refused = chunk(&mut source, 256).await.unwrap();
        let [(0, error)] = &refused.refused[..] else { panic!("{refused:?}") };
        assert_eq!((error.class(), error.kind()), (Class::Data, ErrorKind::TooLarge));
        assert!(error.to_string().contains(&format!("offset: {offset}")), "{error}");
        assert_eq!((refused.values.len(), refused.at.position(0)), (1, Position(end)), "it has a place");
        assert_eq!(chunk(&mut source, 256).await.map(|chunk| texts(&chunk).concat()).as_deref(), next);
    }
}

#[tokio::test]
async fn json_lines_are_stamped_and_raw_keeps_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.txt");
    fs::write(&path, b"{}\r\n\xff\n").unwrap();
    let mut source =
        opened(&path, FileSourceOptions { format: crate::Format::Json, ..FileSourceOptions::default() }).await;
    lane(&mut source).await;
    let got = chunk(&mut source, 256).await.unwrap();
    assert_eq!(got.values[0].properties().content_type.as_deref(), Some("application/json"));
    assert_eq!((got.values[0].bytes(), got.values[1].bytes()), (b"{}".as_slice(), b"\xff".as_slice()));
    assert_eq!(got.values[0].address.as_str(), path.to_str().unwrap());
    let mut source =
        opened(&path, FileSourceOptions { format: crate::Format::Raw, ..FileSourceOptions::default() }).await;
    lane(&mut source).await;
    assert_eq!(chunk(&mut source, 256).await.unwrap().values[0].bytes(), b"{}\r\n\xff\n");
}

#[tokio::test(start_paused = true)]
async fn following_on_virtual_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    fs::write(&path, "one\nunfin").unwrap();
    let mut source = opened(&path, followed()).await;
    lane(&mut source).await;
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["one"]);
    // Nothing comes, however often it looks, and nothing is lost by cancelling.
    for _ in 0..10 {
        assert!(timeout(Duration::from_millis(333), source.next(256)).await.is_err());
    }
    append(&path, "ished\ntwo\n");
    let began = Instant::now();
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["unfinished", "two"]);
    assert!(began.elapsed() <= Duration::from_millis(251));
}

#[tokio::test(start_paused = true)]
async fn following_through_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("in.log"), dir.path().join("in.log.1"));
    fs::write(&path, "one\n").unwrap();
    let mut source = opened(&path, followed()).await;
    let first = lane(&mut source).await;
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["one"]);
    assert!(timeout(Duration::from_secs(1), source.next(256)).await.is_err());
    // Written behind our back just before the rename; the last line has no end.
    append(&path, "two\nlast");
    fs::rename(&path, &old).unwrap();
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["two"]);
    assert!(timeout(Duration::from_secs(1), source.next(256)).await.is_err(), "the new file is not there yet");
    fs::write(&path, "three\n").unwrap();
    let tail = chunk(&mut source, 256).await.unwrap();
    assert_eq!((texts(&tail), tail.lane, tail.at.position(0)), (vec!["last".to_owned()], first.0, Position(12)));
    let second = lane(&mut source).await;
    assert!(second.0 > first.0 && second.1 != first.1);
    let got = chunk(&mut source, 256).await.unwrap();
    assert_eq!((texts(&got), got.lane, got.at.position(0)), (vec!["three".to_owned()], second.0, Position(6)));
}

#[tokio::test(start_paused = true)]
async fn following_through_truncation() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    fs::write(&path, "one\ntwo\n").unwrap();
    let mut source = opened(&path, followed()).await;
    let first = lane(&mut source).await;
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["one", "two"]);
    assert!(timeout(Duration::from_secs(1), source.next(256)).await.is_err());
    fs::write(&path, "new\n").unwrap();
    let second = lane(&mut source).await;
    assert!(second.0 > first.0 && second.1 != first.1);
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["new"]);
}

/// The events up to the moment when nothing more comes: a line each, lanes as `lane`.
async fn story(source: &mut FileSource) -> Vec<String> {
    let mut story = Vec::new();
    while let Ok(event) = timeout(Duration::from_secs(2), source.next(256)).await {
        match event.unwrap() {
            Event::LaneOpened(..) => story.push("lane".to_owned()),
            Event::Chunk(chunk) => story.extend(texts(&chunk)),
            other => panic!("{other:?}"),
        }
    }
    story
}

fn many(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{name}{n}")).collect()
}

fn write_lines(path: &Path, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// As a sink that is away makes it: nobody asks for the next lines.
async fn nobody_reads() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn files_that_come_and_go_while_nobody_reads_are_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    let files = [many("a", 40_000), many("b", 5_000), many("c", 5_000)];
    write_lines(&path, &files[0]);
    let mut source = opened(&path, followed()).await;
    lane(&mut source).await;
    let mut expected = files[0][texts(&chunk(&mut source, 256).await.unwrap()).len()..].to_vec();
    for lines in &files[1..] {
        nobody_reads().await;
        fs::rename(&path, dir.path().join("old")).unwrap();
        write_lines(&path, lines);
        expected.push("lane".to_owned());
        expected.extend_from_slice(lines);
    }
    assert!(story(&mut source).await == expected, "something is missing");
}

#[tokio::test(start_paused = true)]
async fn more_files_than_may_wait_are_not_opened_and_the_newest_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    fs::write(&path, "0\n").unwrap();
    let mut source = opened(&path, followed()).await;
    for n in 1..=100 {
        nobody_reads().await;
        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::write(&path, format!("{n}\n")).unwrap();
    }
    let read = (0..=64).chain([100]);
    assert_eq!(story(&mut source).await, read.flat_map(|n| ["lane".to_owned(), n.to_string()]).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_file_truncated_and_grown_while_nobody_reads_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    write_lines(&path, &many("a", 40_000));
    let mut source = opened(&path, followed()).await;
    lane(&mut source).await;
    chunk(&mut source, 256).await.unwrap();
    nobody_reads().await;
    fs::write(&path, "").unwrap();
    nobody_reads().await;
    let new = many("new", 50_000);
    write_lines(&path, &new);
    let story = story(&mut source).await;
    let began = story.iter().position(|line| line == "lane").expect("the truncation went unnoticed");
    assert!(story[began + 1..] == new, "it was not read from its beginning");
}

/// As logrotate does it: the new file is there before the program that writes is told to take it.
#[tokio::test(start_paused = true)]
async fn what_is_written_into_the_old_file_after_the_new_one_is_there_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    fs::write(&path, "one\n").unwrap();
    let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
    let mut source = opened(&path, followed()).await;
    assert_eq!(story(&mut source).await, ["lane", "one"]);
    fs::rename(&path, dir.path().join("in.log.1")).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(story(&mut source).await, [""; 0]);
    writer.write_all(b"two\n").unwrap();
    assert_eq!(story(&mut source).await, ["two"]);
    append(&path, "three\n");
    assert_eq!(story(&mut source).await, ["lane", "three"]);
}

/// A file system gives the number of a deleted file to the next one; here the file itself comes back.
#[tokio::test(start_paused = true)]
async fn what_was_settled_of_one_file_says_nothing_of_another_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("in.log"), dir.path().join("old"));
    fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let mut source = opened(&path, followed()).await;
    let (first, _) = lane(&mut source).await;
    chunk(&mut source, 256).await.unwrap();
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "between\n").unwrap();
    assert_eq!(story(&mut source).await, ["lane", "between"]);
    fs::write(&old, "four\n").unwrap();
    fs::rename(&old, &path).unwrap();
    assert_eq!(story(&mut source).await, ["lane", "four"]);
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "five\n").unwrap();
    assert_eq!(story(&mut source).await, ["lane", "five"]);
    // All but "three": that is as far as "four" goes, and further.
    source.settle(vec![Settled::UpTo(first, Position(8))]).await.unwrap();
    assert_eq!(story(&mut source).await, [""; 0], "neither \"three\" nor \"four\" is settled");
}

/// Neither the source nor the ledger of its relay keeps what is over, and reading goes on where it should afterwards.
#[tokio::test(start_paused = true)]
async fn what_is_rotated_away_and_settled_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.log");
    fs::write(&path, "0\n").unwrap();
    let mut source = opened(&path, followed()).await;
    let mut current = lane(&mut source).await;
    for n in 0..100 {
        let got = chunk(&mut source, 256).await.unwrap();
        assert_eq!((texts(&got), got.lane), (vec![n.to_string()], current.0));
        if n % 2 == 0 {
            fs::rename(&path, dir.path().join("old")).unwrap();
        }
        // Another file, or the same truncated.
        fs::write(&path, "").unwrap();
        if n % 2 == 0 {
            append(&path, &format!("{}\n", n + 1));
        }
        let before = std::mem::replace(&mut current, lane(&mut source).await).0;
        source.settle(vec![Settled::UpTo(before, got.at.position(0))]).await.unwrap();
        let event = timeout(Duration::from_secs(1), source.next(256)).await.expect("the lane is kept");
        assert!(matches!(event.unwrap(), Event::LaneLost(lost) if lost == before));
        if n % 2 == 1 {
            append(&path, &format!("{}\n", n + 1));
        }
    }
    // After an error, although what was settled of the versions before is forgotten.
    source.open(Context::detached("filesrc0")).await.unwrap();
    assert_eq!(lane(&mut source).await.1, current.1);
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["100"]);
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let mut source = FileSource::new("/nonexistent/in.txt", FileSourceOptions::default());
    let error = source.open(Context::detached("filesrc0")).await.unwrap_err();
    assert_eq!((error.class(), error.kind()), (Class::Config, ErrorKind::NotFound));
    assert!(error.to_string().contains("/nonexistent/in.txt"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let error =
        FileSource::new(dir.path(), FileSourceOptions::default()).open(Context::detached("f")).await.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    let error = FileSink::new("/nonexistent/out.txt", FileSinkOptions::default())
        .open(Context::detached("f"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert!(error.to_string().contains("\"/nonexistent\" does not exist"), "{error}");
}

#[test]
fn addresses() {
    let path = |text: &str| path(&Uri::parse(text).unwrap()).map(|path| path.display().to_string());
    assert_eq!(path("file:///a/b%20c.txt").unwrap(), "/a/b c.txt");
    assert_eq!(path("file://localhost/a").unwrap(), "/a");
    assert_eq!(path("file:rel/x.txt").unwrap(), "rel/x.txt");
    assert_eq!(path("file:/abs?follow=true").unwrap(), "/abs");
    assert!(path("file://rel/x").unwrap_err().to_string().contains("file:rel/x"));
    assert!(path("file:").is_err() && path("file://").is_err());
    let mut registry = Registry::new();
    crate::register(&mut registry);
    let sink = |uri: &str| registry.sink(uri).err().map(|error| error.to_string());
    assert_eq!(sink("file:///tmp/x?if_exists=append&fsync=batch"), None);
    assert!(sink("file:///tmp/x?if-exists=apend").unwrap().contains("did you mean \"append\""));
    assert!(sink("file:///tmp/x?format=csv").unwrap().contains("lines, json, raw"));
    assert!(sink("file:///tmp/{{ topic }}").unwrap().contains("template"));
    let named = registry.make_named("filesink", &[("location".into(), "/tmp/a b?.txt".into())]).unwrap();
    let lorry_core::registry::Element::Sink(sink) = named else { panic!() };
    assert_eq!(sink.info(&Identity::default()).identity, "/tmp/a b?.txt");
}

async fn send(sink: &mut FileSink, texts: &[&str]) -> Result<(), lorry_core::relay::Failures> {
    let messages = texts.iter().map(|text| Message::new((*text).to_owned())).collect();
    sink.send(Batch::new(messages)).await.unwrap().await
}

#[tokio::test]
async fn appending_replacing_refusing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    let options = |if_exists| FileSinkOptions { if_exists, fsync: Fsync::Batch, ..FileSinkOptions::default() };
    // A line that somebody left unfinished is not glued to ours.
    fs::write(&path, "torn").unwrap();
    let mut sink = FileSink::new(&path, options(IfExists::Append));
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["a", "b\nc"]).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "torn\na\nb\nc\n");

    let mut sink = FileSink::new(&path, options(IfExists::Fail));
    assert_eq!(sink.open(Context::detached("s")).await.unwrap_err().class(), Class::Config);
    fs::remove_file(&path).unwrap();
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["mine"]).await.unwrap();
    sink.open(Context::detached("s")).await.expect("its own file, opened again");

    let mut sink = FileSink::new(&path, options(IfExists::Replace));
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["new"]).await.unwrap();
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["kept"]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\nkept\n");
    let mut context = Context::detached("s");
    context.identity.name = Some("weather".into());
    assert_eq!(
        FileSink::new(&path, options(IfExists::Replace)).open(context).await.unwrap_err().kind(),
        ErrorKind::Usage
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "new\nkept\n");
}

#[tokio::test]
async fn a_file_that_was_removed_or_moved_is_followed_by_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("out.txt"), dir.path().join("out.txt.1"));
    let mut sink = FileSink::new(&path, FileSinkOptions { if_exists: IfExists::Fail, ..FileSinkOptions::default() });
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["one"]).await.unwrap();
    fs::remove_file(&path).unwrap();
    send(&mut sink, &["two"]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    fs::rename(&path, &old).unwrap();
    send(&mut sink, &["three"]).await.unwrap();
    // Somebody has made the new file already.
    fs::rename(&path, &old).unwrap();
    fs::write(&path, "theirs\n").unwrap();
    send(&mut sink, &["four"]).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs\nfour\n");
    assert_eq!(fs::read_to_string(&old).unwrap(), "three\n");
}

#[test]
fn what_was_written_into_a_removed_file_is_written_again_and_into_a_moved_one_not() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("out.txt"), dir.path().join("out.txt.1"));
    let open = || Disk::open(path.clone(), IfExists::Append, crate::Format::Lines, Fsync::Never).unwrap();
    let mut disk = open();
    // Between the look before the write and the one after it.
    fs::remove_file(&path).unwrap();
    disk.append(b"one\n").unwrap();
    assert_eq!(disk.check_kept().unwrap_err().class(), Class::Transient);
    disk.write(b"one\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    fs::rename(&path, &old).unwrap();
    disk.append(b"two\n").unwrap();
    disk.check_kept().unwrap();
    disk.write(b"three\n").unwrap();
    assert_eq!(fs::read_to_string(&old).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
}

#[cfg(target_os = "linux")]
#[test]
fn an_open_descriptor_by_its_name_is_left_alone() {
    use std::os::fd::AsRawFd;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.txt");
    let file = fs::File::create(&path).unwrap();
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut disk = Disk::open(name.into(), IfExists::Append, crate::Format::Lines, Fsync::Never).unwrap();
    // As of standard output into a file that was removed: the name leads to it still, and there is no better one.
    fs::remove_file(&path).unwrap();
    disk.write(b"one\n").unwrap();
    assert_eq!(file.metadata().unwrap().len(), 4);
}

/// As of standard output into a program that has ended: nobody can read from that pipe again. One with a name may get another reader.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_without_a_name_and_without_a_reader_is_final() {
    use std::os::fd::AsRawFd;
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&named).status().unwrap().success());
    let mut reader = Command::new("cat").arg(&named).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut other = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let unnamed = format!("/proc/self/fd/{}", other.stdin.as_ref().unwrap().as_raw_fd());
    let open = |path: &Path| Disk::open(path.into(), IfExists::Append, crate::Format::Lines, Fsync::Never).unwrap();
    let mut disks = [open(&named), open(Path::new(&unnamed))];
    for child in [&mut reader, &mut other] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let [named, unnamed] = disks.each_mut().map(|disk| disk.write(b"x\n").unwrap_err().1);
    assert_eq!(named.class(), Class::Transient);
    assert_eq!((unnamed.class(), unnamed.kind()), (Class::Config, ErrorKind::Closed));
}

#[tokio::test]
async fn without_its_folder_a_file_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let mut sink = FileSink::new(folder.join("out.txt"), FileSinkOptions::default());
    sink.open(Context::detached("s")).await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let failures = send(&mut sink, &["one", "two"]).await.unwrap_err().into_vec();
    assert_eq!((failures.len(), failures[0].error.kind()), (2, ErrorKind::NotFound));
    fs::create_dir(&folder).unwrap();
    send(&mut sink, &["one", "two"]).await.unwrap();
    assert_eq!(fs::read_to_string(folder.join("out.txt")).unwrap(), "one\ntwo\n");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_transient() {
    let mut sink = FileSink::new("/dev/full", FileSinkOptions::default());
    sink.open(Context::detached("s")).await.unwrap();
    let failures = send(&mut sink, &["a", "b"]).await.unwrap_err().into_vec();
    assert_eq!(failures.len(), 2);
    assert_eq!(failures[0].error.class(), Class::Transient);
    assert!(failures[0].error.to_string().contains("/dev/full"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_is_read_and_written_and_best_effort() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut source = opened(&path, FileSourceOptions::default()).await;
    assert_eq!(source.info(&Identity::default()).guarantee, Guarantee::BestEffort);
    let mut sink = FileSink::new(&path, FileSinkOptions::default());
    sink.open(Context::detached("s")).await.unwrap();
    send(&mut sink, &["a", "b"]).await.unwrap();
    assert_eq!(texts(&chunk(&mut source, 256).await.unwrap()), ["a", "b"]);
    sink.close().await.unwrap();
    assert!(chunk(&mut source, 256).await.is_none());
    assert!(opened_following_fails(&path).await);
}

#[cfg(unix)]
async fn opened_following_fails(path: &Path) -> bool {
    FileSource::new(path, followed()).open(Context::detached("f")).await.is_err()
}
