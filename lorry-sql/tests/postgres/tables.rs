//! Tables: made, widened, found, changed by others.

use super::{batch, deliver, deliver_all, lines, named, only, open, open_to_drop, options, server, types};
use lorry_core::relay::{Context, Sink};
use lorry_core::{Class, ErrorKind};
use lorry_sql::{Evolve, IfExists, SqlOptions, SqlSink};

#[tokio::test]
#[ignore = "needs postgresql"]
async fn new_keys_become_columns_and_missing_ones_null() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"b": "x"}"#, r#"{"a": null, "c": null}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 2, "c": 1.5}"#, "{}"])).await.unwrap();
    assert_eq!(lines(&server.psql("SELECT a, b, c FROM t")), ["1||", "|x|", "||", "2||1.5", "||"]);
    assert_eq!(types(&server, "t"), "a bigint\nb text\nc double precision");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn the_rows_of_an_array_are_atomic_and_may_be_of_defaults_only() {
    let server = server();
    server.psql("CREATE TABLE t (id bigint UNIQUE, at int DEFAULT 5)");
    let mut sink = open_to_drop(&options(&server, "t").evolve(Evolve::Ignore)).await;
    deliver(&mut sink, batch(["{}", "[]", "[{}, {}]", r#"{"unknown": 1}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT count(*), sum(at) FROM t"), "4|20");
    let rows = [r#"[{"id": 1}, {"id": 2}]"#, r#"[{"id": 3}, {"id": 2}, {"id": 4}]"#, r#"[{"id": 5}]"#];
    let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
    assert_eq!((index, class), (1, Class::Data), "{text}");
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2 5");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn names_are_quoted_and_their_length_checked() {
    let server = server();
    server.psql("CREATE SCHEMA \"my schema\"");
    let quoted = options(&server, r#""we ""said"" Öl; DROP TABLE t.--""#).schema("my schema");
    let mut sink = open_to_drop(&quoted).await;
    let long = "x".repeat(64);
    let rows = [
        r#"{"a \"b\"; --": 1, "select": 2, "Größe": 3, "'": 4}"#.to_owned(),
        format!(r#"{{"{long}": 1}}"#),
        format!(r#"{{"{}": 5}}"#, &long[1..]),
    ];
    let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
    assert_eq!((index, class), (1, Class::Data), "{text}");
    let columns = server.psql(
        "SELECT string_agg(attname, '|' ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND attrelid = \
         (SELECT oid FROM pg_class WHERE relname = 'we \"said\" Öl; DROP TABLE t.--')",
    );
    assert_eq!(columns, format!("a \"b\"; --|select|Größe|'|{}", &long[1..]));
    assert_eq!(server.psql(r#"SELECT count(*) FROM "my schema"."we ""said"" Öl; DROP TABLE t.--""#), "2");

    let error = open(&options(&server, &long)).await.unwrap_err();
    assert_eq!(error.class(), Class::Config);
    assert!(error.to_string().contains("cuts names to 63"), "{error}");
    // Names that differ in case only are two columns here.
    let mut sink = open(&options(&server, "cases")).await.unwrap();
    deliver(&mut sink, batch([r#"{"a": 1, "A": 2}"#])).await.unwrap();
    assert_eq!(server.psql(r#"SELECT a, "A" FROM cases"#), "1|2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn many_columns() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let row = |from: usize, to: usize| {
        let pairs: Vec<_> = (from..to).map(|n| format!(r#""c{n}": {n}"#)).collect();
        format!("{{{}}}", pairs.join(","))
    };
    deliver(&mut sink, batch([row(0, 300), row(200, 500)])).await.unwrap();
    assert_eq!(server.psql("SELECT count(*), sum(c250), sum(c0), sum(c499) FROM t"), "2|500|0|499");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn two_sinks_may_widen_one_table_at_the_same_moment() {
    let server = server();
    let one = |side: &'static str| {
        let options = options(&server, "t");
        tokio::spawn(async move {
            let mut sink = open(&options).await.unwrap();
            for round in 0..20 {
                // Columns in common, in the opposite order, and one of its own.
                let (first, second) = if side == "left" { (round, round + 100) } else { (round + 100, round) };
                let row = format!(r#"{{"c{first}": 1, "c{second}": 2, "{side}{round}": 3}}"#);
                deliver_all(&mut sink, batch([row.as_str(), &row])).await;
            }
        })
    };
    let (left, right) = (one("left"), one("right"));
    left.await.unwrap();
    right.await.unwrap();
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0";
    assert_eq!(server.psql(columns), "80");
    assert_eq!(server.psql("SELECT count(*), sum(c0), sum(c119), sum(left19) FROM t"), "80|6|6|6");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_table_changed_by_others_is_looked_at_again() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 1, "a": 1}"#])).await.unwrap();
    server.psql("ALTER TABLE t DROP COLUMN a");
    deliver_all(&mut sink, batch([r#"{"id": 2, "a": 2}"#])).await;
    assert_eq!(types(&server, "t"), "id bigint\na bigint");
    server.psql("ALTER TABLE t ALTER COLUMN a TYPE text USING a::text");
    deliver_all(&mut sink, batch([r#"{"id": 3, "a": 3}"#])).await;
    server.psql("ALTER TABLE t ADD COLUMN b integer");
    deliver_all(&mut sink, batch([r#"{"id": 4, "b": 4}"#])).await;
    assert_eq!(lines(&server.psql("SELECT id, a, b FROM t ORDER BY id")), ["1||", "2|2|", "3|3|", "4||4"]);
    server.psql("DROP TABLE t");
    deliver_all(&mut sink, batch([r#"{"id": 5}"#])).await;
    assert_eq!(server.psql("SELECT * FROM t"), "5");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn if_exists() {
    let server = server();
    server.psql("CREATE TABLE t AS SELECT 1::bigint AS id");
    let error = open(&options(&server, "t").if_exists(IfExists::Fail)).await.unwrap_err();
    assert_eq!(error.class(), Class::Config, "{error}");
    let mut sink = open(&options(&server, "t").if_exists(IfExists::Replace)).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 2}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT * FROM t"), "2");
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 3}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM t"), "2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn what_is_no_table_or_not_ours() {
    let server = server();
    server.psql(
        "CREATE SEQUENCE s; CREATE TABLE base (id int); CREATE VIEW v AS SELECT id FROM base;
         CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE secret (id int); CREATE ROLE guest LOGIN; GRANT INSERT ON base TO guest",
    );
    let error = open(&options(&server, "s")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("no table"), "{error}");
    let mut sink = open(&options(&server, "v")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 1}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT * FROM base"), "1");
    let mut sink = open_to_drop(&options(&server, "parts")).await;
    assert_eq!(
        named(deliver(&mut sink, batch([r#"{"id": 1}"#, r#"{"id": 11}"#, r#"{"id": 2}"#])).await),
        [(1, Class::Data)]
    );
    assert_eq!(server.psql("SELECT count(*) FROM part"), "2");

    let guest = SqlOptions::new(server.url().replace("postgres@", "guest@"));
    let mut sink = open(&guest.clone().table("base")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 2}"#])).await.unwrap();
    let (_, class, text) = only(deliver(&mut sink, batch([r#"{"id": 2, "new": 1}"#])).await);
    assert!(class == Class::Config && text.contains("owner"), "{text}");
    let mut sink = open(&guest.clone().table("secret")).await.unwrap();
    let (_, class, text) = only(deliver(&mut sink, batch([r#"{"id": 2}"#])).await);
    assert!(class == Class::Config && text.contains("permission denied"), "{text}");
    let mut sink = open(&guest.table("t").schema("nowhere")).await.unwrap();
    let (_, class, text) = only(deliver(&mut sink, batch([r#"{"id": 2}"#])).await);
    assert!(class == Class::Config && text.contains("nowhere"), "{text}");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_named_relay_does_not_empty_tables() {
    let server = server();
    let mut sink = SqlSink::new(options(&server, "t").if_exists(IfExists::Replace));
    let mut context = Context::detached("sqlsink0");
    context.identity.name = Some("weather".into());
    assert_eq!(sink.open(context).await.unwrap_err().kind(), ErrorKind::Usage);
}
