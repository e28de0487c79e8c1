//! Tables: made, widened, found, changed by others.

use super::common::{Folder, batch, deliver, message, open};
use super::drop_policy;
use lorry_core::relay::{Batch, Context, Identity, Sink};
use lorry_core::{Class, ErrorKind};
use lorry_sql::{Evolve, IfExists, SqlOptions, SqlSink};

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
