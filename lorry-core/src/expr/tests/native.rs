//! Comparisons that go around the interpreter.

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
