#![allow(clippy::unwrap_used, clippy::panic)]
mod limits;
mod native;

use super::*;
use crate::{Class, Timestamp, Value};
use proptest::prelude::*;

fn reading() -> Message {
    let mut message = Message::new(r#"{"a": 1, "big": 18446744073709551616.10, "s": "x"}"#)
        .at("plant/1/temp")
        .keyed("k1")
        .header("unit", "C")
        .header("n", 5_i64)
        .header("unit", "second");
    message.timestamp = Some(Timestamp::from_nanos(1_709_164_800_123_456_789));
    message
}

fn map(expr: &str, message: &Message) -> Vec<Message> {
    let mut out = Vec::new();
    Expr::compile(expr).unwrap().map(message, |message| out.push(message)).unwrap();
    out
}

fn out(expr: &str, payload: &str) -> Vec<String> {
    map(expr, &Message::new(payload.to_owned()).at("t"))
        .iter()
        .map(|message| message.text().unwrap().to_owned())
        .collect()
}

fn test(expr: &str, payload: &str) -> bool {
    Expr::compile(expr).unwrap().test(&Message::new(payload.to_owned())).unwrap()
}

fn refuse(expr: &str) -> String {
    let error = Expr::compile(expr).unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::Usage, Class::Config));
    error.to_string()
}

fn reject(expr: &str, message: &Message) -> String {
    let mut given = 0;
    let error = Expr::compile(expr).unwrap().map(message, |_| given += 1).unwrap_err();
    assert_eq!((error.class(), given), (Class::Data, 0), "an error gives nothing");
    let text = error.to_string();
    assert!(text.contains(expr) && text.contains(message.address.as_str()), "{text}");
    text
}

#[test]
fn the_first_output_decides_a_filter() {
    assert!(test(".a > 1", r#"{"a": 2}"#));
    assert!(!test(".a > 1", r#"{"a": 1}"#));
    assert!(!test(".none_such", "{}"));
    assert!(!test("empty", "{}"));
    assert!(test("0", "{}"), "zero is truthy in jq");
    assert!(test("true, false", "{}"));
    assert!(!test("false, true", "{}"));
    assert!(test("true, error(\"never evaluated\")", "{}"));
    assert!(test(".[0] | not", "[null]"));
}

#[test]
fn each_output_is_a_message() {
    assert_eq!(
        out(".", r#" {"b": [1, 2.50, "é\n\"", null, true], "a": {}} "#),
        [r#"{"b":[1,2.50,"é\n\"",null,true],"a":{}}"#]
    );
    assert_eq!(out(".[]", "[1, 2]"), ["1", "2"]);
    assert_eq!(out("empty", "1"), [""; 0]);
    assert_eq!(out(".. | numbers", "[1, [2]]"), ["1", "2"]);
    assert_eq!(out("[.[] | select(. > 1)] | add / length", "[1, 2, 4]"), ["3.0"]);
    assert_eq!(out(r#""\(.a) \(.b)""#, r#"{"a": 1, "b": "x"}"#), [r#""1 x""#]);
}

#[test]
fn what_else_a_message_has_is_kept() {
    let mut message = reading();
    message.meta_mut().properties.content_type = Some("application/json".into());
    let mapped = map("{a}", &message);
    assert_eq!(mapped, [Message { payload: Some(Bytes::from_static(b"{\"a\":1}")), ..message }]);
}

#[test]
fn variables() {
    let text = |expr: &str| map(expr, &reading())[0].text().unwrap().to_owned();
    assert_eq!(text("[$topic, $key]"), r#"["plant/1/temp","k1"]"#);
    assert_eq!(text("$headers"), r#"{"unit":"C","n":5}"#);
    assert_eq!(text("$timestamp"), "1709164800.123456789");
    assert_eq!(text("$timestamp | floor | todate"), r#""2024-02-29T00:00:00Z""#);
    assert_eq!(text("$topic | split(\"/\")[1]"), r#""1""#);
    let bare = Message::new("1");
    assert_eq!(map("[$topic, $key, $headers, $timestamp]", &bare)[0].text(), Some("[null,null,{},null]"));
    let mut old = Message::new("1");
    old.timestamp = Some(Timestamp::from_millis(-500));
    assert_eq!(map("$timestamp", &old)[0].text(), Some("-0.5"));
}

#[test]
fn numbers_keep_what_they_were() {
    assert_eq!(
        out(".", "[18446744073709551616, 0.10, 1e400, -0.0, 1E2]"),
        ["[18446744073709551616,0.10,1e400,-0.0,1E2]"]
    );
    assert_eq!(out("nan, infinite, -infinite", "1"), ["null", "1.7976931348623157e308", "-1.7976931348623157e308"]);
    assert_eq!(out("(\"1\", \"1.5\") | tonumber", "1"), ["1", "1.5"]);
}

#[test]
fn a_tombstone_stays_one() {
    let gone = Message::tombstone().at("t").keyed("k");
    assert_eq!(map(".", &gone), std::slice::from_ref(&gone));
    assert_eq!(map("$key", &gone)[0].text(), Some("\"k\""));
    assert!(!Expr::compile(".").unwrap().test(&gone).unwrap());
}

#[test]
fn json_is_strict() {
    for payload in [
        "",
        "NaN",
        "[nan]",
        "Infinity",
        "# comment\n1",
        "1 # comment",
        "b\"x\"",
        "+1",
        "01",
        "{1: 2}",
        "1 2",
        "[1,]",
        "{",
        "\"\t\"",
    ] {
        assert!(reject(".", &Message::new(payload).at("t")).contains("not JSON"), "{payload}");
    }
    assert!(reject(".", &Message::new(Bytes::from_static(b"\"\xff\"")).at("t")).contains("not UTF-8"));
    assert!(reject("fromjson", &Message::new("\"NaN\"").at("t")).contains("cannot parse"));
    assert!(reject("fromjson", &Message::new("\"1 2\"").at("t")).contains("cannot parse"));
    assert_eq!(out("fromjson", r#""{\"a\": 1}""#), [r#"{"a":1}"#]);
}

#[test]
fn what_json_cannot_say_is_an_error() {
    let one = Message::new("1").at("t");
    assert!(reject("\"/w==\" | @base64d", &one).contains("UTF-8"));
    assert!(reject("\"x\" | tobytes", &one).contains("byte string"));
    assert!(reject("{(1, 2): 3}", &one).contains("no string"));
    assert!(reject("$key", &one.clone().keyed(Bytes::from_static(b"\xff"))).contains("byte string"));
    let binary = one.header("b", Value::Bytes(Bytes::from_static(b"\xfe")));
    assert!(reject("$headers.b", &binary).contains("byte string"));
}

#[test]
fn errors_of_jq_are_data_errors() {
    let message = Message::new(format!("{{\"a\": \"{}\"}}", "x".repeat(5_000))).at("a/b");
    assert!(reject(".a.b", &message).contains("cannot index"));
    assert!(reject(".a.b", &message).len() < 500, "a payload is not repeated in full");
    assert!(reject("error(\"no good\")", &message).contains("no good"));
    assert!(reject("1, error(\"late\")", &message).contains("late"));
    let text = reject("repeat(1)", &message);
    assert!(text.contains("100000 outputs (expression: repeat(1), address: a/b)"), "{text}");
    let text = reject("repeat(1)", &Message::new("1"));
    assert!(text.contains("100000 outputs (expression: repeat(1))"), "no address is not shown as an empty one: {text}");
    assert_eq!(out("try error(\"x\") catch .", "1"), ["\"x\""]);
    assert_eq!(out(".a.b?, 2", r#"{"a": 1}"#), ["2"]);
}

#[test]
fn mistakes_are_named() {
    let text = refuse("nosuchfunction(1)");
    assert!(text.contains("no function nosuchfunction/1 at column 1"), "{text}");
    assert!(refuse(".a | maap(1)").contains("did you mean map"), "{}", refuse(".a | maap(1)"));
    assert!(refuse("map").contains("number of arguments"), "{}", refuse("map"));
    assert!(refuse("$topci").contains("no variable $topci"));
    for text in [".a >", "", "(", "é | )", "\"", ".a | | .b", "1 as"] {
        let error = refuse(text);
        assert!(error.contains("expected") && error.contains(&format!("{text:?}")), "{error}");
    }
    assert!(refuse(".a == 1 2").contains("at column 9"), "{}", refuse(".a == 1 2"));
    assert!(refuse("import \"a\" as a; 1").contains("modules"));
}

#[test]
fn nothing_reaches_past_the_message() {
    for text in
        ["halt", "halt(1)", "halt_error", "env", "$ENV", "input", "debug", "stderr", "localtime", "input_filename"]
    {
        refuse(text);
    }
}

#[test]
fn a_function_may_not_call_itself() {
    for text in [
        "def f: 1+f; f",
        "def f: def g: f; g; f",
        "def f(x): x | f(x); f(1)",
        "def f($x): f($x + 1); f(1)",
        "def f: [f]; f",
        "def f: \"\\(f)\"; f",
        "def f: if . then . else f end; f",
        "def f: . as {a: [$x]} | {(f): 1}; f",
        "def f: .[f]; 1",
        "reduce 1 as $x (0; def f: f; f)",
    ] {
        assert!(refuse(text).contains("calls itself"), "{text}");
    }
    assert_eq!(
        out("def f: 1; def f: 2; def g(f): f; g(f)", "0").len(),
        1,
        "an earlier function of the same name is another one"
    );
}

#[test]
fn an_argument_is_not_its_function() {
    assert_eq!(out("def f(f): f; f(1)", "0"), ["1"]);
    assert_eq!(out("def f(f; g): f; f(1; 2)", "0"), ["1"]);
    assert_eq!(out("def f(x): x; f(f(f(1)))", "0"), ["1"]);
    assert_eq!(out("[recurse(if . < 3 then . + 1 else empty end)]", "0"), ["[0,1,2,3]"]);
    assert_eq!(out("until(. > 100000; . + 1)", "0"), ["100001"]);
}

/// On the stack of a worker thread, in a debug build: what comes from outside nests as deep as it likes.
#[test]
fn deep_input_does_not_end_the_process() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [129, 2_000, 1_000_000] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(reject(".", &Message::new(deep.clone()).at("t")).contains("deeper than 128"));
            let inside = serde_json::to_string(&deep).unwrap();
            assert!(reject("fromjson", &Message::new(inside).at("t")).contains("deeper than 128"));
        }
        let deep = format!("{}1{}", open.repeat(128), close.repeat(128));
        assert_eq!(out(".", &deep), [deep]);
    }
    assert!(out(".", &format!("\"{}\"", "[".repeat(5_000)))[0].len() > 5_000, "brackets in strings do not nest");
    assert!(
        reject("[limit(1000; repeat([1]))] | reduce .[] as $x (1; [.])", &Message::new("1").at("t"))
            .contains("nests deeper")
    );
}

#[test]
fn deep_expressions_are_refused() {
    for (open, close) in
        [("[", "]"), ("(", ")"), ("-", ""), ("1|", ""), ("1,", ""), ("{a:", "}"), (". as [$x] | ", ""), ("try ", "")]
    {
        // Parentheses alone leave no trace in the tree, so they may nest.
        for depth in [1_000, (16 << 10) / (open.len() + close.len()) - 1] {
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            match Expr::compile(&text) {
                Ok(expr) => assert!(open == "(" && expr.test(&Message::new("1")).unwrap(), "{open}"),
                Err(error) => assert!(error.to_string().contains("nests deeper"), "{open}"),
            }
        }
    }
    assert!(refuse(&"x".repeat(100_000)).contains("the most is"));
    let most = format!("{}1{}", "[".repeat(199), "]".repeat(199));
    let most = Expr::compile(&most).unwrap();
    assert!(most.test(&Message::new("1")).unwrap());
    let pipes = format!("{}1", ".|".repeat(198));
    assert_eq!(out(&pipes, "0"), ["1"]);
    let sum = format!("{}1", "1+".repeat(198));
    assert_eq!(out(&sum, "0"), ["199"]);
}

#[test]
fn programs_are_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Expr>();
    let expr = Expr::compile(".a + 1").unwrap();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let expr = expr.clone();
            std::thread::spawn(move || {
                let mut got = Vec::new();
                expr.map(&Message::new(format!("{{\"a\": {n}}}")), |message| {
                    got.push(message.text().unwrap().to_owned());
                })
                .unwrap();
                assert_eq!(got, [(n + 1).to_string()]);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Into::into),
        "\\PC*".prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..5)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn identity_changes_nothing(value in json()) {
        // Both write without spaces, with keys in the order they have; so the text is the same, to the last digit of a number.
        prop_assert_eq!(out(".", &value.to_string()), [value.to_string()]);
    }

    #[test]
    fn what_serde_json_refuses_is_refused(text in "[\\[\\]{}:,\"0-9eE+.a\\\\u#NaIb -]{0,12}") {
        let strict = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let ours = input::json(text.as_bytes()).is_ok();
        // Numbers beyond a float are refused by serde_json's values, not by its grammar.
        prop_assert!(strict == ours || (ours && text.contains(['e', 'E'])), "{} {} {}", text, strict, ours);
    }

    #[test]
    fn no_text_panics(text in "[a-z0-9 .|,()\\[\\]{}\"\\\\$@:;?=<>+*/%#-]{0,30}") {
        if let Ok(expr) = Expr::compile(&text) {
            let _ = expr.test(&Message::new("{\"a\": [1, \"b\", null]}"));
        }
    }
}
