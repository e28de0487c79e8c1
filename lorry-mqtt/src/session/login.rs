//! Logging in and subscribing, and which version of the protocol to try next.

use super::{ALIASES, Event, Phase, ServerLimits, Session, Wire};
use crate::error;
use crate::packet::{ConnAck, Connect, ConnectProperties, Packet, Qos, Reason, Subscribe, Text, Version};
use lorry_core::{Error, ErrorKind, Result};

impl<T: Copy + std::fmt::Debug> Session<T> {
    /// A connection stands: greets the server.
    ///
    /// # Errors
    /// The CONNECT cannot be written: a user name that is too long, for example. Class config.
    pub(crate) fn start(&mut self, wire: &mut impl Wire) -> Result<()> {
        self.phase = Phase::Greeting;
        (self.fall_back, self.taken_over, self.dismissed) = (false, false, None);
        self.caution.restart();
        self.incoming.restart();
        let setup = &self.setup;
        // After the first login the session of this very process is wanted, whatever `fresh` says.
        let clean = match self.version {
            Version::V5 => setup.fresh && !self.accepted,
            // Without expiry a session of 3.1.1 that is kept is kept for ever.
            Version::V4 => setup.fresh,
        };
        let properties = match self.version {
            Version::V5 => ConnectProperties {
                session_expiry: (setup.expiry > 0).then_some(setup.expiry),
                receive_maximum: Some(setup.receive_maximum),
                topic_alias_maximum: (!setup.filters.is_empty()).then_some(ALIASES),
                ..ConnectProperties::default()
            },
            Version::V4 => ConnectProperties::default(),
        };
        let connect = Connect {
            client_id: setup.client_id.clone(),
            clean,
            keep_alive: setup.keep_alive,
            user: setup.user.clone(),
            password: setup.password.as_ref().map(|password| password.0.clone()),
            will: None,
            properties,
        };
        wire.put(&Packet::Connect(Box::new(connect))).map_err(|error| error.classed(lorry_core::Class::Config))
    }

    pub(super) fn greeted(&mut self, ack: &ConnAck, wire: &mut impl Wire) -> Result<Event<T>> {
        if ack.reason != Reason::SUCCESS {
            if ack.reason.refuses_version() && self.version == Version::V5 && !self.accepted {
                self.fall_back = true;
                return Err(error::from_connack(Reason::UNSUPPORTED_VERSION).classed(lorry_core::Class::Transient));
            }
            let reason = if ack.reason.0 < 0x80 { ack.reason.from_v4_connack() } else { ack.reason };
            return Err(error::from_connack(reason));
        }
        let properties = &ack.properties;
        if self.setup.publish_qos > properties.maximum_qos.or(Some(Qos::ExactlyOnce)) {
            return Err(Error::config(ErrorKind::Refused, "log in", "the server takes QoS 0 only").hint("write qos=0"));
        }
        if let Some(assigned) = &properties.assigned_client_id {
            self.setup.client_id = Text::from(assigned.as_str());
        }
        if self.version == Version::V4
            && self.setup.version == Version::V5
            && !std::mem::replace(&mut self.warned, true)
        {
            tracing::warn!("the server speaks MQTT 3.1.1 only; going on with that (version=3.1.1 avoids the detour)");
        }
        self.accepted = true;
        self.limits = ServerLimits {
            keep_alive: properties.server_keep_alive.unwrap_or(self.setup.keep_alive),
            packet_size: properties.maximum_packet_size,
            retain: properties.retain_available.unwrap_or(true),
        };
        let window = properties.receive_maximum.unwrap_or(u16::MAX).min(self.setup.send_maximum);
        self.outgoing.restart(window.into());
        // Also to a session that was kept: it may be of an earlier process with other filters, or one that a killed server has restored.
        if !self.subscribes() {
            self.phase = Phase::Up;
            return Ok(Event::LoggedIn { subscribed: true });
        }
        let packet_id = self.outgoing.reserve_id();
        let filters = self.setup.filters.clone();
        wire.put(&Packet::Subscribe(Subscribe { packet_id, filters, ..Subscribe::default() }))
            .map_err(|error| error.classed(lorry_core::Class::Config))?;
        self.phase = Phase::Subscribing(packet_id);
        Ok(Event::LoggedIn { subscribed: false })
    }

    pub(super) fn granted(&mut self, reasons: &[Reason]) -> Result<Event<T>> {
        self.outgoing.release_id();
        if reasons.len() != self.setup.filters.len() {
            return Err(error::protocol(format!("{} answers to {} filters", reasons.len(), self.setup.filters.len())));
        }
        let mut warnings = Vec::new();
        for (reason, filter) in reasons.iter().zip(&self.setup.filters) {
            if reason.is_failure() {
                return Err(error::from_suback(*reason, filter.path.as_str()));
            }
            if reason.0 < filter.qos as u8 {
                if self.setup.strict {
                    return Err(error::granted_less(*reason, filter));
                }
                let path = filter.path.as_str();
                warnings.push(format!("the server grants QoS {} for {path:?}, not {}", reason.0, filter.qos as u8));
            }
        }
        self.phase = Phase::Up;
        Ok(Event::Subscribed(warnings))
    }

    /// The connection is gone; `by_peer` = it was the server that closed it. Says whether to try again at once, with another version.
    pub(crate) fn ended(&mut self, by_peer: bool) -> bool {
        let greeting = self.phase == Phase::Greeting;
        self.phase = Phase::Offline;
        self.outgoing.halt();
        if self.accepted || self.setup.version == Version::V4 || !greeting {
            return false;
        }
        match self.version {
            // Servers of old answer what they do not know by hanging up.
            Version::V5 if self.fall_back || by_peer => self.version = Version::V4,
            // It was not the version, then.
            Version::V4 if by_peer => {
                self.version = Version::V5;
                return false;
            }
            _ => return false,
        }
        true
    }
}
