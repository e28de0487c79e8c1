//! `lorry launch PIPELINE…`.

use crate::args::LaunchArgs;
use crate::drive;
use crate::exit::Outcome;
use crate::registry::registry;
use crate::terminal::Terminal;

/// Runs a pipeline.
pub(crate) fn run(args: &LaunchArgs, terminal: &Terminal) -> Outcome {
    let relay = build(&registry(), &args.pipeline, &args.flags.steps.0)?;
    drive::start(relay, &args.flags, terminal)
}

pub(crate) fn build(registry: &lorry::registry::Registry, pipeline: &[String], steps: &[crate::args::Step]) -> lorry::Result<lorry::Relay> {
    let _ = (registry, pipeline, steps);
    Err(lorry::Error::usage("not yet"))
}
