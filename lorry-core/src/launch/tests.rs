#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::registry::{ElementSpec, Registry};
use crate::{Error, ErrorKind};
use proptest::prelude::*;

fn refuse(text: &str) -> String {
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    error.to_string()
}

/// What the caret of an error stands under.
fn under(error: &str) -> String {
    let lines: Vec<_> = error.lines().collect();
    let [.., text, carets] = lines[..] else { panic!("no snippet in {error}") };
    let column = carets.chars().take_while(|c| *c == ' ').count();
    text.chars().skip(column).take(carets.chars().count() - column).collect()
}

fn elements(text: &str) -> Vec<Element> {
    let pipeline = parse(text).unwrap();
    let nodes = pipeline.chains.into_iter().flat_map(|chain| chain.nodes);
    nodes
        .map(|node| match node.item {
            Item::Element(element) => element,
            other => panic!("{other:?} is no element"),
        })
        .collect()
}

fn value(text: &str) -> String {
    elements(text)[0].property("location").unwrap().to_owned()
}

#[test]
fn quotes_and_backslashes() {
    for (text, expected) in [
        (r#"s location="a b""#, "a b"),
        (r"s location='a b'", "a b"),
        (r"s location=a\ b", "a b"),
        (r#"s location="a \"q\" b""#, r#"a "q" b"#),
        (r#"s location="it's""#, "it's"),
        (r#"s location='say "x"'"#, r#"say "x""#),
        (r"s location='\d+ \\ \''", r"\d+ \ '"),
        (r#"s location="a\nb""#, "anb"),
        (r#"s location="""#, ""),
        ("s location = \n a", "a"),
        (r"s location=a\!b", "a!b"),
        ("s location=a=b,c;d", "a=b,c;d"),
        (r#"s location="! x""#, "! x"),
        (r#"s location="!""#, "!"),
        ("s location=!x", "!x"),
        ("s location=a location=b", "b"),
        ("s location=topf=ü", "topf=ü"),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn what_gstreamer_lets_pass_and_nobody_means() {
    assert_eq!(under(&refuse("s location= ! sink")), "=");
    assert!(refuse("s location=").contains("has no value"));
    assert_eq!(under(&refuse("s location=\"abc ! sink")), "\"");
    assert_eq!(under(&refuse("s location=\"a\"b ! sink")), "b");
    assert!(refuse("s # comment").contains("no comments"));
}

#[test]
fn carets_stand_under_the_place() {
    for (text, place) in [
        ("a ! ! b", "!"),
        ("! a", "!"),
        ("a b=c ! ", "!"),
        ("x=1 a ! b", "x=1"),
        ("a ! é\"", "\""),
        ("a ! t. ! b", "!"),
        ("a ! mqtt://x ! b", "mqtt://x"),
        ("t.x a ! b", "t.x"),
        ("( a ! b", "("),
        ("a ! b )", ")"),
        ("bin.( )", "bin.("),
        ("üü ! ößé=1 ! b", "ößé=1"),
    ] {
        assert_eq!(under(&refuse(text)), place, "{}", refuse(text));
    }
    let long = format!("a x={} ! ! b y={}", "v".repeat(5_000), "w".repeat(5_000));
    assert!(refuse(&long).len() < 500);
    assert_eq!(under(&refuse(&long)), "!");
    let lines = "src\n  ! filter expr=a\n  ! !\n  sink";
    assert_eq!(refuse(lines).lines().nth(1), Some("    ! !"));
    assert_eq!(under(&refuse("src\t! !\tsink")), "!");
}

#[cfg(all(feature = "jq", feature = "template"))]
#[test]
fn the_caret_of_a_wrong_value_stands_under_its_property() {
    for (text, place) in [
        ("identity ! filter expr='. >' ! identity", "expr='. >'"),
        ("identity ! scan start=0 expr='.state +'", "expr='.state +'"),
        ("identity ! scan start='{' expr=.state", "start='{'"),
        ("identity ! unique max=3 key='{{ topic'", "key='{{ topic'"),
        ("identity ! capsfilter caps='a/b; x'", "caps='a/b; x'"),
        ("identity ! filter", "filter"),
    ] {
        let error = Registry::new().parse_launch(text).unwrap_err().to_string();
        assert_eq!(under(&error), place, "{error}");
    }
}

#[test]
fn the_whole_grammar_is_read() {
    for (text, shown) in [
        ("a ! t. t. ! b", "[[a [], t.], [t., b []]]"),
        ("a ! tee name=t t.src_1, src_2 ! b", "[[a [], tee [name=…]], [t., b []]]"),
        ("( a ! b ) ! bin.( name=x c )", "[[bin.( [] [[a [], b []]] ), bin.( [name=…] [[c []]] )]]"),
        ("pipeline.(name=\"john\" a ! ( bin. (  q ! i x=1 !( q ! s x=true )) ))", ""),
        ("a .src ! b x=1 !.sink c .src ! .sink d", "[[a [], b [x=…], c [], d []]]"),
        ("a!b!c", "[[a [], b [], c []]]"),
        ("a : b", "[[a [], b []]]"),
        ("id2.src!sink.sink", "[[id2., sink.]]"),
        ("mqtt://joe:pw@h/t ! stdout:", "[[mqtt:…, stdout:…]]"),
        ("- ! -", "[[-:…, -:…]]"),
        ("a b c", "[[a []], [b []], [c []]]"),
    ] {
        let pipeline = parse(text).unwrap();
        if !shown.is_empty() {
            assert_eq!(format!("{pipeline:?}"), shown, "{text}");
        }
    }
    let caps = |text: &str| parse(text).unwrap().chains[0].links[0].clone();
    assert_eq!(caps("a ! application/json ! b").caps.as_deref(), Some("application/json"));
    assert_eq!(
        caps("a !application/json, x=[1, 2], y=\"a!b\"; text/csv! b").caps.as_deref(),
        Some("application/json, x=[1, 2], y=\"a!b\"; text/csv")
    );
    let all = caps("a ! video/x-all : b");
    assert!(all.all && all.caps.is_some());
    assert_eq!(caps("a ! b location=x/y ! c").caps, None);
    assert_eq!(caps("a ! file:///x").caps, None);
}

#[test]
fn pads_are_kept_with_their_side() {
    let chain = &parse("a .x,y ! .z b").unwrap().chains[0];
    assert_eq!(
        (chain.nodes[0].from.as_slice(), chain.nodes[1].into.as_slice()),
        (["x", "y"].map(String::from).as_slice(), ["z".to_owned()].as_slice())
    );
}

#[test]
fn size_is_bounded() {
    let at_most = vec!["a"; 500].join(" ! ");
    assert_eq!(elements(&at_most).len(), 500);
    assert!(refuse(&format!("{at_most} ! a")).contains("at most 500"));
    assert!(refuse(&"( ".repeat(100_000)).contains("deeper than 50"));
    assert!(refuse(&"x".repeat(2 << 20)).contains("the most is"));
    assert!(refuse("").contains("empty") && refuse(" \n ").contains("empty"));
}

/// None of these may take time that grows with the square of the text: then this test would not end.
#[test]
fn long_texts_are_read() {
    for part in [
        "://",
        "x://b:1 ",
        "a@://",
        "!",
        "! a/b,( ",
        "a/b! ",
        "password=",
        "password=a ",
        "\"",
        "'a ",
        "a=\\\"",
        "t. ",
        "a.b ",
        ": ",
        "{{",
    ] {
        let text = part.repeat(LONGEST / part.len());
        let error = complaining().parse_launch(&text).unwrap_err().to_string();
        assert!(error.len() < 5_000, "{part}: {} bytes", error.len());
    }
    let (one, other) = ("n".repeat(50_000), "m".repeat(50_000));
    let error = complaining().parse_launch(&format!("identity name={one} ! {other}.")).unwrap_err().to_string();
    assert!(error.contains("no element is named") && error.len() < 5_000, "{error}");
}

#[test]
fn arguments_are_tokens() {
    let args = |args: &[&str]| parse_args(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
    let of = |list: &[&str]| match &args(list).unwrap().chains[0].nodes[0].item {
        Item::Element(element) => element.property("location").unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&["s", "location=a b", "!", "t"]), "a b");
    assert_eq!(of(&["s", "location=\"a b\"", "!", "t"]), "a b");
    assert_eq!(of(&["s", "location=a\tb\nc", "!", "t"]), "a\tb\nc");
    assert_eq!(of(&["s", "location=\"\"", "!", "t"]), "");
    assert_eq!(of(&["s", "location=", "a", "!", "t"]), "a");
    assert_eq!(of(&["s", r"location=a\b", "!", "t"]), r"a\b");
    assert!(args(&["s", "location=", "!", "t"]).unwrap_err().to_string().contains("location has no value"));
    assert_eq!(args(&["s", "!", "tee name=t", "!", "u"]).unwrap().chains[0].nodes.len(), 3);
    assert_eq!(of(&["s", "location=!", "!", "t"]), "!");
    assert_eq!(of(&["s", r#"location=.a == "x\d""#, "!", "t"]), r#".a == "x\d""#);
    assert_eq!(of(&["s", "location", "=", "a", "!", "t"]), "a");
    assert_eq!(of(&["s location=a ! t"]), "a");
    assert!(
        matches!(&args(&["mqtt://h/a b", "!", "t"]).unwrap().chains[0].nodes[0].item, Item::Url(url) if url == "mqtt://h/a b")
    );
    assert!(args(&[]).unwrap_err().to_string().contains("empty"));
    assert!(args(&["s", "!"]).unwrap_err().to_string().contains("nothing stands after"));
}

#[test]
fn a_glued_link_is_pointed_out() {
    let pipeline = parse("filesrc location=a!fakesink").unwrap();
    assert!(pipeline.warnings()[0].contains("location of filesrc has a !"));
    assert_eq!(parse("filesrc location=\"a!b\" ! x").unwrap().warnings(), [""; 0]);
}

/// An element whose maker complains in whatever way it likes.
fn complaining() -> Registry {
    let mut registry = Registry::new();
    let make = |args: &mut crate::registry::Args| {
        let uri = args.uri().clone();
        Err(Error::usage(format!(
            "cannot use {} {:?} {} {}",
            uri.path(),
            uri.options().collect::<Vec<_>>(),
            uri.rest(),
            uri
        )))
    };
    registry.add(ElementSpec::source("mqttsrc", make).schemes(&["mqtt"]));
    registry
}

#[test]
fn passwords_are_not_shown_and_the_caret_still_stands() {
    for text in [
        "mqttsrc location=mqtt://joe:hunter2@host/a ! !",
        "mqttsrc location=mqtt://joe:hun/ter2@host/a ! !",
        "mqttsrc location=\"mqtt://joe:hun ter2@host/a\" ! !",
        "mqttsrc location=mqtt://joe:hunter2\\ x@host/a ! !",
        "mqttsrc location=mqtt://h/a?password=hunter2 ! !",
        "mqttsrc password=hunter2 ! !",
        "mqttsrc password = \"hun ter2\" location=mqtt://h ! !",
        "mqttsrc password-file=x location=mqtt://h ! !",
    ] {
        let error = refuse(text);
        assert!(!error.contains("hun") && !error.contains("ter2"), "{error}");
        assert_eq!(under(&error), "!", "{error}");
    }
    for text in [
        "mqttsrc location=mqtt://joe:hun ter2@host/a ! x",
        "mqttsrc location=\"mqtt://joe:hun\"ter2@host/a\" ! x",
        "mqttsrc location=\"mqtt://joe:hunter2@host",
        "mqttsrc location=mqtt://joe:hunter2",
        "mqttsrc location=mqtt://joe:hun=ter2 foo=ter2@host",
        "mqttsrc location='mqtt://joe:hun'://ter2@host/a'",
        "mqttsrc location='mqtt://joe:hun' HUN://ter2@host/a'",
        "mqtt://joe:hunter2@host:99999/a ! x",
    ] {
        let error = complaining().parse_launch(text).unwrap_err().to_string();
        assert!(!error.contains("hun") && !error.contains("ter2"), "{error}");
    }
    // What is no password is shown.
    let error = refuse("mqttsrc location=mqtt://[::1]:1883/a,b:1/x ! ! sqlsink");
    assert!(error.contains("mqtt://[::1]:1883/a,b:1/x"), "{error}");
    let error = refuse("mqttsrc location=mqtt://b1:1883,b2:1884/a ! ! s");
    assert!(error.contains("mqtt://b1:1883,b2:1884/a"), "{error}");
}

#[test]
fn values_of_unknown_options_are_not_shown() {
    for (text, line) in [
        ("identity pasword=hunter2 ! nosuch", "identity pasword=*** ! nosuch"),
        ("identity foo=hunter2 ! nosuch", "identity foo=*** ! nosuch"),
        ("identity foo = \"hunter2 x\" ! nosuch", "identity foo = *** ! nosuch"),
        ("capsfilter caps=text/csv ! nosuch", "capsfilter caps=text/csv ! nosuch"),
    ] {
        let error = complaining().parse_launch(text).unwrap_err().to_string();
        assert!(error.contains(line), "{error}");
        assert_eq!(under(&error), "nosuch", "{error}");
    }
}

fn debugged(text: &str) -> String {
    format!("{:?}", parse(text))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "[a-c01 .,:;!=@/\"'\\\\()?#é\\n-]{0,60}") {
        let _ = debugged(&text);
        let _ = complaining().parse_launch(&text);
    }

    #[test]
    fn any_text_at_all(text in any::<String>()) {
        let _ = debugged(&text);
    }

    #[test]
    fn quoted_values_read_back(value in any::<String>(), other in "\\PC*") {
        let elements = elements(&format!("a x={} ! b y={}", lexer::quote(&value), lexer::quote(&other)));
        prop_assert_eq!(elements[0].property("x"), Some(value.as_str()));
        prop_assert_eq!(elements[1].property("y"), Some(other.as_str()));
    }

    #[test]
    fn arguments_read_back(value in "[^\"'].{0,20}") {
        let pipeline = parse_args(&["a".to_owned(), format!("x={value}"), "!".to_owned(), "b".to_owned()]).unwrap();
        let Item::Element(element) = &pipeline.chains[0].nodes[0].item else { panic!() };
        prop_assert_eq!(element.property("x"), Some(value.as_str()));
        prop_assert_eq!(pipeline.chains[0].nodes.len(), 2);
    }

    /// Neither the password nor a word of it, wherever the text breaks.
    #[test]
    fn no_error_repeats_a_password(
        head in "[Q-Z]{4,8}",
        middle in "[ ?/@:#&%\"'!\\\\=,.Q-Z5-9]{0,10}",
        tail in "[Q-Z]{4,8}",
        quote in prop::sample::select(vec!["", "\"", "'"]),
        property in any::<bool>(),
        rest in prop::sample::select(vec!["", " ! !", " ! nullsink", " unknown=1 ! x", " )", " ! \"", " location=mqtt://h/a ! b"]),
        port in prop::sample::select(vec!["", ":1883", ":99999", ":x"]),
    ) {
        // A space or a quote ends a plain property: what follows is no password to anybody.
        let middle = if property { middle.replace([' ', '"', '\''], "") } else { middle };
        let password = format!("{head}{middle}{tail}");
        let text = if property {
            format!("mqttsrc password={quote}{password}{quote} location=mqtt://host{port}/a{rest}")
        } else {
            format!("mqttsrc location={quote}mqtt://joe:{password}@host{port}/a{quote}{rest}")
        };
        for error in [parse(&text).err(), complaining().parse_launch(&text).err()].into_iter().flatten() {
            for shown in [error.to_string(), format!("{error:?}")] {
                prop_assert!(!shown.contains(&head) && !shown.contains(&tail), "{}\n{}", text, shown);
            }
        }
        let shown = debugged(&text);
        prop_assert!(!shown.contains(&password), "{}", shown);
    }
}
