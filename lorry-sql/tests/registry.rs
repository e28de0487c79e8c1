//! The sink as the registry has it: names, options, errors.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used)]

use lorry_core::ErrorKind;
use lorry_core::registry::Registry;

fn registry() -> Registry {
    let mut registry = Registry::new();
    lorry_sql::register(&mut registry);
    registry
}

fn refuse(address: &str) -> String {
    let error = registry().sink(address).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    error.to_string()
}

#[test]
fn addresses_as_users_type_them() {
    for address in [
        "sqlite:///data.sqlite?table=testdrive",
        "sqlite:////tmp/x.db?table=t&if_exists=replace",
        "SQLite://?table=testdrive",
        "sqlite+pysqlite:///x.db?table=testdrive-queue-42&if-exists=fail&evolve=ignore",
        "sqlite:///x.db?table=%22my%20table%22&batch-size=10&linger=1s&columns=ts:timestamp,topic:address",
        "sqlite:///x.db?table=t&synchronous=full&busy-timeout=30s&content-type=json",
    ] {
        registry().sink(address).unwrap_or_else(|error| unreachable!("{address}: {error}"));
    }
}

#[test]
fn errors_say_what_to_write() {
    for (address, words) in [
        ("sqlite:///x.db", &["table is required"][..]),
        ("sqlite:///x.db?table=", &["table is required"]),
        ("sqlite:///x.db?mytable=x", &["table"]),
        ("sqlite:///x.db?table=t&tabel=x", &["\"tabel\"", "\"table\""]),
        ("sqlite:///x.db?table=t&batchsize=3", &["batch-size"]),
        ("sqlite:///x.db?table=t&batch-size=0", &["at least 1"]),
        ("sqlite:///x.db?table=t&if-exists=appendd", &["\"append\""]),
        ("sqlite:///x.db?table=a.b.c", &["two parts"]),
        ("sqlite:///x.db?table=a.b&schema=c", &["two schemas"]),
        ("sqlite:///x.db?table=t&columns=ts", &["COLUMN:FIELD"]),
        ("sqlite:///x.db?table=t&columns=ts:tiem", &["timestamp"]),
        ("sqlite:///x.db?table=t&content-type=xml", &["json, text and bytes"]),
        ("sqlite://x.db?table=t", &["sqlite:///x.db"]),
        ("sqlite:///x.db?table=t&busy-timeout=5parsecs", &["busy-timeout", "duration"]),
    ] {
        let error = refuse(address);
        assert!(words.iter().all(|word| error.contains(word)), "{address}: {error}");
    }
}

/// The page is that of a build with all databases.
#[cfg(feature = "postgres")]
#[test]
fn the_page_holds_the_table_of_options() {
    lorry_testkit::assert_pages(lorry_sql::register);
}
