//! What is too much, too large, too slow or no MQTT at all.

use crate::device::{Device, publish};
use crate::{BOTH, listen, local, next, says_nothing, settle, take};
use lorry_core::relay::{Event, Source};
use lorry_mqtt::codec::encode;
use lorry_mqtt::packet::{Ack, Connect, Packet, Reason, Version, Will};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_packet_that_is_too_large_is_refused_by_its_header() {
    for version in BOTH {
        let (mut source, address) = listen(local().options(|options| options.max_packet_size.0 = 1_000)).await;
        let mut device = Device::connect(address, version, "d").await;
        device.publish("a", 1, &"x".repeat(900)).await;
        take(&mut source, 1).await;
        // The header alone: a packet of a million bytes, none of which is ever sent.
        device.send_raw(&[0x32, 0xC0, 0x84, 0x3D]).await;
        device.is_told(Reason::PACKET_TOO_LARGE).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_mqtt_end_the_connection() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        for bytes in [
            &[0x36, 2, 0, 1][..],
            &[0x32, 5, 0, 1, b'#', 0, 1],
            &[0x20, 2, 0, 0],
            &[0x00, 0],
            &[0x30, 0xFF, 0xFF, 0xFF, 0xFF],
        ] {
            let mut device = Device::connect(address, version, "d").await;
            device.send_raw(bytes).await;
            if version == Version::V5 {
                assert!(matches!(device.receive().await, Some(Packet::Disconnect(told)) if told.reason.is_failure()));
            }
            assert_eq!(device.receive().await, None, "{bytes:02x?}");
        }
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 2, 0], &[0xC0, 0], &[0x10, 0xFF, 0xFF, 0xFF, 0x7F]]
        {
            let mut device = Device::reach(address, version).await;
            device.send_raw(bytes).await;
            assert_eq!(device.receive().await, None, "{bytes:02x?}");
        }
        says_nothing(&mut source).await;
        Device::connect(address, version, "d").await;
    }
}

#[tokio::test]
async fn a_full_house_says_so() {
    let (_source, address) = listen(local().options(|options| options.max_clients = 2)).await;
    let one = Device::connect(address, Version::V4, "one").await;
    let _two = Device::connect(address, Version::V5, "two").await;
    for (version, reason) in [(Version::V4, Reason::V4_UNAVAILABLE), (Version::V5, Reason::QUOTA_EXCEEDED)] {
        let mut three = Device::reach(address, version).await;
        let connect = Connect { client_id: "three".into(), clean: true, ..Connect::default() };
        assert_eq!(three.login(connect).await.reason, reason);
    }
    one.disconnect().await;
    // There is room again as soon as the listener has seen it.
    let since = Instant::now();
    loop {
        let mut three = Device::reach(address, Version::V5).await;
        let connect = Connect { client_id: "three".into(), clean: true, ..Connect::default() };
        if three.login(connect).await.reason == Reason::SUCCESS {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_device_that_is_silent_for_longer_than_it_promised_is_disconnected() {
    for version in BOTH {
        let (_source, address) = listen(local()).await;
        let mut device = Device::reach(address, version).await;
        let since = Instant::now();
        device.login(Connect { client_id: "d".into(), clean: true, keep_alive: 1, ..Connect::default() }).await;
        device.is_told(Reason::KEEP_ALIVE_TIMEOUT).await;
        let waited = since.elapsed();
        assert!(waited >= Duration::from_millis(1_500) && waited < Duration::from_secs(5), "{waited:?}");
    }
}

/// A device is not read beyond its window, keeps its connection all the same, and goes on when there is room.
#[tokio::test]
async fn no_more_than_the_window_is_on_its_way() {
    for version in BOTH {
        for qos in [0, 1] {
            let (mut source, address) = listen(local().options(|options| options.receive_maximum = 10)).await;
            let mut device = Device::connect(address, version, "d").await;
            let mut bytes = bytes::BytesMut::new();
            for id in 1..=35 {
                encode(version, &publish("a", id * qos, &id.to_string()), &mut bytes).unwrap();
            }
            device.send_raw(&bytes).await;
            let mut seen = 0;
            while seen < 35 {
                let part = take(&mut source, 10.min(35 - seen)).await;
                seen += part.len();
                says_nothing(&mut source).await;
                settle(&mut source, part[0].0, seen as u64 - 1).await;
            }
            for id in 1..=35 * qos {
                assert_eq!(device.puback().await, Ack::new(id));
            }
            device.hears_nothing().await;
        }
    }
}

/// The window of one device is not the limit here but the bytes of all of them.
#[tokio::test]
async fn no_more_than_the_budget_is_on_its_way() {
    const SIZE: usize = 100_000;
    let (mut source, address) = listen(local().options(|options| options.max_held.0 = 500_000)).await;
    let devices: Vec<_> = (0..4)
        .map(|number| {
            tokio::spawn(async move {
                let mut device = Device::connect(address, BOTH[number % 2], &format!("d{number}")).await;
                for id in 1..=20 {
                    device.publish("a", id, &"x".repeat(SIZE)).await;
                }
                for id in 1..=20 {
                    assert_eq!(device.puback().await, Ack::new(id));
                }
            })
        })
        .collect();
    let (mut seen, mut held, since) = (0, Vec::new(), Instant::now());
    while seen < 80 {
        let event = tokio::time::timeout(Duration::from_millis(100), source.next(1)).await;
        match event {
            Ok(Ok(Event::Chunk(chunk))) => {
                held.push((chunk.lane, chunk.at.position(0).0));
                seen += 1;
                assert!(held.len() <= 6, "the limit is passed by one message at most, not by {}", held.len());
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => panic!("{error}"),
            // Nothing comes: all that may is on its way (or the devices are slow to begin).
            Err(_) => {
                assert!(since.elapsed() < Duration::from_secs(60), "it does not go on after {seen}");
                for (lane, position) in held.drain(..) {
                    settle(&mut source, lane, position).await;
                }
            }
        }
    }
    for (lane, position) in held {
        settle(&mut source, lane, position).await;
    }
    for device in devices {
        device.await.unwrap();
    }
}

/// Acknowledgements that nobody reads do not pile up: the device is not read from either.
#[tokio::test]
async fn a_device_that_never_reads_does_not_fill_the_memory() {
    let (mut source, address) = listen(local()).await;
    let mut device = Device::connect(address, Version::V4, "deaf").await;
    let writer = tokio::spawn(async move {
        let mut bytes = bytes::BytesMut::new();
        for id in 1..=1_000 {
            encode(Version::V4, &publish("a", id, ""), &mut bytes).unwrap();
        }
        // Far more than any socket buffer holds of their acknowledgements.
        for _ in 0..20_000 {
            device.try_send_raw(&bytes).await;
        }
    });
    let mut last = 0;
    loop {
        match tokio::time::timeout(Duration::from_secs(1), next(&mut source)).await {
            Ok(Event::Chunk(chunk)) => {
                last = chunk.at.position(chunk.values.len() - 1).0;
                settle(&mut source, chunk.lane, last).await;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    assert!(last < 19_000_000, "it was read on and on");
    writer.abort();
}

#[tokio::test]
async fn a_login_above_64_kib_is_not_even_read() {
    let (_source, address) = listen(local()).await;
    for version in BOTH {
        let mut device = Device::reach(address, version).await;
        let will = Will { topic: "w".into(), payload: vec![b'x'; 65_000].into(), ..Will::default() };
        let connect = Connect { client_id: "d".into(), clean: true, will: Some(Box::new(will)), ..Connect::default() };
        assert_eq!(device.login(connect).await.reason, Reason::SUCCESS);
    }
    // The header alone, of 65,537 bytes.
    let mut device = Device::reach(address, Version::V5).await;
    device.send_raw(&[0x10, 0x81, 0x80, 0x04]).await;
    assert_eq!(device.receive().await, None);
}

// Room was taken by the header: five devices with 14 bytes each held up all others for a minute.

#[tokio::test]
async fn a_large_packet_that_does_not_come_holds_up_nobody() {
    let (mut source, address) = listen(local()).await;
    let mut devices = Vec::new();
    for number in 0..5 {
        let mut device = Device::connect(address, Version::V4, &format!("d{number}")).await;
        // A packet of 15 MB to the topic "a/b", of which no more comes.
        device.send_raw(&[0x32, 0xC0, 0xC3, 0x93, 0x07, 0, 3, b'a', b'/', b'b']).await;
        device.hears_nothing_more().await;
        devices.push(device);
    }
    small_ones_pass(&mut source, address).await;
}

#[tokio::test]
async fn a_large_packet_that_stops_half_way_holds_up_no_small_ones_and_large_ones_for_a_while() {
    let (mut source, address) = listen(local().options(|options| options.max_held.0 = 500_000)).await;
    let mut bytes = bytes::BytesMut::new();
    encode(Version::V4, &publish("a", 1, &"x".repeat(400_000)), &mut bytes).unwrap();
    let mut device = Device::connect(address, Version::V4, "d").await;
    device.send_raw(&bytes[..300_000]).await;
    device.hears_nothing_more().await;
    small_ones_pass(&mut source, address).await;
    // It has the turn, and loses it with its connection.
    let mut large = Device::connect(address, Version::V5, "large").await;
    large.publish("a", 1, &"x".repeat(400_000)).await;
    let taken = loop {
        // It takes longer than `take` would wait.
        if let Ok(Ok(Event::Chunk(chunk))) = tokio::time::timeout(Duration::from_secs(30), source.next(1)).await {
            break chunk;
        }
    };
    assert_eq!(taken.values[0].bytes().len(), 400_000);
    settle(&mut source, taken.lane, 0).await;
    assert_eq!(large.puback().await, Ack::new(1));
}

/// A message of a device that does nothing wrong is delivered and acknowledged at once.
async fn small_ones_pass(source: &mut lorry_mqtt::MqttListenSource, address: std::net::SocketAddr) {
    for version in BOTH {
        let mut device = Device::connect(address, version, "small").await;
        device.publish("a", 1, "small").await;
        let taken = take(source, 1).await;
        settle(source, taken[0].0, 0).await;
        assert_eq!(device.puback().await, Ack::new(1));
    }
}
