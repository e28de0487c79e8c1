#![allow(clippy::unwrap_used, clippy::panic)]
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
    assert!(reject("repeat(1)", &message).contains("100000 outputs"));
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

mod native {
    use super::super::*;
    use super::test;
    use proptest::prelude::*;

    fn quick(expr: &str, payload: &str) -> Option<bool> {
        Expr::compile(expr).unwrap().program.quick_test(&Message::new(payload.to_owned()))
    }

    #[test]
    fn comparisons_of_fields_go_around_the_interpreter() {
        for (expr, payload, passes) in [
            (".a > 1", r#"{"b": [1, {"a": 9}], "a": 2.5}"#, true),
            (".a.b == \"x\" and (.c | not)", r#"{"a": {"b": "x", "c": 1}, "c": null}"#, true),
            (".a.b >= -3 or .c != 1.5e3", r#"{"a": {}, "c": 7}"#, true),
            (".a < \"b\"", r#"{"a": 99}"#, true),
            (".a", r#"{"a": []}"#, true),
            (".a", "{}", false),
            (".a.b", r#"{"a": {"b": 1}, "a": {}}"#, false),
            (".\"a b\" == true", r#"{"a b": true}"#, true),
            (".[\"a\"] == null", r#"{"A": 1}"#, true),
            (".a > 1", &format!(r#"{{"a": 2, "deep": {}{}}}"#, "[".repeat(127), "]".repeat(127)), true),
            (".a > 1", r#"{"note": "a \"quoted\" \u00e9 \\", "a": 2}"#, true),
            (".a == 1 or .b == \"\"", r#"{"b": "\n", "a": 1}"#, true),
        ] {
            assert_eq!(quick(expr, payload), Some(passes), "{expr} of {payload}");
            assert_eq!(test(expr, payload), passes);
        }
    }

    #[test]
    fn what_is_in_doubt_is_left_to_the_interpreter() {
        for (expr, payload) in [
            (".a > 1", r#"{"a": 1.0}"#),
            (".a == 0.1", r#"{"a": 0.1}"#),
            (".a == \"x\"", r#"{"a": "\u0078"}"#),
            (".a == \"x\"", r#"{"\u0061": "x"}"#),
            (".a.b", r#"{"a": 1}"#),
            (".a.b", r#"{"a": {"b": 1}, "a": []}"#),
            (".a > 1", r#"{"a": 18446744073709551615}"#),
            (".a == .b", r#"{"a": [], "b": []}"#),
            (".a > 1", "[1]"),
            (".a > 1", "null"),
            (".a > 1", r#"{"a": 2"#),
            (".a > 1", r#"{"a": 2} {}"#),
            (".a > 1", r#"{"a": 2, "b": 01}"#),
            (".a > 1", &format!(r#"{{"a": 2, "deep": {}{}}}"#, "[".repeat(128), "]".repeat(128))),
            (".a > (.b + 1)", r#"{"a": 2}"#),
            (".[0] > 1", r#"{"a": 2}"#),
            (".a? > 1", r#"{"a": 2}"#),
            ("1 > 2", "{}"),
        ] {
            assert_eq!(quick(expr, payload), None, "{expr} of {payload}");
        }
        assert!(Expr::compile(".a > 1").unwrap().test(&Message::new(vec![b'{', 0xff, b'}'])).is_err());
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-0.0",
            "1",
            "1.0",
            "10e-1",
            "-7",
            "2.5",
            "0.1",
            "0.10000000000000001",
            "9007199254740993",
            "9007199254740992.5",
            "9223372036854775807",
            "-9223372036854775808",
            "1e308",
            "1e999",
            "\"\"",
            "\"a\"",
            "\"b\"",
            "\"é\"",
            "\"\\u0061\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"\\uDC00\\ud800\"",
            "\"\\\"\\\\\"",
            "\"\\x\"",
            "\"\\u00\"",
            "[]",
            "[1]",
            "{}",
            "01",
            "nan",
            "1 2",
            "",
        ]);
        let name = prop::sample::select(vec!["a", "b", "c", "\\u0061"]);
        leaf.prop_map(str::to_owned).prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec((name.clone(), inner.clone()), 0..5).prop_map(|pairs| {
                    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                    format!("{{{}}}", pairs.join(", "))
                }),
                prop::collection::vec(inner, 0..3).prop_map(|values| format!("[{}]", values.join(","))),
            ]
        })
    }

    fn expr() -> impl Strategy<Value = String> {
        let operand = prop::sample::select(vec![
            ".a",
            ".b",
            ".a.b",
            ".a.b.c",
            ".\"a\"",
            ".[\"b\"]",
            "null",
            "true",
            "0",
            "1",
            "-1",
            "2.5",
            "0.1",
            "1e308",
            "9007199254740992",
            "9223372036854775808",
            "\"a\"",
            "\"é\"",
            "\"\"",
        ]);
        let compare = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
        let comparison =
            (operand.clone(), compare, operand.clone()).prop_map(|(left, op, right)| format!("{left} {op} {right}"));
        prop_oneof![3 => comparison, 1 => operand.prop_map(str::to_owned)].prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), prop::sample::select(vec!["and", "or"]), inner.clone())
                    .prop_map(|(left, op, right)| format!("({left}) {op} ({right})")),
                inner.prop_map(|inner| format!("({inner} | not)")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// The interpreter is the reference, for messages that it refuses too.
        #[test]
        fn the_same_as_the_interpreter(expr in expr(), payloads in prop::collection::vec(json(), 100)) {
            let expr = Expr::compile(&expr).unwrap();
            for payload in payloads {
                let message = Message::new(payload);
                let reference = expr.interpreted_test(&message);
                if let Some(quick) = expr.program.quick_test(&message) {
                    prop_assert_eq!(Ok(quick), reference.map_err(|error| error.to_string()), "{:?}", message);
                }
            }
        }
    }
}

/// An array of so many numbers.
fn long(length: usize) -> String {
    serde_json::json!((0..length).collect::<Vec<_>>()).to_string()
}

#[test]
fn what_never_ends_is_ended() {
    for expr in [
        "until(false; .)",
        "while(true; .) | empty",
        "[repeat(1)]",
        "last(repeat(1))",
        "[range(0; infinite)]",
        "first(range(0; infinite) | select(. < 0))",
        "reduce range(0; infinite) as $i (0; . + 1)",
        "last(foreach range(0; infinite) as $i (0; . + 1))",
        "[limit(1000000000; repeat(1))] | length",
        "def a: ., .; def b: a | a | a | a | a; def c: b | b | b | b | b; last(c | c | c | c)",
        "(repeat(.)) |= 1",
        "path(last(repeat(.)))",
        "isempty(repeat(1) | select(. == 2))",
        "any(repeat(false); .)",
    ] {
        let text = reject(expr, &Message::new("0").at("t"));
        assert!(text.contains("110000 steps") || text.contains("nests deeper"), "{expr}: {text}");
    }
}

#[test]
fn what_grows_without_bound_is_stopped() {
    let array = long(10_000);
    for (expr, payload, says) in [
        ("reduce .[] as $x (null; [.])", &*array, "nests deeper"),
        ("reduce .[] as $x (null; {a: .})", &array, "nests deeper"),
        ("reduce .[] as $x (null; {a: 1, b: [2, .]})", &array, "nests deeper"),
        ("reduce .[] as $x ([0]; [[[[[[[[.]]]]]]]])", &array, "nests deeper"),
        ("last(foreach .[] as $x (null; [.]))", &array, "nests deeper"),
        ("until(false; [.])", "0", "nests deeper"),
        ("last(recurse([.]))", "0", "nests deeper"),
        ("last(repeat([.]))", "0", "steps"),
        ("reduce .[] as $x ([[], []]; [[.[0]], .[1]])", &array, "nests deeper"),
        ("reduce .[] as $x (null; to_entries? // [.])", &array, "nests deeper"),
        (
            "def f: [.]; def g: f | f | f | f; def h: g | g | g | g; def i: h | h | h | h; i | i | i | i",
            "0",
            "nests deeper",
        ),
        ("\"ab\" * .", "1e12", "256 MiB"),
        (". * \"ab\"", "300000000", "256 MiB"),
        ("\"ab\" * .", "1e99999", "256 MiB"),
        ("reduce range(40) as $i (\"ab\"; . + .)", "0", "256 MiB"),
        ("reduce range(40) as $i ([1, 2]; . + .)", "0", "256 MiB"),
        ("reduce range(40) as $i ({a: \"ab\"}; .a += .a)", "0", "256 MiB"),
        ("reduce range(100) as $i ([]; [., .])", "0", "output"),
        ("reduce range(40) as $i ([]; [., .])", "0", "output"),
    ] {
        let message = Message::new(payload.to_owned()).at("t");
        let ended = Expr::compile(expr).unwrap().map(&message, |_| ()).map_err(|error| error.to_string());
        assert!(ended.as_ref().is_err_and(|text| text.contains(says)), "{expr}: {ended:?}");
    }
}

#[test]
fn the_deepest_values_can_be_worked_with() {
    // In a thread with the stack of a worker, as tests are.
    let deep = "reduce range(400) as $i (0; [.])";
    for work in [
        ". == .",
        "tojson",
        "[..] | length",
        "[paths] | length",
        "walk(.)",
        "[.] | sort",
        "[., .] | unique",
        "[recurse] | length",
        "flatten",
        "[leaf_paths?] | length",
        "\"\\(.)\"",
        "@json",
        "del(.[0])",
        ". as [$a] | $a",
        "getpath([0, 0])",
        "tostring | fromjson",
        "[.] | group_by(.)",
        ". < [.]",
        "contains([])",
        "[tostream?] | length",
        "map_values(.)",
        "to_entries",
        "add",
        "min",
        "index([])",
        "(.. | numbers) |= . + 1",
        "[path(..)] | length",
        "{a: .} * {a: .}",
        "[splits(\"a\")?]",
        "indices([0])",
        "transpose?",
        "has(0)",
        "isvalid(.)?",
        "limit(1; ..)",
        "first(..)",
        "input_line_number?",
        "ltrimstr(\"a\")",
        "tojson | length",
        "env?",
        "halt?",
    ] {
        let Ok(expr) = Expr::compile(&format!("{deep} | {work} | empty")) else { continue };
        // Refused or done; but it comes back.
        let _ = expr.map(&Message::new("0"), |_| ());
    }
    // Paths as long as the payload says.
    let path = Message::new(long(20_000));
    for work in [
        ". as $path | null | setpath($path; 1)",
        ". as $path | {} | getpath($path) |= 1",
        ". as $path | [] | delpaths([$path])",
        ". as $path | [] | (reduce $path[] as $i (.; .[0])) |= 1",
        ". as $path | {} | (reduce $path[] as $i (.; .a)) |= 1",
        ". as $path | {} | (reduce $path[] as $i (.; .a)) = 1",
        ". as $path | {} | path(reduce $path[] as $i (.; .a))",
        ". as $path | {} | (foreach $path[] as $i (.; .a)) |= 1",
        ". as $path | {} | [limit(9; getpath($path)?)]",
        ". as $path | {} | (last(recurse(.a; true))) |= 1",
        ". as $path | {} | del(reduce $path[] as $i (.; .a))",
    ] {
        let _ = Expr::compile(&format!("{work} | empty")).unwrap().map(&path, |_| ());
    }
    assert_eq!(out("reduce range(100) as $i (0; [.]) | [..] | length", "0"), ["101"]);
}

#[test]
fn within_the_limits_all_is_as_it_was() {
    for (expr, payload, expected) in [
        (
            "[range(3)], [range(1; 3)], [range(0; 7; 3)], [range(3; 0; -2)], [range(0, 1; 2, 3)]",
            "0",
            "[0,1,2] [1,2] [0,3,6] [3,1] [0,1,0,1,2,1,1,2]",
        ),
        ("[range(0; 1; .3)]", "0", "[0,0.3,0.6,0.8999999999999999]"),
        ("until(. >= 40000; . + 1)", "0", "40000"),
        ("last(range(40000))", "0", "39999"),
        ("[limit(3; repeat(. * 2))]", "1", "[2,2,2]"),
        ("reduce range(20000) as $i (0; . + $i)", "0", "199990000"),
        ("[(1, 2) * (3, 4)]", "0", "[3,4,6,8]"),
        ("{a: {b: 1}} * {a: {c: 2}}", "0", "{\"a\":{\"b\":1,\"c\":2}}"),
        ("\"ab\" * 3", "0", "\"ababab\""),
        (".a *= 2", "{\"a\": 4}", "{\"a\":8}"),
        ("[paths]", "[[1]]", "[[0],[0,0]]"),
        ("setpath([\"a\", \"b\"]; 1)", "{\"a\": {}}", "{\"a\":{\"b\":1}}"),
        ("getpath([\"a\", 0]) |= . + 1", "{\"a\": [1]}", "{\"a\":[2]}"),
        ("delpaths([[1, 0]])", "[1, [2, 3]]", "[1,[3]]"),
        ("walk(if type == \"number\" then . + 1 end)", "[1, [2]]", "[2,[3]]"),
        ("path(reduce (0, 1) as $i (.; .[$i]))", "[[1, 2]]", "[0,1]"),
        ("[path(recurse(.[]?))] | length", "[[1, 2]]", "4"),
        ("(recurse(.[]?) | numbers) |= . * 2", "[1, [2]]", "[2,[4]]"),
        ("def f($x): . + $x; def g(h): h | h; g(f(1; 2)?), g(f(1))", "0", ""),
        ("def f($x): . + $x; def g(h): h | h; g(f(1))", "0", "2"),
        ("def f: .a; f |= 3", "{}", "{\"a\":3}"),
        ("[foreach .[] as $x (0; . + $x; [$x, .])]", "[1, 2]", "[[1,1],[2,3]]"),
        ("try error(\"x\") catch .", "0", "\"x\""),
        ("[combinations]", "[[1, 2], [3]]", "[[1,3],[2,3]]"),
        ("map(. * .)", "[1, 2.5]", "[1,6.25]"),
        ("{a: (. * 2)} | .a * -1", "3", "-6"),
    ] {
        if Expr::compile(expr).is_ok() {
            assert_eq!(out(expr, payload).join(" "), expected, "{expr}");
        }
    }
    assert_eq!(out("add", &long(40_000)), ["799980000"]);
    assert_eq!(out("reduce .[] as $x ([]; . + [$x]) | length", &long(20_000)), ["20000"]);
}

#[test]
fn the_limits_cannot_be_gone_around_by_name() {
    assert!(refuse("lorry_expression").contains("calls itself"));
    assert!(refuse("module {a: 1}; def f: f; f").contains("expected an expression"));
    for expr in ["!tick", "!range(0; 1; 1)", "\"!tick\" | ."] {
        let _ = Expr::compile(expr);
    }
    assert_eq!(
        out("def range($a; $b; $c): 7; def lorry_expression: 8; [range(0; 1; 2), lorry_expression]", "0"),
        ["[7,8]"]
    );
}
