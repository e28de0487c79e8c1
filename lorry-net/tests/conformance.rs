//! The conformance suite of the test kit, on files and programs. For standard input and output see `stdio.rs`.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::Message;
use lorry_core::registry::{Element, Registry};
use lorry_core::relay::Source;
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness, SourceHarness};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the suite runs on, always over a file of its own for each case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    FileSource,
    FollowingSource,
    FileSink,
    /// A program that prints the file and ends.
    PrintingProgram,
    /// A program that prints the file and waits for more, started again when it dies.
    WaitingProgram,
    ProgramSink,
}

use Kind::*;

struct Files {
    kind: Kind,
    folder: TempDir,
    case: usize,
}

impl Files {
    fn new(kind: Kind) -> Self {
        Self { kind, folder: tempfile::tempdir().unwrap(), case: 0 }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(format!("case{}", self.case))
    }

    fn lines(&self) -> Vec<Message> {
        let bytes = fs::read(self.file()).unwrap();
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| Message::new(line[..line.len() - 1].to_vec())).collect()
    }
}

#[lorry_core::async_trait]
impl Harness for Files {
    fn registry(&self) -> Registry {
        let mut registry = Registry::new();
        lorry_net::register(&mut registry);
        registry
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        match (self.kind, case) {
            (_, Case::Passwords) => Some("it knows no login"),
            (FileSource | FollowingSource | FileSink, Case::ComesBack | Case::Away | Case::MidFlow) => {
                Some("a file has no peer that could be away")
            }
            (FileSink | ProgramSink, Case::Refused) => Some("it takes whatever is bytes"),
            (PrintingProgram | WaitingProgram | ProgramSink, Case::WrongOptions) => {
                Some("all of its address is the command, options are properties in launch text")
            }
            (PrintingProgram, Case::ComesBack) => Some("a program that has ended well is the end of the stream"),
            (ProgramSink, Case::Away | Case::MidFlow) => {
                Some("what lies in the pipe when the program dies nobody can know, as its page says")
            }
            _ => None,
        }
    }

    async fn fresh(&mut self) -> String {
        self.case += 1;
        let file = self.file();
        fs::write(&file, "").unwrap();
        let file = file.display();
        match self.kind {
            FileSource => format!("file://{file}?max-size=1KiB"),
            FollowingSource => format!("file://{file}?follow=true&interval=2ms"),
            FileSink => format!("file://{file}?fsync=batch"),
            PrintingProgram => format!("exec:cat {file}"),
            WaitingProgram => format!("exec:sh -c 'echo $$ > {file}.pid; exec tail -n +1 -f {file}'"),
            ProgramSink => format!("exec:sh -c 'cat >> {file}'"),
        }
    }

    fn samples(&self) -> Vec<Message> {
        let samples = ["plain".into(), "".into(), "  küche ☃\t".into(), vec![0, 255, 13, 1]];
        let path = self.file().display().to_string();
        samples.map(|payload: Vec<u8>| Message::new(payload).at(path.as_str())).to_vec()
    }

    fn view(&self, message: &Message) -> Message {
        let plain = Message { meta: None, timestamp: None, ..message.clone() };
        // All but the reading of files drop the address.
        if matches!(self.kind, FileSource | FollowingSource) { plain } else { plain.at("") }
    }

    async fn break_peer(&mut self) {
        let pid = fs::read_to_string(self.file().with_extension("pid")).unwrap();
        assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        match self.kind {
            FileSource | FollowingSource | FileSink => vec![
                ("fil:///x".into(), "did you mean"),
                ("file://x/y".into(), "\"x\""),
                ("file:".into(), "path"),
                ("file:///x?format=xml".into(), "format"),
            ],
            _ => vec![("exec:".into(), "command"), ("exec:echo 'x".into(), "quote"), ("exe:ls".into(), "did you mean")],
        }
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Files {
    fn source(&self, address: &str) -> Box<dyn Source> {
        let (registry, location) = (self.registry(), ("location".to_owned(), address.to_owned()));
        match self.kind {
            WaitingProgram => {
                match registry.make_named("execsrc", &[location, ("restart".to_owned(), "true".to_owned())]).unwrap() {
                    Element::Source(source) => source,
                    _ => panic!("execsrc is no source"),
                }
            }
            _ => registry.source(address).unwrap(),
        }
    }

    async fn feed(&mut self, _: &str, messages: &[Message]) {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.extend_from_slice(message.bytes());
            bytes.push(b'\n');
        }
        OpenOptions::new().append(true).open(self.file()).unwrap().write_all(&bytes).unwrap();
    }

    fn ends(&self) -> bool {
        matches!(self.kind, FileSource | PrintingProgram)
    }
}

#[lorry_core::async_trait]
impl SinkHarness for Files {
    async fn read(&mut self, _: &str, count: usize) -> Vec<Message> {
        // What was confirmed is in the file, or (a program) on its way there.
        let began = Instant::now();
        while self.lines().len() < count && began.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.lines()
    }
}

async fn source(kind: Kind, left_out: &[Case]) {
    let summary = conformance::source(&mut Files::new(kind)).await;
    assert_eq!(summary.left_out.iter().map(|(case, _)| *case).collect::<Vec<_>>(), left_out, "{summary}");
}

async fn sink(kind: Kind, left_out: &[Case]) {
    let summary = conformance::sink(&mut Files::new(kind)).await;
    assert_eq!(summary.left_out.iter().map(|(case, _)| *case).collect::<Vec<_>>(), left_out, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_read_to_its_end_conforms() {
    source(FileSource, &[Case::Passwords, Case::ComesBack]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followed_file_conforms() {
    source(FollowingSource, &[Case::Passwords, Case::ComesBack]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_conforms() {
    sink(FileSink, &[Case::Passwords, Case::Refused, Case::Positions, Case::Away, Case::MidFlow]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ends_conforms() {
    use Case::*;
    source(PrintingProgram, &[WrongOptions, Passwords, ComesAgain, StaysAway, ComesBack]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_started_again_conforms() {
    use Case::*;
    source(WaitingProgram, &[WrongOptions, Passwords, ComesAgain, StaysAway]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_written_to_conforms() {
    use Case::*;
    sink(ProgramSink, &[WrongOptions, Passwords, Refused, Positions, Away, MidFlow]).await;
}
