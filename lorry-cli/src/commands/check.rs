//! `lorry check`: what a relay would do, without doing it.

use super::{launch, relay};
use crate::args::CheckArgs;
use crate::drive;
use crate::exit::Outcome;
use crate::output;
use crate::registry::registry;
use lorry::flow::Graph;
use lorry::relay::Guarantee;
use lorry::Error;
use std::fmt::Write;

/// Validates, prints the plan or the graph, and tries the servers if asked to.
pub(crate) fn run(args: &CheckArgs) -> Outcome {
    if args.graph.fbp {
        return Err(Error::usage("--fbp comes with a later version").hint("use --dot, --mermaid or --json").into());
    }
    let registry = registry();
    let plan = match args.words.split_first() {
        Some((word, pipeline)) if word == "launch" => launch::build(&registry, pipeline, &args.steps.0)?,
        Some((word, _)) if word == "run" => {
            return Err(Error::usage("files with channels come with a later version").hint("check SOURCE SINK or launch PIPELINE").into());
        }
        Some((source, sinks)) if !sinks.is_empty() => relay::build(&registry, source, sinks, &args.steps.0)?,
        _ => return Err(Error::usage("check needs a source and a sink, or launch and a pipeline").into()),
    };
    let plan = drive::require(drive::identify(plan, &args.identity)?, args.require);
    plan.check()?;
    let graph = plan.describe();
    output::stdout(&match &args.graph {
        flags if flags.dot => graph.to_dot(),
        flags if flags.mermaid => graph.to_mermaid(),
        flags if flags.json => format!("{:#}\n", graph.to_json()),
        _ => text(&graph),
    })
}

/// The plan, the delivery guarantee, what would be lost in translation.
fn text(graph: &Graph) -> String {
    let mut text = graph.to_string();
    for node in graph.nodes() {
        if let Some(guarantee) = node.guarantee {
            let _ = writeln!(text, "{}: {guarantee}{}", node.name, advice(guarantee));
        }
        if !node.loses.is_empty() {
            let _ = writeln!(text, "{}: cannot carry {}", node.name, node.loses.join(", "));
        }
    }
    text
}

fn advice(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::UntilExit => " (with --name also across restarts)",
        _ => "",
    }
}
