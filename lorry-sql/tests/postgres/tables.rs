//! Tables: made, widened, found, changed by others.

use super::common::message;
use super::{batch, deliver, deliver_all, lines, named, only, open, open_to_drop, options, server, types};
use lorry_core::relay::{Batch, Context, Sink};
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

const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_key_named_like_a_system_column_refuses_its_message_alone() {
    let server = server();
    // In the batch that makes the table, and in one that would widen it.
    let mut sink = open_to_drop(&options(&server, "t")).await;
    for from in [0, 100] {
        let mut rows = vec![format!(r#"{{"id": {from}}}"#)];
        rows.extend(SYSTEM_COLUMNS.map(|name| format!(r#"{{"id": -1, "new": 1, "{name}": 1}}"#)));
        rows.push(r#"[{"id": -1}, {"xm\u0069n": null}]"#.to_owned());
        rows.push(format!(r#"{{"id": {}, "CTID": 1, "inner": {{"ctid": 1}}, "oid": 2}}"#, from + 1));
        let failures = deliver(&mut sink, batch(rows)).await.unwrap_err();
        let said: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.class())).collect();
        assert_eq!(said, (1..8).map(|index| (index, Class::Data)).collect::<Vec<_>>());
        for (failure, name) in failures.iter().zip(SYSTEM_COLUMNS.iter().chain(&["xmin"])) {
            let text = failure.error.to_string();
            assert!(text.contains(&format!("{name:?} is the name of a system column")), "{text}");
        }
    }
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "0 1 100 101");
    assert_eq!(types(&server, "t"), "id bigint\nCTID bigint\ninner jsonb\noid bigint");

    // Under `stop` the rows before it are committed.
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let rows = [r#"{"id": 200}"#, r#"{"id": 201, "cmin": 1}"#, r#"{"id": 202}"#];
    assert_eq!(named(deliver(&mut sink, batch(rows)).await), [(1, Class::Data), (2, Class::Transient)]);
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ') FROM t WHERE id >= 200"), "200");

    // From the options it is nobody's message.
    for table in ["t", "missing", "{{ topic[0] }}"] {
        let error = open(&options(&server, table).column("xmin", "timestamp")).await.unwrap_err();
        assert!(error.class() == Class::Config && error.to_string().contains("\"xmin\" is the name"), "{error}");
    }

    // Left out like any other key, or a column of a view, which may have one of that name.
    let mut sink = open(&options(&server, "t").evolve(Evolve::Ignore)).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 300, "ctid": 1}"#])).await.unwrap();
    server.psql("CREATE TABLE base (id int, place text); CREATE VIEW v AS SELECT id, place AS ctid FROM base");
    let mut sink = open(&options(&server, "v")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 1, "ctid": "here"}"#])).await.unwrap();
    let mut sink = open(&options(&server, "v").column("ctid", "header.place")).await.unwrap();
    deliver(&mut sink, Batch::new(vec![message("{}").header("place", "there")])).await.unwrap();
    assert_eq!(server.psql("SELECT string_agg(place, ' ') FROM base"), "here there");
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
async fn as_many_columns_as_a_table_can_have() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let row = |start: usize| {
        let pairs: Vec<_> = (start..1_600).step_by(2).map(|n| format!(r#""c{n}": true"#)).collect();
        format!("{{{}}}", pairs.join(","))
    };
    deliver(&mut sink, batch([row(0), row(1)])).await.unwrap();
    assert_eq!(server.psql("SELECT count(*), count(c0), count(c1599) FROM t"), "2|1|1");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn rules_triggers_and_defaults_see_each_row_once() {
    let server = server();
    server.psql(
        "CREATE TABLE base (id bigint, price numeric(6,2), tag text DEFAULT 'none', made integer GENERATED BY DEFAULT AS IDENTITY,
            doubled bigint GENERATED ALWAYS AS (id * 2) STORED);
         CREATE TABLE log (id bigint, price numeric);
         CREATE RULE also AS ON INSERT TO base DO ALSO INSERT INTO log VALUES (new.id, new.price);
         CREATE VIEW ruled AS SELECT id, price FROM base;
         CREATE RULE instead AS ON INSERT TO ruled DO INSTEAD INSERT INTO log VALUES (-new.id, new.price);
         CREATE VIEW triggered AS SELECT id, price, tag FROM base WHERE id > 0;
         CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            IF new.id = 3 THEN RAISE EXCEPTION 'not three'; END IF;
            INSERT INTO log VALUES (1000 + new.id, new.price); RETURN new; END$$;
         CREATE TRIGGER keep INSTEAD OF INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION keep()",
    );
    // Prices as text among numbers: cast by the server.
    let rows =
        || batch([r#"{"id": 1, "price": 1.5}"#, r#"{"id": 2}"#, r#"{"id": 3, "price": "3.25"}"#, r#"{"price": 4}"#]);
    let mut sink = open(&options(&server, "base")).await.unwrap();
    deliver(&mut sink, rows()).await.unwrap();
    assert_eq!(
        lines(&server.psql("SELECT * FROM base ORDER BY made")),
        ["1|1.50|none|1|2", "2||none|2|4", "3|3.25|none|3|6", "|4.00|none|4|"]
    );
    let log = "SELECT id, price FROM log ORDER BY price; TRUNCATE log";
    assert_eq!(lines(&server.psql(log)), ["1|1.50", "3|3.25", "|4.00", "2|"]);
    let mut sink = open(&options(&server, "ruled")).await.unwrap();
    deliver(&mut sink, rows()).await.unwrap();
    assert_eq!(lines(&server.psql(log)), ["-1|1.50", "-3|3.25", "|4.00", "-2|"]);
    let mut sink = open_to_drop(&options(&server, "triggered")).await;
    let (index, class, text) = only(deliver(&mut sink, rows()).await);
    assert!((index, class) == (2, Class::Data) && text.contains("not three"), "{text}");
    assert_eq!(lines(&server.psql(log)), ["1001|1.50", "|4.00", "1002|"]);
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

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_key_of_a_computed_column_refuses_its_message_alone() {
    let server = server();
    server.psql(
        "CREATE TABLE base (id int, doubled int GENERATED ALWAYS AS (id * 2) STORED, no int GENERATED ALWAYS AS IDENTITY);
         CREATE VIEW through AS SELECT id, doubled, no FROM base;
         CREATE VIEW counted AS SELECT id, id + 1 AS doubled, upper('x') AS no FROM base",
    );
    let rows = || batch([r#"{"id": 1}"#, r#"{"id": 2, "doubled": 4}"#, r#"{"no": 7, "id": 3}"#, r#"{"id": 4}"#]);
    for table in ["base", "through", "counted"] {
        for evolve in [Evolve::Add, Evolve::Fail] {
            server.psql("TRUNCATE base");
            let mut sink = open_to_drop(&options(&server, table).evolve(evolve)).await;
            // Again and again: nothing of it stays behind.
            for _ in 0..2 {
                let failures = deliver(&mut sink, rows()).await.unwrap_err();
                for (failure, (index, name)) in failures.iter().zip([(1, "doubled"), (2, "no")]) {
                    let text = failure.error.to_string();
                    assert_eq!((failure.index, failure.error.class()), (index, Class::Data), "{table}: {text}");
                    assert!(text.contains(&format!("the database computes the column {name:?}")), "{text}");
                    assert!(text.contains("evolve=ignore"), "{text}");
                }
                assert_eq!(failures.len(), 2, "{table}");
                deliver(&mut sink, batch([r#"{"id": 4}"#])).await.unwrap();
            }
            assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM base"), "1 1 4 4 4 4");
        }
        server.psql("TRUNCATE base");
        deliver(&mut open(&options(&server, table).evolve(Evolve::Ignore)).await.unwrap(), rows()).await.unwrap();
        assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM base"), "1 2 3 4");
        let error = open(&options(&server, table).column("no", "key")).await.unwrap_err();
        assert!(error.class() == Class::Config && error.to_string().contains("columns="), "{error}");
    }
    // Under `stop` the rows before it are committed.
    server.psql("TRUNCATE base");
    let mut sink = open(&options(&server, "base")).await.unwrap();
    let failures = named(deliver(&mut sink, rows()).await);
    assert_eq!(failures, [(1, Class::Data), (2, Class::Transient), (3, Class::Transient)]);
    assert_eq!(server.psql("SELECT id FROM base"), "1");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_column_that_others_compute_in_mid_flow_is_noticed() {
    let server = server();
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"id": 1, "a": 1}"#])).await.unwrap();
    let rows = |key: &str| batch([r#"{"id": 2}"#.to_owned(), format!(r#"{{"id": 3, "{key}": 4}}"#)]);
    server.psql("ALTER TABLE t ADD COLUMN b bigint GENERATED ALWAYS AS (id * 2) STORED");
    assert_eq!(named(deliver(&mut sink, rows("b")).await), [(1, Class::Data)]);
    server.psql("ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a bigint GENERATED ALWAYS AS (id * 3) STORED");
    assert_eq!(named(deliver(&mut sink, rows("a")).await), [(1, Class::Data)]);
    assert_eq!(lines(&server.psql("SELECT id, b, a FROM t ORDER BY id")), ["1|2|3", "2|4|6", "2|4|6"]);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_table_that_takes_no_new_column_says_what_to_write() {
    let server = server();
    server.psql(
        "CREATE TABLE base (id int); CREATE VIEW v AS SELECT id FROM base;
         CREATE ROLE guest LOGIN; GRANT INSERT ON base TO guest",
    );
    let rows = || batch([r#"{"id": 1}"#, r#"{"id": 2, "new": 1}"#]);
    let guest = SqlOptions::new(server.url().replace("postgres@", "guest@"));
    // Of a view nobody can mend it: the message is refused. A right can be given.
    let mut sink = open_to_drop(&options(&server, "v")).await;
    let (index, class, text) = only(deliver(&mut sink, rows()).await);
    assert_eq!((index, class), (1, Class::Data));
    assert!(text.contains("a view gets no column for the key \"new\"") && text.contains("evolve=ignore"), "{text}");
    let mut sink = open_to_drop(&guest.clone().table("base")).await;
    let failures = deliver(&mut sink, rows()).await.unwrap_err();
    assert_eq!(failures.len(), 2);
    for failure in &failures {
        let text = failure.error.to_string();
        assert!(failure.error.class() == Class::Config && text.contains("must be owner of table base"), "{text}");
        assert!(text.contains("evolve=ignore") && text.contains("evolve=fail"), "{text}");
    }
    for options in [options(&server, "v"), guest.table("base")] {
        let mut sink = open_to_drop(&options.clone().evolve(Evolve::Fail)).await;
        assert_eq!(named(deliver(&mut sink, rows()).await), [(1, Class::Data)]);
        let mut sink = open(&options.evolve(Evolve::Ignore)).await.unwrap();
        deliver(&mut sink, rows()).await.unwrap();
    }
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM base"), "1 1 1 1 1 2 2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn limits_of_the_server_are_the_fault_of_whom_they_stop() {
    let server = server();
    // Dropped columns count.
    server.psql(
        "DO $$BEGIN EXECUTE 'CREATE TABLE t (id int, ' || (SELECT string_agg('c' || n || ' int', ', ') FROM generate_series(1, 1598) n) || ')';
            EXECUTE 'ALTER TABLE t ' || (SELECT string_agg('DROP c' || n, ', ') FROM generate_series(1, 1598) n); END$$",
    );
    let mut sink = open_to_drop(&options(&server, "t")).await;
    let rows = [r#"{"id": 1}"#, r#"{"id": 2, "a": 1}"#, r#"{"id": 3, "b": 1}"#, r#"{"id": 4, "a": 2}"#];
    let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
    assert!((index, class) == (2, Class::Data) && text.contains("1601") && text.contains("1600"), "{text}");
    assert_eq!(server.psql("SELECT string_agg(id || ':' || coalesce(a, 0), ' ' ORDER BY id) FROM t"), "1:0 2:1 4:2");
    // 54000: an index entry that is too long.
    server.psql("CREATE TABLE u (id text PRIMARY KEY)");
    let mut sink = open_to_drop(&options(&server, "u")).await;
    let mut state = 1_u64;
    let noise: String = (0..9_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + (state >> 33) as u8 % 90)
        })
        .filter(|c| !matches!(c, '"' | '\\'))
        .collect();
    let rows = [r#"{"id": "a"}"#.to_owned(), format!(r#"{{"id": "{noise}"}}"#), r#"{"id": "b"}"#.to_owned()];
    let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
    assert!((index, class) == (1, Class::Data) && text.contains("sqlstate: 54000"), "{text}");
    assert_eq!(server.psql("SELECT string_agg(id, ' ') FROM u"), "a b");
}

/// A statement that goes on by the types it was made for would have the server bend the values.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_column_that_gets_another_type_in_mid_flow_bends_no_value() {
    let server = server();
    server.psql("CREATE TABLE t (id integer, v double precision, n bigint, d date)");
    let mut sink = open_to_drop(&options(&server, "t")).await;
    let row = |id: u32| format!(r#"{{"id": {id}, "v": {id}.5, "n": 16777217, "d": "2024-01-02T03:04:05Z"}}"#);
    deliver(&mut sink, batch([row(1), row(2)])).await.unwrap();
    server.psql("ALTER TABLE t ALTER v TYPE integer");
    let (index, class, text) = only(deliver(&mut sink, batch([row(3)])).await);
    assert_eq!((index, class), (0, Class::Data), "{text}");
    assert!(text.contains("column: v") && text.contains("type: integer"), "{text}");
    server.psql(
        "ALTER TABLE t ALTER v TYPE numeric; ALTER TABLE t ALTER n TYPE real; ALTER TABLE t ALTER d TYPE timestamptz",
    );
    let rows = [row(4).replace("16777217", "16777216"), row(5).replace("16777217", "1")];
    deliver(&mut sink, batch(rows)).await.unwrap();
    // In place of the old one, with other types.
    server.psql("ALTER TABLE t RENAME TO old; CREATE TABLE t (id integer, v text, n numeric, d text)");
    deliver(&mut sink, batch([row(6)])).await.unwrap();
    assert_eq!(server.psql("SELECT * FROM t"), "6|6.5|16777217|2024-01-02T03:04:05Z");
    assert_eq!(
        server.psql("SELECT v, n FROM old WHERE id > 3 ORDER BY id").replace('\n', " "),
        "4.5|1.6777216e+07 5.5|1"
    );
}
