//! `lorry launch PIPELINE…`.

use crate::args::{LaunchArgs, Step};
use crate::drive::{self, Host};
use crate::exit::Outcome;
use crate::registry::registry;
use crate::terminal::Terminal;
use lorry::launch::{Chain, Element, Item, Link, Node, Pipeline, Property, parse, parse_args};
use lorry::registry::{Registry, Role};
use lorry::{Error, Relay, Result};

/// Runs a pipeline.
pub(crate) fn run(args: &LaunchArgs, terminal: &Terminal) -> Outcome {
    let host = Host::start()?;
    let registry = registry();
    let pipeline = written(&args.pipeline)?;
    drive::start(host, build(&registry, &pipeline, &args.flags.steps.0)?, &args.flags, terminal)
}

/// What was written: one argument is a text, several are tokens.
///
/// # Errors
/// The syntax.
pub(crate) fn written(words: &[String]) -> Result<Pipeline> {
    match words {
        [text] => parse(text),
        tokens => parse_args(tokens),
    }
}

/// The relay of a pipeline, with the expressions of the flags behind its first source.
///
/// # Errors
/// Whatever is wrong with it or with the expressions.
pub(crate) fn build(registry: &Registry, pipeline: &Pipeline, steps: &[Step]) -> Result<Relay> {
    // First as it stands, so that an error shows the text as it was typed.
    let relay = registry.launch(pipeline)?;
    if steps.is_empty() {
        return Ok(relay);
    }
    for step in steps {
        registry.make_named(step.element(), &[("expr".to_owned(), step.expression().to_owned())])?;
    }
    let mut longer = pipeline.clone();
    let chain = longer.chains.iter_mut().find(|chain| begins_with_source(registry, chain) && !chain.links.is_empty());
    let chain = chain.ok_or_else(|| {
        Error::usage("--filter and --map go behind the first source of a chain, and this pipeline has no such place")
            .hint("write them into it: … ! filter expr='…' ! …")
    })?;
    let span = chain.nodes[0].span.clone();
    for (place, step) in steps.iter().enumerate() {
        let property = Property { name: "expr".to_owned(), value: step.expression().to_owned(), span: span.clone() };
        let element = Element { factory: step.element().to_owned(), properties: vec![property] };
        let item = Item::Element(element);
        chain.nodes.insert(place + 1, Node { item, into: Vec::new(), from: Vec::new(), span: span.clone() });
        chain.links.insert(place, Link { all: false, caps: None, span: span.clone() });
    }
    registry.launch(&longer)
}

fn begins_with_source(registry: &Registry, chain: &Chain) -> bool {
    match chain.nodes.first().map(|node| &node.item) {
        Some(Item::Element(element)) => {
            registry.element(&element.factory).is_some_and(|spec| spec.role() == Role::Source)
        }
        Some(Item::Url(_)) => true,
        _ => false,
    }
}
