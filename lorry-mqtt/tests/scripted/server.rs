//! Servers that are restarted, shut down, taken over, or break the protocol.

use super::*;

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
        peer.subscribed().await;
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
        [&[0xF0, 2, 0x18, 0][..], &[0x50, 2, 0, 1], &[0x00, 0], &[0x30, 2, 0, 9], &[0x36, 5, 0, 1, b't', 0, 7, 0]]
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
    peer.subscribed().await;
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
