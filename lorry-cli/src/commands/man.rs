//! `lorry man [COMMAND]`.

use crate::args;
use crate::exit::{Failure, Outcome};
use crate::output;
use lorry::{Error, did_you_mean};

/// Prints a manual page, for `man -l -` or a package.
pub(crate) fn run(command: Option<&str>) -> Outcome {
    let mut lorry = args::command();
    // Gives the commands their full names ("lorry-relay") and the flags that they share.
    lorry.build();
    let page = match command {
        None => lorry,
        Some(name) => match lorry.get_subcommands().find(|command| command.get_name() == name) {
            Some(command) => command.clone(),
            None => {
                let names: Vec<_> = lorry.get_subcommands().map(clap::Command::get_name).collect();
                let error = Error::usage(format!("no command {name:?}"));
                let error = match did_you_mean(name, names.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean {near:?}?")),
                    None => error.hint(format!("the commands are {}", names.join(", "))),
                };
                return Err(error.into());
            }
        },
    };
    let mut roff = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut roff);
    rendered.map_err(|error| Failure::Failed(format!("manual page: {error}")))?;
    output::stdout(&String::from_utf8_lossy(&roff))
}
