//! Addresses and options, as people write them.
#![allow(clippy::unwrap_used, clippy::panic)]

use lorry_core::registry::Registry;
use lorry_core::relay::{Context, Guarantee, Identity, Sink, Source};
use lorry_core::{Error, ErrorKind};
use lorry_mqtt::{MqttOptions, MqttSource, Protocol, Retain};

fn source(address: &str) -> MqttOptions {
    MqttOptions::parse_source(address).unwrap().0
}

/// As a registry makes it.
fn made(address: &str) -> MqttSource {
    let (options, own) = MqttOptions::parse_source(address).unwrap();
    MqttSource::new(options).options(|options| *options = own)
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    error.to_string()
}

fn identity(name: Option<&str>, instance: Option<&str>) -> Identity {
    Identity { name: name.map(Into::into), instance: instance.map(Into::into) }
}

#[test]
fn the_path_is_the_topic() {
    for (address, topic) in [
        ("mqtt://localhost/testdrive/%23", "testdrive/#"),
        ("mqtt://localhost/testdrive/#", "testdrive/#"),
        ("mqtt://localhost/testdrive/%2B/data", "testdrive/+/data"),
        ("mqtt://localhost//leading", "/leading"),
        ("mqtt://localhost/%24SYS/%23", "$SYS/#"),
        ("mqtt://localhost/%24share/group/a/%23", "$share/group/a/#"),
        ("mqtt://localhost/gr%C3%BCn", "grün"),
        ("MQTT://localhost/a", "a"),
        ("mqtt:///foo", "foo"),
    ] {
        let options = source(address);
        assert_eq!(options.topics, [topic], "{address}");
        assert_eq!(options.hosts[0].name, "localhost", "{address}");
    }
    assert_eq!(source("mqtt://h/a?topic=b/%23&topic=c").topics, ["a", "b/#", "c"]);
    assert_eq!(source("mqtt://h?topic=b").topics, ["b"]);
}

#[test]
fn login_port_and_tls_stand_in_the_address() {
    let options = source("mqtts://user:p%40ss@broker.example.org:1884/a");
    assert_eq!(options.login.user.as_deref(), Some("user"));
    assert_eq!(options.login.password.expose(), Some("p@ss"));
    assert_eq!((options.hosts[0].port, options.tls.is_some()), (Some(1884), true));
    assert!(!format!("{options:?}").contains("p@ss"));
    assert!(refused(MqttOptions::parse_source("mqtt://h/a?insecure=true")).contains("mqtts://"));
}

#[test]
fn a_login_without_slashes_is_no_topic() {
    let hint = "write mqtt://USER:***@h/a, or mqtt:///TOPIC for a topic with an @ in it";
    for address in [
        "mqtt:joe:hunter2@h/a",
        "mqtt:/joe:hunter2@h/a",
        "mqtt:joe:hun/ter2@h/a",
        "mqtt:hunter2@h/a",
        "mqtt:joe:x@hunter2@h/a",
    ] {
        for text in [refused(MqttOptions::parse_source(address)), refused(MqttOptions::parse_sink(address))] {
            assert!(text.contains("slashes before the login are missing") && text.ends_with(hint), "{address}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("ter2"), "{text}");
        }
    }
    for (address, topic) in [
        ("mqtt:///joe@h/a", "joe@h/a"),
        ("mqtt:/a/joe@h", "a/joe@h"),
        ("mqtt:a:b/c", "a:b/c"),
        ("mqtt:a?user=joe@example.org", "a"),
    ] {
        assert_eq!(source(address).topics, [topic], "{address}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let source = |address| refused(MqttOptions::parse_source(address));
    let sink = |address| refused(MqttOptions::parse_sink(address));
    for address in ["mqtt://localhost", "mqtt://localhost/"] {
        assert!(source(address).contains("topic") && sink(address).contains("topic"));
    }
    assert!(source("mqtt://h/a?qos=7").contains("\"qos\""));
    assert!(source("mqtt://h/a?qos=1&qos=1").contains("\"qos\""));
    assert!(source("mqtt://h/a?qos=2").contains("not available yet"));
    assert!(source("mqtt://h/a?clientid=x").contains("did you mean \"client-id\""));
    assert!(source("mqtt://h/a?version=6").contains("\"version\""));
    assert!(source("mqtt://h/a#").contains("whole level"));
    assert!(source("mqtt://h/a?receive-maximum=0").contains("receive-maximum"));
    assert!(source("mqtt://h/a?share=a/b").contains("share"));
    assert!(source("mqtt://h/a?keep-alive=20h").contains("keep-alive"));
    assert!(sink("mqtt://h/a/#").contains("+ or #"));
    assert!(sink("mqtt://h/a?topic=b").contains("one topic"));
    assert!(sink("mqtt://h/a/{{ nonsense( }}").contains("nonsense"));
    assert!(sink("mqtt://h/a?retain=perhaps").contains("\"retain\""));
    assert!(sink("mqtt://h/a?max-in-flight=0").contains("max-in-flight"));
}

#[test]
fn sinks_take_a_topic_a_template_or_none() {
    assert_eq!(MqttOptions::parse_sink("mqtt://h/a/b?retain=true").unwrap().1.retain, Retain::Yes);
    assert!(MqttOptions::parse_sink("mqtt://h?keep-address=true").unwrap().0.topics.is_empty());
    assert_eq!(MqttOptions::parse_sink("mqtt://h/copy/{{ topic[1] }}").unwrap().0.topics, ["copy/{{ topic[1] }}"]);
    let mut registry = Registry::new();
    lorry_mqtt::register(&mut registry);
    let sink = registry.sink("mqtts://h:1/x?ca=/nowhere.pem&batch-size=3").unwrap();
    assert_eq!(sink.info(&Identity::default()).identity, "mqtts://h:1/x");
    assert_eq!(sink.limits().items, 3);
}

#[test]
fn guarantees_follow_from_name_version_and_options() {
    let info = |address: &str, name| made(address).info(&identity(name, None));
    let check = |address, name, guarantee, unacked| {
        let info = info(address, name);
        assert_eq!((info.guarantee, info.max_unacked), (guarantee, unacked), "{address} {name:?}");
    };
    check("mqtt://h/a", None, Guarantee::UntilExit, Some(1_000));
    check("mqtt://h/a", Some("n"), Guarantee::SurvivesRestart, Some(1_000));
    check("mqtt://h/a?receive-maximum=5", Some("n"), Guarantee::SurvivesRestart, Some(5));
    check("mqtt://h/a?version=3.1.1", None, Guarantee::BestEffort, Some(20));
    check("mqtt://h/a?version=3.1.1", Some("n"), Guarantee::SurvivesRestart, Some(20));
    check("mqtt://h/a?clean-session=true", Some("n"), Guarantee::BestEffort, Some(1_000));
    check("mqtt://h/a?clean-session=false&client-id=x", None, Guarantee::SurvivesRestart, Some(1_000));
    check("mqtt://h/a?session-expiry=0", Some("n"), Guarantee::BestEffort, Some(1_000));
    check("mqtt://h/a?qos=0", Some("n"), Guarantee::BestEffort, None);
    assert_eq!(info("mqtt://joe:pw@h/a/#?topic=b", None).identity, "mqtt://h:1883/a/#,b");
}

#[tokio::test]
async fn what_only_the_relay_s_name_makes_wrong_is_refused_on_opening() {
    let open = async |address: &str, name: Option<&str>| {
        let mut context = Context::detached("mqttsrc0");
        context.identity = identity(name, None);
        made(address).open(context).await.unwrap_err()
    };
    assert!(open("mqtt://h/a?share=g", Some("n")).await.to_string().contains("--instance"));
    assert!(open("mqtt://h/a?clean-session=false", None).await.to_string().contains("client-id="));
    let error =
        MqttSource::new(MqttOptions::new("h").version(Protocol::V4)).open(Context::detached("x")).await.unwrap_err();
    assert!(error.to_string().contains("topic"));
    let mut nowhere = MqttOptions::new("h").topic("t");
    nowhere.hosts.clear();
    let error = MqttSource::new(nowhere).open(Context::detached("x")).await.unwrap_err();
    assert!(error.to_string().contains("server"));
}
