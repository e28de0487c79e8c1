//! From the first byte of a connection to its CONNACK.

use super::hub::{Hub, Seat};
use super::sessions::FOR_EVER;
use super::wire::{Stream, write_out};
use crate::codec::{self, REFUSED_VERSION};
use crate::packet::{ConnAck, ConnAckProperties, Connect, Packet, Qos, Reason, Text, Version, Will};
use bytes::BytesMut;
use std::sync::Arc;
use tokio::io::AsyncReadExt;

/// The largest CONNECT. Nobody has logged in yet, so little memory is given.
const CONNECT_MAX: usize = 64 << 10;
const FIRST_READ: usize = 1_024;
/// How many topic aliases a device may use.
pub(super) const ALIASES: u16 = 32;
/// What a device of version 5 without keep-alive is told to use, so that a dead one does not keep its seat for ever.
const KEEP_ALIVE: u16 = 300;

/// A device that has logged in.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) version: Version,
    pub(super) id: String,
    /// Seconds; 0 = never mind.
    pub(super) keep_alive: u16,
    pub(super) will: Option<Box<Will>>,
    pub(super) seat: Seat,
    /// What was read after CONNECT.
    pub(super) inbox: BytesMut,
}

/// Why a device was not let in. For the log; the device has been told.
#[derive(Debug)]
pub(super) enum Rejected {
    /// It went by itself, or its bytes are no MQTT.
    Gone(String),
    /// Its CONNECT was refused.
    Refused { id: String, reason: Reason },
}

pub(super) async fn greet(stream: &mut Stream, hub: &Arc<Hub>) -> Result<Device, Rejected> {
    let mut inbox = BytesMut::with_capacity(FIRST_READ);
    let (version, connect) = loop {
        match codec::decode_connect(&mut inbox, CONNECT_MAX.min(hub.max_packet)) {
            Ok(Some(connect)) => break connect,
            Ok(None) => {}
            Err(error) => {
                if error.reason == Reason::UNSUPPORTED_VERSION {
                    write_out(stream, &mut BytesMut::from(&REFUSED_VERSION[..])).await;
                }
                return Err(Rejected::Gone(error.to_string()));
            }
        }
        inbox.reserve(FIRST_READ);
        match stream.reader.read_buf(&mut inbox).await {
            Ok(0) => return Err(Rejected::Gone("it went before it logged in".to_owned())),
            Ok(_) => {}
            Err(error) => return Err(Rejected::Gone(error.to_string())),
        }
    };
    match admit(version, connect, hub, inbox) {
        Ok((mut device, ack)) => {
            let mut out = BytesMut::new();
            if let Err(error) = codec::encode(version, &Packet::ConnAck(Box::new(ack)), &mut out) {
                return Err(Rejected::Gone(error.to_string()));
            }
            // A session that a device is told of must be known after a crash.
            if let Some(save) = device.seat.save.take() {
                save.write().await;
            }
            if !write_out(stream, &mut out).await {
                return Err(Rejected::Gone("it went while it logged in".to_owned()));
            }
            Ok(device)
        }
        Err((id, reason)) => {
            let ack = ConnAck { reason, ..ConnAck::default() };
            let mut out = BytesMut::new();
            if codec::encode(version, &Packet::ConnAck(Box::new(ack)), &mut out).is_ok() {
                write_out(stream, &mut out).await;
            }
            Err(Rejected::Refused { id, reason })
        }
    }
}

fn admit(
    version: Version,
    connect: Connect,
    hub: &Arc<Hub>,
    inbox: BytesMut,
) -> Result<(Device, ConnAck), (String, Reason)> {
    let mut id = connect.client_id.as_str().to_owned();
    let refuse = |reason| Err((connect.client_id.as_str().to_owned(), reason));
    if connect.properties.authentication_method.is_some() {
        return refuse(Reason::BAD_AUTHENTICATION_METHOD);
    }
    if !hub.logins.admits(connect.user.as_ref().map(Text::as_str), connect.password.as_deref()) {
        return refuse(Reason::BAD_USER_OR_PASSWORD);
    }
    if version == Version::V5 && connect.will.as_ref().is_some_and(|will| will.qos == Qos::ExactlyOnce) {
        return refuse(Reason::QOS_NOT_SUPPORTED);
    }
    let mut properties = ConnAckProperties::default();
    if id.is_empty() {
        if version == Version::V4 && !connect.clean {
            return refuse(Reason::CLIENT_ID_NOT_VALID);
        }
        id = format!("lorry-{:016x}", fastrand::u64(..));
        properties.assigned_client_id = Some(Text::from(id.as_str()));
    }
    let expiry = match version {
        Version::V4 if connect.clean => 0,
        Version::V4 => FOR_EVER,
        Version::V5 => connect.properties.session_expiry.unwrap_or(0),
    };
    let seat = match hub.enter(&id, connect.clean, expiry) {
        Ok(seat) => seat,
        Err(reason) => return refuse(reason),
    };
    let mut keep_alive = connect.keep_alive;
    if version == Version::V5 {
        if keep_alive == 0 {
            keep_alive = KEEP_ALIVE;
            properties.server_keep_alive = Some(KEEP_ALIVE);
        }
        properties.receive_maximum = Some(hub.window);
        properties.maximum_qos = Some(Qos::AtLeastOnce);
        properties.maximum_packet_size = u32::try_from(hub.max_packet).ok();
        properties.topic_alias_maximum = Some(ALIASES);
        properties.wildcard_subscriptions = Some(false);
        properties.subscription_ids = Some(false);
        properties.shared_subscriptions = Some(false);
    }
    let ack = ConnAck { session_present: seat.session_present, reason: Reason::SUCCESS, properties };
    Ok((Device { version, id, keep_alive, will: connect.will, seat, inbox }, ack))
}
