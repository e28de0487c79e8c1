#![allow(clippy::unwrap_used, clippy::panic)]

mod any;
mod guard;
mod oracle;
mod property;

use super::{Malformed, decode, encode};
use crate::packet::{Packet, Reason, Version};
use bytes::BytesMut;

const BOTH: [Version; 2] = [Version::V4, Version::V5];

fn read(version: Version, bytes: &[u8]) -> Result<Option<Packet>, Malformed> {
    decode(version, &mut BytesMut::from(bytes), usize::MAX)
}

/// The reason for which these bytes are refused.
fn refused(version: Version, bytes: &[u8]) -> Reason {
    match read(version, bytes) {
        Err(malformed) => malformed.reason,
        Ok(packet) => panic!("{bytes:02x?} was read as {packet:?}"),
    }
}

fn written(version: Version, packet: &Packet) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    encode(version, packet, &mut buffer).unwrap();
    buffer.to_vec()
}
