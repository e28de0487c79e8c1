//! What the connections of a listener share.

use super::budget::Budget;
use super::lock;
use super::login::Logins;
use super::options::MqttListenOptions;
use super::sessions::{Save, Sessions};
use crate::packet::Reason;
use crate::topic;
use lorry_core::relay::LaneId;
use lorry_core::{Message, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What a connection is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Everything up to and including this position is done with.
    Settled(u64),
    /// The message at this position was refused.
    Refused(u64, Reason),
    /// Somebody else has come under the same client id.
    TakenOver,
    /// The listener ends. Nothing is told after it.
    Close,
}

/// What a connection hands to the source.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Messages of a lane, and the position of the first.
    Messages(LaneId, u64, Vec<Message>),
    /// Nothing more comes from the lane, nor can be acknowledged.
    Lost(LaneId),
}

/// Bounded by the window of the connection: it is told of what it has delivered.
type Orders = mpsc::UnboundedSender<Order>;

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) element: String,
    pub(super) filters: Vec<String>,
    pub(super) logins: Logins,
    pub(super) budget: Budget,
    pub(super) window: u16,
    pub(super) max_packet: usize,
    pub(super) connect_timeout: Duration,
    /// Bounded by the windows and the budget.
    pub(super) deliveries: mpsc::UnboundedSender<Delivery>,
    pub(super) closing: watch::Sender<bool>,
    max_clients: usize,
    clients: Mutex<Clients>,
    sessions: Sessions,
}

#[derive(Debug, Default)]
struct Clients {
    by_id: HashMap<String, LaneId>,
    /// Lanes whose connection has ended but whose messages are on their way stay here.
    by_lane: HashMap<LaneId, Orders>,
    last: u64,
    closed: bool,
}

/// The place of a device that has been let in. Dropping it makes room for others.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) lane: LaneId,
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    pub(super) session_present: bool,
    pub(super) save: Option<Save>,
    /// How long the session outlives the connection, in seconds.
    pub(super) expiry: u32,
    id: String,
    hub: Arc<Hub>,
}

impl Seat {
    /// The device has gone; what it delivered may still be on its way, and can be settled while this value lives.
    pub(super) fn leave(&self) {
        self.hub.leave(&self.id, self.lane, self.expiry);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
        lock(&self.hub.clients).by_lane.remove(&self.lane);
    }
}

impl Hub {
    pub(super) fn new(
        options: &MqttListenOptions,
        element: &str,
        first_lane: u64,
        deliveries: mpsc::UnboundedSender<Delivery>,
        sessions: Sessions,
    ) -> Result<Self> {
        let limits = &options.listener;
        let filters = if options.topics.is_empty() { vec!["#".to_owned()] } else { options.topics.clone() };
        Ok(Self {
            element: element.to_owned(),
            filters,
            logins: Logins::new(options)?,
            budget: Budget::new(limits.max_held.bytes()),
            window: limits.receive_maximum,
            max_packet: limits.max_packet_size.bytes(),
            connect_timeout: limits.connect_timeout.0,
            deliveries,
            closing: watch::Sender::new(false),
            max_clients: limits.max_clients,
            clients: Mutex::new(Clients { last: first_lane, ..Clients::default() }),
            sessions,
        })
    }

    /// Whether devices may publish here.
    pub(super) fn admits(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| topic::matches(filter, topic))
    }

    /// Lets a device in; one that is there under the same client id has to go.
    ///
    /// # Errors
    /// The listener is full, or closing.
    pub(super) fn enter(self: &Arc<Self>, id: &str, clean: bool, expiry: u32) -> Result<Seat, Reason> {
        let (sender, orders) = mpsc::unbounded_channel();
        let mut clients = lock(&self.clients);
        let earlier = clients.by_id.get(id).copied();
        if clients.closed {
            return Err(Reason::SERVER_UNAVAILABLE);
        }
        if earlier.is_none() && clients.by_id.len() >= self.max_clients {
            return Err(Reason::QUOTA_EXCEEDED);
        }
        if let Some(earlier) = earlier.and_then(|lane| clients.by_lane.get(&lane)) {
            let _ = earlier.send(Order::TakenOver);
        }
        clients.last += 1;
        let lane = LaneId(clients.last);
        clients.by_id.insert(id.to_owned(), lane);
        clients.by_lane.insert(lane, sender);
        drop(clients);
        let (session_present, save) = self.sessions.begin(id, clean, expiry);
        Ok(Seat { lane, orders, session_present, save, expiry, id: id.to_owned(), hub: self.clone() })
    }

    fn leave(&self, id: &str, lane: LaneId, expiry: u32) {
        let mut clients = lock(&self.clients);
        if clients.by_id.get(id) == Some(&lane) {
            clients.by_id.remove(id);
            drop(clients);
            self.sessions.end(id, expiry);
        }
    }

    /// Tells a lane's connection. One that is gone need not know.
    pub(super) fn tell(&self, lane: LaneId, order: Order) {
        if let Some(orders) = lock(&self.clients).by_lane.get(&lane) {
            let _ = orders.send(order);
        }
    }

    /// No device is let in any more, and all are told to go once they have been told what was settled before.
    pub(super) fn close(&self) -> Save {
        self.closing.send_replace(true);
        let mut clients = lock(&self.clients);
        clients.closed = true;
        for orders in clients.by_lane.values() {
            let _ = orders.send(Order::Close);
        }
        drop(clients);
        self.sessions.save()
    }

    /// The number of the last lane.
    pub(super) fn last_lane(&self) -> u64 {
        lock(&self.clients).last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use lorry_core::relay::MemoryState;

    #[test]
    fn a_listener_that_closes_is_not_full() {
        let mut options = MqttListenOptions::new("127.0.0.1");
        options.listener.max_clients = 1;
        let sessions = Sessions::load(Arc::new(MemoryState::default()), "sessions".to_owned()).unwrap();
        let hub = Arc::new(Hub::new(&options, "x", 0, mpsc::unbounded_channel().0, sessions).unwrap());
        let _seat = hub.enter("a", true, 0).ok().unwrap();
        assert_eq!(hub.enter("b", true, 0).err(), Some(Reason::QUOTA_EXCEEDED));
        assert!(hub.enter("a", true, 0).is_ok(), "the same device again");
        drop(hub.close());
        assert_eq!(hub.enter("a", true, 0).err(), Some(Reason::SERVER_UNAVAILABLE));
    }
}
