//! Source and sink against a server that does exactly what the test says: the faults that no real server shows on demand.
#![allow(clippy::unwrap_used, clippy::panic)]

mod peer;

use lorry_core::relay::{Batch, Context, Event, Guarantee, LaneId, Position, Settled, Sink, Source, State, Verdict};
use lorry_core::{Class, Error, ErrorKind, Message, Relay, Result, Stream};
use lorry_mqtt::packet::*;
use lorry_mqtt::{MqttOptions, MqttSink, MqttSource, Protocol};
use lorry_testkit::MemorySink;
use peer::{Peer, Server, within};
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

fn context() -> Context {
    let mut context = Context::detached("mqttsrc0");
    context.retry.max = Duration::from_millis(50);
    context
}

/// An opened source and the server's end of its connection, subscribed.
async fn source(server: &Server, adapt: impl FnOnce(MqttOptions) -> MqttOptions) -> (MqttSource, Peer) {
    source_in(context(), server, adapt).await
}

async fn source_in(
    context: Context,
    server: &Server,
    adapt: impl FnOnce(MqttOptions) -> MqttOptions,
) -> (MqttSource, Peer) {
    let mut source = MqttSource::new(adapt(server.options().topic("#")));
    let (opened, peer) = tokio::join!(within(source.open(context)), async {
        let mut peer = server.accept(false).await;
        peer.subscribed().await;
        peer
    });
    opened.unwrap();
    (source, peer)
}

async fn sink(server: &Server, adapt: impl FnOnce(MqttOptions) -> MqttOptions) -> (MqttSink, Peer) {
    let mut sink = MqttSink::new(adapt(server.options().topic("t")));
    let (opened, peer) = tokio::join!(within(sink.open(context())), server.accept(false));
    opened.unwrap();
    (sink, peer)
}

async fn until(holds: impl Fn() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn numbers(range: std::ops::Range<usize>) -> Batch {
    Batch::new(range.map(|n| Message::new(n.to_string())).collect())
}

fn number(publish: &Publish) -> usize {
    std::str::from_utf8(&publish.payload).unwrap().parse().unwrap()
}

async fn chunk(source: &mut MqttSource) -> (LaneId, Position, Vec<String>) {
    loop {
        if let Event::Chunk(chunk) = within(source.next(256)).await.unwrap() {
            let texts = chunk.values.iter().map(|message| message.text().unwrap().to_owned()).collect();
            return (chunk.lane, chunk.at.position(chunk.values.len() - 1), texts);
        }
    }
}

async fn collect(source: &mut MqttSource, count: usize) -> (LaneId, Position) {
    let mut left = count;
    loop {
        let (lane, last, texts) = chunk(source).await;
        left -= texts.len();
        if left == 0 {
            return (lane, last);
        }
    }
}

// A reconnect while publishes are open: rumqttc lost 110 of 2,000 with a clean session and 239 of 600 with a kept one.

#[tokio::test]
async fn a_reconnect_loses_no_publish_whether_the_session_was_kept_or_not() {
    for kept in [false, true] {
        let server = Server::start().await;
        let (mut sink, mut peer) = sink(&server, |options| options).await;
        let receipts = [sink.send(numbers(0..1_000)).await.unwrap(), sink.send(numbers(1_000..2_000)).await.unwrap()];
        let mut seen = BTreeSet::new();
        // On each connection some are answered, out of order, and some are not.
        for round in 0..6 {
            let mut open = Vec::new();
            for _ in 0..100 {
                open.push(peer.publish().await);
            }
            for publish in open.iter().rev().step_by(2) {
                peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
                seen.insert(number(publish));
            }
            // Three quick drops in a row would be a fight over the client id.
            if round % 3 == 2 {
                peer.leave().await;
            } else {
                drop(peer);
            }
            peer = server.accept(kept).await;
        }
        let answering = tokio::spawn(async move {
            let (mut open, mut last) = (VecDeque::new(), None);
            loop {
                let publish = peer.publish().await;
                assert!(!open.contains(&publish.packet_id), "an id is used twice");
                assert!(last < Some(number(&publish)), "out of order");
                last = Some(number(&publish));
                seen.insert(number(&publish));
                open.push_back(publish.packet_id);
                let done = last == Some(1_999);
                while open.len() > if done { 0 } else { 50 } {
                    peer.write(&Packet::PubAck(Ack::new(open.pop_front().unwrap()))).await;
                }
                if done {
                    return (peer, seen);
                }
            }
        });
        for receipt in receipts {
            within(receipt).await.unwrap();
        }
        let (_peer, seen) = within(answering).await.unwrap();
        assert_eq!(seen.len(), 2_000);
    }
}

#[tokio::test]
async fn repetitions_say_so_and_come_in_one_go() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, |options| options).await;
    let _receipt = sink.send(numbers(0..500)).await.unwrap();
    for n in 0..500 {
        let publish = peer.publish().await;
        assert_eq!((number(&publish), publish.dup), (n, false));
    }
    drop(peer);
    let mut peer = server.accept(true).await;
    let begin = Instant::now();
    for n in 0..500 {
        let publish = peer.publish().await;
        assert_eq!((number(&publish), publish.dup), (n, true));
    }
    // rumqttc replays one a millisecond.
    assert!(begin.elapsed() < Duration::from_millis(250), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_window_of_the_server_is_kept() {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t"));
    let (opened, mut peer) = tokio::join!(within(sink.open(context())), async {
        let properties = ConnAckProperties { receive_maximum: Some(3), ..ConnAckProperties::default() };
        server.accept_with(ConnAck { properties, ..ConnAck::default() }).await
    });
    opened.unwrap();
    let receipt = sink.send(numbers(0..10)).await.unwrap();
    let mut open: Vec<_> = vec![peer.publish().await, peer.publish().await, peer.publish().await];
    peer.is_silent().await;
    for _ in 3..10 {
        peer.write(&Packet::PubAck(Ack::new(open.remove(0).packet_id))).await;
        open.push(peer.publish().await);
    }
    peer.is_silent().await;
    for publish in open {
        peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    }
    within(receipt).await.unwrap();
}

#[tokio::test]
async fn a_batch_goes_out_in_one_piece() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, |options| options).await;
    let _receipt = sink.send(numbers(0..400)).await.unwrap();
    peer.publish().await;
    let (packets, reads) = (399, peer.reads());
    for _ in 0..packets {
        peer.publish().await;
    }
    assert!(peer.reads() - reads <= 2, "{} reads for {packets} packets", peer.reads() - reads);
}

#[tokio::test]
async fn each_puback_reason_reaches_its_own_message() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, |options| options).await;
    let receipt = sink.send(numbers(0..8)).await.unwrap();
    let codes = [0x00, 0x10, 0x80, 0x83, 0x87, 0x97, 0x99, 0x90];
    for code in codes {
        let publish = peer.publish().await;
        let details = if code == 0x87 { Details::of("keep out") } else { None };
        peer.write(&Packet::PubAck(Ack { packet_id: publish.packet_id, reason: Reason(code), details })).await;
    }
    let failures = within(receipt).await.unwrap_err().into_vec();
    let classes: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
    let data = |index| (index, Class::Data);
    assert_eq!(classes, [data(2), data(3), data(4), (5, Class::Transient), data(6), data(7)]);
    assert!(failures[2].error.to_string().contains("keep out"));
}

#[tokio::test]
async fn an_id_in_use_means_a_new_connection_and_another_id() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, |options| options).await;
    let receipt = sink.send(numbers(0..1)).await.unwrap();
    let first = peer.publish().await;
    peer.write(&Packet::PubAck(Ack::with_reason(first.packet_id, Reason::PACKET_ID_IN_USE))).await;
    let mut peer = server.accept(true).await;
    let second = peer.publish().await;
    assert_ne!(first.packet_id, second.packet_id);
    peer.write(&Packet::PubAck(Ack::new(second.packet_id))).await;
    within(receipt).await.unwrap();
}

#[tokio::test]
async fn a_packet_too_large_for_the_server_fails_alone_announced_or_not() {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t"));
    let (opened, mut peer) = tokio::join!(within(sink.open(context())), async {
        let properties = ConnAckProperties { maximum_packet_size: Some(100), ..ConnAckProperties::default() };
        server.accept_with(ConnAck { properties, ..ConnAck::default() }).await
    });
    opened.unwrap();
    let batch = Batch::new(vec![Message::new("small"), Message::new(vec![b'x'; 100]), Message::new("small too")]);
    let receipt = sink.send(batch).await.unwrap();
    for _ in 0..2 {
        let publish = peer.publish().await;
        peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    }
    let failures = within(receipt).await.unwrap_err().into_vec();
    assert_eq!((failures.len(), failures[0].index, failures[0].error.kind()), (1, 1, ErrorKind::TooLarge));

    let receipt = sink.send(Batch::new(vec![Message::new("small"), Message::new(vec![b'x'; 50])])).await.unwrap();
    peer.publish().await;
    peer.publish().await;
    peer.write(&Packet::Disconnect(Disconnect::new(Reason::PACKET_TOO_LARGE))).await;
    let mut peer = server.accept(false).await;
    let publish = peer.publish().await;
    assert_eq!(publish.payload, "small");
    peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    let failures = within(receipt).await.unwrap_err().into_vec();
    assert_eq!((failures.len(), failures[0].index, failures[0].error.class()), (1, 1, Class::Data));
}

#[tokio::test]
async fn topics_that_cannot_be_written_fail_alone_and_the_stream_stays_sound() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, MqttOptions::keep_address).await;
    let long = "x".repeat(65_536);
    let topics = ["ok/1", &long, "a/+/b", "#", "nul\0", "ok/2"];
    let receipt = sink.send(Batch::new(topics.map(|topic| Message::new("x").at(topic)).into())).await.unwrap();
    for topic in ["ok/1", "ok/2"] {
        let publish = peer.publish().await;
        assert_eq!(publish.topic, topic);
        peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    }
    let failures = within(receipt).await.unwrap_err().into_vec();
    let failed: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
    assert_eq!(failed, [1, 2, 3, 4].map(|index| (index, Class::Data)));
    assert!(failures.iter().all(|failure| failure.error.to_string().len() < 400));
}

#[tokio::test]
async fn closing_a_sink_says_goodbye_after_everything_was_confirmed() {
    let server = Server::start().await;
    let (mut sink, mut peer) = sink(&server, |options| options).await;
    let receipt = sink.send(numbers(0..1)).await.unwrap();
    let publish = peer.publish().await;
    peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    within(receipt).await.unwrap();
    within(sink.close()).await.unwrap();
    assert!(matches!(peer.read().await, Some(Packet::Disconnect(_))));
    assert!(peer.read().await.is_none());
}

// Acknowledging.

#[tokio::test]
async fn acknowledgements_keep_the_order_of_arrival_and_cover_what_was_settled_only() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |options| options).await;
    // Two open messages under one id: mosquitto does that.
    for id in [3, 1, 2, 2, 9] {
        peer.send(Qos::AtLeastOnce, id, "x").await;
    }
    peer.send(Qos::AtMostOnce, 0, "x").await;
    peer.send(Qos::AtLeastOnce, 7, "x").await;
    let (lane, last) = collect(&mut source, 7).await;
    peer.is_silent().await;
    source.settle(vec![Settled::UpTo(lane, Position(3))]).await.unwrap();
    for id in [3, 1, 2, 2] {
        assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(id))));
    }
    peer.is_silent().await;
    let refused = Some(Error::data(ErrorKind::Malformed, "", "no"));
    source.settle(vec![Settled::Items(lane, vec![Verdict { position: Position(4), refused }])]).await.unwrap();
    source.settle(vec![Settled::UpTo(lane, last)]).await.unwrap();
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::with_reason(9, Reason::PAYLOAD_FORMAT_INVALID))));
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(7))));
}

#[tokio::test]
async fn what_is_settled_late_touches_nothing_of_the_next_connection() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |options| options).await;
    peer.send(Qos::AtLeastOnce, 1, "old").await;
    let (old, at, _) = chunk(&mut source).await;
    drop(peer);
    assert!(matches!(within(source.next(1)).await, Ok(Event::LaneLost(lane)) if lane == old));
    let mut peer = server.accept(true).await;
    peer.send(Qos::AtLeastOnce, 1, "another, under the same id").await;
    let (new, first, _) = chunk(&mut source).await;
    assert_ne!(old, new);
    source.settle(vec![Settled::UpTo(old, at)]).await.unwrap();
    peer.is_silent().await;
    source.settle(vec![Settled::UpTo(new, first)]).await.unwrap();
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(1))));
}

#[tokio::test]
async fn what_comes_again_is_announced_once_it_is_certain() {
    for (durable, qos, session_present, certain) in [
        (true, Qos::AtLeastOnce, true, true),
        // The server has died and forgotten: what was received is all there is.
        (true, Qos::AtLeastOnce, false, false),
        // Sent once.
        (true, Qos::AtMostOnce, true, false),
        // A session that ends with the client: it may be stopped before they have come.
        (false, Qos::AtLeastOnce, true, false),
    ] {
        let server = Server::start().await;
        let mut context = context();
        context.identity.name = durable.then(|| "relay".into());
        let (mut source, mut peer) = source_in(context, &server, |options| options).await;
        peer.send(Qos::AtLeastOnce, 1, "one").await;
        peer.send(qos, 2, "two").await;
        let (old, _) = collect(&mut source, 2).await;
        drop(peer);
        assert!(matches!(within(source.next(9)).await, Ok(Event::LaneLost(lane)) if lane == old));
        let mut peer = server.accept(session_present).await;
        if !session_present {
            peer.subscribed().await;
        }
        peer.send(Qos::AtLeastOnce, 1, "one").await;
        if certain {
            assert!(matches!(within(source.next(9)).await, Ok(Event::LaneRepeats(lane)) if lane == old));
        }
        assert!(matches!(within(source.next(9)).await, Ok(Event::Chunk(chunk)) if chunk.lane != old));
    }
}

#[tokio::test]
async fn closing_a_source_acknowledges_what_was_settled_and_nothing_else() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |options| options).await;
    for id in 1..=3 {
        peer.send(Qos::AtLeastOnce, id, "x").await;
    }
    let (lane, _) = collect(&mut source, 3).await;
    source.settle(vec![Settled::UpTo(lane, Position(1))]).await.unwrap();
    within(source.close()).await.unwrap();
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(1))));
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(2))));
    let Some(Packet::Disconnect(goodbye)) = peer.read().await else { panic!("no DISCONNECT") };
    assert_eq!(goodbye.session_expiry, Some(0), "an unnamed session ends");
    assert!(peer.read().await.is_none());
}

// A socket that is closed with something unread resets the connection: mosquitto then forgot acknowledgements that it had not read, and
// the messages came again.

#[tokio::test]
async fn closing_hears_the_server_out_so_that_nothing_is_reset() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |mut options| {
        options.source.receive_maximum = 1;
        options
    })
    .await;
    // The second waits in the socket: no more than one is taken.
    peer.send(Qos::AtLeastOnce, 1, "x").await;
    let (lane, last) = collect(&mut source, 1).await;
    peer.send(Qos::AtLeastOnce, 2, "x").await;
    source.settle(vec![Settled::UpTo(lane, last)]).await.unwrap();
    let closing = tokio::spawn(async move { source.close().await });
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(1))));
    assert!(matches!(peer.read().await, Some(Packet::Disconnect(_))));
    assert!(peer.read().await.is_none());
    // On its way before the server has heard that; a connection that was reset would break at the second.
    for id in 3..23 {
        peer.send(Qos::AtLeastOnce, id, "x").await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!closing.is_finished());
    drop(peer);
    let begin = Instant::now();
    within(closing).await.unwrap().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "it does not wait on a server that has closed");
}

// A server that sends more than it may, a relay that stands still.

#[tokio::test]
async fn no_more_is_taken_than_may_be_open_and_pings_go_on_meanwhile() {
    let server = Server::start().await;
    let (mut source, peer) = source(&server, |mut options| {
        options.source.receive_maximum = 10;
        options.client.keep_alive = lorry_core::registry::Span(Duration::from_secs(1));
        options
    })
    .await;
    let (mut reading, mut writing) = peer.split();
    // Far more than the sockets hold: the writer can only get done once the source reads again.
    let flood = tokio::spawn(async move {
        for n in 0..3_000_u16 {
            let payload = vec![b'x'; 10_000].into();
            let publish = Publish {
                qos: Qos::AtLeastOnce,
                topic: Text::from("t"),
                packet_id: n + 1,
                payload,
                ..Publish::default()
            };
            writing.write(&Packet::Publish(publish)).await;
        }
        writing
    });
    let (lane, mut last) = collect(&mut source, 10).await;
    // Three keep-alives without an answer, since nothing is read: still there, still pinging.
    for _ in 0..3 {
        assert_eq!(reading.read().await, Some(Packet::PingReq));
    }
    assert!(!flood.is_finished());
    assert!(tokio::time::timeout(Duration::from_millis(50), source.next(1)).await.is_err(), "more than may be open");
    let mut left = 3_000 - 10;
    while left > 0 {
        source.settle(vec![Settled::UpTo(lane, last)]).await.unwrap();
        let (same, next, texts) = chunk(&mut source).await;
        assert_eq!(same, lane, "the connection is the same");
        (last, left) = (next, left - texts.len());
    }
    within(flood).await.unwrap();
}

#[tokio::test]
async fn a_backlog_before_suback_is_no_deadlock() {
    // Within the limit, as mosquitto does it, and beyond it.
    for backlog in [10, 11, 2_000] {
        let server = Server::start().await;
        let mut options = server.options().topic("#");
        options.source.receive_maximum = 10;
        let mut source = MqttSource::new(options);
        let (opened, _peer) = tokio::join!(within(source.open(context())), async {
            let mut peer = server.accept(true).await;
            let packet_id = peer.subscribe().await.packet_id;
            for id in 0..backlog {
                peer.send(Qos::AtLeastOnce, id + 1, "x").await;
            }
            peer.write(&Packet::SubAck(SubAck { packet_id, reasons: vec![Reason(1)], details: None })).await;
            peer
        });
        opened.unwrap();
        let mut left = usize::from(backlog);
        while left > 0 {
            let (lane, last, texts) = chunk(&mut source).await;
            source.settle(vec![Settled::UpTo(lane, last)]).await.unwrap();
            left -= texts.len();
        }
    }
}

#[tokio::test]
async fn a_silent_server_is_noticed_and_left() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |mut options| {
        options.client.keep_alive = lorry_core::registry::Span(Duration::from_secs(1));
        options
    })
    .await;
    assert_eq!(peer.read().await, Some(Packet::PingReq));
    peer.write(&Packet::PingResp).await;
    assert_eq!(peer.read().await, Some(Packet::PingReq));
    assert!(matches!(within(source.next(1)).await, Ok(Event::LaneLost(_))));
    server.accept(true).await;
}

// Logging in and subscribing.

/// What `open` says when the server answers CONNECT so.
async fn refused(answer: &[u8]) -> Error {
    let server = Server::start().await;
    let mut source = MqttSource::new(server.options().topic("#"));
    let answering = async {
        loop {
            let mut peer = server.accept_silently().await;
            peer.write_bytes(answer).await;
        }
    };
    tokio::select! {
        opened = within(source.open(context())) => opened.unwrap_err(),
        () = answering => unreachable!(),
    }
}

#[tokio::test]
async fn refused_logins_end_the_attempt() {
    for (answer, kind) in [
        (&[0x20, 2, 0, 4][..], ErrorKind::Auth),
        (&[0x20, 2, 0, 5], ErrorKind::Auth),
        (&[0x20, 3, 0, 0x86, 0], ErrorKind::Auth),
        (&[0x20, 3, 0, 0x87, 0], ErrorKind::Auth),
        (&[0x20, 3, 0, 0x85, 0], ErrorKind::Refused),
    ] {
        let error = refused(answer).await;
        assert_eq!((error.class(), error.kind()), (Class::Config, kind), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_3_1_1_only_is_spoken_to_in_that() {
    for refusal in [&[0x20, 2, 0, 1][..], &[0x20, 3, 0, 0x84, 0], &[]] {
        let server = Server::start().await;
        let mut source = MqttSource::new(server.options().topic("#"));
        let (opened, versions) = tokio::join!(within(source.open(context())), async {
            let mut first = server.accept_silently().await;
            first.write_bytes(refusal).await;
            let first_version = first.version();
            drop(first);
            let mut second = server.accept(false).await;
            second.subscribed().await;
            (first_version, second.version(), second)
        });
        opened.unwrap();
        assert_eq!((versions.0, versions.1), (Version::V5, Version::V4), "{refusal:?}");
        drop(versions.2);
        assert_eq!(server.accept(false).await.version(), Version::V4, "and it is remembered");
    }
}

#[tokio::test]
async fn a_server_that_dies_while_greeting_is_not_taken_for_an_old_one_for_ever() {
    let server = Server::start().await;
    let mut source = MqttSource::new(server.options().topic("#"));
    let (opened, versions) = tokio::join!(within(source.open(context())), async {
        let mut versions = Vec::new();
        for _ in 0..4 {
            versions.push(server.accept_silently().await.version());
        }
        let mut peer = server.accept(false).await;
        peer.subscribed().await;
        versions.push(peer.version());
        versions
    });
    opened.unwrap();
    use Version::{V4, V5};
    assert_eq!(versions, [V5, V4, V5, V4, V5]);
}

#[tokio::test]
async fn a_refused_subscription_is_a_config_error_and_a_lower_qos_is_not() {
    let subscribe = async |reason: Reason, require: Option<Guarantee>| -> Result<()> {
        let server = Server::start().await;
        let mut source = MqttSource::new(server.options().topic("a/#"));
        let mut context = context();
        context.require = require;
        tokio::join!(within(source.open(context)), async {
            let mut peer = server.accept(false).await;
            let packet_id = peer.subscribe().await.packet_id;
            peer.write(&Packet::SubAck(SubAck { packet_id, reasons: vec![reason], details: None })).await;
            peer
        })
        .0
    };
    let error = subscribe(Reason::NOT_AUTHORIZED, None).await.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert!(error.to_string().contains("a/#"), "{error}");
    subscribe(Reason(0), None).await.unwrap();
    subscribe(Reason(0), Some(Guarantee::BestEffort)).await.unwrap();
    // Unless somebody relies on it.
    for require in [Guarantee::UntilExit, Guarantee::SurvivesRestart] {
        let error = subscribe(Reason(0), Some(require)).await.unwrap_err();
        assert_eq!((error.class(), error.kind()), (Class::Config, ErrorKind::Refused));
        assert!(error.to_string().contains("grants QoS 0, not 1") && error.to_string().contains("a/#"), "{error}");
        subscribe(Reason(1), Some(require)).await.unwrap();
    }
}

#[tokio::test]
async fn a_relay_that_requires_a_guarantee_ends_when_the_server_grants_less() {
    let server = Server::start().await;
    let source = MqttSource::new(server.options().topic("a/#"));
    let relay = Relay::new([Stream::from_source(source).to(MemorySink::new())]).require(Guarantee::UntilExit);
    let answering = async {
        let mut peer = server.accept(false).await;
        let packet_id = peer.subscribe().await.packet_id;
        peer.write(&Packet::SubAck(SubAck { packet_id, reasons: vec![Reason(0)], details: None })).await;
        peer
    };
    let (ended, _peer) = tokio::join!(within(relay.run()), answering);
    let error = ended.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("grants QoS 0, not 1"), "{error}");
}

#[tokio::test]
async fn a_session_that_comes_back_with_less_than_is_required_needs_a_person() {
    let server = Server::start().await;
    let mut source = MqttSource::new(server.options().topic("a/#"));
    let mut context = context();
    context.require = Some(Guarantee::UntilExit);
    let status = context.status.clone();
    let (opened, peer) = tokio::join!(within(source.open(context)), async {
        let mut peer = server.accept(false).await;
        peer.subscribed().await;
        peer
    });
    opened.unwrap();
    peer.leave().await;
    let mut peer = server.accept(false).await;
    let packet_id = peer.subscribe().await.packet_id;
    peer.write(&Packet::SubAck(SubAck { packet_id, reasons: vec![Reason(0)], details: None })).await;
    until(|| matches!(status.state(), State::Degraded(_))).await;
}

#[tokio::test]
async fn a_lost_session_is_subscribed_again_and_a_kept_one_is_not() {
    let server = Server::start().await;
    let (_source, mut peer) = source(&server, |options| options.topic("more/+")).await;
    for session in [true, false, true] {
        peer.leave().await;
        peer = server.accept(session).await;
        if session {
            peer.is_silent().await;
        } else {
            let filters = peer.subscribed().await;
            let paths: Vec<_> = filters.iter().map(|filter| filter.path.as_str()).collect();
            assert_eq!(paths, ["#", "more/+"]);
            assert!(filters.iter().all(|filter| filter.retain_handling == RetainHandling::IfNew));
        }
    }
}

#[tokio::test]
async fn three_quick_drops_end_a_fight_over_the_client_id() {
    for version in [Protocol::V4, Protocol::V5] {
        let server = Server::start().await;
        let (mut source, mut peer) = source(&server, |options| options.client_id("same").version(version)).await;
        for _ in 0..2 {
            drop(peer);
            peer = server.accept(true).await;
        }
        drop(peer);
        let error = loop {
            match within(source.next(1)).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.class(), Class::Config);
        assert!(error.to_string().contains("same"), "{error}");
    }
}

#[tokio::test]
async fn quick_restarts_of_the_server_are_no_fight() {
    let mut server = Server::start().await;
    let mut source = MqttSource::new(server.options().topic("#").version(Protocol::V4));
    let mut context = context();
    // By the schedule alone the client would come back when all is over.
    (context.retry.min, context.retry.max) = (Duration::from_millis(500), Duration::from_millis(500));
    let status = context.status.clone();
    let (opened, mut peer) = tokio::join!(within(source.open(context)), async {
        let mut peer = server.accept(false).await;
        peer.subscribed().await;
        peer
    });
    opened.unwrap();
    for n in 0..5 {
        // The listening socket goes first, as when a process dies, and it takes a moment to be back.
        let (port, retries) = (server.stop().await, status.retries());
        drop(peer);
        assert!(matches!(within(source.next(1)).await, Ok(Event::LaneLost(_))));
        let noticed = until(|| status.retries() >= retries + 2);
        let _ = tokio::time::timeout(Duration::from_millis(60), noticed).await;
        server = Server::start_at(port).await;
        peer = server.accept(true).await;
        peer.send(Qos::AtLeastOnce, 1, "still there").await;
        assert_eq!(chunk(&mut source).await.2, ["still there"], "after {n} restarts");
    }
}

#[tokio::test]
async fn a_sink_that_was_taken_over_is_degraded_until_it_publishes_again() {
    for fight in [false, true] {
        let server = Server::start().await;
        let protocol = if fight { Protocol::V4 } else { Protocol::V5 };
        let mut sink = MqttSink::new(server.options().topic("t").client_id("same").version(protocol));
        let mut context = context();
        context.retry.degraded = Duration::from_millis(300);
        let status = context.status.clone();
        let (opened, mut peer) = tokio::join!(within(sink.open(context)), server.accept(false));
        opened.unwrap();
        if fight {
            for _ in 0..2 {
                drop(peer);
                peer = server.accept(false).await;
            }
            drop(peer);
        } else {
            peer.write(&Packet::Disconnect(Disconnect::new(Reason::SESSION_TAKEN_OVER))).await;
        }
        until(|| matches!(status.state(), State::Degraded(_))).await;
        let State::Degraded(error) = status.state() else { panic!("{:?}", status.state()) };
        assert!(error.class() == Class::Config && error.to_string().contains("same"), "{error}");
        // What is sent meanwhile is kept.
        let receipt = sink.send(numbers(0..3)).await.unwrap();
        let mut peer = server.accept(false).await;
        for _ in 0..3 {
            let publish = peer.publish().await;
            peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
        }
        within(receipt).await.unwrap();
        assert!(matches!(status.state(), State::Up), "{:?}", status.state());
    }
}

#[tokio::test]
async fn a_session_taken_over_is_the_end() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |options| options).await;
    peer.write(&Packet::Disconnect(Disconnect::new(Reason::SESSION_TAKEN_OVER))).await;
    assert!(matches!(within(source.next(1)).await, Ok(Event::LaneLost(_))));
    let error = within(source.next(1)).await.unwrap_err();
    assert_eq!(error.class(), Class::Config, "{error}");
}

#[tokio::test]
async fn a_server_that_shuts_down_is_waited_for() {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t"));
    let context = context();
    let status = context.status.clone();
    let (opened, mut peer) = tokio::join!(within(sink.open(context)), server.accept(false));
    opened.unwrap();
    let receipt = sink.send(numbers(0..1)).await.unwrap();
    peer.publish().await;
    peer.write(&Packet::Disconnect(Disconnect::new(Reason::SERVER_SHUTTING_DOWN))).await;
    let mut peer = server.accept(false).await;
    let publish = peer.publish().await;
    peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    within(receipt).await.unwrap();
    assert!(matches!(status.state(), State::Up), "{:?}", status.state());
    assert_eq!(status.reconnects(), 1);
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_told_and_left() {
    for nonsense in
        [&[0xF0, 2, 0x18, 0][..], &[0x62, 2, 0, 1], &[0x00, 0], &[0x30, 2, 0, 9], &[0x34, 5, 0, 1, b't', 0, 7, 0]]
    {
        let server = Server::start().await;
        let (_source, mut peer) = source(&server, |options| options).await;
        peer.write_bytes(nonsense).await;
        let goodbye = peer.read().await;
        assert!(
            matches!(&goodbye, Some(Packet::Disconnect(why)) if why.reason.is_failure()),
            "{nonsense:?}: {goodbye:?}"
        );
        server.accept(true).await;
    }
}

#[tokio::test]
async fn topic_aliases_are_resolved_per_connection() {
    let server = Server::start().await;
    let (mut source, mut peer) = source(&server, |options| options).await;
    let publish = |topic: &'static str, alias| {
        let properties = PublishProperties { topic_alias: alias, ..PublishProperties::default() };
        Packet::Publish(Publish {
            topic: Text::from(topic),
            properties: Some(Box::new(properties)),
            ..Publish::default()
        })
    };
    let packets = [publish("a/b", Some(1)), publish("", Some(1)), publish("c", Some(1)), publish("", Some(1))];
    for packet in packets {
        peer.write(&packet).await;
    }
    let mut topics = Vec::new();
    while topics.len() < 4 {
        if let Event::Chunk(chunk) = within(source.next(256)).await.unwrap() {
            topics.extend(chunk.values.iter().map(|message| message.address.to_string()));
        }
    }
    assert_eq!(topics, ["a/b", "a/b", "c", "c"]);
    drop(peer);
    let mut peer = server.accept(true).await;
    peer.write(&publish("", Some(1))).await;
    assert!(matches!(peer.read().await, Some(Packet::Disconnect(_))));
}

#[tokio::test]
async fn an_unreachable_server_is_waited_for() {
    let server = Server::start().await;
    let address = server.options().topic("#");
    let port = server.stop().await;
    let mut source = MqttSource::new(address);
    let context = context();
    let status = context.status.clone();
    let opening = tokio::spawn(async move {
        source.open(context).await.unwrap();
        source
    });
    until(|| status.retries() >= 3).await;
    assert!(matches!(status.state(), State::Retrying(_)));
    let server = Server::start_at(port).await;
    let mut peer = server.accept(false).await;
    peer.subscribed().await;
    within(opening).await.unwrap();
}
