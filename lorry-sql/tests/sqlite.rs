//! The SQLite sink on real files.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Folder, batch, deliver, message, open};
use lorry_core::relay::{Batch, Context, Identity, Sink};
use lorry_core::{Class, ErrorKind, Message, Timestamp};
use lorry_sql::{Evolve, IfExists, SqlOptions, SqlSink};
use rusqlite::Connection;
use std::time::Duration;

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
async fn new_keys_become_columns_and_missing_ones_null() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"b": "x"}"#, r#"{"a": null, "c": null}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 2, "c": 1.5}"#])).await.unwrap();
    assert_eq!(
        folder.texts("SELECT json_array(a, b, c) FROM t"),
        ["[1,null,null]", "[null,\"x\",null]", "[null,null,null]", "[2,null,1.5]"]
    );
    // The column waited for its first value, and so got the right type.
    assert_eq!(folder.texts("SELECT type FROM pragma_table_info('t')"), ["BIGINT", "TEXT", "REAL"]);
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

fn drop_policy() -> Context {
    let mut context = Context::detached("sqlsink0");
    context.stop_on_refusal = false;
    context
}

#[tokio::test]
async fn under_stop_only_what_precedes_the_guilty_row_is_committed() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id < 100))");
    let mut sink = open(&folder.address("t")).await.unwrap();
    let rows = (0..200).map(|i| format!(r#"{{"id": {}}}"#, if i == 77 || i == 150 { 100 + i } else { 0 }));
    let failures = deliver(&mut sink, batch(rows.collect::<Vec<_>>())).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class()), (77, Class::Data));
    assert_eq!(failures.len(), 123);
    assert!(failures[1..].iter().all(|failure| failure.error.class() == Class::Transient));
    let text = failures[0].error.to_string();
    assert!(text.contains("CHECK") && text.contains("id < 100") && text.contains(r#"{"id": 177}"#), "{text}");
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["77"]);
}

#[tokio::test]
async fn under_drop_all_good_rows_are_committed() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER NOT NULL CHECK (id < 100), note TEXT NOT NULL DEFAULT '')");
    let mut sink = open(&folder.address("t")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    let bad = [0, 3, 77, 78, 79, 150, 199];
    let rows = (0..200).map(|i| {
        if i == 78 { "{}".to_owned() } else { format!(r#"{{"id": {}}}"#, if bad.contains(&i) { 100 + i } else { 0 }) }
    });
    let failures = deliver(&mut sink, batch(rows.collect::<Vec<_>>())).await.unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), bad);
    assert!(failures[3].error.to_string().contains("NOT NULL"), "{}", failures[3].error);
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["193"]);
}

#[tokio::test]
async fn the_rows_of_one_message_land_together_or_not_at_all() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER CHECK (id < 100))");
    let mut sink = open(&folder.address("t")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    let failures = deliver(
        &mut sink,
        batch([r#"[{"id": 1}, {"id": 2}]"#, r#"[{"id": 3}, {"id": 100}, {"id": 4}]"#, r#"{"id": 5}"#]),
    )
    .await
    .unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1]);
    assert_eq!(folder.texts("SELECT id FROM t"), ["1", "2", "5"]);
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
async fn evolve_ignore_and_fail() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t").evolve(Evolve::Ignore)).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1, "b": 2}"#, r#"{"a": 3, "c": {"x": [4]}}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT json_array(a, b) FROM t"), ["[1,2]", "[3,null]"]);
    let mut sink = open(&folder.address("t").evolve(Evolve::Fail)).await.unwrap();
    let failures = deliver(&mut sink, batch([r#"{"a": 5}"#, r#"{"a": 6, "c": 7}"#])).await.unwrap_err();
    assert_eq!((failures.len(), failures[0].index, failures[0].error.class()), (1, 1, Class::Data));
    assert!(failures[0].error.to_string().contains("\"c\""), "{}", failures[0].error);
    assert_eq!(folder.texts("SELECT count(*) FROM t"), ["3"]);
}

#[tokio::test]
async fn if_exists_fail_replace_append() {
    let folder = Folder::new();
    for (what, rows) in [(IfExists::Fail, "2"), (IfExists::Append, "4"), (IfExists::Replace, "2")] {
        let mut sink = open(&folder.address("t").if_exists(what)).await.unwrap();
        deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
        // Opened again in the same process, as after a lost connection: neither emptied nor refused.
        sink.open(Context::detached("x")).await.unwrap();
        deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
        assert_eq!(folder.texts("SELECT count(*) FROM t"), [rows]);
    }
    let error = open(&folder.address("t").if_exists(IfExists::Fail)).await.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert!(error.to_string().contains("exists"), "{error}");
    let mut sink = SqlSink::new(folder.address("t").if_exists(IfExists::Replace));
    let mut context = Context::detached("x");
    context.identity = Identity { name: Some("weather".into()), instance: None };
    let error = sink.open(context).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("--name"), "{error}");
}

#[tokio::test]
async fn names_are_quoted_and_checked() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("\"my \"\"table\"\".1\"")).await.unwrap();
    deliver(&mut sink, batch([r#"{"select": 1, "a b": 2, "q\"uote": 3, "ümlaut": 4, "a;drop table t": 5}"#]))
        .await
        .unwrap();
    assert_eq!(folder.texts("SELECT \"q\"\"uote\" + \"a;drop table t\" FROM \"my \"\"table\"\".1\""), ["8"]);
    let long = format!(r#"{{"{}": 1}}"#, "x".repeat(256));
    for row in [r#"{"": 1}"#, long.as_str(), r#"{"nul\u0000": 1}"#] {
        let failures = deliver(&mut sink, batch([row])).await.unwrap_err();
        assert_eq!(failures[0].error.class(), Class::Data);
    }
    assert_eq!(folder.texts("SELECT count(*) FROM pragma_table_info('my \"table\".1')"), ["5"]);
}

#[tokio::test]
async fn names_of_the_row_number_and_of_other_databases_can_be_columns() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    let rows = [r#"{"rowid": "a", "ctid": 1}"#, r#"{"oid": "b", "_rowid_": "c", "xmin": 2}"#];
    for row in rows {
        deliver(&mut sink, batch([row])).await.unwrap();
    }
    assert_eq!(
        folder.texts("SELECT concat_ws(' ', rowid, oid, _rowid_, ctid, xmin) FROM t ORDER BY ctid NULLS LAST"),
        ["a 1", "b c 2"]
    );
}

#[tokio::test]
async fn upper_and_lower_case_do_not_collide_in_silence() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    // In one message, in one batch, in the next one: the column belongs to the key that made it.
    let one = [r#"{"a": 1}"#, r#"{"A": 2}"#, r#"{"a": 3, "A": 4}"#, r#"{"A": 5, "a": 6}"#, r#"{"a": 7, "b": 8}"#];
    let failures = deliver(&mut sink, batch(one)).await.unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1, 2, 3]);
    for failure in &failures {
        assert_eq!(failure.error.class(), Class::Data);
        let text = failure.error.to_string();
        assert!(text.contains(r#"the key "A" differs from the column "a" in upper and lower case only"#), "{text}");
        assert!(text.contains("rename the key or the column"), "{text}");
    }
    for opened_again in [false, true] {
        if opened_again {
            sink = open(&folder.address("t")).await.unwrap();
        }
        let failures = deliver(&mut sink, batch([r#"{"A": 9}"#])).await.unwrap_err();
        assert_eq!((failures.len(), failures[0].error.class()), (1, Class::Data));
    }
    assert_eq!(folder.texts("SELECT json_array(a, b) FROM t"), ["[1,null]", "[7,8]"]);
    // Who is refused takes no name with it.
    let mut sink = open(&folder.address("u")).await.unwrap();
    sink.open(drop_policy()).await.unwrap();
    assert_eq!(deliver(&mut sink, batch([r#"{"a": 3, "A": 4}"#, r#"{"A": 5}"#])).await.unwrap_err().len(), 1);
    assert_eq!(folder.texts(r#"SELECT name FROM pragma_table_info('u')"#), ["A"]);
    // A table that exists has its own spelling, under every policy for new keys.
    folder.run("CREATE TABLE w (Name TEXT)");
    let rows = || batch([r#"{"name": 1}"#, r#"{"Name": 2}"#, r#"{"NAME": 3, "Name": 4}"#]);
    for evolve in [Evolve::Add, Evolve::Fail] {
        let mut sink = open(&folder.address("w").evolve(evolve)).await.unwrap();
        sink.open(drop_policy()).await.unwrap();
        let failures = deliver(&mut sink, rows()).await.unwrap_err();
        assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [0, 2]);
    }
    deliver(&mut open(&folder.address("w").evolve(Evolve::Ignore)).await.unwrap(), rows()).await.unwrap();
    assert_eq!(folder.texts("SELECT coalesce(Name, 'NULL') FROM w"), ["2", "2", "NULL", "2", "4"]);
    // From the options it is nobody's message.
    for options in [
        folder.address("w").column("name", "address"),
        folder.address("v").column("name", "address").column("Name", "key"),
    ] {
        let error = open(&options).await.unwrap_err();
        assert!(error.class() == Class::Config && error.to_string().contains("columns="), "{error}");
    }
}

/// Both find no such column and add one: the slower one finds it in the other case.
#[tokio::test]
async fn two_sinks_add_one_column_in_two_cases() {
    let folder = Folder::new();
    let mut fast = open(&folder.address("t")).await.unwrap();
    deliver(&mut fast, batch([r#"{"id": 1}"#])).await.unwrap();
    let mut slow = open(&folder.address("t")).await.unwrap();
    slow.open(drop_policy()).await.unwrap();
    deliver(&mut fast, batch([r#"{"id": 2, "a": 1}"#])).await.unwrap();
    let failures = deliver(&mut slow, batch([r#"{"id": 3, "A": 2}"#, r#"{"id": 4, "a": 2}"#])).await.unwrap_err();
    assert_eq!((failures.len(), failures[0].index, failures[0].error.class()), (1, 0, Class::Data));
    assert_eq!(folder.texts("SELECT json_array(id, a) FROM t"), ["[1,null]", "[2,1]", "[4,2]"]);
}

#[tokio::test]
async fn too_many_columns_are_the_messages_fault() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    let wide = |from: usize, n: usize| {
        format!("{{{}}}", (from..from + n).map(|i| format!("\"k{i}\": {i}")).collect::<Vec<_>>().join(","))
    };
    deliver(&mut sink, batch([wide(0, 2_000)])).await.unwrap();
    let failures = deliver(&mut sink, batch([wide(0, 2_000), wide(2_000, 1)])).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class()), (1, Class::Data));
    assert_eq!(folder.texts("SELECT count(k1999) FROM t"), ["2"]);
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
async fn a_table_that_exists_rules() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER PRIMARY KEY, Name TEXT COLLATE NOCASE, made TEXT DEFAULT 'here', twice AS (id * 2))");
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 7, "Name": 5}"#, r#"{"Name": true}"#])).await.unwrap();
    assert_eq!(
        folder.texts("SELECT json_array(id, Name, made, twice) FROM t"),
        [r#"[7,"5","here",14]"#, r#"[8,"true","here",16]"#]
    );
    let failures = deliver(&mut sink, batch([r#"{"id": 7}"#])).await.unwrap_err();
    assert!(failures[0].error.to_string().contains("UNIQUE constraint failed: t.id"), "{}", failures[0].error);
}

#[tokio::test]
async fn a_key_of_a_computed_column_refuses_its_message_alone() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (id INTEGER, twice AS (id * 2), thrice AS (id * 3) STORED)");
    let rows = || batch([r#"{"id": 1}"#, r#"{"id": 2, "twice": 4}"#, r#"{"id": 3, "Thrice": 9}"#, r#"{"id": 4}"#]);
    for evolve in [Evolve::Add, Evolve::Fail] {
        let mut sink = open(&folder.address("t").evolve(evolve)).await.unwrap();
        sink.open(drop_policy()).await.unwrap();
        let failures = deliver(&mut sink, rows()).await.unwrap_err();
        assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [1, 2]);
        for failure in failures {
            let text = failure.error.to_string();
            assert!(failure.error.class() == Class::Data && text.contains("the database computes"), "{text}");
        }
    }
    deliver(&mut open(&folder.address("t").evolve(Evolve::Ignore)).await.unwrap(), rows()).await.unwrap();
    assert_eq!(folder.texts("SELECT group_concat(id, ' ') FROM t"), ["1 4 1 4 1 2 3 4"]);
    let error = open(&folder.address("t").column("twice", "key")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("columns="), "{error}");
    // One that others add in mid-flow.
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 5}"#])).await.unwrap();
    folder.run("ALTER TABLE t ADD COLUMN more AS (id + 1)");
    let failures = deliver(&mut sink, batch([r#"{"id": 6}"#, r#"{"id": 7, "more": 1}"#])).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class()), (1, Class::Data));
    assert_eq!(folder.texts("SELECT id FROM t WHERE id > 4"), ["5", "6"]);
}

#[tokio::test]
async fn a_view_gets_no_columns() {
    let folder = Folder::new();
    folder.run(
        "CREATE TABLE base (id INTEGER); CREATE VIEW fixed AS SELECT id FROM base; CREATE VIEW v AS SELECT id FROM base;
         CREATE TRIGGER keep INSTEAD OF INSERT ON v BEGIN INSERT INTO base VALUES (new.id); END",
    );
    let failures =
        deliver(&mut open(&folder.address("fixed")).await.unwrap(), batch([r#"{"id": 1}"#])).await.unwrap_err();
    let text = failures[0].error.to_string();
    assert!(failures[0].error.class() == Class::Config && text.contains("it is a view"), "{text}");
    let rows = || batch([r#"{"id": 1}"#, r#"{"id": 2, "new": 1}"#]);
    let failures = deliver(&mut open(&folder.address("v")).await.unwrap(), rows()).await.unwrap_err();
    let text = failures[0].error.to_string();
    assert_eq!((failures.len(), failures[0].index, failures[0].error.class()), (1, 1, Class::Data), "{text}");
    assert!(text.contains("a view gets no column for the key \"new\"") && text.contains("evolve=ignore"), "{text}");
    deliver(&mut open(&folder.address("v").evolve(Evolve::Ignore)).await.unwrap(), rows()).await.unwrap();
    assert_eq!(folder.texts("SELECT id FROM base"), ["1", "1", "2"]);
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

#[tokio::test]
async fn a_locked_database_is_waited_for() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t").set("busy-timeout", "50ms")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failures = deliver(&mut sink, batch([r#"{"a": 2}"#, r#"{"a": 3}"#])).await.unwrap_err();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Transient));
    assert!(failures[0].error.to_string().contains("locked"), "{}", failures[0].error);
    other.execute_batch("ROLLBACK").unwrap();
    deliver(&mut sink, batch([r#"{"a": 2}"#, r#"{"a": 3}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_lock_that_ends_within_the_timeout_is_not_noticed() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let receipt = sink.send(batch([r#"{"a": 2}"#])).await.unwrap();
    tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.execute_batch("COMMIT").unwrap();
    });
    receipt.await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["1", "2"]);
}

#[tokio::test]
async fn files_that_cannot_be_opened() {
    let folder = Folder::new();
    let error = open(&SqlOptions::new(format!("sqlite:///{}/no/such/x.db", folder.path().display())).table("t"))
        .await
        .unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("no folder"), "{error}");
    std::fs::write(
        folder.file(),
        "this is no database, but long enough to be looked at for a header of one hundred bytes, so to speak",
    )
    .unwrap();
    let error = open(&folder.address("t")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("not a database"), "{error}");
    for address in [
        "sqlite://x.db?table=t",
        "sqlite:///x.db",
        "sqlite:///x.db?table=",
        "sqlite:///x.db?mytable=x",
        "sqlite:///x.db?table=t&synchronous=maybe",
    ] {
        let error = open(&SqlOptions::new(address)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

#[tokio::test]
async fn a_file_removed_in_mid_flow_is_noticed_before_anything_is_acknowledged() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", folder.file().display())).unwrap();
    }
    let failures = deliver(&mut sink, batch([r#"{"a": 2}"#])).await.unwrap_err();
    assert!(
        failures[0].error.class() == Class::Transient && failures[0].error.to_string().contains("removed"),
        "{}",
        failures[0].error
    );
    deliver(&mut sink, batch([r#"{"a": 2}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["2"]);
}

/// The log has rows that were acknowledged and are nowhere else.
#[tokio::test]
async fn the_log_of_a_file_that_was_moved_is_kept() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#, r#"{"a": 2}"#])).await.unwrap();
    let (file, moved) = (folder.file().display().to_string(), format!("{}.moved", folder.file().display()));
    std::fs::rename(&file, &moved).unwrap();
    let failures = deliver(&mut sink, batch([r#"{"a": 3}"#])).await.unwrap_err();
    assert_eq!(failures[0].error.class(), Class::Transient);
    deliver(&mut sink, batch([r#"{"a": 3}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a FROM t"), ["3"]);
    std::fs::rename(format!("{file}-wal.orphan1"), format!("{moved}-wal")).unwrap();
    let there = Connection::open(&moved).unwrap().query_row("SELECT group_concat(a) FROM t", [], |row| row.get(0));
    // What was refused then may be there, too.
    assert!(["1,2", "1,2,3"].contains(&there.unwrap_or_else(|error| error.to_string()).as_str()));
}

/// A message that chooses a table which cannot be one is alone in its fault.
#[tokio::test]
async fn a_table_that_cannot_be_had_refuses_its_messages_alone() {
    let folder = Folder::new();
    folder.run("CREATE VIEW looks AS SELECT 1 AS id");
    let options = || SqlOptions::new(format!("sqlite:///{}", folder.file().display())).table("{{ topic }}");
    let to = |table: &str, id: u32| {
        let mut message = message(&format!(r#"{{"id": {id}}}"#));
        message.address = table.into();
        message
    };
    for stop in [false, true] {
        let mut sink = SqlSink::new(options());
        let mut context = Context::detached("sqlsink0");
        context.stop_on_refusal = stop;
        sink.open(context).await.unwrap();
        for poison in ["sqlite_master", "sqlite_mine", "looks"] {
            let rows = vec![to("good", 1), to(poison, 2), to("good", 3), to("other", 4)];
            let failures = deliver(&mut sink, Batch::new(rows)).await.unwrap_err();
            let named: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
            let expected = [(1, Class::Data), (2, Class::Transient), (3, Class::Transient)];
            assert_eq!(named, expected[..if stop { 3 } else { 1 }], "{poison}: {failures:?}");
            let text = failures[0].error.to_string();
            assert!(text.contains(&format!("table: {poison}")) && text.contains(r#"payload: {"id": 2}"#), "{text}");
            // Alone, too.
            let failures = deliver(&mut sink, Batch::new(vec![to(poison, 5)])).await.unwrap_err();
            assert_eq!(failures[0].error.class(), Class::Data);
        }
    }
    assert_eq!(folder.texts("SELECT group_concat(id, '') FROM good"), ["131313111"]);
    assert_eq!(folder.texts("SELECT group_concat(id, '') FROM other"), ["444"]);
}

#[tokio::test]
async fn one_column_cannot_be_two_fields() {
    let error = open(&SqlOptions::new("sqlite:///x.db?table=t&columns=x:address,x:key")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains(r#"the column "x" twice"#), "{error}");
}

#[tokio::test]
async fn a_table_dropped_in_mid_flow_is_made_again() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    folder.run("DROP TABLE t");
    deliver(&mut sink, batch([r#"{"a": 2, "b": 3}"#])).await.unwrap();
    assert_eq!(folder.texts("SELECT a + b FROM t"), ["5"]);
}

#[tokio::test]
async fn two_sinks_widen_one_table_at_once() {
    let folder = Folder::new();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let options = folder.address("t");
        tasks.spawn(async move {
            let mut sink = open(&options).await.unwrap();
            for i in 0..20 {
                deliver(&mut sink, batch([format!(r#"{{"k{i}": {n}}}"#)])).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(folder.texts("SELECT count(*) || ' ' || count(k19) FROM t"), ["80 4"]);
    assert_eq!(folder.texts("SELECT count(*) FROM pragma_table_info('t')"), ["20"]);
}

#[tokio::test]
async fn a_database_in_memory_lives_as_long_as_the_sink() {
    let mut sink = open(&SqlOptions::new("sqlite://").table("t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"b": 1}"#])).await.unwrap();
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_hundred_thousand_rows_none_lost_none_doubled() {
    let folder = Folder::new();
    let mut sink = open(&folder.address("t")).await.unwrap();
    for from in (0..100_000).step_by(4_000) {
        let rows = (from..from + 4_000).map(|i| {
            format!(
                r#"{{"id": {i}, "device": "dev-{}", "temperature": {}, "ok": {}}}"#,
                i % 100,
                (i * 37 % 1000) as f64 / 8.0,
                i % 3 == 0
            )
        });
        deliver(&mut sink, batch(rows.collect::<Vec<_>>())).await.unwrap();
    }
    sink.close().await.unwrap();
    let sum: f64 = (0..100_000).map(|i| f64::from(i * 37 % 1000) / 8.0).sum();
    assert_eq!(
        folder.texts("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || max(id) || ' ' || sum(ok) FROM t"),
        ["100000 100000 99999 33334"]
    );
    assert_eq!(folder.texts("SELECT sum(temperature) FROM t"), [format!("{sum:.1}")]);
}

#[tokio::test]
async fn a_template_makes_the_table_of_each_message() {
    let folder = Folder::new();
    folder.run("CREATE TABLE b (id INTEGER CHECK (id < 100))");
    let mut sink = open(&folder.address("{{ topic[1] }}")).await.unwrap();
    let at = |topic: &str, id: usize| message(&format!(r#"{{"id": {id}}}"#)).at(topic);
    let messages =
        vec![at("s/a", 1), at("s/b", 2), at("s/a", 3), at("s/main.x \"y", 4), at("s/b", 100), at("s/a", 5), at("s", 6)];
    // Under `stop` nothing behind the guilty message is committed, in no table.
    let failures = deliver(&mut sink, Batch::new(messages.clone())).await.unwrap_err();
    assert_eq!((failures[0].index, failures[0].error.class(), failures.len()), (4, Class::Data, 3));
    assert_eq!(
        folder.texts("SELECT id FROM a UNION ALL SELECT id FROM b UNION ALL SELECT id FROM \"main.x \"\"y\""),
        ["1", "3", "2", "4"]
    );
    sink.open(drop_policy()).await.unwrap();
    let failures = deliver(&mut sink, Batch::new(messages)).await.unwrap_err();
    assert_eq!(failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [4, 6]);
    assert_eq!(folder.texts("SELECT count(*) FROM a"), ["5"]);
    assert!(SqlSink::new(folder.address("{{ nothing }}")).open(drop_policy()).await.is_err());
}

#[tokio::test]
async fn batches_that_would_fill_the_memory_are_written_in_parts() {
    let folder = Folder::new();
    folder.run("CREATE TABLE t (a INTEGER CHECK (a <> 13), b INTEGER)");
    let mut sink = open(&folder.address("t")).await.unwrap();
    // 200,000 rows of two columns each: more than two million cells in all.
    let many = format!("[{}{{\"a\":1,\"b\":2}}]", "{},".repeat(199_999));
    let payloads = |bad: &str| (0..8).map(|i| if i == 6 { bad.to_owned() } else { many.clone() }).collect::<Vec<_>>();
    deliver(&mut sink, batch(payloads("[]"))).await.unwrap();
    assert_eq!(folder.texts("SELECT count(*) || ' ' || count(a) FROM t"), ["1400000 7"]);
    let failures = deliver(&mut sink, batch(payloads(r#"{"a": 13}"#))).await.unwrap_err();
    assert_eq!(
        failures.iter().map(|failure| (failure.index, failure.error.class())).collect::<Vec<_>>(),
        [(6, Class::Data), (7, Class::Transient)]
    );
    assert_eq!(folder.texts("SELECT count(a) FROM t"), ["13"]);
    let huge = format!("[{}{{\"a\":1}}]", "{},".repeat(4_300_000));
    let failures = deliver(&mut sink, batch([huge])).await.unwrap_err();
    assert!(failures[0].error.to_string().contains("too many"), "{}", failures[0].error);
}
