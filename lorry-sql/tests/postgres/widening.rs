//! Columns of integers that get other numbers.

use super::{batch, deliver, deliver_all, lines, named, only, open, open_to_drop, options, server, types};
use lorry_core::Class;
use lorry_sql::{Evolve, SqlOptions};
use std::collections::BTreeSet;

#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_column_made_of_integers_takes_fractions_later() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 1, "a": 21, "b": 5}"#])).await.unwrap();
    assert_eq!(types(&server, "t"), "id bigint\na bigint\nb bigint");
    deliver(&mut sink, batch([r#"{"id": 2, "a": 22}"#, r#"{"id": 3, "a": 21.5}"#, r#"{"id": 4, "a": 1e300}"#]))
        .await
        .unwrap();
    // By another process, as the table stands; of a column that was added; two at once.
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 5, "c": 7}"#])).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 6, "a": 0.5, "b": 5.5, "c": 0.1}"#])).await.unwrap();
    // What is an integer all the same changes nothing.
    deliver(&mut sink, batch([r#"{"id": 7.0}"#])).await.unwrap();
    assert_eq!(types(&server, "t"), "id bigint\na double precision\nb double precision\nc double precision");
    // Only what is still one of integers has the mark.
    let marked =
        "SELECT attname, description FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid
                  WHERE objoid = 't'::regclass";
    assert_eq!(server.psql(marked), "id|Lorry saw only integers so far");
    assert_eq!(
        lines(&server.psql("SELECT id, a, b, c FROM t ORDER BY id")),
        ["1|21|5|", "2|22||", "3|21.5||", "4|1e+300||", "5|||7", "6|0.5|5.5|0.1", "7|||"]
    );
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn no_integer_loses_digits_when_its_column_widens() {
    let server = server();
    let mut sink = open(&options(&server, "t")).await.unwrap();
    let large = 9_007_199_254_740_993_i64;
    deliver(&mut sink, batch([format!(r#"{{"there": {large}, "comes": 1, "unsigned": -1, "big": 1, "both": 1}}"#)]))
        .await
        .unwrap();
    let mixed = format!(r#"{{"comes": {}}}"#, i64::MIN);
    let rows = [r#"{"there": 0.1, "comes": 0.5, "both": 0.5}"#, &mixed, r#"{"unsigned": 18446744073709551615}"#];
    deliver(&mut sink, batch(rows)).await.unwrap();
    deliver(&mut sink, batch([r#"{"big": -123456789012345678901234567890}"#])).await.unwrap();
    assert_eq!(
        types(&server, "t"),
        "there numeric\ncomes numeric\nunsigned numeric\nbig numeric\nboth double precision"
    );
    assert_eq!(
        lines(&server.psql("SELECT * FROM t")),
        [
            "9007199254740993|1|-1|1|1",
            "0.1|0.5|||0.5",
            "|-9223372036854775808|||",
            "||18446744073709551615||",
            "|||-123456789012345678901234567890|",
        ]
    );
}

/// Only what a relay made, by the mark that it left; never where new keys may not become columns.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn columns_of_others_stay_as_they_are() {
    let server = server();
    server.psql("CREATE TABLE t (id integer, theirs bigint)");
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"id": 1, "ours": 1, "freed": 1}"#])).await.unwrap();
    // A column that somebody adds before the relay would: found, not made.
    server.psql("ALTER TABLE t ADD COLUMN late bigint; COMMENT ON COLUMN t.freed IS NULL");
    deliver(&mut sink, batch([r#"{"id": 2, "late": 1}"#])).await.unwrap();
    let mut sink = open_to_drop(&options(&server, "t")).await;
    for column in ["theirs", "late", "freed"] {
        let rows = [r#"{"id": 3}"#.to_owned(), format!(r#"{{"id": 4, "{column}": 1.5}}"#), r#"{"id": 5}"#.to_owned()];
        let (index, class, text) = only(deliver(&mut sink, batch(rows)).await);
        assert_eq!((index, class), (1, Class::Data), "{text}");
        let hint = format!(r#"ALTER TABLE "t" ALTER COLUMN "{column}" TYPE double precision"#);
        assert!(text.contains(&hint) && text.contains("no integer") && text.contains("type: bigint"), "{text}");
    }
    for evolve in [Evolve::Ignore, Evolve::Fail] {
        let mut sink = open_to_drop(&options(&server, "t").evolve(evolve)).await;
        let (_, class, text) = only(deliver(&mut sink, batch([r#"{"ours": 1.5}"#])).await);
        assert_eq!(class, Class::Data, "{text}");
    }
    assert_eq!(types(&server, "t"), "id integer\ntheirs bigint\nours bigint\nfreed bigint\nlate bigint");
    // What the hint says helps at once.
    server.psql(r#"ALTER TABLE "t" ALTER COLUMN "theirs" TYPE double precision"#);
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"theirs": 1.5, "ours": 2.5}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT theirs, ours FROM t WHERE theirs IS NOT NULL"), "1.5|2.5");
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn where_the_server_forbids_it_the_rows_are_refused() {
    let server = server();
    let mut sink = open_to_drop(&options(&server, "t")).await;
    deliver(&mut sink, batch([r#"{"id": 1, "a": 1}"#])).await.unwrap();
    server.psql("CREATE VIEW v AS SELECT a FROM t");
    for _ in 0..3 {
        let rows = [r#"{"id": 2, "a": 2}"#, r#"{"id": 3, "a": 2.5}"#, r#"{"id": 4, "new": 1}"#];
        assert_eq!(named(deliver(&mut sink, batch(rows)).await)[0], (1, Class::Data));
    }
    assert_eq!(server.psql("SELECT count(*), count(a) FROM t"), "7|4");
    assert_eq!(types(&server, "t"), "id bigint\na bigint\nnew bigint");
    // Asked once, not with every batch.
    assert_eq!(server.log().matches("ERROR:  cannot alter type of a column used by a view").count(), 1);
    server.psql("DROP VIEW v");
    let mut sink = open(&options(&server, "t")).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 5, "a": 2.5}"#])).await.unwrap();
    assert_eq!(server.psql("SELECT a FROM t WHERE id = 5"), "2.5");

    // Who may insert, but not so much as lock the table.
    server.psql("CREATE ROLE guest LOGIN; GRANT INSERT ON t TO guest");
    let mut sink = open_to_drop(&SqlOptions::new(server.url().replace("postgres@", "guest@")).table("t")).await;
    for _ in 0..2 {
        let (index, class, text) = only(deliver(&mut sink, batch([r#"{"new": 2}"#, r#"{"new": 2.5}"#])).await);
        assert_eq!((index, class), (1, Class::Data), "{text}");
    }
    assert_eq!(server.psql("SELECT count(*) FROM t WHERE new = 2"), "2");
    assert_eq!(server.log().matches("ERROR:  permission denied").count(), 1);
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn several_relays_widen_one_table_at_once_and_lose_nothing() {
    let server = server();
    let writer = |side: usize| {
        let options = options(&server, "t");
        tokio::spawn(async move {
            let mut sink = open(&options).await.unwrap();
            for round in 0..30 {
                // Each begins with integers and turns to fractions at another time; one column gets integers that floats do not hold.
                let rows = (0..4).map(|n| {
                    let id = (side * 30 + round) * 4 + n;
                    let fraction = if round > 5 + side { ".25" } else { "" };
                    let large = if round == 12 + side { 9_007_199_254_740_993_u64 } else { 1 };
                    let exact = if round > 14 && n == side { "0.1".to_owned() } else { large.to_string() };
                    format!(r#"{{"id": {id}, "a": {id}{fraction}, "b{}": {id}{fraction}, "x": {exact}}}"#, round % 10)
                });
                deliver_all(&mut sink, batch(rows)).await;
            }
        })
    };
    for writer in [writer(0), writer(1), writer(2)] {
        writer.await.unwrap();
    }
    let kinds: BTreeSet<_> =
        lines(&types(&server, "t")).iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(kinds, ["bigint", "double precision", "numeric"].map(str::to_owned).into());
    assert!(types(&server, "t").contains("a double precision") && types(&server, "t").contains("x numeric"));
    // The first 6, 7 and 8 rounds of the three have no fraction.
    let quarters: usize = [6, 7, 8].map(|rounds| (30 - rounds) * 4).iter().sum();
    assert_eq!(
        server.psql("SELECT count(*), count(DISTINCT id), sum(a - id), sum(x) FILTER (WHERE x > 1) FROM t"),
        format!("360|360|{}|{}", quarters as f64 / 4.0, 9_007_199_254_740_993_u64 * 12)
    );
    assert_eq!(server.psql("SELECT count(*), min(x) FROM t WHERE x < 1"), "45|0.1");
}

/// A relay that goes on by the type that it knows must not have large integers rounded by the server's cast.
#[tokio::test]
#[ignore = "needs postgresql"]
async fn a_relay_that_does_not_know_of_the_wider_type_has_no_integer_rounded() {
    let server = server();
    server.psql("CREATE ROLE guest LOGIN; CREATE SCHEMA \"it's\"");
    let large = 9_007_199_254_740_993_i64;
    // "text" is the name of a type, too; a role that may insert cannot read.
    for (table, user) in
        [("t", "postgres@"), ("text", "postgres@"), ("\"it's\".\"a \"\"b\"", "postgres@"), ("u", "guest@")]
    {
        let options = options(&server, table);
        let mut knows = open_to_drop(&options).await;
        deliver(&mut knows, batch([r#"{"id": 1, "a": 1, "b": 1}"#])).await.unwrap();
        let quoted = if table.starts_with('"') { table.to_owned() } else { format!("\"{table}\"") };
        server.psql(&format!("GRANT INSERT ON {quoted} TO guest"));
        let mut old = open_to_drop(&SqlOptions::new(server.url().replace("postgres@", user)).table(table)).await;
        deliver(&mut old, batch([format!(r#"{{"id": 2, "a": {large}, "b": 2}}"#)])).await.unwrap();
        deliver(&mut knows, batch([r#"{"id": 3, "a": 0.5, "b": 0.5}"#])).await.unwrap();
        let types = server.psql(&format!(
            "SELECT string_agg(format_type(atttypid, -1), ' ' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = '{}'::regclass AND attnum > 0",
            quoted.replace('\'', "''")
        ));
        assert_eq!(types, "bigint numeric double precision");
        // Decimals take it, floats do not; what precedes and follows is not hurt.
        let rows = [
            format!(r#"{{"id": 4, "a": {large}, "b": 4}}"#),
            format!(r#"{{"id": 5, "a": 5, "b": {large}}}"#),
            r#"{"id": 6, "a": 6, "b": "9007199254740992"}"#.to_owned(),
        ];
        let (index, class, text) = only(deliver(&mut old, batch(rows)).await);
        assert_eq!((index, class), (1, Class::Data), "{text}");
        assert!(text.contains("would lose digits") && text.contains("TYPE numeric makes room"), "{text}");
        assert_eq!(
            lines(&server.psql(&format!("SELECT * FROM {quoted} ORDER BY id"))),
            ["1|1|1", &format!("2|{large}|2"), "3|0.5|0.5", &format!("4|{large}|4"), "6|6|9.007199254740992e+15"]
        );
    }
}

#[tokio::test]
#[ignore = "needs postgresql"]
async fn what_holds_the_table_is_waited_for() {
    let server = server();
    let options = options(&server, "t").set("options", "-c lock_timeout=100ms");
    let mut sink = open(&options).await.unwrap();
    deliver(&mut sink, batch([r#"{"id": 1}"#])).await.unwrap();
    let mut holder = server.client();
    holder.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut holder = holder.spawn().unwrap();
    let mut input = holder.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"BEGIN; LOCK TABLE t IN ACCESS SHARE MODE;\n").unwrap();
    let held = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessShareLock' AND relation = 't'::regclass";
    while server.psql(held) == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // A reader is in the way of the change alone.
    deliver(&mut sink, batch([r#"{"id": 2}"#])).await.unwrap();
    let failures = named(deliver(&mut sink, batch([r#"{"id": 3}"#, r#"{"id": 4.5}"#])).await);
    assert_eq!(failures, [(0, Class::Transient), (1, Class::Transient)]);
    drop(input);
    holder.wait().unwrap();
    deliver_all(&mut sink, batch([r#"{"id": 3}"#, r#"{"id": 4.5}"#])).await;
    assert_eq!(server.psql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t"), "1 2 3 4.5");
}
