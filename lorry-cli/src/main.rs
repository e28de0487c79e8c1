//! The `lorry` program: the command line on top of the `lorry` library, and nothing else. Each command is a file in `commands`.

mod args;
mod commands;
mod connect;
mod drive;
mod exit;
mod logging;
mod output;
mod registry;
mod report;
mod signals;
mod state;
mod status;
mod table;
mod terminal;

use args::{Cli, Command};
use exit::{FAILED, Failure, Outcome, USAGE};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    hide_panics();
    let ended = catch_unwind(AssertUnwindSafe(|| run(args::parse(std::env::args_os())?)));
    match ended.unwrap_or_else(|_| Err(Failure::Failed("Lorry itself failed; please report this".to_owned()))) {
        Ok(()) | Err(Failure::StdoutClosed) => ExitCode::SUCCESS,
        Err(Failure::Shown(text)) => match output::stdout(&text) {
            Err(Failure::Failed(line)) => fail(&line, FAILED),
            _ => ExitCode::SUCCESS,
        },
        Err(Failure::Usage(line)) => fail(&line, USAGE),
        Err(Failure::Failed(line)) => fail(&line, FAILED),
    }
}

fn fail(line: &str, code: u8) -> ExitCode {
    output::stderr(&format!("error: {line}"));
    ExitCode::from(code)
}

fn run(cli: Cli) -> Outcome {
    // A check says itself what failed.
    let silent = matches!(cli.command, Command::Check(_)) && cli.log.verbose == 0;
    let terminal = logging::install(cli.log, silent);
    match cli.command {
        Command::Relay(args) => commands::relay::run(&args, &terminal),
        Command::Launch(args) => commands::launch::run(&args, &terminal),
        Command::Check(args) => commands::check::run(&args),
        Command::Publish(args) => commands::publish::run(&args, &terminal),
        Command::Demo(args) => commands::demo::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Info => commands::info::run(),
        Command::Completions { shell } => commands::completions::run(shell),
        Command::Man { command } => commands::man::run(command.as_deref()),
    }
}

/// A panic's text may hold anything, a password too: only the place is shown, which is what a bug report needs.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
        output::stderr(&format!("error: internal error{place}"));
    }));
}
