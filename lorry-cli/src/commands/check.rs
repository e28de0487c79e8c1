//! `lorry check`: what a relay would do, without doing it.

use super::{launch, relay};
use crate::args::{CheckArgs, GraphFlags};
use crate::connect::{self, End};
use crate::drive;
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::registry::registry;
use crate::table;
use lorry::flow::Graph;
use lorry::registry::Registry;
use lorry::relay::Guarantee;
use lorry::{Error, Relay};
use std::fmt::Write;
use std::path::Path;

/// Validates, prints the plan or the graph, and tries the servers if asked to.
pub(crate) fn run(args: &CheckArgs) -> Outcome {
    let registry = registry();
    let (plan, ends) = plan(&registry, args)?;
    let plan = drive::require(drive::identify(plan, &args.identity), args.require);
    plan.check()?;
    output::stdout(&picture(&plan.describe(), &args.graph))?;
    if args.connect { connect::all(&registry, ends, args.timeout) } else { Ok(()) }
}

/// The relay that the words name, and its ends as they were written.
fn plan(registry: &Registry, args: &CheckArgs) -> Result<(Relay, Vec<End>), Failure> {
    let steps = &args.steps.0;
    match args.words.split_first() {
        Some((word, words)) if word == "launch" => {
            if words.is_empty() {
                return Err(Error::usage("check launch needs a pipeline").into());
            }
            let layout = launch::layout(registry, words)?;
            Ok((launch::build(registry, &layout, steps)?, connect::ends_of_layout(registry, &layout)))
        }
        Some((word, files)) if word == "fbp" => match files {
            [file] => {
                let layout = launch::fbp(registry, Path::new(file))?;
                Ok((launch::build(registry, &layout, steps)?, connect::ends_of_layout(registry, &layout)))
            }
            _ => Err(Error::usage("check fbp needs one file").into()),
        },
        Some((word, _)) if word == "run" => Err(Error::usage("files with channels come with a later version")
            .hint("write check SOURCE SINK or check launch PIPELINE")
            .into()),
        Some((source, sinks)) if !sinks.is_empty() => {
            Ok((relay::build(registry, source, sinks, steps)?, connect::ends_of_addresses(source, sinks)))
        }
        _ => Err(Error::usage("check needs a SOURCE and a SINK, or launch and a PIPELINE").into()),
    }
}

fn picture(graph: &Graph, flags: &GraphFlags) -> String {
    match flags {
        GraphFlags { dot: true, .. } => graph.to_dot(),
        GraphFlags { mermaid: true, .. } => graph.to_mermaid(),
        GraphFlags { fbp: true, .. } => graph.to_fbp(),
        GraphFlags { json: true, .. } => format!("{:#}\n", graph.to_json()),
        _ => text(graph),
    }
}

/// The plan, the delivery guarantee, what would be lost in translation.
fn text(graph: &Graph) -> String {
    let name = |place: &usize| graph.nodes()[*place].name.to_string();
    let row = |node: &lorry::flow::GraphNode| {
        let from = node.inputs.iter().map(name).collect::<Vec<_>>().join(", ");
        let from = if from.is_empty() { from } else { format!("from {from}") };
        let holds = format!("holds {}", node.holds);
        [node.role.to_string(), node.name.to_string(), from, holds, node.detail.clone().unwrap_or_default()]
    };
    let mut text = String::from("Plan\n");
    text.push_str(&table::columns(&graph.nodes().iter().map(row).collect::<Vec<_>>()));
    text.push_str("\nDelivery\n");
    for node in graph.nodes() {
        if let Some(guarantee) = node.guarantee {
            let _ = writeln!(text, "  {}: {guarantee}{}", node.name, advice(guarantee));
        }
    }
    if graph.nodes().iter().any(|node| !node.loses.is_empty()) {
        text.push_str("\nLost in translation\n");
    }
    for node in graph.nodes().iter().filter(|node| !node.loses.is_empty()) {
        let _ = writeln!(text, "  {} does not carry {}", node.name, node.loses.join(", "));
    }
    text
}

fn advice(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::UntilExit => "; with --name also across restarts",
        _ => "",
    }
}
