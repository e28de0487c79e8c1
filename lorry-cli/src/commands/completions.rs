//! `lorry completions SHELL`.

use crate::args;
use crate::exit::{Failure, Outcome};
use crate::output;
use clap_complete::Shell;

/// Prints the script that teaches this shell our commands and flags.
pub(crate) fn run(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "lorry", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::Failed(format!("completions: {error}")))?;
    output::stdout(&script)
}
