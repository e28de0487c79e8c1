//! Any packet that can be written.

use crate::packet::*;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub(super) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![9 => "[a-z äß€😀]{0,9}", 1 => "[a-z]{200}"].prop_map(Text::from)
}

pub(super) fn topic() -> impl Strategy<Value = Text> {
    "[a-z€$]{1,4}(/[a-z ]{0,4}){0,3}".prop_map(Text::from)
}

pub(super) fn filter() -> impl Strategy<Value = Text> {
    r"(\$share/g/)?([a-z]{1,4}|\+)(/([a-z]{0,3}|\+)){0,3}(/#)?".prop_map(Text::from)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

/// Of every length of the length.
fn payload() -> impl Strategy<Value = Bytes> {
    let of_length = |len: usize| Bytes::from(vec![b'x'; len]);
    prop_oneof![8 => bytes(), 2 => (100_usize..140).prop_map(of_length), 1 => (16_300_usize..16_500).prop_map(of_length)]
}

fn qos() -> impl Strategy<Value = Qos> {
    (0_u8..3).prop_map(|number| Qos::from_u8(number).unwrap())
}

fn id() -> impl Strategy<Value = u16> {
    1..=u16::MAX
}

fn user() -> impl Strategy<Value = UserProperties> {
    vec((text(), text()), 0..4)
}

fn details() -> impl Strategy<Value = Option<Box<Details>>> {
    (of(text()), user()).prop_map(|(reason_string, user)| {
        (reason_string.is_some() || !user.is_empty()).then(|| Box::new(Details { reason_string, user }))
    })
}

fn reason() -> impl Strategy<Value = Reason> {
    any::<u8>().prop_map(Reason)
}

fn message() -> impl Strategy<Value = PublishProperties> {
    (of(any::<bool>()), of(any::<u32>()), of(topic()), of(bytes()), user(), of(text())).prop_map(
        |(payload_is_text, expiry, response_topic, correlation_data, user, content_type)| PublishProperties {
            payload_is_text,
            expiry,
            response_topic,
            correlation_data,
            user,
            content_type,
            ..PublishProperties::default()
        },
    )
}

pub(super) fn publish() -> impl Strategy<Value = Publish> {
    let properties =
        (message(), of(id()), vec(1_u32..=268_435_455, 0..3)).prop_map(|(message, topic_alias, subscription_ids)| {
            let all = PublishProperties { topic_alias, subscription_ids, ..message };
            (all != PublishProperties::default()).then(|| Box::new(all))
        });
    (any::<bool>(), qos(), any::<bool>(), topic(), id(), payload(), properties).prop_map(
        |(dup, qos, retain, topic, packet_id, payload, properties)| {
            let has_id = qos != Qos::AtMostOnce;
            let packet_id = if has_id { packet_id } else { 0 };
            Publish { dup: dup && has_id, qos, retain, topic, packet_id, payload, properties }
        },
    )
}

pub(super) fn ack() -> impl Strategy<Value = Ack> {
    (id(), reason(), details()).prop_map(|(packet_id, reason, details)| Ack { packet_id, reason, details })
}

fn connect() -> impl Strategy<Value = Connect> {
    let not_empty = || "[a-zä]{1,9}".prop_map(Text::from);
    let properties = (
        (of(any::<u32>()), of(id()), of(1..u32::MAX), of(any::<u16>()), of(any::<bool>()), of(any::<bool>())),
        (user(), of(text()), of(bytes())),
    );
    let properties =
        properties.prop_map(|(numbers, (user, authentication_method, authentication_data))| ConnectProperties {
            session_expiry: numbers.0,
            receive_maximum: numbers.1,
            maximum_packet_size: numbers.2,
            topic_alias_maximum: numbers.3,
            request_response_information: numbers.4,
            request_problem_information: numbers.5,
            user,
            authentication_method,
            authentication_data,
        });
    let will = (topic(), bytes(), qos(), any::<bool>(), of(any::<u32>()), message()).prop_map(
        |(topic, payload, qos, retain, delay, properties)| {
            Box::new(Will { topic, payload, qos, retain, delay, properties })
        },
    );
    let login = (of(not_empty()), of(not_empty()));
    (text(), any::<bool>(), any::<u16>(), login, of(will), properties).prop_map(
        |(client_id, clean, keep_alive, (user, password), will, properties)| Connect {
            client_id,
            clean,
            keep_alive,
            user,
            password: password.map(|text| Bytes::copy_from_slice(text.as_bytes())),
            will,
            properties,
        },
    )
}

fn connack() -> impl Strategy<Value = ConnAck> {
    let flag = || of(any::<bool>());
    let numbers = (of(any::<u32>()), of(id()), of(qos()), of(1..u32::MAX), of(any::<u16>()), of(any::<u16>()));
    let texts = (of(text()), of(text()), of(text()), of(text()), of(text()), of(bytes()), user());
    let properties =
        (numbers, (flag(), flag(), flag(), flag()), texts).prop_map(|(numbers, flags, texts)| ConnAckProperties {
            session_expiry: numbers.0,
            receive_maximum: numbers.1,
            maximum_qos: numbers.2,
            maximum_packet_size: numbers.3,
            topic_alias_maximum: numbers.4,
            server_keep_alive: numbers.5,
            retain_available: flags.0,
            wildcard_subscriptions: flags.1,
            subscription_ids: flags.2,
            shared_subscriptions: flags.3,
            assigned_client_id: texts.0,
            reason_string: texts.1,
            response_information: texts.2,
            server_reference: texts.3,
            authentication_method: texts.4,
            authentication_data: texts.5,
            user: texts.6,
        });
    (any::<bool>(), reason(), properties).prop_map(|(session_present, reason, properties)| ConnAck {
        session_present,
        reason,
        properties,
    })
}

pub(super) fn subscribe() -> impl Strategy<Value = Subscribe> {
    let handling = prop_oneof![Just(RetainHandling::Always), Just(RetainHandling::IfNew), Just(RetainHandling::Never)];
    let one = (filter(), qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        |(path, qos, no_local, retain_as_published, retain_handling)| Filter {
            path,
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        },
    );
    (id(), vec(one, 1..4), of(1_u32..=268_435_455), user())
        .prop_map(|(packet_id, filters, subscription_id, user)| Subscribe { packet_id, filters, subscription_id, user })
}

fn suback() -> impl Strategy<Value = SubAck> {
    (id(), vec(reason(), 1..4), details()).prop_map(|(packet_id, reasons, details)| SubAck {
        packet_id,
        reasons,
        details,
    })
}

fn unsubscribe() -> impl Strategy<Value = Unsubscribe> {
    (id(), vec(filter(), 1..4), user()).prop_map(|(packet_id, filters, user)| Unsubscribe { packet_id, filters, user })
}

fn disconnect() -> impl Strategy<Value = Disconnect> {
    (reason(), of(any::<u32>()), of(text()), details()).prop_map(
        |(reason, session_expiry, server_reference, details)| Disconnect {
            reason,
            session_expiry,
            server_reference,
            details,
        },
    )
}

fn auth() -> impl Strategy<Value = Auth> {
    (reason(), of(text()), of(bytes()), details()).prop_map(|(reason, method, data, details)| Auth {
        reason,
        method,
        data,
        details,
    })
}

/// Any packet of version 5.
pub(super) fn packet() -> impl Strategy<Value = Packet> {
    prop_oneof![
        3 => publish().prop_map(Packet::Publish),
        1 => ack().prop_map(Packet::PubAck),
        1 => ack().prop_map(Packet::PubRec),
        1 => ack().prop_map(Packet::PubRel),
        1 => ack().prop_map(Packet::PubComp),
        2 => connect().prop_map(|connect| Packet::Connect(Box::new(connect))),
        2 => connack().prop_map(|connack| Packet::ConnAck(Box::new(connack))),
        1 => subscribe().prop_map(Packet::Subscribe),
        1 => suback().prop_map(Packet::SubAck),
        1 => unsubscribe().prop_map(Packet::Unsubscribe),
        1 => suback().prop_map(Packet::UnsubAck),
        1 => prop_oneof![Just(Packet::PingReq), Just(Packet::PingResp)],
        1 => disconnect().prop_map(Packet::Disconnect),
        1 => auth().prop_map(Packet::Auth),
    ]
}

/// What of a packet exists in 3.1.1; `None` for a packet that does not.
pub(super) fn in_v4(packet: Packet) -> Option<Packet> {
    let ack = |ack: Ack| Ack::new(ack.packet_id);
    Some(match packet {
        Packet::Publish(publish) => Packet::Publish(Publish { properties: None, ..publish }),
        Packet::PubAck(own) => Packet::PubAck(ack(own)),
        Packet::PubRec(own) => Packet::PubRec(ack(own)),
        Packet::PubRel(own) => Packet::PubRel(ack(own)),
        Packet::PubComp(own) => Packet::PubComp(ack(own)),
        Packet::Connect(mut connect) => {
            connect.properties = ConnectProperties::default();
            if let Some(will) = &mut connect.will {
                (will.delay, will.properties) = (None, PublishProperties::default());
            }
            Packet::Connect(connect)
        }
        Packet::ConnAck(mut connack) => {
            connack.properties = ConnAckProperties::default();
            connack.reason = connack.reason.to_v4_connack();
            Packet::ConnAck(connack)
        }
        Packet::Subscribe(mut subscribe) => {
            (subscribe.subscription_id, subscribe.user) = (None, Vec::new());
            for filter in &mut subscribe.filters {
                *filter = Filter { path: filter.path.clone(), qos: filter.qos, ..Filter::default() };
            }
            Packet::Subscribe(subscribe)
        }
        Packet::SubAck(suback) => Packet::SubAck(SubAck { details: None, ..suback }),
        Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Unsubscribe { user: Vec::new(), ..unsubscribe }),
        Packet::UnsubAck(own) => Packet::UnsubAck(SubAck { packet_id: own.packet_id, ..SubAck::default() }),
        Packet::PingReq | Packet::PingResp => packet,
        Packet::Disconnect(_) => Packet::Disconnect(Disconnect::default()),
        Packet::Auth(_) => return None,
    })
}
