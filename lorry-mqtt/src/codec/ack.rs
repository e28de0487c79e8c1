//! Packets that are little more than a reason: PUBACK and its kin, DISCONNECT, AUTH.

use super::properties::{self, read_detail, write_details};
use super::read::Reader;
use super::write::{self, packet};
use super::{Malformed, Unsendable};
use crate::packet::{Ack, Auth, Disconnect, Reason, Version};
use bytes::{BufMut, BytesMut};

pub(super) fn read(version: Version, body: &mut Reader) -> Result<Ack, Malformed> {
    let mut ack = Ack::new(body.packet_id()?);
    if version == Version::V5 && !body.is_empty() {
        ack.reason = Reason(body.u8()?);
        if !body.is_empty() {
            body.properties(version, |id, reader| read_detail(id, reader, &mut ack.details))?;
        }
    }
    Ok(ack)
}

pub(super) fn write(version: Version, first: u8, ack: &Ack, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    let [high, low] = ack.packet_id.to_be_bytes();
    match (ack.packet_id, version, ack.reason, &ack.details) {
        (0, ..) => Err(Unsendable::PacketIdZero),
        (_, Version::V4, ..) | (_, Version::V5, Reason::SUCCESS, None) => {
            buffer.put_slice(&[first, 2, high, low]);
            Ok(())
        }
        (_, Version::V5, reason, None) => {
            buffer.put_slice(&[first, 3, high, low, reason.0]);
            Ok(())
        }
        (_, Version::V5, reason, Some(details)) => packet(first, buffer, |put| {
            put.u16(ack.packet_id);
            put.u8(reason.0);
            write::properties(version, put, |put| write_details(Some(details), put));
        }),
    }
}

pub(super) fn read_disconnect(version: Version, body: &mut Reader) -> Result<Disconnect, Malformed> {
    let mut disconnect = Disconnect::default();
    if version == Version::V5 && !body.is_empty() {
        disconnect.reason = Reason(body.u8()?);
        if !body.is_empty() {
            body.properties(version, |id, reader| {
                match id {
                    properties::SESSION_EXPIRY => disconnect.session_expiry = Some(reader.u32()?),
                    properties::SERVER_REFERENCE => disconnect.server_reference = Some(reader.text()?),
                    id => read_detail(id, reader, &mut disconnect.details)?,
                }
                Ok(())
            })?;
        }
    }
    Ok(disconnect)
}

pub(super) fn write_disconnect(
    version: Version,
    disconnect: &Disconnect,
    buffer: &mut BytesMut,
) -> Result<(), Unsendable> {
    let Disconnect { reason, session_expiry, server_reference, details } = disconnect;
    let is_bare = session_expiry.is_none() && server_reference.is_none() && details.is_none();
    if version == Version::V4 || (is_bare && *reason == Reason::SUCCESS) {
        buffer.put_slice(&[0xE0, 0]);
        return Ok(());
    }
    if is_bare {
        buffer.put_slice(&[0xE0, 1, reason.0]);
        return Ok(());
    }
    packet(0xE0, buffer, |put| {
        put.u8(reason.0);
        write::properties(version, put, |put| {
            if let Some(seconds) = session_expiry {
                put.u8(properties::SESSION_EXPIRY);
                put.u32(*seconds);
            }
            write_details(details.as_deref(), put);
            if let Some(reference) = server_reference {
                put.u8(properties::SERVER_REFERENCE);
                put.text("server reference", reference);
            }
        });
    })
}

pub(super) fn read_auth(body: &mut Reader) -> Result<Auth, Malformed> {
    let mut auth = Auth::default();
    if !body.is_empty() {
        auth.reason = Reason(body.u8()?);
        if !body.is_empty() {
            body.properties(Version::V5, |id, reader| {
                match id {
                    properties::AUTHENTICATION_METHOD => auth.method = Some(reader.text()?),
                    properties::AUTHENTICATION_DATA => auth.data = Some(reader.binary()?),
                    id => read_detail(id, reader, &mut auth.details)?,
                }
                Ok(())
            })?;
        }
    }
    Ok(auth)
}

pub(super) fn write_auth(version: Version, auth: &Auth, buffer: &mut BytesMut) -> Result<(), Unsendable> {
    if version == Version::V4 {
        return Err(Unsendable::NoSuchPacket);
    }
    packet(0xF0, buffer, |put| {
        put.u8(auth.reason.0);
        write::properties(version, put, |put| {
            if let Some(method) = &auth.method {
                put.u8(properties::AUTHENTICATION_METHOD);
                put.text("authentication method", method);
            }
            if let Some(data) = &auth.data {
                put.u8(properties::AUTHENTICATION_DATA);
                put.binary("authentication data", data);
            }
            write_details(auth.details.as_deref(), put);
        });
    })
}
