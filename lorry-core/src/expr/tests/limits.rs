//! What an expression may take.

use super::*;

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
