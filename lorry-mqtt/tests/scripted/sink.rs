//! The sink against a server that does what it is told.

use super::*;

// A reconnect while publishes are open: rumqttc lost 110 of 2,000 with a clean session and 239 of 600 with a kept one.

#[tokio::test]
async fn a_reconnect_loses_no_publish_whether_the_session_was_kept_or_not() {
    for kept in [false, true] {
        let server = Server::start().await;
        let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
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
    let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
    let _receipt = sink.send(numbers(0..500)).await.unwrap();
    for n in 0..500 {
        let publish = peer.publish().await;
        assert_eq!((number(&publish), publish.dup), (n, false));
        // One answer: it is not a message that this server dislikes.
        if n == 0 {
            peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
        }
    }
    drop(peer);
    let mut peer = server.accept(true).await;
    let begin = Instant::now();
    for n in 1..500 {
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
    let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
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
    let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
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
    let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
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
    let (mut sink, mut peer) =
        sink(&server, |options| MqttSink::new(options).options(|own| own.keep_address = true)).await;
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
    let (mut sink, mut peer) = sink(&server, MqttSink::new).await;
    let receipt = sink.send(numbers(0..1)).await.unwrap();
    let publish = peer.publish().await;
    peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
    within(receipt).await.unwrap();
    within(sink.close()).await.unwrap();
    assert!(matches!(peer.read().await, Some(Packet::Disconnect(_))));
    assert!(peer.read().await.is_none());
}

// A session that was kept, in which an earlier client has subscribed: the first message was held for ever, reading stopped at the
// second, and no PUBACK behind it was seen.

#[tokio::test]
async fn messages_that_nobody_here_asked_for_are_left_alone_and_do_not_stop_a_sink() {
    for version in [Protocol::V5, Protocol::V4] {
        let server = Server::start().await;
        let (mut sink, mut peer) = sink(&server, |options| MqttSink::new(options.version(version))).await;
        for id in 1..=3 {
            peer.send(Qos::AtLeastOnce, id, "stray").await;
        }
        peer.send(Qos::AtMostOnce, 0, "stray").await;
        peer.send(Qos::ExactlyOnce, 4, "stray").await;
        // The first thing that it says is what it was asked to.
        let receipt = sink.send(numbers(0..1)).await.unwrap();
        let publish = peer.publish().await;
        peer.write(&Packet::PubAck(Ack::new(publish.packet_id))).await;
        within(receipt).await.unwrap();
    }
}
