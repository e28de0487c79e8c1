//! The write buffer of a connection.

use crate::codec;
use crate::packet::{Packet, Version};
use crate::session::{ServerLimits, Wire};
use bytes::BytesMut;
use lorry_core::{Error, ErrorKind, Result};

/// How much may be written ahead of the socket.
const AHEAD: usize = 256 << 10;

/// What goes out with the next write, in one piece.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) version: Version,
    pub(super) buffer: BytesMut,
    pub(super) limits: ServerLimits,
}

impl Wire for Outbox {
    fn put(&mut self, packet: &Packet) -> Result<()> {
        let before = self.buffer.len();
        let Packet::Publish(publish) = packet else {
            return codec::encode(self.version, packet, &mut self.buffer)
                .map_err(|error| Error::config(ErrorKind::Malformed, "", error));
        };
        if publish.retain && !self.limits.retain {
            return Err(Error::data(ErrorKind::Refused, "publish", "the server does not keep retained messages")
                .with("topic", &publish.topic)
                .hint("write retain=false"));
        }
        codec::encode(self.version, packet, &mut self.buffer).map_err(|error| {
            let shown: String = publish.topic.as_str().chars().take(100).collect();
            Error::from(error).with("topic", shown)
        })?;
        let size = self.buffer.len() - before;
        match self.limits.packet_size {
            Some(max) if size > max as usize => {
                self.buffer.truncate(before);
                let what = format!("the message takes {size} bytes, the server accepts {max}");
                Err(Error::data(ErrorKind::TooLarge, "publish", what).with("topic", &publish.topic))
            }
            _ => Ok(()),
        }
    }

    fn has_room(&self) -> bool {
        self.buffer.len() < AHEAD
    }
}
