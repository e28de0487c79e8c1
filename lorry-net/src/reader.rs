//! From bytes to chunks of messages: the part that all line sources share.

use crate::error::{io_error, panicked, too_long};
use crate::framing::{Format, Framer, TooLong};
use bytes::Bytes;
use lorry_core::relay::{Chunk, Event, LaneId, Position};
use lorry_core::{Address, Error, Message, Meta, Result};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Messages in one chunk: what the runtime asks for at most.
const CHUNK: usize = 256;

/// Chunks in one turn, so that a buffer full of empty lines does not become a hundred thousand messages at once.
const CHUNKS: usize = 16;

/// What all messages of a stream have in common.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) address: String,
    pub(crate) format: Format,
}

/// What one turn of reading brought.
#[derive(Debug, Default)]
pub(crate) struct Portion {
    pub(crate) ready: VecDeque<Event>,
    /// The stream gave nothing more.
    pub(crate) ended: bool,
}

/// Reads a stream in turns and cuts it into chunks.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) lane: LaneId,
    pub(crate) framer: Framer,
    stamp: Stamp,
    max: usize,
}

impl Reader {
    /// For a stream read from this offset.
    pub(crate) fn new(lane: LaneId, stamp: Stamp, max: usize, offset: u64) -> Self {
        Self { lane, framer: Framer::new(stamp.format, max, offset), stamp, max }
    }

    /// The same for the next lane, from the beginning of a stream.
    pub(crate) fn again(&self) -> Self {
        Self::new(LaneId(self.lane.0 + 1), self.stamp.clone(), self.max, 0)
    }

    /// Cuts what was read, and reads if that gives nothing: until there is at least one message, or the stream gives no more.
    pub(crate) fn turn(&mut self, from: &mut impl Read) -> io::Result<Portion> {
        let mut portion = Portion::default();
        loop {
            for _ in 0..CHUNKS {
                if !self.cut(&mut portion) {
                    break;
                }
            }
            if !portion.ready.is_empty() {
                return Ok(portion);
            }
            match read(from, self.framer.space())? {
                0 => {
                    portion.ended = true;
                    return Ok(portion);
                }
                count => self.framer.filled(count),
            }
        }
    }

    /// What stands unterminated at the end of the stream.
    pub(crate) fn finish(&mut self, portion: &mut Portion) {
        match self.framer.finish() {
            Ok(None) => {}
            Ok(Some((rest, end))) => {
                let message = Message { payload: Some(rest), ..self.template() };
                let chunk = Chunk::positioned(self.lane, vec![message], vec![Position(end)]);
                portion.ready.push_back(Event::Chunk(chunk));
            }
            Err(error) => portion.ready.push_back(self.refuse(error)),
        }
    }

    fn cut(&mut self, portion: &mut Portion) -> bool {
        let template = self.template();
        let (mut values, mut positions) = (Vec::with_capacity(CHUNK), Vec::with_capacity(CHUNK));
        let cut = self.framer.cut(CHUNK, |payload: Bytes, end| {
            values.push(Message { payload: Some(payload), ..template.clone() });
            positions.push(Position(end));
        });
        match cut {
            Ok(0) => return false,
            Ok(_) => portion.ready.push_back(Event::Chunk(Chunk::positioned(self.lane, values, positions))),
            Err(error) => portion.ready.push_back(self.refuse(error)),
        }
        true
    }

    /// A message without payload in the place of a line that nobody keeps in memory.
    fn refuse(&self, line: TooLong) -> Event {
        let mut chunk = Chunk::positioned(self.lane, vec![self.template()], vec![Position(line.end)]);
        chunk.refuse(0, too_long(line.offset, self.max));
        Event::Chunk(chunk)
    }

    /// Made anew for each chunk: the reference counts of address and metadata are then not fought over with the threads on which
    /// earlier chunks are dropped.
    fn template(&self) -> Message {
        let meta = (self.stamp.format == Format::Json).then(|| {
            let mut meta = Meta::default();
            meta.properties.content_type = Some("application/json".into());
            Arc::new(meta)
        });
        Message { address: Address::from(self.stamp.address.as_str()), meta, ..Message::default() }
    }
}

/// Hands out chunks no longer than asked for.
#[derive(Debug, Default)]
pub(crate) struct Ready(VecDeque<Event>);

impl Ready {
    /// More to hand out.
    pub(crate) fn add(&mut self, portion: Portion) {
        self.0.extend(portion.ready);
    }

    /// One event of them.
    pub(crate) fn push(&mut self, event: Event) {
        self.0.push_back(event);
    }

    /// The next event; a chunk of at most `limit` messages.
    pub(crate) fn take(&mut self, limit: usize) -> Option<Event> {
        let mut event = self.0.pop_front()?;
        if let Event::Chunk(chunk) = &mut event
            && chunk.values.len() > limit
        {
            self.0.push_front(Event::Chunk(chunk.split_off(limit)));
        }
        Some(event)
    }
}

/// A stream that is read by a thread of its own: standard input, a pipe, a device. A read that never returns keeps neither the
/// runtime nor the process from ending, since nobody waits for the thread.
#[derive(Debug)]
pub(crate) struct ReaderThread {
    portions: mpsc::Receiver<Result<Portion>>,
    ready: Ready,
    /// The last portion is here.
    ended: bool,
}

impl ReaderThread {
    /// Starts to read what `open` opens, on the thread. `op` names the reading in errors.
    pub(crate) fn start<R: Read>(
        op: &'static str,
        mut reader: Reader,
        open: impl FnOnce() -> Result<R> + Send + 'static,
    ) -> Result<Self> {
        // One portion waits while the next is read: enough to overlap, little to lose.
        let (sender, portions) = mpsc::channel(1);
        let read = move || {
            let mut from = match open() {
                Ok(from) => from,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            loop {
                let portion = reader.turn(&mut from).map_err(|error| io_error(op, error)).map(|mut portion| {
                    if portion.ended {
                        reader.finish(&mut portion);
                    }
                    portion
                });
                let last = portion.as_ref().map_or(true, |portion| portion.ended);
                if sender.blocking_send(portion).is_err() || last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("lorry-read".to_owned()).spawn(read);
        thread.map_err(|error| io_error("start a thread", error))?;
        Ok(Self { portions, ready: Ready::default(), ended: false })
    }

    /// The next event; [`Event::End`] at the end. Cancel-safe.
    pub(crate) async fn next(&mut self, limit: usize) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.take(limit) {
                return Ok(event);
            }
            match self.portions.recv().await {
                Some(portion) => {
                    let portion = portion?;
                    self.ended = portion.ended;
                    self.ready.add(portion);
                }
                None if self.ended => return Ok(Event::End),
                None => return Err(panicked("read", "the reading thread has panicked")),
            }
        }
    }
}

/// Reads once, whatever interrupts.
fn read(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever gave us the descriptor set it so; there is nothing to wait on, and little to come.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
}

/// The reason a reading element gives when `next` was called on what is not open.
pub(crate) fn not_open() -> Error {
    Error::new(lorry_core::ErrorKind::Closed, lorry_core::Class::Config, "", "the element is not open")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    struct Panics;

    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("a fault in the code")
        }
    }

    #[tokio::test]
    async fn a_panic_is_not_the_end_of_the_stream() {
        let stamp = Stamp { address: String::new(), format: Format::Lines };
        let reader = Reader::new(LaneId(0), stamp, 100, 0);
        let mut thread = ReaderThread::start("read", reader, || Ok(Panics)).unwrap();
        let error = thread.next(9).await.unwrap_err();
        assert_eq!((error.kind(), error.class()), (lorry_core::ErrorKind::Panic, lorry_core::Class::Config));
    }
}
