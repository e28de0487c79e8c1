//! Where one message ends and the next begins in a stream of bytes. No I/O: whoever reads hands the bytes in.

use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bytes become messages, and messages bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One message a line.
    #[default]
    Lines,
    /// One message a line, stamped `application/json`.
    Json,
    /// Blocks of bytes as they come, at most 64 KiB each; written without anything in between.
    Raw,
}

/// How much is read at once.
pub(crate) const READ: usize = 128 << 10;

/// Messages cut at once share one allocation of about this size at most, so this is what a message that is kept holds.
const SHARED: usize = 64 << 10;

/// Cuts a stream of bytes into messages.
///
/// Bytes arrive in one buffer that is used over and over; complete messages are copied out of it, many in one allocation that
/// fits them. A slow stream's line therefore holds no more memory than itself, and all messages of one cut are counted on one
/// reference count that nobody else touches yet.
#[derive(Debug)]
pub(crate) struct Framer {
    raw: bool,
    max: usize,
    buffer: Vec<u8>,
    /// Of the first byte not cut off yet, in the buffer.
    start: usize,
    /// Up to here there is no line end (if the message at `start` is unfinished).
    scanned: usize,
    /// Of the first free byte.
    end: usize,
    /// Of the byte at `start`, in the stream.
    offset: u64,
    /// A line that is too long is passed over; it begins here.
    skipping: Option<u64>,
    marks: Vec<usize>,
}

/// A line longer than the limit, passed over; cutting goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong {
    /// Where it begins in the stream, in bytes.
    pub(crate) offset: u64,
    /// What stands behind its line end.
    pub(crate) end: u64,
}

impl Framer {
    /// For a stream that is read from this byte offset; `max` is the longest message in bytes, its line end not counted.
    pub(crate) fn new(format: Format, max: usize, offset: u64) -> Self {
        Self {
            raw: format == Format::Raw,
            max: max.max(1),
            buffer: vec![0; READ],
            start: 0,
            scanned: 0,
            end: 0,
            offset,
            skipping: None,
            marks: Vec::new(),
        }
    }

    /// Where to read to. Never empty, provided that [`cut`](Framer::cut) was called until it had nothing more.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.scanned, self.end) = (0, 0, 0);
            // A long line may have passed.
            self.buffer.truncate(READ);
            self.buffer.shrink_to_fit();
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.end, self.scanned, self.start) = (self.end - self.start, self.scanned - self.start, 0);
        }
        if self.buffer.len() - self.end < READ / 2 {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So many bytes were read into [`space`](Framer::space).
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// Where in the stream the first byte stands that was not read yet.
    pub(crate) fn read_to(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }

    /// Cuts off at most `limit` messages; each goes out with the offset behind it. Answers how many; none: more bytes are needed.
    pub(crate) fn cut(&mut self, limit: usize, mut out: impl FnMut(Bytes, u64)) -> Result<usize, TooLong> {
        if self.raw {
            return Ok(self.cut_block(out));
        }
        if let Some(offset) = self.skipping {
            return self.pass_over(offset);
        }
        let too_long = self.find_lines(limit);
        let Some(&last) = self.marks.last() else {
            return if too_long { self.pass_over(self.offset) } else { Ok(0) };
        };
        let shared = Bytes::copy_from_slice(&self.buffer[self.start..=last]);
        let mut from = 0;
        for mark in &self.marks {
            let to = mark - self.start;
            let text = if to > from && shared[to - 1] == b'\r' { to - 1 } else { to };
            out(shared.slice(from..text), self.offset + to as u64 + 1);
            from = to + 1;
        }
        self.advance(last + 1);
        Ok(self.marks.len())
    }

    /// The stream has ended: what stands there without a line end is a message too.
    pub(crate) fn finish(&mut self) -> Result<Option<(Bytes, u64)>, TooLong> {
        let (rest, offset) = (Bytes::copy_from_slice(&self.buffer[self.start..self.end]), self.offset);
        self.advance(self.end);
        match self.skipping.take() {
            Some(offset) => Err(TooLong { offset, end: self.offset }),
            None if rest.len() > self.max => Err(TooLong { offset, end: self.offset }),
            None if rest.is_empty() => Ok(None),
            None => Ok(Some((rest, self.offset))),
        }
    }

    fn cut_block(&mut self, mut out: impl FnMut(Bytes, u64)) -> usize {
        let to = self.end.min(self.start + SHARED.min(self.max));
        if to == self.start {
            return 0;
        }
        let block = Bytes::copy_from_slice(&self.buffer[self.start..to]);
        self.advance(to);
        out(block, self.offset);
        1
    }

    /// Notes the line ends of complete lines, up to the limits; says whether it was a line that is too long that ended the search.
    fn find_lines(&mut self, limit: usize) -> bool {
        self.marks.clear();
        let (mut line, from) = (self.start, self.scanned);
        for at in memchr_iter(b'\n', &self.buffer[from..self.end]).map(|at| from + at) {
            if at - line > self.max && at - line - usize::from(self.buffer[at - 1] == b'\r') > self.max {
                self.scanned = line;
                return true;
            }
            self.marks.push(at);
            line = at + 1;
            if self.marks.len() >= limit || line - self.start >= SHARED {
                self.scanned = line;
                return false;
            }
        }
        // One byte more may be a carriage return.
        let too_long = self.end - line > self.max + 1;
        self.scanned = if too_long { line } else { self.end };
        too_long
    }

    /// Passes over what there is of a line that is too long and begins at `offset`. It is told once its end is known: its position
    /// lies there.
    fn pass_over(&mut self, offset: u64) -> Result<usize, TooLong> {
        let Some(at) = memchr(b'\n', &self.buffer[self.start..self.end]) else {
            self.skipping = Some(offset);
            self.advance(self.end);
            return Ok(0);
        };
        self.skipping = None;
        self.advance(self.start + at + 1);
        Err(TooLong { offset, end: self.offset })
    }

    fn advance(&mut self, to: usize) {
        self.offset += (to - self.start) as u64;
        self.start = to;
        self.scanned = self.scanned.max(to);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    type Line = Result<(Vec<u8>, u64), TooLong>;

    /// What lines are, said as simply as possible: no buffers, no chunks.
    fn model(text: &[u8], max: usize) -> Vec<Line> {
        let (mut lines, mut from) = (Vec::new(), 0);
        while from < text.len() {
            let newline = text[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at);
            let to = newline.unwrap_or(text.len());
            let line = &text[from..to];
            let bare = if newline.is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            let next = newline.map_or(to, |at| at + 1);
            lines.push(if bare.len() > max {
                Err(TooLong { offset: from as u64, end: next as u64 })
            } else {
                Ok((bare.to_vec(), next as u64))
            });
            from = next;
        }
        lines
    }

    fn framed(reads: &[&[u8]], max: usize, limit: usize, offset: u64) -> Vec<Line> {
        let mut framer = Framer::new(Format::Lines, max, offset);
        let mut lines = Vec::new();
        for read in reads {
            let mut rest = *read;
            while !rest.is_empty() {
                let space = framer.space();
                let count = rest.len().min(space.len());
                space[..count].copy_from_slice(&rest[..count]);
                framer.filled(count);
                rest = &rest[count..];
                loop {
                    let mut some = Vec::new();
                    let cut = framer.cut(limit, |line, end| some.push(Ok((line.to_vec(), end))));
                    lines.append(&mut some);
                    match cut {
                        Ok(0) => break,
                        Ok(count) => assert!(count <= limit),
                        Err(error) => lines.push(Err(error)),
                    }
                }
            }
        }
        lines.extend(framer.finish().transpose().map(|last| last.map(|(line, end)| (line.to_vec(), end))));
        lines
    }

    fn split<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.sort_unstable();
        let mut from = 0;
        let mut reads: Vec<_> = at.iter().map(|&to| &text[std::mem::replace(&mut from, to)..to]).collect();
        reads.push(&text[from..]);
        reads
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(
            text in prop::collection::vec(prop::sample::select(b"ab\r\n\0\xff".as_slice()), 0..200),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            max in 1_usize..12,
            limit in 1_usize..10,
        ) {
            prop_assert_eq!(framed(&split(&text, &cuts), max, limit, 0), model(&text, max));
        }
    }

    #[test]
    fn crlf_and_the_unterminated_tail() {
        let lines = framed(&[b"one\r\ntw", b"o\n\nthree\r"], 100, 9, 10);
        let texts: Vec<_> = lines.iter().map(|line| line.as_ref().unwrap().0.as_slice()).collect();
        assert_eq!(texts, [b"one".as_slice(), b"two", b"", b"three\r"]);
        let ends: Vec<_> = lines.iter().map(|line| line.as_ref().unwrap().1).collect();
        assert_eq!(ends, [15, 19, 20, 26]);
    }

    #[test]
    fn lines_longer_than_the_buffer() {
        let long = vec![b'x'; 3 * READ + 7];
        let text = [b"a\n".as_slice(), &long, b"\nb\n"].concat();
        let lines = framed(&[&text], 16 << 20, 256, 0);
        assert_eq!(lines.iter().map(|line| line.as_ref().unwrap().0.len()).collect::<Vec<_>>(), [1, long.len(), 1]);
        let lines = framed(&[&text], READ, 256, 0);
        assert_eq!(lines[1], Err(TooLong { offset: 2, end: text.len() as u64 - 2 }));
        assert_eq!(lines[2].as_ref().unwrap(), &(b"b".to_vec(), text.len() as u64));
    }

    #[test]
    fn the_buffer_shrinks_behind_a_long_line() {
        let mut framer = Framer::new(Format::Lines, 16 << 20, 0);
        let mut fill = |byte: u8, count: usize| {
            let mut left = count;
            while left > 0 {
                let space = framer.space();
                let count = left.min(space.len());
                space[..count].fill(byte);
                framer.filled(count);
                left -= count;
                while framer.cut(256, |_, _| {}).unwrap() > 0 {}
            }
            framer.space();
            framer.buffer.len()
        };
        assert!(fill(b'x', 1 << 20) > 1 << 20);
        assert_eq!(fill(b'\n', 1), READ);
    }

    #[test]
    fn raw_keeps_every_byte() {
        let mut framer = Framer::new(Format::Raw, 16 << 20, 0);
        let text: Vec<u8> = (0..200_000_u32).map(|n| (n * 31 % 251) as u8).collect();
        let mut got = Vec::new();
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let space = framer.space();
            let count = rest.len().min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            framer.filled(count);
            rest = &rest[count..];
            while framer.cut(1, |block, end| {
                got.extend_from_slice(&block);
                assert_eq!(end, got.len() as u64);
            }) != Ok(0)
            {}
        }
        assert_eq!(got, text);
    }
}
