#![allow(clippy::unwrap_used, clippy::panic)]
use super::sink::Stdout;
use crate::framing::Format;
use crate::writer::Writer;
use lorry_core::relay::{Batch, Failures};
use lorry_core::{Class, ErrorKind, Message};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Takes `room` bytes, at most seven at a time, then fails.
struct Narrow {
    room: usize,
    error: io::ErrorKind,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(7).min(self.room);
        if count == 0 {
            return Err(self.error.into());
        }
        self.room -= count;
        self.got.lock().unwrap().extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn write(
    room: usize,
    error: io::ErrorKind,
    format: Format,
    messages: Vec<Message>,
) -> (Vec<u8>, Result<(), Failures>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let narrow = Narrow { room, error, got: got.clone() };
    let writer = Writer::start(format, move || Ok(Stdout(narrow))).await.unwrap();
    let result = writer.send(Batch::new(messages)).await.unwrap().await;
    writer.close().await.unwrap();
    let got = got.lock().unwrap().clone();
    (got, result)
}

fn messages() -> Vec<Message> {
    vec![
        Message::new("alpha"),
        Message::new(vec![0xff, 0, b'\n', b'x']),
        Message::new(""),
        Message::tombstone(),
        Message::new("omega"),
    ]
}

#[tokio::test]
async fn payload_and_line_end_and_nothing_else() {
    let (got, result) = write(1_000, io::ErrorKind::Other, Format::Lines, messages()).await;
    assert!(result.is_ok());
    assert_eq!(got, b"alpha\n\xff\0\nx\n\n\nomega\n");
    let (got, _) = write(1_000, io::ErrorKind::Other, Format::Raw, messages()).await;
    assert_eq!(got, b"alpha\xff\0\nxomega");
}

#[tokio::test]
async fn a_closed_pipe_is_of_kind_closed_and_counts_what_was_written() {
    let (got, result) = write(13, io::ErrorKind::BrokenPipe, Format::Lines, messages()).await;
    assert_eq!(got.len(), 13);
    let failures = result.unwrap_err().into_vec();
    // 6 + 5 + 1 + 1 bytes: the first four are out, the fifth is not.
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [4]);
    let error = &failures[0].error;
    assert_eq!((error.kind(), error.class(), error.op()), (ErrorKind::Closed, Class::Config, "write stdout"));
}

#[tokio::test]
async fn a_full_disk_passes() {
    let (_, result) = write(3, io::ErrorKind::StorageFull, Format::Lines, messages()).await;
    let failures = result.unwrap_err().into_vec();
    assert_eq!(failures.len(), 5);
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Transient));
}
