//! Who comes in, and how.

use crate::device::Device;
use crate::{BOTH, listen, local, says_nothing, settle, take};
use lorry_core::relay::{Context, MemoryState, Source, StateStore};
use lorry_core::tls::TlsOptions;
use lorry_core::{Class, ErrorKind};
use lorry_mqtt::MqttListenSource;
use lorry_mqtt::packet::{Connect, ConnectProperties, Packet, Qos, Reason, Text, Version, Will};
use lorry_testkit::servers::Certs;
use std::sync::Arc;
use std::time::Duration;

fn hello(id: &str) -> Connect {
    Connect { client_id: id.into(), clean: true, keep_alive: 60, ..Connect::default() }
}

#[tokio::test]
async fn only_the_right_login_comes_in() {
    let (mut source, address) = listen(local().login("joe", "s3cret")).await;
    for (version, refused) in [(Version::V4, Reason(4)), (Version::V5, Reason::BAD_USER_OR_PASSWORD)] {
        let with = |user: Option<&str>, password: Option<&'static str>| Connect {
            user: user.map(Text::from),
            password: password.map(Into::into),
            ..hello("d")
        };
        for wrong in [
            with(None, None),
            with(Some("joe"), None),
            with(Some("joe"), Some("wrong")),
            with(Some("jim"), Some("s3cret")),
        ] {
            let mut device = Device::reach(address, version).await;
            assert_eq!(device.login(wrong).await.reason, refused);
            assert_eq!(device.receive().await, None, "and the connection ends");
        }
        let mut device = Device::reach(address, version).await;
        assert_eq!(device.login(with(Some("joe"), Some("s3cret"))).await.reason, Reason::SUCCESS);
        device.publish("a", 1, "x").await;
        let lane = take(&mut source, 1).await[0].0;
        settle(&mut source, lane, 0).await;
        device.puback().await;
        device.disconnect().await;
    }
}

#[tokio::test]
async fn a_publish_before_the_answer_to_a_wrong_login_is_not_taken() {
    let (mut source, address) = listen(local().login("joe", "s3cret")).await;
    let mut device = Device::reach(address, Version::V4).await;
    let mut bytes = bytes::BytesMut::new();
    lorry_mqtt::codec::encode(Version::V4, &Packet::Connect(Box::new(hello("d"))), &mut bytes).unwrap();
    lorry_mqtt::codec::encode(Version::V4, &crate::device::publish("a", 0, "x"), &mut bytes).unwrap();
    device.send_raw(&bytes).await;
    assert!(matches!(device.receive().await, Some(Packet::ConnAck(ack)) if ack.reason == Reason(4)));
    says_nothing(&mut source).await;
}

#[tokio::test]
async fn a_users_file_lets_its_users_in() {
    let file = std::env::temp_dir().join(format!("lorry-mqtt-users-{}", std::process::id()));
    std::fs::write(&file, "joe:one\njim:two\n").unwrap();
    let (_source, address) = listen(local().options(|options| options.users_file = Some(file.clone()))).await;
    for (user, password, reason) in
        [("joe", "one", Reason::SUCCESS), ("jim", "two", Reason::SUCCESS), ("joe", "two", Reason::BAD_USER_OR_PASSWORD)]
    {
        let mut device = Device::reach(address, Version::V5).await;
        let connect = Connect { user: Some(user.into()), password: Some(password.into()), ..hello(user) };
        assert_eq!(device.login(connect).await.reason, reason);
    }
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn version_5_is_told_the_limits() {
    let (_source, address) = listen(local().options(|options| {
        options.receive_maximum = 7;
        options.max_packet_size.0 = 5_000;
    }))
    .await;
    let mut device = Device::reach(address, Version::V5).await;
    let ack = device.login(Connect { keep_alive: 0, ..hello("") }).await;
    let told = ack.properties;
    assert_eq!((told.receive_maximum, told.maximum_packet_size), (Some(7), Some(5_000)));
    assert_eq!(told.maximum_qos, Some(Qos::AtLeastOnce));
    assert_eq!(told.wildcard_subscriptions, Some(false));
    assert!(told.server_keep_alive.is_some(), "a dead device would keep its place for ever");
    assert!(told.assigned_client_id.is_some_and(|id| id.as_str().starts_with("lorry-")));
}

#[tokio::test]
async fn qos_2_is_refused_as_the_version_allows() {
    for version in BOTH {
        let (mut source, address) = listen(local()).await;
        let mut device = Device::connect(address, version, "d").await;
        let publish = lorry_mqtt::packet::Publish {
            topic: "a".into(),
            qos: Qos::ExactlyOnce,
            packet_id: 1,
            ..Default::default()
        };
        device.send(&Packet::Publish(publish)).await;
        device.is_told(Reason::QOS_NOT_SUPPORTED).await;
        says_nothing(&mut source).await;
    }
    let (_source, address) = listen(local()).await;
    let mut device = Device::reach(address, Version::V5).await;
    let will = Will { topic: "w".into(), qos: Qos::ExactlyOnce, ..Will::default() };
    let ack = device.login(Connect { will: Some(Box::new(will)), ..hello("d") }).await;
    assert_eq!(ack.reason, Reason::QOS_NOT_SUPPORTED);
}

#[tokio::test]
async fn other_versions_methods_and_nameless_sessions_are_refused() {
    let (_source, address) = listen(local()).await;
    let mut old = Device::reach(address, Version::V4).await;
    old.send_raw(b"\x10\x11\0\x06MQIsdp\x03\x02\0\x3c\0\x01d").await;
    assert!(matches!(old.receive().await, Some(Packet::ConnAck(ack)) if ack.reason == Reason::V4_BAD_VERSION));
    assert_eq!(old.receive().await, None);

    let mut device = Device::reach(address, Version::V4).await;
    assert_eq!(device.login(Connect { clean: false, ..hello("") }).await.reason, Reason::V4_BAD_CLIENT_ID);

    let mut device = Device::reach(address, Version::V5).await;
    let properties = ConnectProperties { authentication_method: Some("SCRAM".into()), ..ConnectProperties::default() };
    assert_eq!(device.login(Connect { properties, ..hello("d") }).await.reason, Reason::BAD_AUTHENTICATION_METHOD);
}

#[tokio::test]
async fn a_second_client_of_the_same_id_takes_over() {
    for version in BOTH {
        let (mut source, address) = listen(local().options(|options| options.max_clients = 1)).await;
        let mut first = Device::connect(address, version, "same").await;
        first.publish("a", 1, "one").await;
        let one = take(&mut source, 1).await.remove(0);
        let mut second = Device::connect(address, version, "same").await;
        first.is_told(Reason::SESSION_TAKEN_OVER).await;
        second.publish("a", 1, "one again").await;
        let again = take(&mut source, 1).await.remove(0);
        assert_ne!(one.0, again.0, "a connection is a lane");
        // What is settled for the first connection is no acknowledgement of the second one's message, whatever its packet id.
        settle(&mut source, one.0, 0).await;
        second.hears_nothing().await;
        settle(&mut source, again.0, 0).await;
        second.puback().await;
    }
}

#[tokio::test]
async fn a_session_is_known_again_also_by_the_next_process_of_the_name() {
    let store: Arc<dyn StateStore> = Arc::new(MemoryState::default());
    let open = async || {
        let mut source = MqttListenSource::new(local().port(0));
        let mut context = Context::detached("mqttlistensrc0");
        context.state = store.clone();
        source.open(context).await.unwrap();
        let address = source.local_addr().unwrap();
        (source, address)
    };
    let session = |clean| Connect { clean, ..hello("d") };
    let long = || Connect {
        properties: ConnectProperties { session_expiry: Some(3_600), ..ConnectProperties::default() },
        ..session(false)
    };
    let (mut source, address) = open().await;
    for (connect, version, present) in [
        (session(false), Version::V4, false),
        (session(false), Version::V4, true),
        (session(true), Version::V4, false),
        (session(false), Version::V5, false),
        (long(), Version::V5, false),
        (long(), Version::V5, true),
    ] {
        let mut device = Device::reach(address, version).await;
        assert_eq!(device.login(connect).await.session_present, present);
        device.disconnect().await;
    }
    source.close().await.unwrap();
    let (_source, address) = open().await;
    let mut device = Device::reach(address, Version::V5).await;
    assert!(device.login(long()).await.session_present);
}

#[tokio::test]
async fn whoever_says_nothing_is_shown_the_door() {
    let (_source, address) =
        listen(local().options(|options| options.connect_timeout.0 = Duration::from_millis(200))).await;
    let mut device = Device::reach(address, Version::V4).await;
    assert_eq!(device.receive().await, None);
    let mut device = Device::reach(address, Version::V4).await;
    device.send_raw(b"\x10\x20\0\x04MQ").await;
    assert_eq!(device.receive().await, None);
}

#[tokio::test]
async fn a_port_in_use_is_a_config_error_that_says_so() {
    let (_source, address) = listen(local()).await;
    let mut second = MqttListenSource::new(local().port(address.port()));
    let error = second.open(Context::detached("second")).await.unwrap_err();
    assert_eq!((error.class(), error.kind()), (Class::Config, ErrorKind::Io));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("choose another port"), "{text}");
}

#[tokio::test]
async fn the_registry_makes_it_from_an_address() {
    let mut registry = lorry_core::registry::Registry::new();
    lorry_mqtt::register(&mut registry);
    let port = lorry_testkit::servers::free_port();
    let mut source = registry.source(&format!("mqtt+listen://joe:s3cret@127.0.0.1:{port}/a/#")).unwrap();
    let info = source.info(&Default::default());
    assert_eq!(
        (info.kind, info.identity.as_str()),
        ("mqttlistensrc", format!("mqtt+listen://127.0.0.1:{port}/a/#").as_str())
    );
    source.open(Context::detached("mqttlistensrc0")).await.unwrap();
    let mut device = Device::reach(([127, 0, 0, 1], port).into(), Version::V5).await;
    assert_eq!(device.login(hello("d")).await.reason, Reason::BAD_USER_OR_PASSWORD);
    source.close().await.unwrap();
}

#[tokio::test]
async fn devices_come_over_tls() {
    let certs = Certs::generate();
    let dir = std::env::temp_dir().join(format!("lorry-mqtt-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).unwrap();
        Some(dir.join(name))
    };
    let tls = TlsOptions {
        cert: file("cert.pem", &certs.server),
        key: file("key.pem", &certs.server_key),
        ..TlsOptions::default()
    };
    let (mut source, address) = listen(local().tls(tls)).await;
    let client = TlsOptions { ca: file("ca.pem", &certs.ca), ..TlsOptions::default() }.client(&[]).unwrap();
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let socket = tokio_rustls::TlsConnector::from(client).connect(name, socket).await.unwrap();
    let mut device = Device::over(socket, Version::V5);
    assert_eq!(device.login(hello("d")).await.reason, Reason::SUCCESS);
    for id in 1..=100 {
        device.publish("a", id, &"x".repeat(1_000)).await;
    }
    let lane = take(&mut source, 100).await[0].0;
    settle(&mut source, lane, 99).await;
    for id in 1..=100 {
        assert_eq!(device.puback().await.packet_id, id);
    }
    // Plain MQTT on the TLS port ends there.
    let mut plain = Device::reach(address, Version::V4).await;
    plain.try_send_raw(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01d").await;
    let rest = plain.rest().await;
    assert!(!rest.starts_with(&[0x20]), "no CONNACK: {rest:02x?}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_can_be_opened_again_at_once() {
    let options = local().port(lorry_testkit::servers::free_port());
    let mut source = MqttListenSource::new(options);
    for _ in 0..100 {
        // As the runtime does after an error that passes: the port is its own, if of an earlier life.
        source.open(Context::detached("mqttlistensrc0")).await.unwrap();
        Device::connect(source.local_addr().unwrap(), Version::V5, "d").await;
    }
}
