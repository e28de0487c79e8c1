#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Class, ErrorKind, Timestamp, Value};
use bytes::Bytes;
use proptest::prelude::*;

fn message() -> Message {
    Message::new(r#"{"device": "d1", "n": 7, "big": 18446744073709551615, "deep": {"a": [1, 2]}, "nothing": null}"#)
        .at("sensors/kitchen/temperature")
        .keyed("k1")
        .header("unit", "°C")
        .header("x-id", 5_i64)
        .header("unit", "second")
}

fn render(text: &str) -> String {
    Template::parse(text).unwrap().render(&message()).unwrap().into_owned()
}

fn refuse(text: &str) -> String {
    let error = Template::parse(text).unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Usage, Class::Config));
    error.to_string()
}

fn fail(text: &str, message: &Message) -> String {
    let error = Template::parse(text).unwrap().render(message).unwrap_err();
    assert_eq!(error.class(), Class::Data);
    let text_of = error.to_string();
    assert!(text_of.contains(text) && text_of.contains(message.address.as_str()), "{text_of}");
    text_of
}

#[test]
fn all_variables() {
    assert_eq!(render("a{{ topic }}b"), "asensors/kitchen/temperatureb");
    assert_eq!(render("{{ topic[1] }}"), "kitchen");
    assert_eq!(render("{{ topic[-1] }}"), "temperature");
    assert_eq!(render("{{key}}"), "k1");
    assert_eq!(render("{{ header.unit }} {{ header['x-id'] }}"), "°C 5");
    assert_eq!(
        render("{{ payload.device }}-{{ payload.n }}-{{ payload.big }}-{{ payload.deep.a[1] }}"),
        "d1-7-18446744073709551615-2"
    );
    let mut stamped = message();
    stamped.timestamp = Some(Timestamp::from_millis(1_709_164_800_500));
    let day = Template::parse("{{ timestamp[:10] }} {{ timestamp }}").unwrap();
    assert_eq!(day.render(&stamped).unwrap(), "2024-02-29 2024-02-29T00:00:00.5Z");
}

#[test]
fn filters_and_conditions() {
    assert_eq!(render("{{ topic | replace('/', '.') }}"), "sensors.kitchen.temperature");
    assert_eq!(render("{{ topic[1:] | join('_') }}"), "kitchen_temperature");
    assert_eq!(render("{{ payload.none_such | default('d0') }}"), "d0");
    assert_eq!(render("{% if payload.n > 5 %}high{% else %}low{% endif %}"), "high");
    assert_eq!(render("{{ 'yes' if topic | string == 'sensors/kitchen/temperature' else 'no' }}"), "yes");
}

#[test]
fn nothing_is_escaped() {
    let message = Message::new(r#"{"a": "<b> & 'c'"}"#).at("t");
    assert_eq!(Template::parse("{{ payload.a }}").unwrap().render(&message).unwrap(), "<b> & 'c'");
}

#[test]
fn a_constant_needs_no_engine() {
    for text in ["", "readings", "a}}b", "{ {", "%7B"] {
        let template = Template::parse(text).unwrap();
        assert_eq!(template.constant(), Some(text));
        assert!(template.engine.is_none());
        assert!(matches!(template.render(&message()).unwrap(), Cow::Borrowed(own) if own == text));
    }
    assert_eq!(Template::parse("{{ topic }}").unwrap().constant(), None);
}

#[test]
fn what_is_missing_is_an_error() {
    assert!(fail("{{ topic[7] }}", &message()).contains("no topic[7]"));
    assert!(fail("{{ payload.none_such }}", &message()).contains("no payload.none_such"));
    assert!(fail("{{ payload.nothing }}", &message()).contains("no payload.nothing"));
    assert!(fail("{{ payload.none_such.deeper }}", &message()).contains("payload.none_such"));
    assert!(fail("{{ header.none_such }}", &message()).contains("no header.none_such"));
    assert!(fail("{{ timestamp }}", &message()).contains("no timestamp"));
    assert!(fail("{{ key }}", &Message::new("x").at("a/b")).contains("no key"));
    assert!(fail("{{ payload.a }}", &Message::tombstone().at("a/b")).contains("payload"));
    assert!(fail("{{ topic }}", &Message::new("x")).contains("no topic"));
}

#[test]
fn what_is_not_text_or_json_is_an_error() {
    assert!(fail("{{ payload.a }}", &Message::new("{]").at("a/b")).contains("not JSON"));
    assert!(fail("{{ payload }}", &Message::new("NaN").at("a/b")).contains("not JSON"));
    assert!(fail("{{ key }}", &Message::new("x").at("a/b").keyed(Bytes::from_static(b"\xff"))).contains("not UTF-8"));
    assert!(
        fail("{{ header.b }}", &Message::new("x").at("a/b").header("b", Value::Bytes(Bytes::from_static(b"\xff"))))
            .contains("not UTF-8")
    );
    // Only where the template asks for it.
    assert_eq!(Template::parse("{{ topic }}").unwrap().render(&Message::new("{]").at("a/b")).unwrap(), "a/b");
}

#[test]
fn mistakes_are_found_before_the_first_message() {
    assert!(refuse("a {{ topic").contains("column"), "{}", refuse("a {{ topic"));
    assert!(refuse("{{ topic[ }}").contains("column"), "{}", refuse("{{ topic[ }}"));
    assert!(refuse("{{ topci }}").contains("did you mean \"topic\""));
    assert!(refuse("{{ env.HOME }}").contains("no variable \"env\""));
    assert!(refuse("{{ payload.a.b | nosuchfilter }}").contains("nosuchfilter"));
    assert!(refuse("{% include 'x' %}").contains("include"), "{}", refuse("{% include 'x' %}"));
    assert!(refuse("{{ range(9) }}").contains("range"));
}

#[test]
fn work_is_bounded() {
    let text =
        "{% for a in payload.l %}{% for b in payload.l %}{% for c in payload.l %}x{% endfor %}{% endfor %}{% endfor %}";
    let list = vec!["1"; 200].join(",");
    assert!(fail(text, &Message::new(format!("{{\"l\": [{list}]}}")).at("a/b")).contains("too long"));
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(fail("{{ payload }}", &Message::new(deep).at("a/b")).contains("not JSON"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}% a-z\\[\\]().|'\"0-9#-]{0,40}", payload in "\\PC{0,40}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.render(&Message::new(payload).at("a/b"));
        }
    }
}
