#![allow(clippy::unwrap_used)]
use super::*;
use crate::{Error, ErrorKind};

fn refuse(text: &str) -> String {
    Uri::parse(text).unwrap_err().to_string()
}

#[test]
fn ports_are_checked_by_name() {
    assert!(refuse("mqtt://localhost:99999/a").contains("port 99999"));
    assert!(refuse("mqtt://localhost:1x/a").contains("port 1x"));
    assert!(refuse("mqtt://localhost:0/a").contains("port 0"));
}

#[test]
fn ipv6_hosts_stand_in_brackets() {
    let uri = Uri::parse("mqtt://[::1]:1884/a").unwrap();
    assert_eq!((uri.host(), uri.port()), (Some("::1"), Some(1884)));
    assert_eq!(uri.to_string(), "mqtt://[::1]:1884/a");
    assert!(refuse("mqtt://[::1/a").contains("bracket"));
    assert!(refuse("mqtt://::1/a").contains("bracket"));
}

#[test]
fn several_hosts_and_raw_at_signs() {
    let uri = Uri::parse("kafka://u:p@ss@b1:9092,b2:9093/topic").unwrap();
    assert_eq!(uri.hosts().len(), 2);
    assert_eq!(uri.hosts()[1].port, Some(9093));
    assert_eq!(uri.to_string(), "kafka://u:***@b1:9092,b2:9093/topic");
}

#[test]
fn braces_protect_their_content() {
    let uri = Uri::parse("sqlite:///all.db?table={{ topic[1] | default('a?b&c') }}&linger=1s").unwrap();
    let options: Vec<_> = uri.options().collect();
    assert_eq!(options[0], ("table", Some("{{ topic[1] | default('a?b&c') }}")));
    assert_eq!(options[1], ("linger", Some("1s")));
}

#[test]
fn no_error_repeats_a_password() {
    for text in
        ["mqtt://joe:hunter2@host:99999/a", "mqtt://joe:hunter2@[::1/a", "mqtt://host:99/?password=hunter2&x=%ff"]
    {
        assert!(!refuse(text).contains("hunter2"), "{}", refuse(text));
    }
    let shown = redact("relay mqtt://joe:n@sty/hunter2@host/a password=\"hunter2 x\" ! b");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn repeated_options_need_a_list() {
    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct One {
        qos: u8,
    }
    let mut options = Options::new("mqtt");
    options.push("qos", Some("1"));
    options.push("QOS", Some("1"));
    let error = options.take::<One>().unwrap_err().to_string();
    assert!(error.contains("\"qos\"") && error.contains("twice"), "{error}");
    let mut options = Options::new("mqtt");
    options.push("qos", Some("many"));
    let error = options.take::<One>().unwrap_err().to_string();
    assert!(error.contains("\"qos\"") && error.contains("\"many\""), "{error}");
    assert_eq!(One::default().qos, 0);
}

#[test]
fn one_of_several_may_be_given_by_number() {
    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Leaky {
        #[default]
        No,
        Upstream,
    }
    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Queue {
        leaky: Leaky,
    }
    let take = |text: &str| {
        let mut options = Options::new("queue");
        options.push("leaky", Some(text));
        options.take::<Queue>().map(|queue| queue.leaky)
    };
    assert_eq!(
        [take("0").unwrap(), take("1").unwrap(), take("upstream").unwrap()],
        [Leaky::No, Leaky::Upstream, Leaky::Upstream]
    );
    for wrong in ["2", "-1", "", "up"] {
        assert!(take(wrong).unwrap_err().to_string().contains("is not one of no, upstream"), "{wrong}");
    }
}

#[test]
fn drivers_may_have_an_underscore_in_their_name() {
    let uri = Uri::parse("oracle+cx_oracle://u:hunter2@tns").unwrap();
    assert_eq!((uri.scheme(), uri.host()), ("oracle+cx_oracle", Some("tns")));
    assert_eq!(redact("x 'oracle+cx_oracle://u:hun ter2@tns'"), "x 'oracle+cx_oracle://u:***@tns'");
}

#[test]
fn whole_numbers_may_be_hexadecimal() {
    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default)]
    struct Number {
        n: i32,
    }
    let take = |text: &str| {
        let mut options = Options::new("x");
        options.push("n", Some(text));
        options.take::<Number>().map(|number| number.n)
    };
    assert_eq!(
        [take("0x10").unwrap(), take("0X1f").unwrap(), take("+5").unwrap(), take("max").unwrap()],
        [16, 31, 5, i32::MAX]
    );
    for wrong in ["0x", "0xg", "0x+1", "-0x1", "0xffffffff", "0x1.0"] {
        assert!(take(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
    }
}

#[test]
fn a_password_that_breaks_its_address_is_not_repeated_either() {
    for text in [
        "mqtt://joe:zorro?banjo@host:99999/a",
        "mqtt://joe:zorro banjo@host:1x/a",
        "mqtt://joe:zorro\"banjo@host:0/a",
        "mqtt://joe:zorro/banjo@ho%ffst/a",
        "mqtt://joe:zorro#banjo@[::1/a",
        "mqtt://joe:zorro%ffbanjo@host/a",
        "mqtt://host/%ff?password=zorro banjo",
    ] {
        let error = refuse(text);
        assert!(!error.contains("zorro") && !error.contains("banjo"), "{error}");
    }
    assert!(refuse("mqtt://joe:zorro?banjo@host/a").contains("%3F for ?"));
    // Without an @ it may be a mistyped port or the end of an address that was cut off: it is said what is wrong, not with what.
    assert_eq!(refuse("mqtt://host:1883x"), "port *** is not a number from 1 to 65535 in \"mqtt://host:***\"");
}

#[test]
fn a_text_that_is_no_percent_encoding_is_kept_where_there_is_no_authority() {
    let uri = Uri::parse("exec:date +%Ec?x=%ff").unwrap();
    assert_eq!((uri.rest(), uri.path()), ("date +%Ec?x=%ff", "date +%Ec"));
    assert!(refuse("mqtt://localhost/%ff").contains("UTF-8"));
}

#[test]
fn logins_are_masked_without_scheme_colon_or_slashes() {
    let cases = [
        ("mqtt//joe:hunter2@h/a", "mqtt//joe:***@h/a"),
        ("joe:hunter2@127.0.0.1:20111/a", "joe:***@127.0.0.1:20111/a"),
        ("mqtt:joe:hunter2@h/a", "mqtt:***@h/a"),
        ("mqtt:/joe:hunter2@h/a", "mqtt:/***@h/a"),
        ("//joe:hun:ter2@h/a", "//joe:***@h/a"),
        ("/:hunter2@h/a", "/:***@h/a"),
        ("relay - \"postgresql:/u:hun ter2@h/db?table=t\"", "relay - \"postgresql:/***@h/db?table=t\""),
        ("a location=mqtt//joe:hun\\ ter2@h/a ! b", "a location=mqtt//joe:***@h/a ! b"),
        ("'mqtt//joe:hunter2@h/a' -> LOCATION Read(mqttsrc)", "'mqtt//joe:***@h/a' -> LOCATION Read(mqttsrc)"),
        ("mqtt://h/a?pasword=hunter2&qos=1", "mqtt://h/a?pasword=***&qos=1"),
        ("mqttsrc pwd=hunter2 qos=1", "mqttsrc pwd=*** qos=1"),
        ("file:a@b", "file:***@b"),
        // What is no login is shown.
        ("mqtt://joe@h/a", "mqtt://joe@h/a"),
        ("mqtt:plant/+/temp", "mqtt:plant/+/temp"),
        ("user=joe@example.org topic=a:b", "user=joe@example.org topic=a:b"),
        ("12:30 joe@example.org", "12:30 joe@example.org"),
        (
            "mqttsrc password-file=a token-env=b topic=c ! filter expr='.a | @json'",
            "mqttsrc password-file=a token-env=b topic=c ! filter expr='.a | @json'",
        ),
    ];
    for (text, shown) in cases {
        assert_eq!(redact(text), shown);
        assert_eq!(redact(shown), shown, "masked twice");
    }
    // Words of a command are its own; an address is one word, with its spaces.
    assert_eq!(Uri::parse("exec:say 12:30 joe@h joe:hunter2@h").unwrap().to_string(), "exec:say 12:30 joe@h joe:***@h");
    assert_eq!(Uri::parse("mqtt:joe:hun ter2@h/a").unwrap().to_string(), "mqtt:***@h/a");
    assert_eq!(refuse("mqtt//joe:hun ter2@h/a").matches("hun").count(), 0);
    let error = Registry::new().source("joe:hunter2@h:1/a").map(drop).unwrap_err().to_string();
    assert!(error.contains("address: joe:***@h:1/a"), "{error}");
}

#[test]
fn errors_mask_logins_unless_they_are_about_data() {
    let error = Error::usage("\"u:hunter2@h/db\" is no name").with("file", "u:hunter2@h").hint("not mqtt:u:hunter2@h");
    assert_eq!(error.to_string(), "\"u:***@h/db\" is no name (file: u:***@h); not mqtt:***@h");
    let error = Error::usage("no answer").with("server", "mqtt://h:1883/a@b");
    assert_eq!(error.to_string(), "no answer (server: mqtt://h:1883/a@b)");
    let error = Error::data(ErrorKind::Constraint, "insert rows", "'to:joe@example.org' is too long");
    assert_eq!(error.to_string(), "insert rows: 'to:joe@example.org' is too long");
}
