//! One test for each thing that the guard is there for.

use super::super::{REFUSED_VERSION, Unsendable, decode, decode_connect, encode};
use super::{BOTH, read, refused, written};
use crate::packet::{
    Ack, Auth, Connect, Details, Disconnect, Filter, Packet, Publish, PublishProperties, Qos, Reason, SubAck,
    Subscribe, Text, Unsubscribe, Version, Will,
};
use bytes::{Bytes, BytesMut};

fn publish(topic: &str) -> Publish {
    Publish { topic: topic.into(), qos: Qos::AtLeastOnce, packet_id: 7, payload: "21.5".into(), ..Publish::default() }
}

#[test]
fn a_frame_is_read_when_it_is_whole_and_not_before() {
    for version in BOTH {
        let bytes = written(version, &publish("a/b").into_packet());
        for cut in 0..bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..cut]);
            assert_eq!(decode(version, &mut buffer, usize::MAX), Ok(None));
            assert_eq!(buffer.len(), cut, "nothing is consumed");
        }
        let mut buffer = BytesMut::from(&[&bytes[..], &bytes[..3]].concat()[..]);
        assert!(decode(version, &mut buffer, usize::MAX).unwrap().is_some());
        assert_eq!(buffer.len(), 3, "what belongs to the next packet stays");
    }
}

impl Publish {
    fn into_packet(self) -> Packet {
        Packet::Publish(self)
    }
}

/// rumqttc asks for more bytes when the content of a whole frame ends too early; the connection would hang.
#[test]
fn a_frame_that_is_too_short_for_its_content_is_malformed() {
    for bytes in [&[0x20, 3, 0, 0, 0x80][..], &[0x40, 1, 0], &[0x30, 1, 0], &[0x30, 3, 0, 9, b'a'], &[0x90, 2, 0, 1]] {
        for version in BOTH {
            assert_eq!(refused(version, bytes), Reason::MALFORMED_PACKET, "{bytes:02x?}");
        }
    }
    // A property length that goes on for ever, and one that is longer than the packet.
    assert_eq!(refused(Version::V5, &[0x30, 4, 0, 1, b'a', 0x80]), Reason::MALFORMED_PACKET);
    assert_eq!(refused(Version::V5, &[0x30, 4, 0, 1, b'a', 5]), Reason::MALFORMED_PACKET);
    assert_eq!(refused(Version::V5, &[0x40, 5, 0, 1, 0, 9, 0]), Reason::MALFORMED_PACKET);
}

#[test]
fn a_version_5_client_reads_the_refusal_of_a_server_that_knows_3_1_1_only() {
    let Some(Packet::ConnAck(ack)) = read(Version::V5, &REFUSED_VERSION).unwrap() else { panic!() };
    assert_eq!(ack.reason, Reason(1));
    assert!(ack.reason.refuses_version());
    let Some(Packet::ConnAck(ack)) = read(Version::V5, &[0x20, 3, 0, 0x84, 0]).unwrap() else { panic!() };
    assert!(ack.reason.refuses_version());
}

#[test]
fn disconnect_in_its_short_forms() {
    let cases: [(&[u8], Reason); 4] = [
        (&[0xE0, 0], Reason::SUCCESS),
        (&[0xE0, 1, 4], Reason::DISCONNECT_WITH_WILL),
        (&[0xE0, 1, 0x8E], Reason::SESSION_TAKEN_OVER),
        (&[0xE0, 2, 0x8B, 0], Reason::SERVER_SHUTTING_DOWN),
    ];
    for (bytes, reason) in cases {
        assert_eq!(read(Version::V5, bytes), Ok(Some(Packet::Disconnect(Disconnect::new(reason)))));
    }
    assert_eq!(written(Version::V5, &Packet::Disconnect(Disconnect::new(Reason::SUCCESS))), [0xE0, 0]);
    assert_eq!(written(Version::V5, &Packet::Disconnect(Disconnect::new(Reason(4)))), [0xE0, 1, 4]);
    assert_eq!(written(Version::V4, &Packet::Disconnect(Disconnect::new(Reason(4)))), [0xE0, 0]);
    assert_eq!(refused(Version::V4, &[0xE0, 1, 4]), Reason::MALFORMED_PACKET);
}

#[test]
fn auth_is_read_and_written_in_version_5_only() {
    assert_eq!(read(Version::V5, &[0xF0, 0]), Ok(Some(Packet::Auth(Auth::default()))));
    let auth = Packet::Auth(Auth {
        reason: Reason::CONTINUE_AUTHENTICATION,
        method: Some("SCRAM".into()),
        data: Some(Bytes::from_static(&[0, 255])),
        details: Details::of("more"),
    });
    assert_eq!(read(Version::V5, &written(Version::V5, &auth)), Ok(Some(auth.clone())));
    assert_eq!(encode(Version::V4, &auth, &mut BytesMut::new()), Err(Unsendable::NoSuchPacket));
    assert_eq!(refused(Version::V4, &[0xF0, 0]), Reason::MALFORMED_PACKET);
}

#[test]
fn unknown_reason_codes_are_kept() {
    let Ok(Some(Packet::PubAck(ack))) = read(Version::V5, &[0x40, 3, 0, 7, 0xEE]) else { panic!() };
    assert_eq!(ack, Ack::with_reason(7, Reason(0xEE)));
    let Ok(Some(Packet::ConnAck(ack))) = read(Version::V5, &[0x20, 3, 0, 0xEE, 0]) else { panic!() };
    assert_eq!(ack.reason, Reason(0xEE));
    let Ok(Some(Packet::ConnAck(ack))) = read(Version::V4, &[0x20, 2, 0, 0x77]) else { panic!() };
    assert_eq!(ack.reason, Reason(0x77));
    for (version, bytes) in [(Version::V4, &[0x90, 4, 0, 7, 1, 0xEE][..]), (Version::V5, &[0x90, 5, 0, 7, 0, 1, 0xEE])]
    {
        let Ok(Some(Packet::SubAck(ack))) = read(version, bytes) else { panic!() };
        assert_eq!(ack.reasons, [Reason(1), Reason(0xEE)]);
    }
    let Ok(Some(Packet::UnsubAck(ack))) = read(Version::V5, &[0xB0, 4, 0, 7, 0, 0xEE]) else { panic!() };
    assert_eq!(ack.reasons, [Reason(0xEE)]);
    assert_eq!(
        read(Version::V4, &[0xB0, 2, 0, 7]),
        Ok(Some(Packet::UnsubAck(SubAck { packet_id: 7, ..SubAck::default() })))
    );
    let Ok(Some(Packet::Disconnect(disconnect))) = read(Version::V5, &[0xE0, 1, 0xEE]) else { panic!() };
    assert_eq!(disconnect.reason, Reason(0xEE));
}

#[test]
fn topics_are_utf8_without_wildcards() {
    for version in BOTH {
        let tail: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let of =
            |topic: &[u8]| [&[0x30, (2 + topic.len() + tail.len()) as u8, 0, topic.len() as u8], topic, tail].concat();
        assert!(read(version, &of("ä/€".as_bytes())).is_ok());
        assert_eq!(refused(version, &of(&[0xff, 0xfe])), Reason::MALFORMED_PACKET);
        assert_eq!(refused(version, &of(b"a\0b")), Reason::MALFORMED_PACKET);
        for wildcard in ["a/+", "#", "a/#", ""] {
            assert_eq!(refused(version, &of(wildcard.as_bytes())), Reason::TOPIC_NAME_INVALID, "{wildcard}");
            let mut buffer = BytesMut::from("before");
            assert_eq!(encode(version, &publish(wildcard).into_packet(), &mut buffer), Err(Unsendable::TopicInvalid));
            assert_eq!(buffer, "before");
        }
    }
}

#[test]
fn an_empty_topic_needs_an_alias() {
    let mut aliased = publish("");
    aliased.properties = Some(Box::new(PublishProperties { topic_alias: Some(3), ..PublishProperties::default() }));
    assert_eq!(
        read(Version::V5, &written(Version::V5, &aliased.clone().into_packet())),
        Ok(Some(aliased.clone().into_packet()))
    );
    assert_eq!(encode(Version::V4, &aliased.into_packet(), &mut BytesMut::new()), Err(Unsendable::TopicInvalid));
    assert_eq!(refused(Version::V5, &[0x30, 6, 0, 0, 3, 35, 0, 0]), Reason::TOPIC_ALIAS_INVALID);
}

/// rumqttc writes the whole string under a length cut to 16 bits: everything after it would be read as something else.
#[test]
fn fields_of_more_than_65535_bytes_are_refused_before_anything_is_written() {
    let long = "x".repeat(65_536);
    let text = || Text::from(long.as_str());
    let with = |properties: PublishProperties| {
        Publish { properties: Some(Box::new(properties)), ..publish("a") }.into_packet()
    };
    let none = PublishProperties::default;
    let connect = Connect { client_id: "c".into(), ..Connect::default() };
    let will = |will: Will| Packet::Connect(Box::new(Connect { will: Some(Box::new(will)), ..connect.clone() }));
    let cases = [
        publish(&long).into_packet(),
        with(PublishProperties { response_topic: Some(text()), ..none() }),
        with(PublishProperties { content_type: Some(text()), ..none() }),
        with(PublishProperties { correlation_data: Some(Bytes::from(long.clone())), ..none() }),
        with(PublishProperties { user: vec![(text(), "v".into())], ..none() }),
        with(PublishProperties { user: vec![("k".into(), text())], ..none() }),
        Packet::PubAck(Ack { details: Details::of(text()), ..Ack::new(1) }),
        Packet::Disconnect(Disconnect { details: Details::of(text()), ..Disconnect::default() }),
        Packet::Subscribe(Subscribe {
            packet_id: 1,
            filters: vec![Filter { path: text(), ..Filter::default() }],
            ..Subscribe::default()
        }),
        Packet::Unsubscribe(Unsubscribe { packet_id: 1, filters: vec![text()], user: Vec::new() }),
        Packet::Connect(Box::new(Connect { client_id: text(), ..Connect::default() })),
        Packet::Connect(Box::new(Connect { user: Some(text()), ..connect.clone() })),
        Packet::Connect(Box::new(Connect { password: Some(Bytes::from(long.clone())), ..connect.clone() })),
        will(Will { topic: text(), ..Will::default() }),
        will(Will { topic: "w".into(), payload: Bytes::from(long.clone()), ..Will::default() }),
    ];
    for packet in cases {
        let mut buffer = BytesMut::from("before");
        let error = encode(Version::V5, &packet, &mut buffer).unwrap_err();
        assert!(matches!(error, Unsendable::FieldTooLong(_)), "{error}");
        assert_eq!(buffer, "before");
    }
    // One byte less is fine.
    assert!(encode(Version::V5, &publish(&long[1..]).into_packet(), &mut BytesMut::new()).is_ok());
}

#[test]
fn text_with_nul_and_packet_id_0_are_refused_in_both_directions() {
    for version in BOTH {
        let mut buffer = BytesMut::new();
        let id_0 = Publish { packet_id: 0, ..publish("a") }.into_packet();
        assert_eq!(encode(version, &id_0, &mut buffer), Err(Unsendable::PacketIdZero));
        assert_eq!(encode(version, &Packet::PubAck(Ack::new(0)), &mut buffer), Err(Unsendable::PacketIdZero));
        let nul = Packet::Connect(Box::new(Connect { client_id: "a\0".into(), ..Connect::default() }));
        assert_eq!(encode(version, &nul, &mut buffer), Err(Unsendable::Nul("client id")));
        assert!(buffer.is_empty());
        assert_eq!(refused(version, &[0x40, 2, 0, 0]), Reason::PROTOCOL_ERROR);
        assert_eq!(refused(version, &[0x32, 6, 0, 1, b'a', 0, 0, 0]), Reason::PROTOCOL_ERROR);
    }
}

#[test]
fn the_level_of_a_connect_decides_how_it_is_read() {
    let connect = Connect {
        client_id: "c".into(),
        clean: true,
        keep_alive: 60,
        user: Some("u".into()),
        password: Some("p".into()),
        ..Connect::default()
    };
    for version in BOTH {
        let bytes = written(version, &Packet::Connect(Box::new(connect.clone())));
        assert_eq!(decode_connect(&mut BytesMut::from(&bytes[..]), 1_000), Ok(Some((version, connect.clone()))));
        // In the middle of a connection only the same version is read at all.
        let other = if version == Version::V4 { Version::V5 } else { Version::V4 };
        assert_eq!(refused(other, &bytes), Reason::PROTOCOL_ERROR);
        for cut in 0..bytes.len() {
            assert_eq!(decode_connect(&mut BytesMut::from(&bytes[..cut]), 1_000), Ok(None));
        }
    }
}

#[test]
fn other_protocols_are_refused_by_their_first_bytes() {
    let unsupported = |bytes: &[u8]| decode_connect(&mut BytesMut::from(bytes), 1_000).unwrap_err().reason;
    // MQTT 3.1, of which the rest has not come yet.
    assert_eq!(unsupported(b"\x10\x20\0\x06MQIsdp\x03"), Reason::UNSUPPORTED_VERSION);
    assert_eq!(unsupported(b"\x10\x20\0\x04MQTT\x06"), Reason::UNSUPPORTED_VERSION);
    assert_eq!(unsupported(b"\x10\x20\0\x04MQTT\x03"), Reason::UNSUPPORTED_VERSION);
    assert_eq!(unsupported(b"GET / HTTP/1.1\r\n"), Reason::PROTOCOL_ERROR);
    assert_eq!(unsupported(b"\x16\x03\x01"), Reason::PROTOCOL_ERROR, "a TLS hello on a plain port");
    assert_eq!(unsupported(b"\x10\x03\0\x04M"), Reason::MALFORMED_PACKET);
    assert_eq!(unsupported(&[0x10, 0xFF, 0xFF, 0x03]), Reason::PACKET_TOO_LARGE);
}

#[test]
fn too_large_a_packet_is_refused_by_its_header() {
    for version in BOTH {
        let header = &[0x30, 0xFF, 0xFF, 0x7F][..];
        let error = decode(version, &mut BytesMut::from(header), 1_000_000).unwrap_err();
        assert_eq!(error.reason, Reason::PACKET_TOO_LARGE);
        let bytes = written(version, &publish("a").into_packet());
        assert!(decode(version, &mut BytesMut::from(&bytes[..]), bytes.len()).unwrap().is_some());
        assert!(decode(version, &mut BytesMut::from(&bytes[..]), bytes.len() - 1).is_err());
        assert_eq!(refused(version, &[0x30, 0x80, 0x80, 0x80, 0x80]), Reason::MALFORMED_PACKET);
    }
}

#[test]
fn reserved_bits_are_refused() {
    for version in BOTH {
        for first in [0x00, 0x11, 0x36, 0x41, 0x60, 0x80, 0xA0, 0xC1, 0xE1] {
            let reason = refused(version, &[first, 2, 0, 1]);
            assert_eq!(reason, Reason::MALFORMED_PACKET, "{first:02x}");
        }
        assert_eq!(refused(version, &[0x38, 4, 0, 1, b'a', 0]), Reason::PROTOCOL_ERROR, "DUP with QoS 0");
        assert_eq!(refused(version, &[0xC0, 1, 0]), Reason::MALFORMED_PACKET);
    }
    assert_eq!(refused(Version::V4, &[0x82, 6, 0, 1, 0, 1, b'a', 0x21]), Reason::MALFORMED_PACKET);
    assert_eq!(refused(Version::V5, b"\x10\x0d\0\x04MQTT\x05\x03\0\0\0\0\0"), Reason::MALFORMED_PACKET);
}

#[test]
fn properties_stand_once_and_where_they_belong() {
    let with = |properties: &[u8]| {
        let head = [0x30, (4 + properties.len()) as u8, 0, 1, b'a', properties.len() as u8];
        refused(Version::V5, &[&head, properties].concat())
    };
    assert_eq!(with(&[1, 0, 1, 0]), Reason::PROTOCOL_ERROR, "twice");
    assert_eq!(with(&[1, 2]), Reason::PROTOCOL_ERROR, "payload format 2");
    assert_eq!(with(&[11, 0]), Reason::PROTOCOL_ERROR, "subscription identifier 0");
    assert_eq!(with(&[17, 0, 0, 0, 1]), Reason::MALFORMED_PACKET, "session expiry");
    assert_eq!(with(&[99]), Reason::MALFORMED_PACKET, "unknown");
    assert_eq!(with(&[3, 0, 9, b'a']), Reason::MALFORMED_PACKET, "text beyond the properties");
    assert_eq!(with(&[8, 0, 1, b'#']), Reason::PROTOCOL_ERROR, "response topic with a wildcard");
}

/// The read buffer is shared, not copied.
#[test]
fn topic_and_payload_are_slices_of_the_read_buffer() {
    for version in BOTH {
        let mut buffer = BytesMut::from(&written(version, &publish("a/b").into_packet())[..]);
        let range = buffer.as_ptr_range();
        let Ok(Some(Packet::Publish(publish))) = decode(version, &mut buffer, 1_000) else { panic!() };
        assert!(range.contains(&publish.payload.as_ptr()) && range.contains(&publish.topic.as_bytes().as_ptr()));
    }
}
