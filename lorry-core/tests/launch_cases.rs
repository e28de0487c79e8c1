//! The launch language against what GStreamer and the first LorryStream make of the same texts: `tests/cases/launch.jsonl`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use lorry_core::launch::{self, Caps, Layout, Pipeline, Placed};
use lorry_core::registry::{ElementSpec, Registry, Role, Uri};
use lorry_core::{ErrorKind, Result};
use serde_json::Value;
use std::collections::HashMap;
use support::{Outcome, cases, own_cases, registry, run};

#[test]
fn launch_jsonl() {
    run("launch.jsonl", &cases("launch.jsonl"), 117, passes);
}

/// What we found by comparing with GStreamer ourselves.
#[test]
fn launch_own_jsonl() {
    let cases = own_cases("launch-own.jsonl");
    run("launch-own.jsonl", &cases, cases.len(), passes);
}

fn passes(case: &Value) -> Outcome {
    let (registry, _) = registry();
    let pipeline = match &case["input"] {
        Value::String(text) => launch::parse(text),
        args => launch::parse_args(
            &args.as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        ),
    };
    match outcome(&registry, case, pipeline) {
        Ok(()) => Outcome::Passed,
        Err(why) => Outcome::Failed(why),
    }
}

fn outcome(registry: &Registry, case: &Value, pipeline: Result<Pipeline>) -> Result<(), String> {
    let expect = case["deviation"].get("lorry_expect").unwrap_or(&case["expect"]);
    if expect["ok"] == Value::Bool(false) {
        return refused(registry, case, pipeline);
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
    let layout = pipeline.layout(registry).map_err(|error| error.to_string())?;
    if case["kind"] == "lorry_parse_launch" {
        ends(expect, layout.elements())?;
    } else {
        // The tree of the case is GStreamer's; where Lorry differs in a property, the deviation says which.
        let properties = expect["props"].as_object();
        if let Some(tree) = case["expect"].get("tree") {
            // A pipeline for the whole comes after those in the text.
            let pipelines = layout.elements().iter().filter(|placed| placed.factory == "pipeline").count();
            same_tree(&root(&layout), &format!("pipeline{pipelines}"), tree, properties.is_some())?;
        }
        properties.into_iter().flatten().try_for_each(|(name, value)| same(&layout.elements()[0], name, value))?;
        if let Some(links) = case["expect"].get("links") {
            same_links(&layout, links)?;
        }
    }
    whole_or_nothing(registry, &pipeline, &layout)
}

fn refused(registry: &Registry, case: &Value, pipeline: Result<Pipeline>) -> Result<(), String> {
    let Err(error) = pipeline.and_then(|pipeline| registry.launch(&pipeline)) else {
        return Err("accepted".to_owned());
    };
    let text = error.to_string();
    let fits = match case["expect"]["error_code"].as_str() {
        Some("EMPTY") => text.contains("empty"),
        Some("EMPTY_BIN") => text.contains("nothing in"),
        Some("NO_SUCH_PROPERTY") => text.contains("unknown option"),
        Some("COULD_NOT_SET_PROPERTY") => is_about_value(&text, &case["expect"]),
        _ => true,
    };
    if fits && error.kind() == ErrorKind::Usage { Ok(()) } else { Err(text) }
}

/// Whether an error is about the property and the value that GStreamer could not set: `could not set property "a" in element "b" to "c"`.
fn is_about_value(text: &str, expect: &Value) -> bool {
    let quoted: Vec<_> = expect["error"].as_str().unwrap_or_default().splitn(6, '"').collect();
    let [_, property, _, _, _, value] = quoted[..] else { return text.contains("is not a") };
    let value = value.strip_suffix('"').unwrap_or(value);
    // The parenthesis that belongs to the value is missing elsewhere; behind a quote it is what is wrong.
    let glued = value.ends_with(')')
        && ["needs a space before it", "is glued to the quoted value"].iter().any(|why| text.contains(why));
    glued || text.contains(&format!("{value:?}")) || text.contains(&format!("option {property:?}"))
}

/// What is whole becomes a relay with as many nodes; what is not is refused, for that reason and no other.
fn whole_or_nothing(registry: &Registry, pipeline: &Pipeline, layout: &Layout) -> Result<(), String> {
    let elements: Vec<_> = layout.elements().iter().filter(|placed| !is_bin(placed)).collect();
    let links: Vec<_> = layout.links().collect();
    let linked = |side: usize, name: &str| {
        links.iter().any(|link| link[side].rsplit_once('.').is_some_and(|(own, _)| own == name))
    };
    let whole = elements.iter().all(|placed| {
        let role = registry.element(&placed.factory).map(ElementSpec::role);
        let (gives, takes) = (role != Some(Role::Sink), role != Some(Role::Source));
        (!gives || linked(0, &placed.name)) && (!takes || linked(1, &placed.name))
    });
    match registry.launch(pipeline) {
        Ok(relay) if whole => {
            relay.check().map_err(|error| error.to_string())?;
            let mut ours: Vec<_> = relay.describe().nodes().iter().map(|node| node.name.to_string()).collect();
            let mut theirs: Vec<_> = elements.iter().map(|placed| placed.name.clone()).collect();
            ours.sort();
            theirs.sort();
            if ours == theirs { Ok(()) } else { Err(format!("a relay of {ours:?}, not {theirs:?}")) }
        }
        Ok(_) => Err("half a pipeline".to_owned()),
        Err(error) if !whole && unfinished(&error.to_string()) => Ok(()),
        Err(error) if elements.iter().any(|placed| lacks(placed, &error.to_string())) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether an error is about an end that is linked to nothing.
fn unfinished(error: &str) -> bool {
    ["no source", "no sink", "this tee has no branch"].iter().any(|why| error.starts_with(why))
}

/// Whether an error is about a property that this element needs in Lorry and does not have.
fn lacks(placed: &Placed, error: &str) -> bool {
    let needed = error.strip_prefix(&format!("{} needs ", placed.factory)).and_then(|rest| rest.split('=').next());
    needed.is_some_and(|name| placed.properties.iter().all(|property| property.name != name))
}

fn is_bin(placed: &Placed) -> bool {
    placed.factory == "bin" || placed.factory == "pipeline"
}

/// An element and what is in it, as the cases show it.
struct Tree<'a> {
    placed: Option<&'a Placed>,
    children: Vec<Tree<'a>>,
}

fn root(layout: &Layout) -> Tree<'_> {
    fn within(layout: &Layout, bin: Option<usize>) -> Vec<Tree<'_>> {
        let all = layout.elements().iter().enumerate().filter(|(_, placed)| placed.bin == bin);
        all.map(|(place, placed)| Tree {
            placed: Some(placed),
            children: if is_bin(placed) { within(layout, Some(place)) } else { Vec::new() },
        })
        .collect()
    }
    let mut top = within(layout, None);
    // GStreamer gives a single element back as it is, several in a pipeline.
    if top.len() == 1 { top.remove(0) } else { Tree { placed: None, children: top } }
}

fn same_tree(ours: &Tree<'_>, whole: &str, theirs: &Value, properties_differ: bool) -> Result<(), String> {
    let (factory, name) = ours.placed.map_or(("pipeline", whole), |placed| (&placed.factory, &placed.name));
    if theirs["factory"] != factory || theirs["name"] != name {
        return Err(format!("{factory} {name}, not {} {}", theirs["factory"], theirs["name"]));
    }
    let properties = theirs["props"].as_object().filter(|_| !properties_differ);
    if let Some(placed) = ours.placed {
        properties.into_iter().flatten().try_for_each(|(name, value)| same(placed, name, value))?;
    }
    let children = theirs["children"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    if children.len() != ours.children.len() {
        return Err(format!("{} elements in {name}, not {}", ours.children.len(), children.len()));
    }
    ours.children.iter().zip(children).try_for_each(|(ours, theirs)| same_tree(ours, whole, theirs, properties_differ))
}

fn given(placed: &Placed, name: &str) -> String {
    let mut properties = placed.properties.iter().rev();
    let value = properties.find(|property| property.name.replace('_', "-") == name).map(|property| &property.value);
    let value = value.cloned().unwrap_or_default();
    // GStreamer shows of a file's address the path.
    match (placed.written_as_address(), Uri::parse(&value)) {
        (Some(_), Ok(uri)) if uri.scheme() == "file" => uri.path().to_owned(),
        _ => value,
    }
}

fn same(placed: &Placed, name: &str, value: &Value) -> Result<(), String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let ours = given(placed, name);
    // Content types are the same if they mean the same, however they are written.
    if let ("caps", Ok(ours), Ok(theirs)) = (name, ours.parse::<Caps>(), text.parse::<Caps>()) {
        return if ours == theirs { Ok(()) } else { Err(format!("caps of {} are {ours}, not {theirs}", placed.name)) };
    }
    // Numbers are shown by GStreamer in one way.
    let hex = ours.strip_prefix("0x").or_else(|| ours.strip_prefix("0X"));
    let number = hex.map_or_else(|| ours.parse().ok(), |digits| i64::from_str_radix(digits, 16).ok());
    let most = ours.eq_ignore_ascii_case("max") && [i32::MAX.to_string(), u32::MAX.to_string()].contains(&text);
    let plain = number.map_or(ours, |number| number.to_string());
    // Enumerations are shown by GStreamer with their description.
    let nick =
        if name == "leaky" { ["no", "upstream", "downstream"].iter().position(|nick| *nick == plain) } else { None };
    let described = match nick.map_or(plain.clone(), |number| number.to_string()).as_str() {
        "1" => text.starts_with("Leaky on upstream"),
        "2" => text.starts_with("Leaky on downstream"),
        _ => false,
    };
    if plain == text || most || described {
        Ok(())
    } else {
        Err(format!("{name} of {} is {plain:?}, not {text:?}", placed.name))
    }
}

fn same_links(layout: &Layout, links: &Value) -> Result<(), String> {
    let mut ours: Vec<_> = layout.links().collect();
    let pad = |value: &Value| value.as_str().unwrap().to_owned();
    let mut theirs: Vec<_> = links.as_array().unwrap().iter().map(|link| [pad(&link[0]), pad(&link[1])]).collect();
    // GStreamer's funnel has names of its own for pads that it makes by itself. Ours must come in the same order.
    theirs.sort_by_key(|[_, to]| to.split_once(".funnelpad").and_then(|(_, number)| number.parse::<u32>().ok()));
    let mut before: HashMap<String, u32> = HashMap::new();
    for [from, to] in &mut theirs {
        let Some((funnel, _)) = to.split_once(".funnelpad") else { continue };
        let pad = ours.iter().find(|link| link[0] == *from).map(|link| link[1].clone()).unwrap_or_default();
        let number = pad.strip_prefix(&format!("{funnel}.sink_")).and_then(|number| number.parse().ok());
        let Some(number) = number else { return Err(format!("{from} is linked to {pad:?}, not to {funnel}")) };
        if before.insert(funnel.to_owned(), number).is_some_and(|before| before > number) {
            return Err(format!("{from} comes too early in {funnel}"));
        }
        *to = pad;
    }
    ours.sort();
    theirs.sort();
    if ours == theirs { Ok(()) } else { Err(format!("links {ours:?}, not {theirs:?}")) }
}

fn ends(expect: &Value, all: &[Placed]) -> Result<(), String> {
    let (first, last) = (&all[0], &all[all.len() - 1]);
    same(first, "location", &expect["source"])?;
    same(last, "location", &expect["sink"])?;
    expect["props"].as_object().into_iter().flatten().try_for_each(|(name, value)| same(first, name, value))?;
    let between: Vec<_> = all[1..all.len() - 1].iter().map(|placed| placed.factory.as_str()).collect();
    let expected: Vec<_> =
        expect["elements"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()).collect();
    if between == expected { Ok(()) } else { Err(format!("{between:?} between, not {expected:?}")) }
}
