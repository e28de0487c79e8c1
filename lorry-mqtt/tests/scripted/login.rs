//! Logging in, subscribing, sessions kept and lost.

use super::*;

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
async fn a_server_that_takes_qos_0_only_is_no_place_for_qos_1() {
    let server = Server::start().await;
    let mut sink = MqttSink::new(server.options().topic("t"));
    let properties = ConnAckProperties { maximum_qos: Some(Qos::AtMostOnce), ..ConnAckProperties::default() };
    let ack = ConnAck { properties, ..ConnAck::default() };
    let (opened, _peer) = tokio::join!(within(sink.open(context())), server.accept_with(ack));
    let error = opened.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("qos=0"), "{error}");
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
async fn a_session_is_subscribed_again_whether_it_was_lost_or_kept() {
    let server = Server::start().await;
    let (_source, mut peer) = source(&server, |options| options.topic("more/+")).await;
    for session in [true, false, true] {
        peer.leave().await;
        peer = server.accept(session).await;
        let filters = peer.subscribed().await;
        let paths: Vec<_> = filters.iter().map(|filter| filter.path.as_str()).collect();
        assert_eq!(paths, ["#", "more/+"]);
        assert!(filters.iter().all(|filter| filter.retain_handling == RetainHandling::IfNew));
    }
}
