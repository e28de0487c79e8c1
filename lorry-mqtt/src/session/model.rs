//! The session against a model of a server that drops connections, answers in any order, forgets sessions and refuses.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Blame, Event, Outcome, Session, Setup, Wire};
use crate::codec::{decode, encode};
use crate::packet::*;
use bytes::BytesMut;
use lorry_core::{Class, Error, ErrorKind, Result};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

const OWN_WINDOW: u16 = 5;

/// Packets in bytes, as on a real wire.
struct Bytes {
    version: Version,
    buffer: BytesMut,
}

impl Wire for Bytes {
    fn put(&mut self, packet: &Packet) -> Result<()> {
        encode(self.version, packet, &mut self.buffer).map_err(Error::from)
    }
}

#[derive(Clone, Debug)]
enum Action {
    /// The relay hands a message over; QoS 0 or 1. At a bad one the server closes the connection.
    Publish { qos: u8, bad: bool },
    /// The server reads what was written, or so many packets of it.
    Read(usize),
    /// The server answers one of the publishes it has: which, and how.
    Answer(prop::sample::Index, Reply),
    /// The server sends a message, perhaps under the packet id of another one that is open.
    Send(u8, bool),
    /// The relay settles what arrived in some generation up to some point, and refuses the last of it.
    Release(prop::sample::Index, prop::sample::Index, bool),
    /// The connection is lost, with all that is on its way: the server closes it, or the network fails. The server may forget the
    /// session, and announce another window.
    Drop { by_peer: bool, forget: bool, window: u16 },
    /// Time passes.
    Wait(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reply {
    Good,
    NoSubscribers,
    NotAuthorized,
    Quota,
    IdInUse,
    /// For an id that nobody uses.
    Nonsense,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    use prop::sample::Index;
    let reply = prop_oneof![
        8 => Just(Reply::Good),
        1 => Just(Reply::NoSubscribers),
        1 => Just(Reply::NotAuthorized),
        1 => Just(Reply::Quota),
        1 => Just(Reply::IdInUse),
        1 => Just(Reply::Nonsense),
    ];
    let action = prop_oneof![
        6 => (prop_oneof![1 => Just(0_u8), 5 => Just(1)], prop::bool::weighted(0.1)).prop_map(|(qos, bad)| Action::Publish { qos, bad }),
        4 => (0_usize..9).prop_map(Action::Read),
        6 => (any::<Index>(), reply).prop_map(|(which, reply)| Action::Answer(which, reply)),
        6 => (prop_oneof![1 => Just(0_u8), 5 => Just(1), 1 => Just(2)], any::<bool>()).prop_map(|(qos, reuse)| Action::Send(qos, reuse)),
        5 => (any::<Index>(), any::<Index>(), any::<bool>()).prop_map(|(a, b, c)| Action::Release(a, b, c)),
        1 => (any::<bool>(), any::<bool>(), 1_u16..8).prop_map(|(by_peer, forget, window)| Action::Drop { by_peer, forget, window }),
        2 => (0_u64..2_000).prop_map(Action::Wait),
    ];
    prop::collection::vec(action, 0..120)
}

/// One publish as the server has it on this connection.
struct Held {
    id: u16,
    token: u64,
}

/// One message the server has sent on this connection.
struct Sent {
    id: u16,
    qos: u8,
}

/// Both ends and everything that must hold between them.
struct World {
    version: Version,
    /// Whether the client has filters. One without is sent messages all the same.
    subscribes: bool,
    session: Session<u64>,
    wire: Bytes,
    window: u16,
    now: Instant,
    /// When the session last wrote something.
    wrote: Instant,
    connection: u64,
    has_session: bool,
    // The publishing half.
    pushed: u64,
    qos_of: BTreeMap<u64, u8>,
    answers: BTreeMap<u64, Result<()>>,
    /// Tokens of messages at which the server closes, or has closed all but by chance.
    bad: BTreeSet<u64>,
    closed_at: BTreeMap<u64, u32>,
    /// Tokens whose publish the server answered well, ill.
    good: BTreeSet<u64>,
    ill: BTreeSet<u64>,
    /// Tokens seen on any wire.
    tried: BTreeSet<u64>,
    held: Vec<Held>,
    last_seen: Option<u64>,
    // The subscribing half: by generation, how many arrived; what was released on the current one.
    arrived: BTreeMap<u64, u64>,
    sent: VecDeque<Sent>,
    released: u64,
    refused: BTreeSet<u64>,
    acked: u64,
    /// Ids of QoS 2 that the server has released and the client has not completed.
    completing: VecDeque<u16>,
    next_id: u16,
}

impl World {
    fn new(version: Version, subscribes: bool) -> Self {
        let filter = Filter { path: Text::from("#"), qos: Qos::AtLeastOnce, ..Filter::default() };
        let setup = Setup {
            version,
            client_id: Text::from("model"),
            user: None,
            password: None,
            keep_alive: 0,
            fresh: false,
            expiry: 100,
            forget: false,
            receive_maximum: 100,
            send_maximum: OWN_WINDOW,
            filters: subscribes.then_some(filter).into_iter().collect(),
            strict: false,
            publish_qos: Some(Qos::AtLeastOnce),
        };
        let mut world = Self {
            version,
            subscribes,
            session: Session::new(setup),
            wire: Bytes { version, buffer: BytesMut::new() },
            window: 3,
            now: Instant::now(),
            wrote: Instant::now(),
            connection: 0,
            has_session: false,
            pushed: 0,
            qos_of: BTreeMap::new(),
            answers: BTreeMap::new(),
            bad: BTreeSet::new(),
            closed_at: BTreeMap::new(),
            good: BTreeSet::new(),
            ill: BTreeSet::new(),
            tried: BTreeSet::new(),
            held: Vec::new(),
            last_seen: None,
            arrived: BTreeMap::new(),
            sent: VecDeque::new(),
            released: 0,
            refused: BTreeSet::new(),
            acked: 0,
            completing: VecDeque::new(),
            next_id: 0,
        };
        // Just enough for the window and a SUBSCRIBE, so that every one is used again and again.
        world.session.limit_ids(OWN_WINDOW + 2);
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.connection += 1;
        self.wire.buffer.clear();
        self.held.clear();
        self.last_seen = None;
        self.sent.clear();
        self.completing.clear();
        (self.released, self.acked) = (0, 0);
        self.refused.clear();
        self.session.start(&mut self.wire).unwrap();
        let connect = decode(self.version, &mut self.wire.buffer, usize::MAX).unwrap();
        assert!(matches!(connect, Some(Packet::Connect(_))));
        let properties = ConnAckProperties { receive_maximum: Some(self.window), ..ConnAckProperties::default() };
        let session_present = self.has_session;
        self.receive(Packet::ConnAck(Box::new(ConnAck { session_present, reason: Reason::SUCCESS, properties })));
        // SUBSCRIBE comes before any publish, and only then its answer.
        if self.wire.buffer.first() == Some(&0x82) {
            let subscribe = decode(self.version, &mut self.wire.buffer, usize::MAX).unwrap();
            let Some(Packet::Subscribe(subscribe)) = subscribe else { panic!("{subscribe:?}") };
            self.check_ids(Some(subscribe.packet_id));
            let reasons = vec![Reason(1)];
            self.receive(Packet::SubAck(SubAck { packet_id: subscribe.packet_id, reasons, details: None }));
        } else {
            assert!(!self.subscribes, "every connection must subscribe");
        }
        self.has_session = true;
        self.pump();
    }

    /// The connection is gone. A message that is all the server has is as good as bad, if that happens again and again.
    fn lose(&mut self, by_peer: bool, forget: bool, window: u16) {
        if let (true, [Held { token, .. }]) = (by_peer, &self.held[..]) {
            *self.closed_at.entry(*token).or_default() += 1;
        }
        let blame = self.session.blame(by_peer, self.now, self.wrote);
        let failed = self.session.take_failed();
        assert_eq!(failed.len(), usize::from(matches!(blame, Blame::Guilty(_))));
        for (token, result) in failed {
            assert_eq!(result.as_ref().unwrap_err().class(), Class::Data);
            let by_chance = self.closed_at.get(&token).is_some_and(|times| *times >= 3);
            assert!(self.bad.contains(&token) || by_chance, "{token} was refused for nothing");
            self.ill.insert(token);
            self.answered((token, result));
        }
        self.session.ended(by_peer);
        self.collect_written(false);
        self.has_session &= !forget;
        self.window = window;
        self.connect();
    }

    /// A packet from the server, in bytes.
    fn receive(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        encode(self.version, &packet, &mut bytes).unwrap();
        let packet = decode(self.version, &mut bytes, usize::MAX).unwrap().unwrap();
        match self.session.receive(packet, &mut self.wire) {
            Ok(Event::Answered(outcome)) => self.answered(outcome),
            Ok(Event::Message(number, publish)) => {
                assert!(self.subscribes, "nobody is there to take it");
                let arrived = self.arrived.entry(self.session.generation()).or_default();
                assert_eq!(number, *arrived, "numbers run by arrival");
                assert_eq!(publish.payload, format!("m{number}"));
                *arrived += 1;
            }
            Ok(_) => {}
            // Only an id in use asks for a new connection.
            Err(error) => {
                assert_eq!(error.class(), Class::Transient, "{error}");
                self.lose(false, false, self.window);
            }
        }
        self.pump();
    }

    fn pump(&mut self) {
        let before = self.wire.buffer.len();
        self.session.pump(&mut self.wire, self.now);
        if self.wire.buffer.len() > before {
            self.wrote = self.now;
        }
        self.session.take_failed().into_iter().for_each(|outcome| self.answered(outcome));
        self.collect_written(true);
        self.check_ids(None);
    }

    /// QoS 0 counts as delivered once it is written; here, the writing always succeeds.
    fn collect_written(&mut self, delivered: bool) {
        for token in self.session.take_written() {
            assert!(delivered, "the model collects at once");
            assert_eq!(self.qos_of[&token], 0);
            self.answered((token, Ok(())));
        }
    }

    fn answered(&mut self, (token, result): Outcome<u64>) {
        if self.qos_of[&token] == 1 {
            match &result {
                Ok(()) => assert!(self.good.contains(&token), "{token} was never confirmed"),
                Err(_) => assert!(self.ill.contains(&token), "{token} was never refused"),
            }
        }
        assert!(self.answers.insert(token, result).is_none(), "{token} was answered twice");
    }

    fn check_ids(&self, subscribe: Option<u16>) {
        let ids = self.session.open_ids();
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(!distinct.contains(&0) && subscribe.is_none_or(|id| !distinct.contains(&id)));
    }

    /// The server reads so many packets.
    fn read(&mut self, count: usize) {
        for _ in 0..count {
            match decode(self.version, &mut self.wire.buffer, usize::MAX).unwrap() {
                Some(Packet::Publish(publish)) => {
                    if self.has(&publish) {
                        // Also what it had answered and the client has not read is gone, since more may have been published behind it.
                        self.lose(true, false, self.window);
                        return;
                    }
                }
                Some(Packet::PingReq) => self.receive(Packet::PingResp),
                Some(Packet::PubAck(ack)) => self.acknowledged(&ack, 1),
                Some(Packet::PubRec(ack)) => {
                    self.acknowledged(&ack, 2);
                    self.completing.push_back(ack.packet_id);
                    self.receive(Packet::PubRel(ack));
                }
                Some(Packet::PubComp(ack)) => assert_eq!(self.completing.pop_front(), Some(ack.packet_id)),
                Some(other) => panic!("unexpected {other:?}"),
                None => return,
            }
        }
    }

    /// Whether the server closes the connection at it.
    fn has(&mut self, publish: &Publish) -> bool {
        let token: u64 = std::str::from_utf8(&publish.payload).unwrap().parse().unwrap();
        assert!(self.last_seen.is_none_or(|last| last < token), "{token} after {:?}: out of order", self.last_seen);
        self.last_seen = Some(token);
        if self.qos_of[&token] == 0 {
            assert!(!publish.dup);
            return self.bad.contains(&token);
        }
        assert!(self.held.iter().all(|held| held.id != publish.packet_id), "id {} is used twice", publish.packet_id);
        if self.tried.contains(&token) {
            assert!(publish.dup, "{token} is a repetition and does not say so");
        } else {
            assert!(self.tried.last().is_none_or(|last| *last < token), "{token} was passed by others");
        }
        self.tried.insert(token);
        self.held.push(Held { id: publish.packet_id, token });
        // 3.1.1 has no way to announce a window.
        let window = if self.version == Version::V5 { self.window.min(OWN_WINDOW) } else { OWN_WINDOW };
        assert!(self.held.len() <= window.into(), "{} open, {window} are allowed", self.held.len());
        self.bad.contains(&token)
    }

    fn answer(&mut self, which: prop::sample::Index, reply: Reply) {
        if reply == Reply::Nonsense {
            let unused = (1..).find(|id| !self.session.open_ids().contains(id)).unwrap();
            return self.receive(Packet::PubAck(Ack::new(unused)));
        }
        if !self.held.is_empty() {
            self.answer_at(which.index(self.held.len()), reply);
        }
    }

    fn answer_at(&mut self, at: usize, reply: Reply) {
        let Held { id, token } = self.held.remove(at);
        let code = match (reply, self.version) {
            (Reply::Good, _) | (_, Version::V4) => Reason::SUCCESS,
            (Reply::NoSubscribers, _) => Reason::NO_MATCHING_SUBSCRIBERS,
            (Reply::NotAuthorized, _) => Reason::NOT_AUTHORIZED,
            (Reply::Quota, _) => Reason::QUOTA_EXCEEDED,
            (Reply::IdInUse | Reply::Nonsense, _) => Reason::PACKET_ID_IN_USE,
        };
        match code {
            Reason::PACKET_ID_IN_USE => {}
            code if code.is_failure() => _ = self.ill.insert(token),
            _ => _ = self.good.insert(token),
        }
        self.receive(Packet::PubAck(Ack::with_reason(id, code)));
        if code != Reason::PACKET_ID_IN_USE {
            assert!(self.answers.contains_key(&token), "the answer for {token} was lost");
        }
    }

    fn send(&mut self, qos: u8, reuse: bool) {
        let id = match (qos, self.sent.back()) {
            (0, _) => 0,
            (_, Some(last)) if reuse && last.id != 0 => last.id,
            _ => {
                self.next_id = self.next_id % 40 + 1;
                self.next_id
            }
        };
        let number = self.arrived.get(&self.session.generation()).copied().unwrap_or(0);
        self.sent.push_back(Sent { id, qos });
        self.receive(Packet::Publish(Publish {
            qos: Qos::from_u8(qos).unwrap(),
            topic: Text::from("t"),
            packet_id: id,
            payload: format!("m{number}").into(),
            ..Publish::default()
        }));
    }

    fn release(&mut self, generation: prop::sample::Index, up_to: prop::sample::Index, refuse: bool) {
        if self.arrived.is_empty() {
            return;
        }
        let (&generation, &count) = self.arrived.iter().nth(generation.index(self.arrived.len())).unwrap();
        let up_to = up_to.index(count as usize) as u64;
        let current = generation == self.session.generation();
        if refuse {
            let error = Error::data(ErrorKind::Constraint, "", "no");
            self.session.refuse(generation, up_to, error);
            if current && up_to >= self.released {
                self.refused.insert(up_to);
            }
        }
        if current {
            self.released = self.released.max(up_to + 1);
        }
        self.session.release(generation, up_to, &mut self.wire).unwrap();
    }

    /// A PUBACK or PUBREC: it must be for the oldest message that has none yet, and that one must be released.
    fn acknowledged(&mut self, ack: &Ack, qos: u8) {
        loop {
            let sent = self.sent.pop_front().expect("an acknowledgement for nothing");
            let number = self.acked;
            self.acked += 1;
            assert!(number < self.released, "message {number} is acknowledged and was not released");
            if sent.qos > 0 {
                assert_eq!((ack.packet_id, qos), (sent.id, sent.qos), "acknowledged out of order");
                let refused = self.version == Version::V5 && self.refused.contains(&number);
                assert_eq!(ack.reason.is_failure(), refused);
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Publish { qos, bad } => {
                let publish = Publish {
                    qos: Qos::from_u8(qos).unwrap(),
                    topic: Text::from("t"),
                    payload: self.pushed.to_string().into(),
                    ..Publish::default()
                };
                self.qos_of.insert(self.pushed, qos);
                if bad {
                    self.bad.insert(self.pushed);
                }
                self.session.publish(self.pushed, publish);
                self.pushed += 1;
                self.pump();
            }
            Action::Read(count) => self.read(count),
            Action::Answer(which, reply) => self.answer(which, reply),
            Action::Send(qos, reuse) => self.send(qos, reuse),
            Action::Release(generation, up_to, refuse) => self.release(generation, up_to, refuse),
            Action::Drop { by_peer, forget, window } => self.lose(by_peer, forget, window),
            Action::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                self.pump();
            }
        }
    }

    /// A server that behaves at last: everything must come to an end.
    fn finish(&mut self) {
        for _ in 0..1_000 {
            // While the session holds back, until it has something to say.
            self.now = self.session.deadline().unwrap_or(self.now).max(self.now);
            self.pump();
            self.read(usize::MAX);
            if !self.held.is_empty() {
                self.answer_at(0, Reply::Good);
            } else if self.session.unanswered() == 0 {
                break;
            }
        }
        let refused = |token: &u64| self.answers.get(token).is_some_and(Result::is_err);
        let mut bad = self.bad.iter().filter(|token| self.qos_of[token] == 1);
        assert!(bad.all(refused), "a bad one was not refused: {:?}", self.bad);
        assert_eq!(self.session.unanswered(), 0);
        let unanswered: Vec<_> = (0..self.pushed).filter(|token| !self.answers.contains_key(token)).collect();
        assert!(unanswered.is_empty(), "lost: {unanswered:?}");
        // Whatever is released is acknowledged in the end.
        let arrived = self.arrived.get(&self.session.generation()).copied().unwrap_or(0);
        // What nobody here has asked for never is: `released` counts none of it.
        if arrived > 0 {
            self.released = arrived;
            self.session.release(self.session.generation(), arrived - 1, &mut self.wire).unwrap();
            self.read(usize::MAX);
            assert!(self.sent.iter().all(|sent| sent.qos == 0) && self.completing.is_empty(), "not acknowledged");
            assert_eq!(self.session.unreleased(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_mixed_up_or_acknowledged_early(
        actions in actions(),
        five in any::<bool>(),
        subscribes in any::<bool>(),
    ) {
        let mut world = World::new(if five { Version::V5 } else { Version::V4 }, subscribes);
        for action in actions {
            world.act(action);
        }
        world.finish();
    }
}
