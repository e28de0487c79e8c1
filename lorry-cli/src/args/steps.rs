//! `--filter` and `--map`: repeatable, and in the order in which they were typed, also among each other.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// One expression of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Keeps a message if the expression holds.
    Filter(String),
    /// Puts the expression's outputs in the message's place.
    Map(String),
}

impl Step {
    /// The operator element that does it.
    pub(crate) fn element(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Map(_) => "map",
        }
    }

    /// The jq expression.
    pub(crate) fn expression(&self) -> &str {
        match self {
            Self::Filter(text) | Self::Map(text) => text,
        }
    }
}

/// All of them, in order. Written by hand because clap's derive keeps the order within one flag only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(pub(crate) Vec<Step>);

impl Args for Steps {
    fn augment_args(command: Command) -> Command {
        let flag = |name: &'static str| {
            // An expression may begin with a minus sign.
            Arg::new(name)
                .long(name)
                .value_name("EXPR")
                .action(ArgAction::Append)
                .allow_hyphen_values(true)
                .help_heading("Expressions")
        };
        command
            .arg(
                flag("filter")
                    .help("Keep messages for which this jq expression holds; repeatable, in order with --map"),
            )
            .arg(flag("map").help("Put the outputs of this jq expression in the message's place; repeatable"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Steps {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let all = |name: &str, make: fn(String) -> Step| {
            let indices = matches.indices_of(name).into_iter().flatten();
            let values = matches.get_many::<String>(name).into_iter().flatten();
            indices.zip(values.cloned().map(make)).collect::<Vec<_>>()
        };
        let mut steps = [all("filter", Step::Filter), all("map", Step::Map)].concat();
        steps.sort_by_key(|(index, _)| *index);
        Ok(Self(steps.into_iter().map(|(_, step)| step).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
