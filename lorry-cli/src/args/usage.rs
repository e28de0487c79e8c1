//! Wrong command lines, told in one line: what is wrong and what to write instead. clap's own texts take several lines and repeat
//! what was typed, which may hold a password.

use crate::exit::Failure;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use lorry::did_you_mean;
use lorry::registry::redact;
use std::error::Error as _;

const COMMANDS: [&str; 9] = ["relay", "launch", "check", "inspect", "publish", "info", "demo", "completions", "man"];

/// The failure that a clap error stands for.
pub(super) fn explain(error: &clap::Error) -> Failure {
    let said = |kind| context(error, kind).map(|text| redact(&text));
    let invalid = said(ContextKind::InvalidArg);
    let line = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return Failure::Shown(error.render().to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            format!("no command; write one of {} (see: lorry --help)", COMMANDS.join(", "))
        }
        ErrorKind::InvalidSubcommand => {
            let wrong = said(ContextKind::InvalidSubcommand).unwrap_or_default();
            let instead = match did_you_mean(&wrong, COMMANDS) {
                Some(near) => format!("did you mean {near:?}?"),
                None if wrong.contains("://") || wrong == "-" => "to relay, write: lorry relay SOURCE SINK".to_owned(),
                None => format!("the commands are {}", COMMANDS.join(", ")),
            };
            format!("unknown command {wrong:?}; {instead} (see: lorry --help)")
        }
        ErrorKind::UnknownArgument => {
            let wrong = invalid.unwrap_or_default();
            let instead = said(ContextKind::SuggestedArg).map(|near| format!("; did you mean {}?", flag(&near)));
            let instead = instead.unwrap_or_default();
            let what = if wrong.starts_with('-') { "option" } else { "argument" };
            format!("unknown {what} {wrong:?}{instead} {}", see(error))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = invalid.unwrap_or_default().replace(['<', '>'], "").replace("...", "…");
            format!("{missing} is missing {}", see(error))
        }
        ErrorKind::InvalidValue => match said(ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
            Some(value) => {
                let valid = said(ContextKind::ValidValue).unwrap_or_default();
                let near = did_you_mean(&value, valid.split(", ")).map(|near| format!("; did you mean {near:?}?"));
                let near = near.unwrap_or_default();
                format!("{value:?} is no {}; write one of {valid}{near}", subject(invalid))
            }
            None => format!("{} needs a value {}", flag(&invalid.unwrap_or_default()), see(error)),
        },
        ErrorKind::ValueValidation => {
            let why = error.source().map(|why| redact(&why.to_string())).unwrap_or_default();
            format!("{}: {why}", flag(&invalid.unwrap_or_default()))
        }
        ErrorKind::ArgumentConflict => {
            let other = said(ContextKind::PriorArg).unwrap_or_default();
            let (one, other) = (flag(&invalid.unwrap_or_default()), flag(&other));
            match one == other {
                true => format!("{one} is given twice"),
                false => format!("{one} and {other} exclude each other; give one of them"),
            }
        }
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        _ => {
            let text = redact(&error.render().to_string());
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    };
    Failure::Usage(line)
}

/// A piece of context; several strings become one, separated by commas.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

fn flag(usage: &str) -> String {
    usage.split([' ', '=']).next().unwrap_or_default().trim_matches(['<', '>', '[', ']', '.']).to_owned()
}

fn subject(invalid: Option<String>) -> String {
    let name = flag(&invalid.unwrap_or_default());
    match name.strip_prefix("--") {
        Some(_) => format!("value for {name}"),
        None => name.to_lowercase(),
    }
}

fn see(error: &clap::Error) -> String {
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let command =
        usage.split_whitespace().skip_while(|word| *word != "lorry").nth(1).filter(|word| COMMANDS.contains(word));
    match command {
        Some(command) => format!("(see: lorry {command} --help)"),
        None => "(see: lorry --help)".to_owned(),
    }
}
