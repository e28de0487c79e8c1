//! `lorry launch PIPELINE…`.

use crate::args::{LaunchArgs, Step};
use crate::drive::{self, Host};
use crate::exit::Outcome;
use crate::registry::registry;
use crate::terminal::Terminal;
use lorry::launch::{Layout, fbp, parse, parse_args};
use lorry::registry::Registry;
use lorry::{Error, Relay, Result};
use std::path::Path;

/// Runs a pipeline.
pub(crate) fn run(args: &LaunchArgs, terminal: &Terminal) -> Outcome {
    let host = Host::start()?;
    let registry = registry();
    let layout = match &args.fbp {
        Some(file) => fbp(&registry, file)?,
        None => layout(&registry, &args.pipeline)?,
    };
    drive::start(host, build(&registry, &layout, &args.flags.steps.0)?, &args.flags, terminal)
}

/// The graph of what was written: one argument is a text, several are tokens.
///
/// # Errors
/// The syntax; names that mean nothing.
pub(crate) fn layout(registry: &Registry, words: &[String]) -> Result<Layout> {
    let pipeline = match words {
        [text] => parse(text),
        tokens => parse_args(tokens),
    };
    pipeline?.layout(registry)
}

/// The graph of a file in FBP notation.
///
/// # Errors
/// A file that cannot be read; the syntax; names that mean nothing.
pub(crate) fn fbp(registry: &Registry, file: &Path) -> Result<Layout> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::usage(format!("the graph cannot be read: {error}")).with("file", file.display()))?;
    fbp::parse(&text, fbp::Case::Ignored)?.layout(registry)
}

/// The relay of a graph, with the expressions of the flags behind its first source.
///
/// # Errors
/// Whatever is wrong with it or with the expressions.
pub(crate) fn build(registry: &Registry, layout: &Layout, steps: &[Step]) -> Result<Relay> {
    let steps =
        steps.iter().map(|step| (step.element().to_owned(), vec![("expr".to_owned(), step.expression().to_owned())]));
    registry.launch_layout(layout, &steps.collect::<Vec<_>>())
}
