//! The source against a server that does what it is told.

use super::*;

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
    peer.subscribed().await;
    peer.send(Qos::AtLeastOnce, 1, "another, under the same id").await;
    let (new, first, _) = chunk(&mut source).await;
    assert_ne!(old, new);
    source.settle(vec![Settled::UpTo(old, at)]).await.unwrap();
    peer.is_silent().await;
    source.settle(vec![Settled::UpTo(new, first)]).await.unwrap();
    assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(1))));
}

// A server that was killed restores what it saved last, and says that it has kept the session: it need not have what it sent since.

#[tokio::test]
async fn what_waits_is_delivered_although_the_server_says_that_it_has_kept_the_session() {
    let server = Server::start().await;
    let sink = MemorySink::new();
    let store = sink.store();
    store.hold();
    let source = MqttSource::new(server.options().topic("#"));
    let relay = Relay::new([Stream::from_source(source).to(sink)]).name("relay").spawn();
    let monitor = relay.monitor();
    let arrived = || {
        let counts = monitor.snapshot().counts;
        counts.received + counts.superseded
    };
    let mut peer = server.accept(false).await;
    peer.subscribed().await;
    peer.send(Qos::AtLeastOnce, 1, "one").await;
    within(store.wait_attempts(1)).await;
    for (id, text) in [(2, "two"), (3, "three")] {
        peer.send(Qos::AtLeastOnce, id, text).await;
    }
    until(|| arrived() == 3).await;
    drop(peer);
    let mut peer = server.accept(true).await;
    peer.subscribed().await;
    peer.send(Qos::AtLeastOnce, 1, "one").await;
    until(|| arrived() == 4).await;
    store.release();
    assert_eq!(within(relay.stop()).await.unwrap().delivered, 4);
    let delivered: Vec<_> = store.values().iter().map(|message| message.text().unwrap().to_owned()).collect();
    assert_eq!(delivered, ["one", "two", "three", "one"]);
}

#[tokio::test]
async fn what_arrived_before_the_end_is_handed_over_after_it() {
    let server = Server::start().await;
    let context = context();
    let status = context.status.clone();
    let source = MqttSource::new(server.options().topic("#")).options(|options| options.receive_maximum = 1);
    let (mut source, mut peer) = opened_in(context, &server, source).await;
    peer.send(Qos::AtLeastOnce, 1, "the last").await;
    peer.write(&Packet::Disconnect(Disconnect::new(Reason::SESSION_TAKEN_OVER))).await;
    // Until the connection's task has ended, so that it cannot be told anything any more.
    assert!(peer.read().await.is_none());
    until(|| matches!(status.state(), State::Ended)).await;
    assert_eq!(chunk(&mut source).await.2, ["the last"]);
    assert!(matches!(within(source.next(1)).await, Ok(Event::LaneLost(_))));
    assert_eq!(within(source.next(1)).await.unwrap_err().class(), Class::Config);
}

// A server does not count messages of QoS 0 in the window, so a relay that holds more of them than fit into it must get the next one.

#[tokio::test]
async fn messages_of_qos_0_are_taken_beyond_the_window() {
    for subscribed in [0, 1] {
        let server = Server::start().await;
        let (mut source, mut peer) = narrow_source(&server, 10, |options| options.qos(subscribed)).await;
        let sending = tokio::spawn(async move {
            for _ in 0..1_000 {
                peer.send(Qos::AtMostOnce, 0, "x").await;
            }
            peer
        });
        collect(&mut source, 1_000).await;
        within(sending).await.unwrap();
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
    let (mut source, mut peer) = narrow_source(&server, 1, |options| options).await;
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
    let (mut source, peer) = narrow_source(&server, 10, |mut options| {
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
        let source = MqttSource::new(server.options().topic("#"));
        let mut source = source.options(|options| options.receive_maximum = 10);
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

// What an earlier client subscribed to with QoS 2 is queued in the session with that: the source took it for a breach of the protocol,
// on every connection anew.

#[tokio::test]
async fn messages_of_qos_2_that_a_session_still_holds_are_taken_and_acknowledged() {
    for version in [Protocol::V5, Protocol::V4] {
        let server = Server::start().await;
        let (mut source, mut peer) = source(&server, |options| options.version(version)).await;
        peer.send(Qos::ExactlyOnce, 3, "old").await;
        peer.send(Qos::AtLeastOnce, 4, "new").await;
        let (lane, last) = collect(&mut source, 2).await;
        peer.is_silent().await;
        source.settle(vec![Settled::UpTo(lane, last)]).await.unwrap();
        assert_eq!(peer.read().await, Some(Packet::PubRec(Ack::new(3))));
        assert_eq!(peer.read().await, Some(Packet::PubAck(Ack::new(4))));
        peer.write(&Packet::PubRel(Ack::new(3))).await;
        assert_eq!(peer.read().await, Some(Packet::PubComp(Ack::new(3))));
    }
}
