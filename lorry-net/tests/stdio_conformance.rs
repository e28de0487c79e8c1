//! The conformance suite of the test kit, on this very process's standard input and output: each case has a pipe, or a file, put in
//! their place. A program of its own, since a process has them only once.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::Message;
use lorry_core::registry::Registry;
use lorry_testkit::conformance::{self, Case, Harness, SinkHarness, SourceHarness, Summary};
use std::fs::{self, File};
use std::io::{PipeWriter, Write};
use std::path::PathBuf;
use tempfile::TempDir;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let summary = conformance::source(&mut Stdin(None)).await;
    use Case::*;
    assert_left_out(&summary, &[Passwords, ComesAgain, StaysAway, ComesBack]);
    println!("test stdin_conforms ... ok");

    let terminal = rustix::io::dup(std::io::stdout()).unwrap();
    let summary = conformance::sink(&mut Stdout { folder: tempfile::tempdir().unwrap(), case: 0 }).await;
    rustix::stdio::dup2_stdout(terminal).unwrap();
    assert_left_out(&summary, &[Passwords, Refused, Positions, Away, MidFlow]);
    println!("test stdout_conforms ... ok");
}

fn assert_left_out(summary: &Summary, expected: &[Case]) {
    let left_out: Vec<_> = summary.left_out.iter().map(|(case, _)| *case).collect();
    assert_eq!(left_out, expected, "{summary}");
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    lorry_net::register(&mut registry);
    registry
}

fn samples() -> Vec<Message> {
    [b"plain".as_slice(), b"", "  küche ☃\t".as_bytes(), &[0, 255, 13, 1]].map(Message::new).to_vec()
}

/// The other end of what is standard input just now.
struct Stdin(Option<PipeWriter>);

#[lorry_core::async_trait]
impl Harness for Stdin {
    fn registry(&self) -> Registry {
        registry()
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::Passwords => Some("standard input knows no login"),
            Case::ComesBack => Some("standard input that has ended does not begin again"),
            _ => None,
        }
    }

    async fn fresh(&mut self) -> String {
        let (reader, writer) = std::io::pipe().unwrap();
        rustix::stdio::dup2_stdin(reader).unwrap();
        self.0 = Some(writer);
        "stdin:".to_owned()
    }

    fn samples(&self) -> Vec<Message> {
        samples()
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![
            ("stdi:".into(), "did you mean"),
            ("stdin://somewhere".into(), "means nothing"),
            ("stdin:?format=xml".into(), "format"),
        ]
    }
}

#[lorry_core::async_trait]
impl SourceHarness for Stdin {
    async fn feed(&mut self, _: &str, messages: &[Message]) {
        let mut writer = self.0.take().unwrap();
        for message in messages {
            writer.write_all(message.bytes()).unwrap();
            writer.write_all(b"\n").unwrap();
        }
    }

    fn ends(&self) -> bool {
        true
    }
}

/// A file of each case, which is standard output just now.
struct Stdout {
    folder: TempDir,
    case: usize,
}

impl Stdout {
    fn file(&self) -> PathBuf {
        self.folder.path().join(self.case.to_string())
    }
}

#[lorry_core::async_trait]
impl Harness for Stdout {
    fn registry(&self) -> Registry {
        registry()
    }

    fn exempt(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::Passwords => Some("standard output knows no login"),
            Case::Refused => Some("standard output takes whatever is bytes"),
            Case::Away | Case::MidFlow => Some("a reader of standard output that has gone does not come back"),
            _ => None,
        }
    }

    async fn fresh(&mut self) -> String {
        self.case += 1;
        rustix::stdio::dup2_stdout(File::create(self.file()).unwrap()).unwrap();
        "stdout:".to_owned()
    }

    fn samples(&self) -> Vec<Message> {
        samples()
    }

    fn bad_addresses(&self) -> Vec<(String, &'static str)> {
        vec![("stdou:".into(), "did you mean"), ("stdout:somewhere".into(), "means nothing")]
    }
}

#[lorry_core::async_trait]
impl SinkHarness for Stdout {
    async fn read(&mut self, _: &str, _: usize) -> Vec<Message> {
        // What was confirmed is written: nothing to wait for.
        let bytes = fs::read(self.file()).unwrap();
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| Message::new(line[..line.len() - 1].to_vec())).collect()
    }
}
