//! Values, and the rows that payloads make.

use super::common::{Folder, batch, deliver, message, open};
use super::drop_policy;
use lorry_core::relay::{Batch, Sink};
use lorry_core::{Class, ErrorKind, Message, Timestamp};

#[tokio::test]
async fn rows_have_types_and_exact_values() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(
        &mut sink,
        batch([
            r#"{"id": 1, "device": "a", "temperature": 21.5, "ok": true, "big": 9007199254740993}"#,
            r#"{"id": 2, "device": "b", "temperature": 20, "ok": false, "note": "grün ✓ 'it''s' \"2\"", "big": 1.5}"#,
        ]),
    )
    .await
    .unwrap();
    let types = "SELECT name || ' ' || type FROM pragma_table_info('t')";
    let expected = ["id BIGINT", "device TEXT", "temperature REAL", "ok BOOLEAN", "big NUMERIC", "note TEXT"];
    assert_eq!(folder.texts(types), expected);
    assert_eq!(folder.texts("SELECT group_concat(DISTINCT typeof(temperature)) FROM t"), ["real"]);
    assert_eq!(
        folder.texts("SELECT typeof(id) || typeof(ok) || typeof(big) FROM t"),
        ["integerintegerinteger", "integerintegerreal"]
    );
    assert_eq!(folder.texts("SELECT big FROM t"), ["9007199254740993", "1.5"]);
    assert_eq!(folder.texts("SELECT coalesce(note, 'NULL') FROM t"), ["NULL", "grün ✓ 'it''s' \"2\""]);
}

#[tokio::test]
async fn nested_values_are_json() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": {"x": [1, {"y": null}], "s": "a\"b\u0007"}, "b": []}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), [r#"{"x":[1,{"y":null}],"s":"a\"b\u0007"}"#]);
    assert_eq!(folder.texts("SELECT json_extract(a, '$.x[0]') FROM t"), ["1"]);
    assert_eq!(folder.texts("SELECT b FROM t"), ["[]"]);
}

#[tokio::test]
async fn arrays_are_rows_and_everything_else_is_payload() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    let messages = vec![
        message(r#"[{"a": 1}, {"a": 2}]"#),
        message("[]"),
        message("42"),
        message("just text"),
        message(r#"{"a": 1"#),
        message(r#"[{"a": 1}, 2]"#),
        message(""),
        Message::new(vec![0xff, 0xfe]),
        Message::tombstone(),
        message("{}"),
        message(r#" {"a": 3, "a": 4} "#),
    ];
    deliver(&mut sink, Batch::new(messages)).await.unwrap();
    let rows =
        folder.texts("SELECT coalesce(a, '-') || ' ' || coalesce(typeof(payload) || ':' || hex(payload), '') FROM t");
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    let payload = |text: &str| format!("- text:{}", hex(text));
    let expected = vec![
        "1 null:".to_owned(),
        "2 null:".to_owned(),
        payload("42"),
        payload("just text"),
        payload(r#"{"a": 1"#),
        payload(r#"[{"a": 1}, 2]"#),
        "- text:".to_owned(),
        "- blob:FFFE".to_owned(),
        "- null:".to_owned(),
        "- null:".to_owned(),
        "4 null:".to_owned(),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn json_content_refuses_what_is_no_object() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t").set("content-type", "json")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    let failures =
        deliver(&mut sink, batch([r#"{"a": 1}"#, "42", "", r#"{"a":"#, r#"[{"a": 2}, 3]"#, r#"[{"a": 4}]"#, "[]"]))
            .await
            .unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Data));
    assert_eq!(failures[2].error.kind(), ErrorKind::Malformed);
    assert_eq!(folder.texts("SELECT a FROM t"), ["1", "4"]);
}

#[tokio::test]
async fn a_message_may_say_that_it_is_text() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    let mut text = message(r#"{"a": 1}"#);
    text.meta_mut().properties.content_type = Some("text/plain; charset=utf-8".into());
    deliver(&mut sink, Batch::new(vec![text])).await.unwrap();
    assert_eq!(folder.texts("SELECT payload FROM t"), [r#"{"a": 1}"#]);
}

#[tokio::test]
async fn what_would_lose_digits_is_refused() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"i": 1, "f": 1.5}"#])).await.unwrap();
    for row in [r#"{"i": 18446744073709551615}"#, r#"{"f": 9007199254740993}"#] {
        let failures = deliver(&mut sink, batch([row])).await.unwrap_err();
        assert_eq!(failures[0].error.class(), Class::Data);
        assert!(failures[0].error.to_string().contains("digits"), "{}", failures[0].error);
    }
    deliver(&mut sink, batch([r#"{"u": 18446744073709551615}"#, r#"{"u": 5}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT u FROM t WHERE u IS NOT NULL"), ["18446744073709551615", "5"]);
}

#[tokio::test]
async fn integers_beyond_64_bits_keep_their_digits_or_are_refused() {
    const BIG: &str = "123456789012345678901234567890";
    let folder = Folder::new();
    folder.run("CREATE TABLE old (i INTEGER, r REAL, n NUMERIC, t TEXT, b BLOB)");
    let mut sink = open(&folder.address("new")).await.unwrap();
    let rows = [format!(r#"{{"a": {BIG}, "o": {{"x": [-{BIG}]}}}}"#), r#"{"a": -9223372036854775809}"#.to_owned()];
    deliver(&mut sink, batch(rows)).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#, r#"{"a": 1.5}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM new"), [BIG, "-9223372036854775809", "1", "1.5"]);
    assert_eq!(folder.texts("SELECT o FROM new LIMIT 1"), [format!(r#"{{"x":[-{BIG}]}}"#)]);
    let mut sink = open(&folder.address("old")).await.unwrap();
    deliver(&mut sink, batch([format!(r#"{{"t": {BIG}, "b": {BIG}}}"#)])).await.unwrap();
    assert_eq!(folder.texts("SELECT t || ' ' || b FROM old"), [format!("{BIG} {BIG}")]);
    for column in ["i", "r", "n"] {
        let failures = deliver(&mut sink, batch([format!(r#"{{"{column}": {BIG}}}"#)])).await.unwrap_err();
        let text = failures[0].error.to_string();
        assert!(
            failures[0].error.class() == Class::Data && text.contains(&format!("{BIG} would lose digits")),
            "{text}"
        );
    }
    // What a program writes that knows floats only is one.
    deliver(&mut sink, batch([r#"{"r": 123456789012345680000}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT r FROM old WHERE r IS NOT NULL"), ["1.2345678901234568e20"]);
}

#[tokio::test]
async fn numbers_beyond_floats_keep_their_digits_or_are_refused() {
    let folder = Folder::new();
    folder.run("CREATE TABLE old (i INTEGER, r REAL)");
    let rows = [r#"{"a": 1e400, "o": [-1.5e999]}"#.to_owned(), format!(r#"{{"a": 9{}}}"#, "0".repeat(400))];
    deliver(&mut open(&folder.address("new")).await.unwrap(), batch(rows)).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM new"), ["1e400".to_owned(), format!("9{}", "0".repeat(400))]);
    assert_eq!(folder.texts("SELECT o FROM new LIMIT 1"), ["[-1.5e999]"]);
    let mut sink = open(&folder.address("old")).await.unwrap();
    for column in ["i", "r"] {
        let failures = deliver(&mut sink, batch([format!(r#"{{"{column}": 1e400}}"#)])).await.unwrap_err();
        assert_eq!(failures[0].error.class(), Class::Data);
        assert!(failures[0].error.to_string().contains("1e400 would lose digits"), "{}", failures[0].error);
    }
}

#[tokio::test]
async fn floats_keep_their_digits_in_columns_of_other_types() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (n NUMERIC, i BIGINT, t TEXT, b BLOB)");
    let mut sink = open(&folder.address("t")).await.unwrap();
    for float in ["1e300", "0.30000000000000004", "-21.5"] {
        let row = format!(r#"{{"n": {float}, "i": {float}, "t": {float}, "b": {float}}}"#);
        deliver(&mut sink, batch([row])).await.unwrap();
        let types = folder.texts("SELECT typeof(n) || typeof(i) || typeof(t) || typeof(b) FROM t");
        assert_eq!(types, ["realrealtextreal"]);
        assert_eq!(folder.texts("SELECT t FROM t"), [float]);
        assert_eq!(folder.texts("SELECT n = i AND n = b AND n = CAST(t AS REAL) FROM t"), ["1"]);
        folder.run("DELETE FROM t");
    }
}

#[tokio::test]
async fn fields_of_the_message_are_columns() {
    let folder = Folder::new();
    let options = folder
        .address("t")
        .column("ts", "timestamp")
        .column("topic", "address")
        .column("k", "key")
        .column("unit", "header.unit");
    let mut sink = open(&options).await.unwrap();
    let mut one = message(r#"{"a": 1}"#).at("sensors/kitchen").keyed("dev1").header("unit", "°C");
    one.timestamp = Some(Timestamp::from_millis(1_704_164_645_678));
    deliver(&mut sink, Batch::new(vec![one, message("plain")])).await.unwrap();
    assert_eq!(
        folder.texts("SELECT json_array(a, ts, topic, k, unit, payload) FROM t"),
        [
            r#"[1,"2024-01-02 03:04:05.678000","sensors/kitchen","dev1","°C",null]"#,
            r#"[null,null,"",null,null,"plain"]"#
        ]
    );
}

#[tokio::test]
async fn a_strict_table_refuses_other_types() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER) STRICT");
    let mut sink = open(&folder.address("t")).await.unwrap();
    let failures = deliver(&mut sink, batch([r#"{"id": 1}"#, r#"{"id": "x"}"#])).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class()), (1, Class::Data));
    assert_eq!(folder.texts("SELECT id FROM t"), ["1"]);
}
