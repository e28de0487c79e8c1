//! Refused rows, and servers that go away.

use super::common::message;
use super::{batch, deliver, deliver_all, ids, named, only, open, open_to_drop, options, server};
use lorry_core::relay::Batch;
use lorry_core::{Class, Message, Relay, Stream};
use lorry_sql::{SqlOptions, SqlSink};
use lorry_testkit::MemorySource;
use std::time::{Duration, Instant};

const CONSTRAINTS: &str = "CREATE TABLE kinds (kind text PRIMARY KEY); INSERT INTO kinds VALUES ('a');
    CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL CHECK (n < 1000), kind text REFERENCES kinds DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION no13() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN IF new.n = 13 THEN RAISE EXCEPTION 'thirteen' USING ERRCODE = 'LR013'; END IF; RETURN new; END$$;
    CREATE TRIGGER no13 BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no13()";

fn rows(wrong: &[(usize, &str)]) -> Batch {
    batch((0..100).map(|id| match wrong.iter().find(|(at, _)| *at == id) {
        Some((_, row)) => (*row).to_owned(),
        None => format!(r#"{{"id": {id}, "n": 1, "kind": "a"}}"#),
    }))
}

const WRONG: [(usize, &str); 5] = [
    (7, r#"{"id": 3, "n": 1}"#),
    (8, r#"{"id": 8, "n": null}"#),
    (50, r#"{"id": 50, "n": 5000}"#),
    (51, r#"{"id": 51, "n": 13}"#),
    (99, r#"{"id": 99, "n": 1, "kind": "no such kind"}"#),
];

#[tokio::test]
#[ignore = "needs postgresql"]
async fn violated_constraints_name_the_guilty_and_let_the_others_in() {
    let server = server();
    server.psql(CONSTRAINTS);
    let mut sink = open_to_drop(&options(&server, "t")).await;
    let failures = deliver(&mut sink, rows(&WRONG)).await.unwrap_err();
    let said: Vec<_> = failures.iter().map(|failure| (failure.index, failure.error.to_string())).collect();
    assert_eq!(said.iter().map(|(index, _)| *index).collect::<Vec<_>>(), WRONG.map(|(index, _)| index));
    for ((_, text), word) in said.iter().zip(["t_pkey", "column: n", "t_n_check", "thirteen", "t_kind_fkey"]) {
        assert!(text.contains(word), "{text}");
    }
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Data));
    assert_eq!(server.psql("SELECT count(*), count(DISTINCT id), max(id) FROM t"), "95|95|98");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn under_stop_only_what_precedes_the_guilty_row_is_committed() {
    let server = server();
    server.psql(CONSTRAINTS);
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let failures = named(deliver(&mut sink, rows(&WRONG[2..])).await);
    assert_eq!(failures[0], (50, Class::Data));
    assert_eq!(failures[1..], (51..100).map(|index| (index, Class::Transient)).collect::<Vec<_>>());
    assert_eq!(server.psql("SELECT count(*), max(id) FROM t"), "50|49");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn killed_and_restarted_in_mid_flow_nothing_is_lost() {
    let mut server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let (total, size) = (40_000, 200);
    let sender = tokio::spawn(async move {
        let mut again = 0;
        for first in (0..total).step_by(size) {
            again += deliver_all(&mut sink, ids(first..first + size as u32)).await - 1;
        }
        again
    });
    for at in [5_000, 15_000] {
        // From a thread that may block.
        server = tokio::task::spawn_blocking(move || {
            let until = Instant::now() + Duration::from_secs(60);
            while server.try_psql("SELECT count(*) FROM t").is_ok_and(|count| count.parse::<u32>().unwrap() < at) {
                assert!(Instant::now() < until, "nothing arrives");
            }
            server.kill9();
            std::thread::sleep(Duration::from_millis(50));
            server.restart();
            server
        })
        .await
        .unwrap();
    }
    let again = sender.await.unwrap();
    assert!(again > 0, "the kills came too late to be noticed");
    let counts = server.psql("SELECT count(DISTINCT id), count(*) - count(DISTINCT id) FROM t");
    let (distinct, repeated) = counts.split_once('|').unwrap();
    assert_eq!(distinct, total.to_string());
    // At most the batch whose answer was lost comes twice, at each kill.
    assert!(repeated.parse::<usize>().unwrap() <= 2 * size, "{repeated} repeated");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_terminated_backend_and_a_stopped_server_are_transient() {
    let mut server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lorry'");
    deliver_all(&mut sink, ids(1..2)).await;
    server.stop();
    let (_, class, text) = only(deliver(&mut sink, ids(2..3)).await);
    assert!(matches!(class, Class::Transient | Class::Ambiguous), "{text}");
    let (_, class, text) = only(deliver(&mut sink, ids(2..3)).await);
    assert!(class == Class::Transient && text.contains("127.0.0.1"), "{text}");
    server.restart();
    deliver_all(&mut sink, ids(2..3)).await;
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ') FROM t"), "0 1 2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_hung_server_is_noticed() {
    let mut server = server();
    let mut sink = open(&options(&server, "t").set("timeout", "300ms").set("connect-timeout", "200ms")).await.unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();
    server.pause();
    let begun = Instant::now();
    let (_, class, text) = only(deliver(&mut sink, ids(1..2)).await);
    assert!(class == Class::Ambiguous && text.contains("no answer within 300ms"), "{text}");
    let (_, class, text) = only(deliver(&mut sink, ids(1..2)).await);
    assert!(class == Class::Transient && text.contains("no answer within 200ms"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    server.resume();
    deliver_all(&mut sink, ids(1..2)).await;
    assert_eq!(server.psql("SELECT count(DISTINCT id) FROM t"), "2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn locks_deadlocks_and_read_only_servers_pass() {
    let server = server();
    server.psql("CREATE TABLE t (id bigint)");
    let options = options(&server, "t").set("options", "-c lock_timeout=100ms");
    let mut sink = open(&options).await.unwrap();
    // A session that holds the lock until its input ends.
    let mut holder = server.client();
    holder.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut holder = holder.spawn().unwrap();
    let mut input = holder.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n").unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass";
    while server.psql(held) == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, class, text) = only(deliver(&mut sink, ids(0..1)).await);
    assert!(class == Class::Transient && text.contains("55P03"), "{text}");
    drop(input);
    holder.wait().unwrap();
    deliver(&mut sink, ids(0..1)).await.unwrap();

    server.psql("ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()");
    let mut reading = open(&options).await.unwrap();
    while server.psql("SHOW default_transaction_read_only") == "off" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, class, text) = only(deliver(&mut reading, ids(1..2)).await);
    assert!(class == Class::Transient && text.contains("25006"), "{text}");
    server.psql("SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only; SELECT pg_reload_conf()");
    deliver_all(&mut reading, ids(1..2)).await;
    assert_eq!(server.psql("SELECT count(*) FROM t"), "2");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_view_that_takes_no_inserts_ends_the_relay() {
    let server = server();
    server.psql("CREATE TABLE base (id bigint); CREATE VIEW v AS SELECT DISTINCT id FROM base");
    for stop in [true, false] {
        let mut sink =
            if stop { open(&options(&server, "v")).await.unwrap() } else { open_to_drop(&options(&server, "v")).await };
        let failures = named(deliver(&mut sink, ids(0..3)).await);
        assert_eq!(failures, (0..3).map(|index| (index, Class::Config)).collect::<Vec<_>>());
    }
    let source = MemorySource::new((0..3).map(|id| Message::new(format!(r#"{{"id": {id}}}"#))));
    let origin = source.origin();
    let run = Relay::new([Stream::from_source(source).to(SqlSink::new(options(&server, "v")))]).run();
    let error = tokio::time::timeout(Duration::from_secs(30), run).await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Config);
    let text = error.to_string();
    assert!(["cannot insert into view \"v\"", "DISTINCT", "55000"].iter().all(|word| text.contains(word)), "{text}");
    assert_eq!(origin.settled().len(), 0);
    // What mends it.
    server.psql("CREATE RULE r AS ON INSERT TO v DO INSTEAD INSERT INTO base VALUES (new.id)");
    deliver(&mut open(&options(&server, "v")).await.unwrap(), ids(0..3)).await.unwrap();
    assert_eq!(server.psql("SELECT count(*) FROM base"), "3");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn what_the_server_never_takes_is_no_matter_of_waiting() {
    let server = server();
    server.psql("CREATE TABLE base (id bigint); CREATE VIEW v AS SELECT id, id + 1 AS next FROM base");
    let mut sink = open(&options(&server, "v")).await.unwrap();
    let (_, class, text) = only(deliver(&mut sink, batch([r#"{"id": 1, "next": 2}"#])).await);
    assert!(class == Class::Data && text.contains("the database computes the column \"next\""), "{text}");
    deliver(&mut sink, ids(1..2)).await.unwrap();
    assert_eq!(server.psql("SELECT id, next FROM v"), "1|2");

    let error = open(&options(&server, "base").set("options", "-c max_connections=5")).await.unwrap_err();
    assert!(error.class() == Class::Config && error.to_string().contains("55P02"), "{error}");
}

/// What a policy, a trigger or a cast says about a row is about that row, whatever the code.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_row_that_is_refused_under_a_code_of_the_statement_is_alone_in_its_fault() {
    let server = server();
    server.psql(
        "CREATE ROLE guest LOGIN;
         CREATE TABLE ruled (id integer); ALTER TABLE ruled ENABLE ROW LEVEL SECURITY;
         CREATE POLICY five ON ruled FOR INSERT WITH CHECK (id <> 5); GRANT INSERT ON ruled TO guest;
         CREATE TABLE searched (id integer, v tsvector); CREATE TABLE classes (id integer, v regclass);
         CREATE TABLE raised (id integer);
         CREATE FUNCTION raises() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.id = 5 THEN RAISE EXCEPTION 'no' USING ERRCODE = '42501'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER raises BEFORE INSERT ON raised FOR EACH ROW EXECUTE FUNCTION raises();
         CREATE TABLE broken (id integer);
         CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.id = 5 THEN RAISE EXCEPTION 'no' USING ERRCODE = 'XX000'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER breaks BEFORE INSERT ON broken FOR EACH ROW EXECUTE FUNCTION breaks();
         CREATE TABLE missed (id integer);
         CREATE FUNCTION misses() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.id = 5 THEN EXECUTE 'SELECT * FROM nowhere'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER misses BEFORE INSERT ON missed FOR EACH ROW EXECUTE FUNCTION misses();
         GRANT INSERT ON raised, broken, missed, searched, classes TO guest",
    );
    let rows = |table: &'static str| {
        (1..=10).map(move |id| match (table, id) {
            ("searched", _) => format!(r#"{{"id": {id}, "v": "{}"}}"#, if id == 5 { "'a" } else { "a b" }),
            ("classes", _) => format!(r#"{{"id": {id}, "v": "{}"}}"#, if id == 5 { "nowhere" } else { "ruled" }),
            _ => format!(r#"{{"id": {id}}}"#),
        })
    };
    let url = server.url().replace("postgres@", "guest@");
    for table in ["ruled", "raised", "broken", "missed", "searched", "classes"] {
        let mut sink = open_to_drop(&SqlOptions::new(&url).table(table)).await;
        for _ in 0..2 {
            let (index, class, text) = only(deliver(&mut sink, batch(rows(table))).await);
            assert_eq!((index, class), (4, Class::Data), "{table}: {text}");
            assert!(text.contains(r#"payload: {"id": 5"#), "{text}");
        }
        assert_eq!(server.psql(&format!("SELECT count(*) FROM {table}")), "18", "{table}");
        // Under `stop` what precedes it.
        let mut sink = open(&SqlOptions::new(&url).table(table)).await.unwrap();
        let failures = deliver(&mut sink, batch(rows(table))).await.unwrap_err();
        assert_eq!((failures[0].index, failures[0].error.class(), failures.len()), (4, Class::Data, 6), "{table}");
        assert_eq!(server.psql(&format!("SELECT count(*) FROM {table}")), "22", "{table}");
    }
    // What is forbidden altogether is no row's fault.
    server.psql("REVOKE INSERT ON raised FROM guest");
    let mut sink = open_to_drop(&SqlOptions::new(&url).table("raised")).await;
    let failures = deliver(&mut sink, batch(rows("raised"))).await.unwrap_err();
    assert!(failures.len() == 10 && failures.iter().all(|failure| failure.error.class() == Class::Config));
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_table_that_cannot_be_had_refuses_its_messages_alone() {
    let server = server();
    server.psql(
        "CREATE ROLE guest LOGIN; GRANT CREATE ON SCHEMA public TO guest; CREATE VIEW looks AS SELECT 1 AS other;
         CREATE SEQUENCE counts; CREATE TABLE theirs (id integer); CREATE MATERIALIZED VIEW kept AS SELECT 1 AS id;
         CREATE TYPE mood AS ENUM ('a')",
    );
    let to = |table: &str, id: u32| {
        let mut message = message(&format!(r#"{{"id": {id}}}"#));
        message.address = table.into();
        message
    };
    let options = SqlOptions::new(server.url().replace("postgres@", "guest@")).table("{{ topic }}");
    let mut sink = open_to_drop(&options).await;
    let mut good = 0;
    for poison in ["pg_class", "looks", "counts", "theirs", "kept", "mood"] {
        let rows = Batch::new(vec![to("good", 1), to(poison, 2), to("good", 3), to("other", 4)]);
        let (index, class, text) = only(deliver(&mut sink, rows).await);
        assert_eq!((index, class), (1, Class::Data), "{text}");
        assert!(text.contains(&format!("table: {poison}")) && text.contains(r#"payload: {"id": 2}"#), "{text}");
        good += 2;
        assert_eq!(server.psql("SELECT count(*) FROM good"), good.to_string());
    }
    let mut sink = open_to_drop(&options.clone().set("schema", "{{ topic }}")).await;
    let failures = deliver(&mut sink, Batch::new(vec![to("nowhere", 1)])).await.unwrap_err();
    assert_eq!(failures[0].error.class(), Class::Data, "{:?}", failures[0].error);
    // Where nothing is allowed at all it is not the messages that are at fault.
    server.psql("REVOKE CREATE ON SCHEMA public FROM guest, public");
    let mut sink = open_to_drop(&options).await;
    let failures = deliver(&mut sink, Batch::new(vec![to("new", 1), to("newer", 2)])).await.unwrap_err();
    assert!(failures.iter().all(|failure| failure.error.class() == Class::Config), "{failures:?}");
}

/// A trigger that fails for all is no row's fault, and waits for a person.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_trigger_that_is_broken_refuses_no_rows() {
    let server = server();
    server.psql(
        "CREATE TABLE log (id integer); CREATE TABLE t (id integer);
         CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END $$;
         CREATE TRIGGER logs BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION logs()",
    );
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"id": 1}"#, r#"{"id": 2}"#])).await.unwrap();
    server.psql("ALTER TABLE log RENAME TO old");
    for rows in [vec![r#"{"id": 3}"#], vec![r#"{"id": 3}"#, r#"{"id": 4}"#]] {
        let failures = deliver(&mut sink, batch(rows)).await.unwrap_err();
        assert!(failures.iter().all(|failure| failure.error.class() == Class::Config), "{failures:?}");
        assert!(failures[0].error.to_string().contains("where: "), "{failures:?}");
    }
    server.psql("ALTER TABLE old RENAME TO log");
    deliver(&mut sink, batch([r#"{"id": 3}"#, r#"{"id": 4}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ') FROM log"), "1 2 3 4");
}

/// Two changes of types, one after another: rows are never to blame for what was seen between.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn types_that_change_again_and_again_refuse_no_rows() {
    let server = server();
    server.psql("CREATE TABLE t (id integer, v bigint)");
    let mut sink = open_to_drop(&options(&server, "t")).await;
    let mut changer = server.client();
    changer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut changer = changer.spawn().unwrap();
    let mut input = changer.stdin.take().unwrap();
    let changes =
        ["numeric", "bigint"].repeat(300).into_iter().map(|kind| format!("ALTER TABLE t ALTER v TYPE {kind};\n"));
    let changes = changes.collect::<String>();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, changes.as_bytes()).unwrap());
    let mut sent = 0;
    while changer.try_wait().unwrap().is_none() {
        let rows = (0..3).map(|n| format!(r#"{{"id": {}, "v": 1}}"#, sent + n));
        deliver_all(&mut sink, batch(rows)).await;
        sent += 3;
    }
    writer.join().unwrap();
    assert_eq!(server.psql("SELECT count(*), count(DISTINCT id) FROM t"), format!("{sent}|{sent}"));
}
