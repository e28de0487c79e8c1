//! Reading a packet's content; every step stays within it.

use super::{Malformed, frame};
use crate::packet::{Text, Version};
use bytes::Bytes;

/// The content of one packet, or the rest of it. What is read are slices, not copies.
#[derive(Debug)]
pub(super) struct Reader {
    bytes: Bytes,
    at: usize,
    end: usize,
}

const SHORT: Malformed = Malformed::new("the packet ends too early");

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        let end = bytes.len();
        Self { bytes, at: 0, end }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.end
    }

    fn take(&mut self, len: usize) -> Result<std::ops::Range<usize>, Malformed> {
        if self.end - self.at < len {
            return Err(SHORT);
        }
        self.at += len;
        Ok(self.at - len..self.at)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        let range = self.take(1)?;
        Ok(self.bytes[range.start])
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        let range = self.take(2)?;
        Ok(self.bytes[range].iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        let range = self.take(4)?;
        Ok(self.bytes[range].iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    pub(super) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::protocol("a flag that is neither 0 nor 1")),
        }
    }

    pub(super) fn varint(&mut self) -> Result<usize, Malformed> {
        let (value, len) = frame::varint(&self.bytes[self.at..self.end])?.ok_or(SHORT)?;
        self.at += len;
        Ok(value)
    }

    pub(super) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed::protocol("packet id 0")),
            id => Ok(id),
        }
    }

    pub(super) fn binary(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u16()?;
        let range = self.take(len.into())?;
        Ok(self.bytes.slice(range))
    }

    pub(super) fn text(&mut self) -> Result<Text, Malformed> {
        Text::from_utf8(self.binary()?).ok_or(Malformed::new("text that is not UTF-8 or holds U+0000"))
    }

    /// The properties of version 5; none in 3.1.1. `each` reads the value of one, or says that it does not belong here.
    pub(super) fn properties(
        &mut self,
        version: Version,
        mut each: impl FnMut(u8, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        if version == Version::V4 {
            return Ok(());
        }
        let len = self.varint()?;
        if self.end - self.at < len {
            return Err(Malformed::new("properties that are longer than the packet"));
        }
        let outer = std::mem::replace(&mut self.end, self.at + len);
        let mut seen = 0_u64;
        while !self.is_empty() {
            let id = self.u8()?;
            let bit = 1 << (id & 63);
            if seen & bit != 0 && !super::properties::may_repeat(id) {
                return Err(Malformed::protocol("a property that stands twice"));
            }
            seen |= bit;
            each(id, self)?;
        }
        self.end = outer;
        Ok(())
    }

    /// All that is left.
    pub(super) fn rest(self) -> Bytes {
        self.bytes.slice(self.at..self.end)
    }

    /// That nothing is left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed::new("bytes after the end of the content")) }
    }
}
