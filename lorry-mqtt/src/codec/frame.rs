//! The fixed header: type, flags, length.

use super::Malformed;
use crate::packet::{Reason, Version};
use bytes::{Bytes, BytesMut};

/// The largest remaining length that four bytes can say.
pub const MAX_REMAINING: usize = 268_435_455;

/// A fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Packet type, 1 to 15.
    pub(super) kind: u8,
    /// The lower four bits.
    pub(super) flags: u8,
    /// Bytes of the header itself.
    pub(super) len: usize,
    /// Bytes after it.
    pub(super) remaining: usize,
}

impl Header {
    /// `None` while the header is not whole. Everything that the header alone can say is checked before more is read.
    pub(super) fn read(version: Version, bytes: &[u8], max: usize) -> Result<Option<Self>, Malformed> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let (kind, flags) = (first >> 4, first & 0x0F);
        let fits = match kind {
            3 => flags & 0b0110 != 0b0110,
            6 | 8 | 10 => flags == 0b0010,
            0 => return Err(Malformed::new("packet type 0")),
            15 if version == Version::V4 => return Err(Malformed::new("packet type 15")),
            _ => flags == 0,
        };
        if !fits {
            return Err(Malformed::new("reserved flags in the fixed header"));
        }
        let Some((remaining, digits)) = varint(rest)? else { return Ok(None) };
        let header = Self { kind, flags, len: 1 + digits, remaining };
        if header.len + remaining > max {
            return Err(Malformed { reason: Reason::PACKET_TOO_LARGE, what: "the packet is larger than the limit" });
        }
        match kind {
            12 | 13 if remaining != 0 => Err(Malformed::new("a ping with content")),
            14 if remaining != 0 && version == Version::V4 => Err(Malformed::new("DISCONNECT with content")),
            _ => Ok(Some(header)),
        }
    }

    /// The whole frame, header included, if it is there.
    pub(super) fn cut(&self, buffer: &mut BytesMut) -> Option<Bytes> {
        let whole = self.len + self.remaining;
        (buffer.len() >= whole).then(|| buffer.split_to(whole).freeze())
    }
}

/// A variable byte integer and its length in bytes; `None` while it is not whole.
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    if bytes.len() >= 4 { Err(Malformed::new("a length of more than four bytes")) } else { Ok(None) }
}

/// The bytes of a variable byte integer.
pub(super) fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
