//! One device, from CONNACK until all it sent has been delivered.

use super::arrivals::Arrivals;
use super::handshake::Device;
use super::hub::{Delivery, Hub, Order};
use super::packets::UnderWay;
use super::wire::{ReadSize, Stream, hang_up, write, write_out};
use crate::codec::{self, Malformed};
use crate::mapping::Inbound;
use crate::packet::{Disconnect, Packet, Publish, PublishProperties, Reason, Text, Version, Will};
use bytes::BytesMut;
use lorry_core::Message;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a device may stand still in the middle of a packet, or not take what it is sent.
pub(super) const STUCK: Duration = Duration::from_secs(60);

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// DISCONNECT came; with 0x04 the will is to be published all the same.
    Goodbye { with_will: bool },
    /// The socket is gone.
    Lost(String),
    /// We end it, and a device of version 5 is told why.
    Told(Reason, &'static str),
    /// The listener ends.
    Closed,
}

impl From<Malformed> for Ending {
    fn from(error: Malformed) -> Self {
        Self::Told(error.reason, error.what)
    }
}

pub(super) struct Connection {
    pub(super) hub: Arc<Hub>,
    pub(super) device: Device,
    pub(super) arrivals: Arrivals,
    pub(super) out: BytesMut,
    unflushed: bool,
    pub(super) inbound: Inbound,
    pub(super) aliases: HashMap<u16, Text>,
    /// Messages that are about to be handed over, and the position of the first.
    pub(super) batch: Vec<Message>,
    pub(super) batch_first: u64,
    /// A large packet that is being read.
    pub(super) part: Option<UnderWay>,
    /// Nothing is read: too much is on its way.
    pub(super) paused: bool,
    pub(super) freed: watch::Receiver<()>,
    pub(super) heard: Instant,
    /// Since when there is something that the device does not take.
    unwritten: Option<Instant>,
    pub(super) has_refused: bool,
}

impl Connection {
    pub(super) fn new(hub: Arc<Hub>, device: Device) -> Self {
        let freed = hub.budget.freed();
        Self {
            hub,
            device,
            arrivals: Arrivals::default(),
            out: BytesMut::new(),
            unflushed: false,
            inbound: Inbound::default(),
            aliases: HashMap::new(),
            batch: Vec::new(),
            batch_first: 0,
            part: None,
            paused: false,
            freed,
            heard: Instant::now(),
            unwritten: None,
            has_refused: false,
        }
    }

    pub(super) async fn run(mut self, mut stream: Stream, socket_seat: impl Send) {
        let ending = match self.turns(&mut stream).await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        self.flush_batch();
        self.part(&mut stream, &ending).await;
        drop((stream, socket_seat));
        // The rest of it never comes, and what was delivered before it may be on its way for long.
        self.device.inbox = BytesMut::new();
        self.end_of_part();
        self.publish_will(&ending);
        self.device.seat.leave();
        if !matches!(ending, Ending::Closed) {
            self.wait_for_the_rest().await;
        }
        self.hub.budget.give_back(self.arrivals.cost());
        if self.arrivals.has_delivered() {
            let _ = self.hub.deliveries.send(Delivery::Lost(self.device.seat.lane));
        }
    }

    /// Nothing in here awaits but the select: what a turn brings goes out in one write.
    async fn turns(&mut self, stream: &mut Stream) -> Result<std::convert::Infallible, Ending> {
        let mut read_size = ReadSize::default();
        let sleep = tokio::time::sleep(STUCK);
        tokio::pin!(sleep);
        loop {
            while let Ok(order) = self.device.seat.orders.try_recv() {
                self.obey(order)?;
            }
            self.acknowledge();
            let digested = self.digest();
            self.flush_batch();
            digested?;
            if self.out.is_empty() && !self.unflushed {
                self.unwritten = None;
            } else {
                self.unwritten.get_or_insert_with(Instant::now);
            }
            let deadline = self.deadline();
            if let Some(deadline) = deadline
                && deadline != sleep.deadline()
            {
                sleep.as_mut().reset(deadline);
            }
            let may_write = !self.out.is_empty() || self.unflushed;
            tokio::select! {
                biased;
                order = self.device.seat.orders.recv() => match order {
                    Some(order) => self.obey(order)?,
                    None => return Err(Ending::Closed),
                },
                wrote = write(&mut stream.writer, &mut self.out), if may_write => match wrote {
                    Ok(is_done) => {
                        self.unflushed = !is_done;
                        self.unwritten = None;
                    }
                    Err(error) => return Err(Ending::Lost(error.to_string())),
                },
                read = read_size.read(&mut stream.reader, &mut self.device.inbox), if !self.paused => match read {
                    Ok(0) => return Err(Ending::Lost("it closed the connection".to_owned())),
                    Ok(_) => self.heard = Instant::now(),
                    Err(error) => return Err(Ending::Lost(error.to_string())),
                },
                Ok(()) = self.freed.changed(), if self.paused => {}
                () = &mut sleep, if deadline.is_some() => self.check_time(Instant::now())?,
            }
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), Ending> {
        match order {
            Order::Settled(up_to) => self.arrivals.settle(up_to),
            Order::Refused(position, reason) => self.arrivals.refuse(position, reason),
            Order::TakenOver => {
                return Err(Ending::Told(Reason::SESSION_TAKEN_OVER, "another client came under the same client id"));
            }
            Order::Close => return Err(Ending::Closed),
        }
        Ok(())
    }

    /// Writes the acknowledgements that are due.
    pub(super) fn acknowledge(&mut self) {
        let (version, out) = (self.device.version, &mut self.out);
        // Every packet id came from the device and is not 0, so an acknowledgement can always be written.
        let freed = self.arrivals.drain(|ack| {
            let _ = codec::encode(version, &Packet::PubAck(ack), out);
        });
        self.hub.budget.give_back(freed);
    }

    /// When something has to have happened.
    fn deadline(&self) -> Option<Instant> {
        let silent = (!self.paused).then_some(self.heard);
        let keep_alive = silent.filter(|_| self.device.keep_alive > 0).map(|heard| heard + self.patience());
        let stuck = silent.filter(|_| !self.device.inbox.is_empty()).map(|heard| heard + STUCK);
        let slow = self.part.as_ref().filter(|_| !self.paused).map(UnderWay::deadline);
        let unwritten = self.unwritten.map(|since| since + STUCK);
        [keep_alive, stuck, slow, unwritten].into_iter().flatten().min()
    }

    /// One and a half times the keep-alive (MQTT-3.1.2-22).
    fn patience(&self) -> Duration {
        Duration::from_millis(u64::from(self.device.keep_alive) * 1_500)
    }

    fn check_time(&self, now: Instant) -> Result<(), Ending> {
        if self.unwritten.is_some_and(|since| now >= since + STUCK) {
            return Err(Ending::Lost("it does not take what it is sent".to_owned()));
        }
        if !self.paused && self.part.as_ref().is_some_and(|part| now >= part.deadline()) {
            return Err(Ending::Told(Reason::KEEP_ALIVE_TIMEOUT, "a large packet of it does not come on"));
        }
        match self.deadline() {
            Some(deadline) if now >= deadline => {
                Err(Ending::Told(Reason::KEEP_ALIVE_TIMEOUT, "it was silent for too long"))
            }
            _ => Ok(()),
        }
    }

    /// Tells the device, if there is something to tell, and hangs up.
    async fn part(&mut self, stream: &mut Stream, ending: &Ending) {
        let id = &self.device.id;
        let reason = match ending {
            Ending::Goodbye { .. } => {
                tracing::debug!(element = %self.hub.element, client = %id, "a device has disconnected");
                None
            }
            Ending::Lost(why) => {
                tracing::debug!(element = %self.hub.element, client = %id, "a device is gone: {why}");
                return;
            }
            Ending::Told(reason, why) => {
                tracing::warn!(element = %self.hub.element, client = %id, "a device was disconnected: {why}");
                Some(*reason)
            }
            Ending::Closed => {
                self.acknowledge();
                Some(Reason::SERVER_SHUTTING_DOWN)
            }
        };
        if let (Some(reason), Version::V5) = (reason, self.device.version) {
            let _ = codec::encode(Version::V5, &Packet::Disconnect(Disconnect::new(reason)), &mut self.out);
        }
        write_out(stream, &mut self.out).await;
        hang_up(stream).await;
    }

    /// The will becomes the last message of the lane, unless the device took its leave or the listener ends.
    fn publish_will(&mut self, ending: &Ending) {
        if matches!(ending, Ending::Goodbye { with_will: false } | Ending::Closed) {
            return;
        }
        let Some(will) = self.device.will.take().filter(|will| self.hub.admits(will.topic.as_str())) else { return };
        let Will { topic, payload, qos, retain, properties, .. } = *will;
        let properties = (properties != PublishProperties::default()).then(|| Box::new(properties));
        let publish = Publish { qos, retain, topic, payload, properties, ..Publish::default() };
        self.hand_over(publish, 0);
        self.flush_batch();
    }

    /// What has arrived is delivered, also when its device has gone: for QoS 0 there is no other copy. The lane lives until then.
    async fn wait_for_the_rest(&mut self) {
        while !self.arrivals.is_empty() {
            match self.device.seat.orders.recv().await {
                Some(Order::Settled(up_to)) => {
                    self.arrivals.settle(up_to);
                    self.hub.budget.give_back(self.arrivals.drain(|_| {}));
                }
                Some(Order::Refused(..) | Order::TakenOver) => {}
                Some(Order::Close) | None => break,
            }
        }
    }
}
