//! The launch language against what GStreamer and the first LorryStream make of the same texts: `tests/cases/launch.jsonl`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::launch::{self, Chain, Item, Node, Pipeline};
use lorry_core::registry::{ElementSpec, Registry, Role, Uri};
use lorry_core::{ErrorKind, Result};
use serde_json::Value;
use std::collections::HashMap;
use support::{Outcome, cases, registry, run};

/// An element of a pipeline, in the terms of the cases.
struct Shown {
    factory: String,
    name: String,
    properties: HashMap<String, String>,
}

#[test]
fn launch_jsonl() {
    let (registry, _) = registry();
    run("launch.jsonl", &cases("launch.jsonl"), 85, |case| {
        let pipeline = match &case["input"] {
            Value::String(text) => launch::parse(text),
            args => launch::parse_args(
                &args.as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
            ),
        };
        match outcome(&registry, case, pipeline) {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Failed(why),
        }
    });
}

fn outcome(registry: &Registry, case: &Value, pipeline: Result<Pipeline>) -> Result<Outcome, String> {
    let expect = case["deviation"].get("lorry_expect").unwrap_or(&case["expect"]);
    if let Some(what) = pipeline.as_ref().ok().and_then(|pipeline| pipeline.chains.iter().find_map(beyond_chains)) {
        return Ok(Outcome::LeftOut(format!("{what}: the graph beyond linear chains is not built yet")));
    }
    if expect["ok"] == Value::Bool(false) {
        let Err(error) = pipeline.and_then(|pipeline| registry.launch(&pipeline)) else {
            return Err("accepted".to_owned());
        };
        let text = error.to_string();
        let fits = match case["expect"]["error_code"].as_str() {
            Some("EMPTY") => text.contains("empty"),
            Some("NO_SUCH_PROPERTY") => text.contains("unknown option"),
            Some("COULD_NOT_SET_PROPERTY") => text.contains("is not a"),
            _ => true,
        };
        return if fits && error.kind() == ErrorKind::Usage { Ok(Outcome::Passed) } else { Err(text) };
    }
    let pipeline = pipeline.map_err(|error| error.to_string())?;
    if expect.get("warning").is_some() && pipeline.warnings().is_empty() {
        return Err("no warning".to_owned());
    }
    let same_as =
        expect["same_as"].as_str().map(|text| launch::parse(text).map_err(|error| error.to_string())).transpose()?;
    if same_as.is_some_and(|same| same.chains != pipeline.chains) {
        return Err("not the same as the text".to_owned());
    }
    let chains = shown(registry, &pipeline)?;
    let all: Vec<_> = chains.iter().flatten().collect();
    if case["kind"] == "lorry_parse_launch" {
        ends(expect, &all)?;
    } else {
        let gst = &case["expect"];
        // The tree of the case is GStreamer's; where Lorry differs in a property, the deviation says which.
        tree(gst.get("tree"), &all, expect["props"].as_object().is_some())?;
        if let Some(properties) = expect["props"].as_object() {
            properties.iter().try_for_each(|(name, value)| same(all[0], name, value))?;
        }
        if expect["ok"] == Value::Bool(true) && gst.get("links").is_some() {
            links(gst, &chains)?;
        }
    }
    // A text that begins with a source and ends with a sink is a relay too.
    let complete = |chain: &Vec<Shown>| {
        let role = |shown: &Shown| registry.element(&shown.factory).map(ElementSpec::role);
        role(&chain[0]) == Some(Role::Source) && chain.len() > 1 && role(&chain[chain.len() - 1]) == Some(Role::Sink)
    };
    if chains.iter().all(complete) {
        let relay = registry.launch(&pipeline).map_err(|error| error.to_string())?;
        relay.check().map_err(|error| error.to_string())?;
        let named: Vec<_> = relay.describe().nodes().iter().map(|node| node.kind.to_string()).collect();
        if named.len() != all.len() {
            return Err(format!("a relay of {named:?}"));
        }
    }
    Ok(Outcome::Passed)
}

fn beyond_chains(chain: &Chain) -> Option<&'static str> {
    let node = |node: &Node| match &node.item {
        Item::Bin(_) => Some("a bin"),
        Item::Reference(_) => Some("a reference"),
        Item::Element(element) if element.factory == "tee" || element.factory == "funnel" => Some("tee or funnel"),
        _ if node.into.iter().any(|pad| pad != "sink") || node.from.iter().any(|pad| pad != "src") => Some("pads"),
        _ => None,
    };
    let caps = chain.links.iter().any(|link| link.caps.is_some()).then_some("a content type between links");
    chain.nodes.iter().find_map(node).or(caps)
}

fn shown(registry: &Registry, pipeline: &Pipeline) -> Result<Vec<Vec<Shown>>, String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut one = |(place, node): (usize, &Node)| {
        let (factory, mut properties) = match &node.item {
            Item::Element(element) => {
                let pairs = element.properties.iter().map(|property| (property.name.clone(), property.value.clone()));
                (element.factory.clone(), pairs.collect::<HashMap<_, _>>())
            }
            Item::Url(url) => {
                let uri = Uri::parse(url).map_err(|error| error.to_string())?;
                let role = if place == 0 { Role::Source } else { Role::Sink };
                let spec = registry.by_scheme(uri.scheme()).into_iter().find(|spec| spec.role() == role);
                let spec = spec.ok_or_else(|| format!("no {role} for {url}"))?;
                (spec.name().to_owned(), HashMap::from([("location".to_owned(), uri.path().to_owned())]))
            }
            other => return Err(format!("{other:?}")),
        };
        let count = counts.entry(factory.clone()).or_default();
        let name = properties.remove("name").unwrap_or_else(|| {
            *count += 1;
            format!("{factory}{}", *count - 1)
        });
        let given: Vec<_> = properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        registry.make_named(&factory, &given).map_err(|error| error.to_string())?;
        Ok(Shown { factory, name, properties })
    };
    pipeline.chains.iter().map(|chain| chain.nodes.iter().enumerate().map(&mut one).collect()).collect()
}

fn same(shown: &Shown, name: &str, value: &Value) -> Result<(), String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ours = shown.properties.get(name).cloned().unwrap_or_default();
    let hex = ours.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let plain = hex.map_or(ours, |number| number.to_string());
    // Enumerations are shown by GStreamer with their description.
    let described = text.starts_with("Leaky on") && text.contains(&plain);
    if plain == text || described {
        Ok(())
    } else {
        Err(format!("{name} of {} is {plain:?}, not {text:?}", shown.name))
    }
}

fn tree(tree: Option<&Value>, all: &[&Shown], properties_differ: bool) -> Result<(), String> {
    let Some(tree) = tree else { return Ok(()) };
    let children = match tree["children"].as_array() {
        Some(children) => children.iter().collect::<Vec<_>>(),
        None => vec![tree],
    };
    if children.len() != all.len() {
        return Err(format!("{} elements, not {}", all.len(), children.len()));
    }
    for (expected, shown) in children.iter().zip(all) {
        if expected["factory"] != shown.factory.as_str() || expected["name"] != shown.name.as_str() {
            return Err(format!("{} {}, not {} {}", shown.factory, shown.name, expected["factory"], expected["name"]));
        }
        if !properties_differ {
            expected["props"]
                .as_object()
                .into_iter()
                .flatten()
                .try_for_each(|(name, value)| same(shown, name, value))?;
        }
    }
    Ok(())
}

fn links(expect: &Value, chains: &[Vec<Shown>]) -> Result<(), String> {
    let pairs = chains.iter().flat_map(|chain| chain.windows(2));
    let mut ours: Vec<_> =
        pairs.map(|pair| [format!("{}.src", pair[0].name), format!("{}.sink", pair[1].name)]).collect();
    ours.sort();
    let links = expect["links"].as_array().unwrap().iter();
    let mut theirs: Vec<_> =
        links.map(|link| [link[0].as_str().unwrap().to_owned(), link[1].as_str().unwrap().to_owned()]).collect();
    theirs.sort();
    if ours == theirs { Ok(()) } else { Err(format!("links {ours:?}, not {theirs:?}")) }
}

fn ends(expect: &Value, all: &[&Shown]) -> Result<(), String> {
    let (first, last) = (all[0], all[all.len() - 1]);
    same(first, "location", &expect["source"])?;
    same(last, "location", &expect["sink"])?;
    expect["props"].as_object().into_iter().flatten().try_for_each(|(name, value)| same(first, name, value))?;
    let between: Vec<_> = all[1..all.len() - 1].iter().map(|shown| shown.factory.as_str()).collect();
    let expected: Vec<_> =
        expect["elements"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
    if between == expected { Ok(()) } else { Err(format!("{between:?} between, not {expected:?}")) }
}
