//! Reading the case files, and elements to build pipelines of.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use lorry_core::flow::{Item, Operator, Output};
use lorry_core::registry::{Args, ElementSpec, Registry};
use lorry_core::relay::{
    Batch, Chunk, Context, Event, Identity, LaneId, Limits, Receipt, Settled, Sink, SinkInfo, Source, SourceInfo,
};
use lorry_core::{Message, Result, async_trait};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The cases of a file, from the folder that `LORRY_CASES` names, else from this repository's copy.
pub(crate) fn cases(file: &str) -> Vec<Value> {
    read(&std::env::var_os("LORRY_CASES").map_or_else(own_folder, PathBuf::from).join(file))
}

/// The cases of a file of this repository's, whatever `LORRY_CASES` names.
pub(crate) fn own_cases(file: &str) -> Vec<Value> {
    read(&own_folder().join(file))
}

fn own_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn read(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What became of a case.
pub(crate) enum Outcome {
    Passed,
    LeftOut(String),
    Failed(String),
}

/// Runs each case, prints what was left out and what failed and one line of sums; panics if one failed or fewer passed than expected.
pub(crate) fn run(file: &str, cases: &[Value], at_least: usize, one: impl Fn(&Value) -> Outcome) {
    let (mut passed, mut left_out, mut failed) = (0, 0, 0);
    for case in cases {
        let id = case["id"].as_str().unwrap();
        match one(case) {
            Outcome::Passed => passed += 1,
            Outcome::LeftOut(why) => {
                left_out += 1;
                println!("left out {id}: {why}");
            }
            Outcome::Failed(why) => {
                failed += 1;
                println!("FAILED {id}: {why}");
            }
        }
    }
    println!("{file}: {passed} passed, {left_out} left out, {failed} failed");
    assert!(failed == 0 && passed >= at_least, "{file}: {passed} passed, {left_out} left out, {failed} failed");
}

/// A source of numbered messages, or of given ones.
struct Given(Vec<Message>);

#[async_trait]
impl Source for Given {
    fn info(&self, _: &Identity) -> SourceInfo {
        SourceInfo::new("fakesrc", "fake")
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self, _: usize) -> Result<Event> {
        let values = std::mem::take(&mut self.0);
        if values.is_empty() { Ok(Event::End) } else { Ok(Event::Chunk(Chunk::sequential(LaneId(0), 0, values))) }
    }

    async fn settle(&mut self, _: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

/// Keeps what it gets.
struct Seen(Arc<Mutex<Vec<Message>>>);

#[async_trait]
impl Sink for Seen {
    fn info(&self, _: &Identity) -> SinkInfo {
        SinkInfo::new("fakesink", "fake")
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn open(&mut self, _: Context) -> Result<()> {
        Ok(())
    }

    async fn send(&mut self, batch: Batch) -> Result<Receipt> {
        self.0.lock().unwrap().extend(batch.iter().cloned());
        Ok(Box::pin(async { Ok(()) }))
    }
}

struct Through;

impl Operator<Message> for Through {
    fn push(&mut self, item: Item<Message>, out: &mut Output<'_, Message>) {
        out.push(item);
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct FakeSrc {
    num_buffers: Option<i32>,
    silent: bool,
    sizetype: Option<String>,
    data: String,
    /// Payloads, separated by `|`.
    payloads: String,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct Fake {
    silent: bool,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct FileSrc {
    blocksize: Option<u32>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct Mqtt {
    qos: Option<u8>,
    location: Option<String>,
    password: lorry_core::registry::Secret,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
struct Sql {
    table: Option<String>,
}

/// The most messages of a `fakesrc`: they are all made before the first is given.
const MOST_MESSAGES: i32 = 10_000;

fn takes<T: for<'de> Deserialize<'de> + fmt::Debug>(args: &mut Args) -> Result<()> {
    args.take::<T>().map(|_| ())
}

/// A registry of test elements, and what its sinks get.
pub(crate) fn registry() -> (Registry, Arc<Mutex<Vec<Message>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut registry = Registry::new();
    let empty = || Box::new(Given(Vec::new())) as Box<dyn Source>;
    registry.add(
        ElementSpec::source("fakesrc", |args| {
            let options: FakeSrc = args.take()?;
            let listed =
                options.payloads.split('|').filter(|text| !text.is_empty()).map(|text| Message::new(text.to_owned()));
            let numbered =
                (0..options.num_buffers.unwrap_or(0).min(MOST_MESSAGES)).map(|n| Message::new(n.to_string()));
            Ok(Box::new(Given(listed.chain(numbered).map(|message| message.at("fake/topic")).collect())))
        })
        .options::<FakeSrc>()
        .optional_location(),
    );
    registry.add(
        ElementSpec::source("filesrc", move |args| {
            takes::<FileSrc>(args)?;
            Ok(empty())
        })
        .options::<FileSrc>()
        .schemes(&["file"])
        .bare_path()
        .optional_location(),
    );
    registry.add(
        ElementSpec::source("mqttsrc", move |args| {
            takes::<Mqtt>(args)?;
            Ok(empty())
        })
        .options::<Mqtt>()
        .schemes(&["mqtt"]),
    );
    for (name, schemes) in [("fakesink", &["fake"] as &[_]), ("filesink", &["file"]), ("sqlsink", &["crate", "sqlite"])]
    {
        let seen = seen.clone();
        let spec = ElementSpec::sink(name, move |args| {
            takes::<Fake>(args)?;
            takes::<Sql>(args)?;
            Ok(Box::new(Seen(seen.clone())))
        });
        registry.add(if name == "fakesink" { spec.optional_location() } else { spec.schemes(schemes).bare_path() });
    }
    registry.add(ElementSpec::operator("identity", |args| {
        takes::<Fake>(args)?;
        Ok(Box::new(Through))
    }));
    registry.add(ElementSpec::operator("jsondec", |_| Ok(Box::new(Through))));
    (registry, seen)
}

/// Adds a sink named `stdoutsink`, which keeps what it gets.
pub(crate) fn with_stdout(registry: &mut Registry, seen: &Arc<Mutex<Vec<Message>>>) {
    let seen = seen.clone();
    registry.add(ElementSpec::sink("stdoutsink", move |_| Ok(Box::new(Seen(seen.clone())))).optional_location());
}
