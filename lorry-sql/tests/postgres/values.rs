//! What becomes of values: in tables that the sink makes, and in tables that were there.

use super::{batch, deliver, lines, only, open, open_to_drop, options, server, types};
use lorry_core::relay::Batch;
use lorry_core::{Class, Message};

#[tokio::test]
#[ignore = "needs postgresql"]
async fn columns_get_types_and_exact_values() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let rows = [
        r#"{"id": 1, "device": "a", "temperature": 21.5, "ok": true, "large": 9007199254740993}"#,
        r#"{"id": -9223372036854775808, "device": "grün ✓ 'it''s' \"2\"", "temperature": 20, "ok": false, "large": 1.5}"#,
        r#"{"id": 9223372036854775807, "device": null, "temperature": 1e300, "ok": null, "large": null}"#,
    ];
    deliver(&mut sink, batch(rows)).await.unwrap();
    assert_eq!(types(&server, "t"), "id bigint\ndevice text\ntemperature double precision\nok boolean\nlarge numeric");
    assert_eq!(
        lines(&server.psql("SELECT id, device, temperature, ok, large FROM t ORDER BY ctid")),
        [
            "1|a|21.5|t|9007199254740993",
            "-9223372036854775808|grün ✓ 'it''s' \"2\"|20|f|1.5",
            "9223372036854775807||1e+300||",
        ]
    );
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn integers_beyond_64_bits_signed_stay_exact() {
    let server = server();
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"a": 18446744073709551615, "b": 1}"#, r#"{"a": 1, "b": 2}"#])).await.unwrap();
    assert_eq!(types(&server, "t"), "a numeric\nb bigint");
    assert_eq!(server.psql("SELECT string_agg(a::text, ' ') FROM t"), "18446744073709551615 1");
    // The relay made this one, and makes it wider.
    deliver(&mut sink, batch([r#"{"b": 3}"#, r#"{"b": 18446744073709551615}"#, r#"{"b": 4.0}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT string_agg(b::text, ' ') FROM t"), "1 2 3 18446744073709551615 4.0");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn integers_beyond_64_bits_keep_their_digits_or_are_refused() {
    const BIG: &str = "123456789012345678901234567890";
    let server = server();
    server.psql(
        "CREATE TABLE old (i bigint, f double precision, n numeric, t text, j json, a numeric[], m numeric(5,1))",
    );
    let mut sink = open(&options(&server, "new")).await.unwrap();
    let rows = [format!(r#"{{"a": {BIG}, "o": {{"x": [-{BIG}]}}}}"#), r#"{"a": -9223372036854775809}"#.to_owned()];
    deliver(&mut sink, batch(rows)).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#, r#"{"a": 1.5}"#])).await.unwrap();
    assert_eq!(types(&server, "new"), "a numeric\no jsonb");
    assert_eq!(lines(&server.psql("SELECT a FROM new")), [BIG, "-9223372036854775809", "1", "1.5"]);
    assert_eq!(server.psql("SELECT o FROM new LIMIT 1"), format!(r#"{{"x": [-{BIG}]}}"#));
    let mut sink = open_to_drop(&options(&server, "old")).await;
    deliver(&mut sink, batch([format!(r#"{{"n": {BIG}, "t": {BIG}, "j": {BIG}, "a": [1, {BIG}]}}"#)])).await.unwrap();
    assert_eq!(server.psql("SELECT n, t, j, a FROM old"), format!("{BIG}|{BIG}|{BIG}|{{1,{BIG}}}"));
    for (value, hint) in [
        (format!(r#""i": {BIG}"#), "ALTER COLUMN \"i\" TYPE numeric"),
        (format!(r#""f": {BIG}"#), "ALTER COLUMN \"f\" TYPE numeric"),
        (r#""f": 9007199254740993"#.to_owned(), "ALTER COLUMN \"f\" TYPE numeric"),
        (r#""i": 1.5"#.to_owned(), "ALTER COLUMN \"i\" TYPE double precision"),
        (format!(r#""m": {BIG}"#), "numeric field overflow"),
    ] {
        let rows = [r#"{"t": "good"}"#.to_owned(), format!("{{{value}}}"), r#"{"t": "good"}"#.to_owned()];
        let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
        assert!((index, class) == (1, Class::Data) && text.contains(hint), "{text}");
    }
    // What a program writes that knows floats only is one.
    deliver(&mut sink, batch([r#"{"f": 123456789012345680000}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT f FROM old WHERE f IS NOT NULL"), "1.2345678901234568e+20");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn numbers_beyond_floats_keep_their_digits_or_are_refused() {
    let server = server();
    server.psql("CREATE TABLE old (f double precision)");
    let mut sink = open(&options(&server, "new")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1e400, "o": [-1.5e999]}"#])).await.unwrap();
    assert_eq!(types(&server, "new"), "a numeric\no jsonb");
    assert_eq!(server.psql("SELECT a = 10::numeric ^ 400, (o->>0)::numeric = -15 * 10::numeric ^ 998 FROM new"), "t|t");
    let mut sink = open_to_drop(&options(&server, "old")).await;
    for row in [r#"{"f": 1e400}"#, r#"{"n": 1e200000}"#] {
        let (_, class, text) = only(deliver(&mut sink, batch([row])).await);
        assert_eq!(class, Class::Data, "{text}");
    }
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn nested_values_are_jsonb() {
    let server = server();
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"o": {"x": [1, {"y": null}], "s": "a\"b\u0007"}, "l": [1, "2", [3]], "e": []}"#]))
        .await
        .unwrap();
    assert_eq!(types(&server, "t"), "o jsonb\nl jsonb\ne jsonb");
    assert_eq!(
        server.psql("SELECT o->'x'->1, l->2->>0, l->>1, e, o->>'s' = E'a\"b\\u0007' FROM t"),
        r#"{"y": null}|3|2|[]|t"#
    );
    // Scalars in a column of JSON are JSON, too.
    deliver(&mut sink, batch([r#"{"o": "text \"q\""}"#, r#"{"o": 1.5}"#, r#"{"o": true}"#, r#"{"o": null}"#]))
        .await
        .unwrap();
    let scalars =
        server.psql("SELECT coalesce(jsonb_typeof(o), 'NULL') || coalesce(' ' || (o #>> '{}'), '') FROM t OFFSET 1");
    assert_eq!(lines(&scalars), ["string text \"q\"", "number 1.5", "boolean true", "NULL"]);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn an_existing_tables_types_rule() {
    let server = server();
    server.psql(
        "CREATE TYPE mood AS ENUM ('sad', 'so so', 'happy');
         CREATE DOMAIN percent AS numeric CHECK (value BETWEEN 0 AND 100);
         CREATE DOMAIN code AS varchar(3);
         CREATE TABLE t (
            id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, small smallint, r real, n numeric(6,2), u uuid, j json, jb jsonb,
            ints integer[], texts text[], grid integer[][], docs jsonb[], m mood, v varchar(5), c char(3), addr inet,
            during interval, p percent, k code, b boolean, raw bytea, bits bit(4), r4 int4range, \"Mixed Case\" text,
            doubled integer GENERATED ALWAYS AS (small * 2) STORED)",
    );
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(
        &mut sink,
        batch([
            r#"{"small": 7, "r": 1.5, "n": 12.345, "u": "6e5b6f2c-0f0c-4c6e-8b0a-0a4b1f1f2f3f", "j": {"a": 1}, "jb": [1, 2],
                "ints": [1, null, 3], "texts": ["a b", "q\"\\", "NULL", ""], "grid": [[1, 2], [3, 4]], "docs": [{"a": [1]}, "x"],
                "m": "so so", "v": "abcde", "c": "ab", "addr": "192.168.0.1/24", "during": "1 day 02:00", "p": 99.5, "k": "abc",
                "b": "yes", "raw": "text", "bits": "1010", "r4": "[1,5)", "Mixed Case": 5}"#,
            r#"{"small": "8", "r": 2, "n": "0.1", "j": "text", "jb": 5, "ints": "{4,5}", "texts": [], "v": 12, "b": 1, "Mixed Case": {"x": 1}}"#,
        ]),
    )
    .await
    .unwrap();
    let one = "SELECT small, r, n, u, j, jb, ints, texts, grid, docs, m, v, c, addr, during, p, k, b, raw, bits, r4, \"Mixed Case\", doubled";
    assert_eq!(
        lines(&server.psql(&format!("{one} FROM t ORDER BY id"))),
        [
            r#"7|1.5|12.35|6e5b6f2c-0f0c-4c6e-8b0a-0a4b1f1f2f3f|{"a":1}|[1, 2]|{1,NULL,3}|{"a b","q\"\\","NULL",""}|{{1,2},{3,4}}|{"{\"a\": [1]}","\"x\""}|so so|abcde|ab |192.168.0.1/24|1 day 02:00:00|99.5|abc|t|\x74657874|1010|[1,5)|5|14"#,
            r#"8|2|0.10||"text"|5|{4,5}|{}||||12||||||t||||{"x":1}|16"#,
        ]
    );
    assert!(!types(&server, "t").contains("doubled2"), "nothing was added");
}

/// Columns travel by themselves: however many rows go together, and whatever is missing in them, each value stays in its row.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn rows_do_not_depend_on_their_batch() {
    const VALUES: [(&str, &str, &[&str]); 15] = [
        ("s", "smallint", &["-3", "\"40\"", "2.0"]),
        ("i", "bigint", &["9007199254740993", "\"-5\"", "0"]),
        ("f", "real", &["1.5", "2", "\"NaN\""]),
        ("n", "numeric(8,3)", &["12345.678", "7", "\"0.1\""]),
        ("b", "boolean", &["true", "false", "\"yes\""]),
        ("t", "text", &["\"\"", "\"NULL\"", "\"{a,\\\"b\\\\}\"", "1.50", "{\"x\": [1]}"]),
        ("v", "varchar(9)", &["\"grün\"", "12"]),
        ("j", "json", &["{\"a\": null}", "\"text\"", "1", "[]"]),
        ("jb", "jsonb", &["{\"a\": {\"b\": 1}}", "true", "\"q\\\"\""]),
        ("z", "timestamptz", &["1704164645", "\"2024-01-02T03:04:05.5+02:00\"", "1704164645678"]),
        ("d", "date", &["\"2024-02-29\"", "0"]),
        ("u", "uuid", &["\"6e5b6f2c-0f0c-4c6e-8b0a-0a4b1f1f2f3f\""]),
        ("a", "integer[]", &["[1, null]", "\"{4}\"", "[]"]),
        ("m", "mood", &["\"so so\"", "\"happy\""]),
        ("x", "bytea", &["\"raw\"", "\"\""]),
    ];
    let server = server();
    let columns: Vec<_> = VALUES.iter().map(|(name, of, _)| format!("{name} {of}")).collect();
    server.psql(&format!(
        "CREATE TYPE mood AS ENUM ('so so', 'happy');
         CREATE TABLE together (id bigint, {0}); CREATE TABLE alone (id bigint, {0})",
        columns.join(", ")
    ));
    let mut state = 1_u64;
    let mut pick = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let mut row = |id: usize| {
        let mut pairs = vec![format!("\"id\": {id}")];
        for (name, _, values) in VALUES {
            match pick(4) {
                0 => {}
                1 => pairs.push(format!("\"{name}\": null")),
                _ => pairs.push(format!("\"{name}\": {}", values[pick(values.len())])),
            }
        }
        format!("{{{}}}", pairs.join(", "))
    };
    let rows: Vec<_> = (0..300).map(&mut row).collect();
    let mut sink = open(&options(&server, "together")).await.unwrap();
    deliver(&mut sink, batch(rows.iter().cloned())).await.unwrap();
    let mut sink = open(&options(&server, "alone")).await.unwrap();
    for row in &rows {
        deliver(&mut sink, batch([row.clone()])).await.unwrap();
    }
    assert_eq!(server.psql("SELECT count(*), count(DISTINCT id) FROM together"), "300|300");
    let missing = |left: &str, right: &str| {
        server.psql(&format!("SELECT {left}::text FROM {left} EXCEPT ALL SELECT {right}::text FROM {right}"))
    };
    assert_eq!(missing("together", "alone"), "");
    assert_eq!(missing("alone", "together"), "");
    let full = VALUES.map(|(name, ..)| format!("count({name}) > 100")).join(" AND ");
    assert_eq!(server.psql(&format!("SELECT {full} FROM together")), "t");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn times_from_text_and_numbers() {
    let server = server();
    server.psql("CREATE TABLE t (id integer, z timestamptz, l timestamp(3), d date, h time)");
    let mut sink = open(&options(&server, "t")).await.unwrap();
    // All of them in binary form, then one text among them: the same results both ways.
    let numbers = [
        r#"{"id": 1, "z": 1704164645, "l": 1704164645, "d": 1704164645}"#,
        r#"{"id": 2, "z": 1704164645678, "l": 1704164645678.9, "d": 1704164645678}"#,
        r#"{"id": 3, "z": 1704164645678901234, "l": 1704164645678901, "d": -1}"#,
    ];
    let texts = [
        r#"{"id": 4, "z": "2024-01-02T03:04:05.678901Z", "l": "2024-01-02T05:04:05+02:00", "d": "2024-01-02", "h": "03:04:05"}"#,
        r#"{"id": 5, "z": "2024-01-02 03:04:05", "l": "2024-01-02 03:04:05", "d": "2024-01-02T03:04:05Z"}"#,
        r#"{"id": 6, "z": "infinity", "l": null}"#,
    ];
    deliver(&mut sink, batch(numbers)).await.unwrap();
    deliver(&mut sink, batch(texts.into_iter().chain(numbers))).await.unwrap();
    let read = |ids: &str| {
        server
            .psql(&format!("SET timezone = 'UTC'; SELECT id, z, l, d, h FROM t WHERE id IN ({ids}) ORDER BY id, ctid"))
    };
    assert_eq!(
        lines(&read("1, 2, 3")),
        [
            "1|2024-01-02 03:04:05+00|2024-01-02 03:04:05|2024-01-02|",
            "1|2024-01-02 03:04:05+00|2024-01-02 03:04:05|2024-01-02|",
            "2|2024-01-02 03:04:05.678+00|2024-01-02 03:04:05.679|2024-01-02|",
            "2|2024-01-02 03:04:05.678+00|2024-01-02 03:04:05.679|2024-01-02|",
            "3|2024-01-02 03:04:05.678901+00|2024-01-02 03:04:05.679|1969-12-31|",
            "3|2024-01-02 03:04:05.678901+00|2024-01-02 03:04:05.679|1969-12-31|",
        ]
    );
    assert_eq!(
        lines(&read("4, 5, 6")),
        [
            "4|2024-01-02 03:04:05.678901+00|2024-01-02 03:04:05|2024-01-02|03:04:05",
            "5|2024-01-02 03:04:05+00|2024-01-02 03:04:05|2024-01-02|",
            "6|infinity|||",
        ]
    );
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn what_does_not_fit_is_refused_and_not_bent() {
    let server = server();
    server.psql(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE t (id integer, i integer, s smallint, v varchar(3), m mood, u uuid, z timestamptz, n numeric(3,1), b boolean, a int[], j jsonb);
         CREATE TABLE one (id integer)",
    );
    let mut sink = open_to_drop(&options(&server, "t")).await;
    let wrong = [
        r#""i": "abc""#,
        r#""i": 1.5"#,
        r#""i": 3000000000"#,
        r#""s": 40000"#,
        r#""v": "abcd""#,
        r#""m": "angry""#,
        r#""u": "123""#,
        r#""z": "yesterday at noon""#,
        r#""z": 1e30"#,
        r#""n": 100"#,
        r#""b": "maybe""#,
        r#""a": ["x"]"#,
        r#""a": {"x": 1}"#,
        r#""j": {"nul": "\u0000"}"#,
        r#""v": "a\u0000""#,
    ];
    for (at, wrong) in wrong.iter().enumerate() {
        let rows = [format!(r#"{{"id": {at}}}"#), format!(r#"{{"id": -1, {wrong}}}"#), format!(r#"{{"id": {at}}}"#)];
        let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
        assert_eq!((index, class), (1, Class::Data), "{wrong}: {text}");
    }
    assert_eq!(server.psql("SELECT count(*), min(id) FROM t"), format!("{}|0", 2 * wrong.len()));
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn bytes_and_nul_characters() {
    let server = server();
    let mut sink = open_to_drop(&options(&server, "fresh")).await;
    let bytes = |bytes: &'static [u8]| Message::new(bytes);
    deliver(&mut sink, Batch::new(vec![bytes(b"\xff\xfe\x00"), bytes(b"plain")])).await.unwrap();
    assert_eq!(types(&server, "fresh"), "payload bytea");
    assert_eq!(server.psql(r"SELECT string_agg(encode(payload, 'escape'), ' ') FROM fresh"), r"\377\376\000 plain");

    let mut sink = open_to_drop(&options(&server, "texts")).await;
    deliver(&mut sink, Batch::new(vec![bytes(b"plain"), bytes(b"")])).await.unwrap();
    assert_eq!(types(&server, "texts"), "payload text");
    let rows = vec![bytes(b"before"), bytes(b"\xff"), bytes(b"between"), bytes(b"a\0b"), bytes(b"after")];
    let failures = deliver(&mut sink, Batch::new(rows)).await.unwrap_err();
    let shown: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
    assert_eq!(shown, [(1, Class::Data), (3, Class::Data)]);
    assert!(failures[0].error.to_string().contains("not UTF-8"), "{}", failures[0].error);
    assert!(failures[1].error.to_string().contains("NUL character"), "{}", failures[1].error);
    assert_eq!(server.psql("SELECT string_agg(payload, ' ') FROM texts"), "plain  before between after");
}
