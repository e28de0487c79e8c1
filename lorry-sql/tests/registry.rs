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

#[test]
fn the_page_names_every_option_and_its_default() {
    let registry = registry();
    let spec = registry.element("sqlsink").unwrap();
    assert!(spec.scheme_names().contains(&"sqlite"));
    for option in spec.option_specs() {
        let row = spec.docs_text().lines().find(|line| line.starts_with(&format!("| `{}` |", option.name)));
        let row = row.unwrap_or_else(|| unreachable!("the page does not name {}", option.name));
        if let Some(default) = &option.default {
            assert!(row.contains(&format!("| `{default}` |")), "the page has another default than {default}: {row}");
        }
        assert!(!option.doc.is_empty(), "{} is not documented", option.name);
    }
}
