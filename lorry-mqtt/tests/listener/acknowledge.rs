//! PUBACK means delivered.

use crate::device::{Device, publish};
use crate::{BOTH, listen, local, next, says_nothing, settle, take, texts};
use lorry_core::relay::{Event, Position, Settled, Source, Verdict};
use lorry_core::{Error, ErrorKind};
use lorry_mqtt::packet::{Ack, Packet, Publish, PublishProperties, Qos, Reason, SubAck, Subscribe, Version};

#[tokio::test]
async fn puback_is_withheld_until_the_message_is_settled_and_comes_in_order() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        for id in 11..=13 {
            device.publish("a/b", id, &id.to_string()).await;
        }
        let messages = take(&mut source, 3).await;
        assert_eq!(texts(&messages), ["11", "12", "13"]);
        assert_eq!(messages.iter().map(|(_, position, _)| *position).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(messages[0].2.address.as_str(), "a/b");
        device.hears_nothing().await;
        let lane = messages[0].0;
        settle(&mut source, lane, 0).await;
        assert_eq!(device.puback().await, Ack::new(11));
        device.hears_nothing().await;
        settle(&mut source, lane, 2).await;
        assert_eq!(device.puback().await, Ack::new(12));
        assert_eq!(device.puback().await, Ack::new(13));
        device.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_refused_message_has_its_reason_in_version_5() {
    for (version, reason) in [(Version::V4, Reason::SUCCESS), (Version::V5, Reason::PAYLOAD_FORMAT_INVALID)] {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 1, "good").await;
        device.publish("a", 2, "bad").await;
        let lane = take(&mut source, 2).await[0].0;
        let error = Error::data(ErrorKind::Malformed, "", "no JSON");
        let refused = Settled::Items(lane, vec![Verdict { position: Position(1), refused: Some(error) }]);
        source.settle(vec![refused, Settled::UpTo(lane, Position(1))]).await.unwrap();
        assert_eq!(device.puback().await, Ack::new(1));
        assert_eq!(device.puback().await, Ack::with_reason(2, reason));
    }
}

#[tokio::test]
async fn topics_outside_the_filter_are_dropped_and_acknowledged_in_their_turn() {
    for (version, reason) in [(Version::V4, Reason::SUCCESS), (Version::V5, Reason::NOT_AUTHORIZED)] {
        let (mut source, address) = listen(local().topic("a/#").topic("b/+")).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 1, "one").await;
        device.publish("b/c/d", 2, "outside").await;
        device.publish("c", 0, "outside").await;
        device.publish("b/c", 3, "two").await;
        let messages = take(&mut source, 2).await;
        assert_eq!(texts(&messages), ["one", "two"]);
        device.hears_nothing().await;
        settle(&mut source, messages[0].0, 0).await;
        assert_eq!(device.puback().await, Ack::new(1));
        assert_eq!(device.puback().await, Ack::with_reason(2, reason), "not before the one that came before it");
        settle(&mut source, messages[0].0, 1).await;
        assert_eq!(device.puback().await, Ack::new(3));
        // Without anything before it, it is answered at once.
        device.publish("$SYS/x", 4, "outside").await;
        assert_eq!(device.puback().await, Ack::with_reason(4, reason));
    }
}

#[tokio::test]
async fn metadata_comes_along_and_aliases_stand_for_topics() {
    let (mut source, address) = listen(local()).await;
    let mut device = Device::connect(address, Version::V5, "d").await;
    let properties = PublishProperties {
        topic_alias: Some(3),
        content_type: Some("application/json".into()),
        response_topic: Some("answers".into()),
        correlation_data: Some(vec![1, 2].into()),
        expiry: Some(60),
        user: vec![("b".into(), "1".into()), ("a".into(), "2".into()), ("b".into(), "3".into())],
        ..PublishProperties::default()
    };
    let first = Publish {
        topic: "a/b".into(),
        retain: true,
        qos: Qos::AtLeastOnce,
        packet_id: 1,
        payload: "{}".into(),
        properties: Some(Box::new(properties)),
        ..Publish::default()
    };
    let alias = |alias| Some(Box::new(PublishProperties { topic_alias: Some(alias), ..PublishProperties::default() }));
    let second = Publish { payload: "x".into(), properties: alias(3), ..Publish::default() };
    device.send(&Packet::Publish(first)).await;
    device.send(&Packet::Publish(second)).await;
    let messages = take(&mut source, 2).await;
    let message = &messages[0].2;
    assert_eq!(message.properties().content_type.as_deref(), Some("application/json"));
    assert_eq!(message.properties().reply_to.as_deref(), Some("answers"));
    assert_eq!((message.properties().retain, message.properties().qos), (true, Some(1)));
    let headers: Vec<_> = message.headers().iter().map(|(name, value)| (name, value.as_str().unwrap())).collect();
    assert_eq!(headers, [("b", "1"), ("a", "2"), ("b", "3")]);
    assert_eq!(messages[1].2.address.as_str(), "a/b");
    let unknown = Publish { payload: "x".into(), properties: alias(4), ..Publish::default() };
    device.send(&Packet::Publish(unknown)).await;
    device.is_told(Reason::TOPIC_ALIAS_INVALID).await;
}

#[tokio::test]
async fn subscriptions_are_refused_politely() {
    for (version, reason) in [(Version::V4, Reason::UNSPECIFIED), (Version::V5, Reason::NOT_AUTHORIZED)] {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        let filter = |path: &str| lorry_mqtt::packet::Filter { path: path.into(), ..Default::default() };
        let subscribe = Subscribe { packet_id: 5, filters: vec![filter("#"), filter("a")], ..Subscribe::default() };
        device.send(&Packet::Subscribe(subscribe)).await;
        let expected = SubAck { packet_id: 5, reasons: vec![reason, reason], details: None };
        assert_eq!(device.receive().await, Some(Packet::SubAck(expected)));
        device.publish("a", 1, "goes on").await;
        let lane = take(&mut source, 1).await[0].0;
        settle(&mut source, lane, 0).await;
        device.puback().await;
    }
}

#[tokio::test]
async fn closing_writes_what_was_settled_and_says_why() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 1, "delivered").await;
        device.publish("a", 2, "held").await;
        let lane = take(&mut source, 2).await[0].0;
        settle(&mut source, lane, 0).await;
        source.close().await.unwrap();
        assert_eq!(device.puback().await, Ack::new(1));
        device.is_told(Reason::SERVER_SHUTTING_DOWN).await;
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn dropping_the_source_ends_everything_and_acknowledges_nothing() {
    let (mut source, address) = listen(local()).await;
    let mut device = Device::connect(address, Version::V5, "d").await;
    device.publish("a", 1, "x").await;
    take(&mut source, 1).await;
    drop(source);
    assert_eq!(device.receive().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_devices_lose_nothing_and_keep_their_order() {
    const DEVICES: usize = 50;
    const EACH: u16 = 200;
    let (mut source, address) = listen(local().options(|options| options.receive_maximum = 30)).await;
    let devices: Vec<_> = (0..DEVICES)
        .map(|number| {
            tokio::spawn(async move {
                let version = BOTH[number % 2];
                let mut device = Device::connect(address, version, &format!("device-{number}")).await;
                let (mut sent, mut acked) = (0, 0);
                while acked < EACH {
                    // A window of ten.
                    while sent < EACH && sent - acked < 10 {
                        sent += 1;
                        device.publish(&format!("devices/{number}"), sent, &sent.to_string()).await;
                    }
                    acked += 1;
                    assert_eq!(device.puback().await, Ack::new(acked));
                }
                device.disconnect().await;
            })
        })
        .collect();
    let mut seen = std::collections::HashMap::<String, u16>::new();
    let mut lost = 0;
    while lost < DEVICES {
        match next(&mut source).await {
            Event::Chunk(chunk) => {
                let last = chunk.at.position(chunk.values.len() - 1).0;
                for message in &chunk.values {
                    let count = seen.entry(message.address.as_str().to_owned()).or_default();
                    *count += 1;
                    assert_eq!(message.text(), Some(count.to_string().as_str()));
                }
                settle(&mut source, chunk.lane, last).await;
            }
            Event::LaneLost(_) => lost += 1,
            other => panic!("{other:?}"),
        }
    }
    for device in devices {
        device.await.unwrap();
    }
    assert_eq!(seen.len(), DEVICES);
    assert!(seen.values().all(|count| *count == EACH));
    says_nothing(&mut source).await;
}

/// One device that is not settled has no effect on the others.
#[tokio::test]
async fn a_device_whose_messages_are_held_does_not_hold_the_others() {
    let (mut source, address) = listen(local().options(|options| options.receive_maximum = 5)).await;
    let mut held = Device::connect(address, Version::V4, "held").await;
    for id in 1..=8 {
        held.publish("held", id, "x").await;
    }
    let messages = take(&mut source, 5).await;
    let mut other = Device::connect(address, Version::V5, "other").await;
    for id in 1..=20 {
        other.publish("other", id, "y").await;
        let message = take(&mut source, 1).await.remove(0);
        assert_eq!(message.2.address.as_str(), "other");
        settle(&mut source, message.0, message.1).await;
        assert_eq!(other.puback().await, Ack::new(id));
    }
    settle(&mut source, messages[0].0, 4).await;
    let rest = take(&mut source, 3).await;
    settle(&mut source, rest[0].0, 7).await;
    for id in 1..=8 {
        assert_eq!(held.puback().await, Ack::new(id));
    }
}

#[tokio::test]
async fn a_chunk_is_never_larger_than_asked_for() {
    let (mut source, address) = listen(local()).await;
    let mut device = Device::connect(address, Version::V4, "d").await;
    let mut bytes = bytes::BytesMut::new();
    for id in 1..=10 {
        lorry_mqtt::codec::encode(Version::V4, &publish("a", id, &id.to_string()), &mut bytes).unwrap();
    }
    device.send_raw(&bytes).await;
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let Event::Chunk(chunk) = source.next(3).await.unwrap() else { panic!() };
        assert!((1..=3).contains(&chunk.values.len()));
        for (index, message) in chunk.values.iter().enumerate() {
            assert_eq!(chunk.at.position(index).0, seen.len() as u64);
            seen.push(message.text().unwrap().to_owned());
        }
    }
    assert_eq!(seen, (1..=10).map(|id| id.to_string()).collect::<Vec<_>>());
}
