//! Writing a packet: first measured, then written, by the same lines; so nothing is in the buffer that cannot be finished.

use super::frame::{MAX_REMAINING, varint_len};
use super::{Unsendable, properties};
use crate::packet::{Text, UserProperties, Version};
use bytes::{BufMut, BytesMut};

/// What a packet's content is written to: a measure, then the buffer.
pub(super) trait Put {
    /// Bytes as they are.
    fn raw(&mut self, bytes: &[u8]);
    /// Notes that the packet cannot be written.
    fn fail(&mut self, error: Unsendable);

    fn u8(&mut self, value: u8) {
        self.raw(&[value]);
    }

    fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    fn packet_id(&mut self, id: u16) {
        if id == 0 {
            self.fail(Unsendable::PacketIdZero);
        }
        self.u16(id);
    }

    fn binary(&mut self, what: &'static str, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(len) => self.u16(len),
            Err(_) => self.fail(Unsendable::FieldTooLong(what)),
        }
        self.raw(bytes);
    }

    fn text(&mut self, what: &'static str, text: &Text) {
        if text.as_bytes().contains(&0) {
            self.fail(Unsendable::Nul(what));
        }
        self.binary(what, text.as_bytes());
    }

    fn varint(&mut self, value: usize) {
        if value > MAX_REMAINING {
            self.fail(Unsendable::FieldTooLong("number"));
        }
        let mut rest = value;
        for _ in 1..varint_len(value) {
            self.u8((rest & 0x7F) as u8 | 0x80);
            rest >>= 7;
        }
        self.u8((rest & 0x7F) as u8);
    }

    fn user_properties(&mut self, user: &UserProperties) {
        for (name, value) in user {
            self.u8(properties::USER);
            self.text("name of a user property", name);
            self.text("value of a user property", value);
        }
    }
}

/// How long it will be, and whether it can be written at all.
#[derive(Debug, Default)]
pub(super) struct Measure {
    len: usize,
    error: Option<Unsendable>,
}

impl Measure {
    pub(super) fn of(write: impl FnOnce(&mut Self)) -> Result<usize, Unsendable> {
        let mut measure = Self::default();
        write(&mut measure);
        match measure.error {
            Some(error) => Err(error),
            None if measure.len > MAX_REMAINING => Err(Unsendable::PacketTooLong),
            None => Ok(measure.len),
        }
    }
}

impl Put for Measure {
    fn raw(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
    }

    fn fail(&mut self, error: Unsendable) {
        self.error.get_or_insert(error);
    }
}

impl Put for BytesMut {
    fn raw(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }

    fn fail(&mut self, _: Unsendable) {
        // Measured before: it cannot fail any more.
    }
}

/// Appends a whole packet: the first byte, its length, the content.
pub(super) fn packet(first: u8, buffer: &mut BytesMut, content: impl Fn(&mut dyn Put)) -> Result<(), Unsendable> {
    let len = Measure::of(|measure| content(measure))?;
    buffer.reserve(5 + len);
    buffer.put_u8(first);
    buffer.varint(len);
    content(buffer);
    Ok(())
}

/// The properties of version 5, with their length; nothing in 3.1.1.
pub(super) fn properties(version: Version, put: &mut dyn Put, content: impl Fn(&mut dyn Put)) {
    if version == Version::V4 {
        return;
    }
    let mut measure = Measure::default();
    content(&mut measure);
    put.varint(measure.len);
    content(put);
}
