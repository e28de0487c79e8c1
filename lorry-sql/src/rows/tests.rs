#![allow(clippy::unwrap_used)]

use super::*;
use crate::cells::Value as Cellular;
use crate::kinds::Kind;
use crate::table::{TableColumn, TableName};
use lorry_core::Class;
use lorry_core::registry::Args;
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// A database that tells upper from lower case.
#[derive(Debug)]
struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "Plain"
    }

    fn column_type(&self, _: Kind) -> &'static str {
        "TEXT"
    }

    fn longest_name(&self) -> usize {
        63
    }

    fn most_columns(&self) -> usize {
        12
    }
}

fn settings(properties: &[(&str, &str)]) -> Settings {
    let properties: Vec<_> = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::take(&mut Args::parse("sqlite://?table=t", &properties).unwrap()).unwrap()
}

fn table(columns: &[&str]) -> Table {
    let column =
        |name: &&str| TableColumn { name: (*name).to_owned(), type_name: String::new(), type_id: 0, widens: false };
    Table {
        name: TableName::parse("t").unwrap(),
        columns: columns.iter().map(column).collect(),
        width: columns.len(),
        ..Table::default()
    }
}

type Row = BTreeMap<String, Json>;

/// The rows of a payload by way of a tree of values: what the decoder must agree with. `None`: it is no JSON that makes rows.
fn reference(payload: &str) -> Vec<Row> {
    let row = |object: Map<String, Json>| object.into_iter().filter(|(_, value)| !value.is_null()).collect::<Row>();
    match serde_json::from_str(payload) {
        Ok(Json::Object(object)) => vec![row(object)],
        Ok(Json::Array(values)) if values.iter().all(Json::is_object) => values
            .into_iter()
            .filter_map(|value| if let Json::Object(object) = value { Some(row(object)) } else { None })
            .collect(),
        _ => vec![Row::from([(PAYLOAD.to_owned(), payload.into())])],
    }
}

fn found(rows: &Rows) -> Vec<Row> {
    let cell = |column: usize, row: usize| match rows.value(column, row) {
        Cellular::Null => Json::Null,
        Cellular::Bool(value) => value.into(),
        Cellular::Int(value) => value.into(),
        Cellular::Uint(value) => value.into(),
        Cellular::Big(digits) => serde_json::from_str(digits).unwrap(),
        Cellular::Float(value) => value.into(),
        Cellular::Time(value) => value.into(),
        Cellular::Text(text) => text.into(),
        Cellular::Json(text) => serde_json::from_str(text).unwrap(),
        Cellular::Bytes(bytes) => format!("{bytes:?}").into(),
    };
    let named = |row: usize| {
        let cells = rows.columns().iter().enumerate().map(|(column, of)| (of.name.clone(), cell(column, row)));
        cells.filter(|(_, value)| !value.is_null()).collect()
    };
    (0..rows.len()).map(named).collect()
}

fn any_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<u64>().prop_map(|value| value.to_string()),
        any::<i128>().prop_map(|value| value.to_string()),
        any::<f64>()
            .prop_filter("JSON has no others", |value| value.is_finite())
            .prop_map(|value| format!("{value:?}")),
        any::<String>().prop_map(|value| Json::from(value).to_string()),
        Just(r#""\ud83d\ude00\u0000""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::vec(("[a-c]", inner), 0..4).prop_map(object),
        ]
    })
}

fn object(entries: Vec<(String, String)>) -> String {
    let entries: Vec<_> = entries.into_iter().map(|(key, value)| format!("{}: {value}", Json::from(key))).collect();
    format!("{{{}}}", entries.join(","))
}

/// Keys repeat, come in any order, and one is not like the others.
fn any_object() -> impl Strategy<Value = String> {
    prop::collection::vec((prop_oneof![9 => "[a-h]", 1 => Just("\u{fc}n\"i".to_owned())], any_value()), 0..6)
        .prop_map(object)
}

fn any_payload() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => any_object(),
        2 => prop::collection::vec(any_object(), 0..4).prop_map(|objects| format!(" [{}] ", objects.join(","))),
        1 => any_value(),
        1 => any_object().prop_map(|object| object[..object.len() - 1].to_owned()),
        1 => (any_object(), any_value()).prop_map(|(object, value)| format!("[{object},{value}]")),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn the_decoder_agrees_with_a_tree_of_values(batches in prop::collection::vec(prop::collection::vec(any_payload(), 0..12), 1..4)) {
        let settings = settings(&[]);
        let mut maker = RowMaker::new(&Plain, Evolve::Add, None);
        for payloads in batches {
            maker.rows.clear();
            let mut expected = Vec::new();
            for (index, payload) in payloads.iter().enumerate() {
                let before = expected.len();
                maker.add(index, &Message::new(payload.clone()), &settings).unwrap();
                expected.extend(reference(payload));
                prop_assert_eq!(maker.rows.of_messages(index..index + 1).len(), expected.len() - before);
            }
            maker.rows.finish();
            prop_assert_eq!(found(&maker.rows), expected);
        }
    }

    /// Refused messages leave nothing behind, whatever stands before and after them.
    #[test]
    fn refused_messages_leave_no_trace(payloads in prop::collection::vec(any_payload(), 0..24)) {
        let settings = settings(&[]);
        let known = ["a", "b", "c", "d", "e", PAYLOAD];
        let mut maker = RowMaker::new(&Plain, Evolve::Fail, Some(&table(&known)));
        let (mut expected, mut owners) = (Vec::new(), Vec::new());
        for (index, payload) in payloads.iter().enumerate() {
            let names: Vec<_> = match serde_json::from_str::<Json>(payload) {
                Ok(Json::Object(object)) => object.keys().cloned().collect(),
                Ok(Json::Array(values)) if values.iter().all(Json::is_object) => {
                    values.iter().filter_map(Json::as_object).flat_map(|object| object.keys().cloned()).collect()
                }
                // Keys of what is no JSON in the end may have been seen before that came out.
                _ => Vec::new(),
            };
            match maker.add(index, &Message::new(payload.clone()), &settings) {
                Ok(()) => {
                    prop_assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
                    let rows = reference(payload);
                    owners.extend(rows.iter().map(|_| index));
                    expected.extend(rows);
                }
                Err(error) => prop_assert_eq!(error.class(), Class::Data),
            }
        }
        maker.rows.finish();
        prop_assert_eq!(found(&maker.rows), expected);
        let found: Vec<_> = (0..maker.rows.len()).map(|row| maker.rows.message_of(row).unwrap().0).collect();
        prop_assert_eq!(found, owners);
    }
}

#[test]
fn integers_beyond_64_bits_keep_their_digits() {
    let mut maker = RowMaker::new(&Plain, Evolve::Add, None);
    let json = r#" [ {"a": 123456789012345678901234567890, "b": 1.5, "c": 1e30, "t": "x \" 1"},
        {"new": -9223372036854775809, "a": { "x" : [ 98765432109876543210 , " \\\" } 1" ] }, "b": 18446744073709551615} ] "#;
    maker.add(0, &Message::new(json), &settings(&[])).unwrap();
    maker.add(1, &Message::new(r#"{"a": -0, "b": 18446744073709551616}"#), &settings(&[])).unwrap();
    maker.rows.finish();
    let names: Vec<_> = maker.rows.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "t", "new"]);
    assert_eq!(maker.rows.value(0, 0), Cellular::Big("123456789012345678901234567890"));
    assert_eq!(maker.rows.value(1, 0), Cellular::Float(1.5));
    assert_eq!(maker.rows.value(2, 0), Cellular::Float(1e30));
    assert_eq!(maker.rows.value(3, 0), Cellular::Text("x \" 1"));
    assert_eq!(maker.rows.value(4, 1), Cellular::Big("-9223372036854775809"));
    assert_eq!(maker.rows.value(0, 1), Cellular::Json(r#"{"x":[98765432109876543210," \\\" } 1"]}"#));
    assert_eq!(maker.rows.value(1, 1), Cellular::Uint(u64::MAX));
    assert_eq!(maker.rows.value(1, 2), Cellular::Big("18446744073709551616"));
    assert_eq!(maker.rows.kinds(0).join(), Kind::Json);
    assert_eq!(maker.rows.kinds(1).join(), Kind::BigInt);
}

#[test]
fn a_refused_message_takes_no_column_with_it() {
    let settings = settings(&[]);
    let mut maker = RowMaker::new(&Plain, Evolve::Add, None);
    maker.add(0, &Message::new(r#"{"a": 1}"#), &settings).unwrap();
    let wide: Vec<_> = (0..12).map(|i| format!("\"k{i}\": 1")).collect();
    assert!(maker.add(1, &Message::new(format!("{{{}}}", wide.join(","))), &settings).is_err());
    let wide: Vec<_> = (0..11).map(|i| format!("\"k{i}\": 1")).collect();
    maker.add(2, &Message::new(format!("{{{}}}", wide.join(","))), &settings).unwrap();
    assert_eq!(maker.rows.columns().len(), 12);
}

#[test]
fn the_first_message_makes_the_table_whatever_evolve_says() {
    let settings = settings(&[]);
    let mut maker = RowMaker::new(&Plain, Evolve::Fail, None);
    maker.add(0, &Message::new("[]"), &settings).unwrap();
    maker.add(1, &Message::new(r#"{"a": 1, "b": 2}"#), &settings).unwrap();
    assert!(maker.add(2, &Message::new(r#"{"c": 1}"#), &settings).is_err());
}

#[test]
fn nested_too_deep_is_text_or_refused() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let mut maker = RowMaker::new(&Plain, Evolve::Add, None);
    maker.add(0, &Message::new(deep.clone()), &settings(&[])).unwrap();
    maker.rows.finish();
    assert_eq!(found(&maker.rows), [Row::from([(PAYLOAD.to_owned(), deep.as_str().into())])]);
    let error = maker.add(1, &Message::new(deep), &settings(&[("content-type", "json")])).unwrap_err();
    assert!(error.class() == Class::Data && error.to_string().contains("recursion"), "{error}");
}

#[test]
fn names_without_end_are_ignored_in_bounded_memory() {
    let settings = settings(&[]);
    let mut maker = RowMaker::new(&Plain, Evolve::Ignore, Some(&table(&["a"])));
    for i in 0..10_000 {
        maker.add(i, &Message::new(format!(r#"{{"a": 1, "k{i}": 1, "j{i}": 2}}"#)), &settings).unwrap();
    }
    assert!(maker.keys.len() <= 4_097);
    assert_eq!(maker.rows.len(), 10_000);
}
