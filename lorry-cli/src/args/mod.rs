//! The command line as it was typed. Nothing is looked up or opened here: addresses, expressions and pipelines stay text until a
//! command takes them up, so that no error of the argument parser can repeat a password.

mod steps;
mod usage;

pub(crate) use steps::{Step, Steps};

use crate::exit::Failure;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use lorry::registry::{Size, Span};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Relay messages between MQTT, SQL databases, files and more, losing none
#[derive(Debug, Parser)]
#[command(name = "lorry", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Addresses are SCHEME://HOST:PORT/PATH?OPTION=VALUE; `lorry inspect` lists the schemes, `lorry inspect mqtt` the options of one.
Exit codes: 0 done, 1 something was left undelivered, 2 the request was wrong, 130 a second Ctrl-C."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Relay from a source to sinks until the source ends or Ctrl-C
    Relay(RelayArgs),
    /// Run a pipeline in GStreamer's notation
    Launch(LaunchArgs),
    /// Say what a relay would do, without doing it
    Check(CheckArgs),
    /// List elements and schemes, or the options of one
    Inspect(InspectArgs),
    /// Send messages and wait until they are confirmed
    Publish(PublishArgs),
    /// Show version, features, platform and linked clients
    Info,
    /// Watch it work: simulated devices, MQTT, a SQLite file; no server needed
    Demo(DemoArgs),
    /// Print a completion script
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of lorry or of one command
    Man {
        /// The command whose page is printed
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lorry relay \"mqtt://localhost/testdrive/#\" \"sqlite:///testdrive.db?table=testdrive\"
  lorry relay mqtt://localhost/sensors/+ --filter '.celsius > 40' - ")]
pub(crate) struct RelayArgs {
    /// Where messages come from
    #[arg(value_name = "SOURCE", value_hint = ValueHint::Url)]
    pub(crate) source: String,
    /// Where they go; several get everything each; none is stdout
    #[arg(value_name = "SINK", value_hint = ValueHint::Url)]
    pub(crate) sinks: Vec<String>,
    #[command(flatten)]
    pub(crate) flags: RelayFlags,
}

/// How graphs are written. Each example is run by a test.
pub(crate) const LAUNCH_HELP: &str = "Examples:
  a chain           testsrc count=3 ! filter expr='.id > 0' ! stdoutsink
  addresses         test:?count=3 ! file:///tmp/lorry-help.txt
  a branch          testsrc count=3 ! tee name=t ! stdoutsink  t. ! filesink location=/tmp/lorry-help.txt
  arrays            testsrc count=10 ! batch size=4 timeout=1s ! stdoutsink
  several sources   funnel name=f ! stdoutsink  testsrc count=3 ! f.  testsrc count=3 ! f.
  pairs             zip name=z ! stdoutsink  testsrc count=3 ! z.  testsrc count=3 ! pluck field=value ! z.
  a content type    testsrc count=3 ! application/json ! stdoutsink
  a bin             testsrc count=3 ! ( identity ! queue ) ! stdoutsink
  never waits       testsrc count=3 ! tee name=t ! stdoutsink  t. ! queue leaky=downstream ! nullsink

name=t gives an element a name, t. links to it from elsewhere, t.src_1 to one of its pads. A queue holds max-size-buffers=
messages while what follows it is busy. `lorry inspect` lists the elements, `lorry check launch PIPELINE --dot` draws the graph.

In FBP notation (--fbp FILE):
  '3' -> COUNT Read(testsrc) OUT -> IN Keep(filter) OUT -> IN Show(stdoutsink)
  '.id > 0' -> EXPR Keep";

#[derive(Debug, Args)]
#[command(after_help = LAUNCH_HELP, override_usage = "lorry launch [OPTIONS] PIPELINE...\n       lorry launch [OPTIONS] --fbp FILE")]
pub(crate) struct LaunchArgs {
    /// The pipeline: one argument is its text, several are one token each
    #[arg(value_name = "PIPELINE", required_unless_present = "fbp", conflicts_with = "fbp")]
    pub(crate) pipeline: Vec<String>,
    /// Run the graph of this file, in FBP notation
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) fbp: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: RelayFlags,
}

/// What `relay` and `launch` share.
#[derive(Debug, Args)]
pub(crate) struct RelayFlags {
    #[command(flatten)]
    pub(crate) identity: IdentityFlags,
    #[command(flatten)]
    pub(crate) steps: Steps,
    /// What a message that cannot be delivered does
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = Policy::Stop, help_heading = "Delivery")]
    pub(crate) on_error: Policy,
    /// Where messages that cannot be delivered go (planned; this version refuses it)
    #[arg(long, value_name = "URI", help_heading = "Delivery")]
    pub(crate) dlq: Option<String>,
    /// Refuse to start without this guarantee
    #[arg(long, value_name = "GUARANTEE", value_enum, help_heading = "Delivery")]
    pub(crate) require: Option<Require>,
    /// How long what was accepted may take to be delivered once the relay stops
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s", help_heading = "Delivery")]
    pub(crate) drain_timeout: Duration,
    /// How many bytes of each source may be on their way, and of what is made of them before each sink
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64MiB", help_heading = "Delivery")]
    pub(crate) max_held: Size,
    /// Stop when so many messages of the sources were delivered, with exactly so many
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "Ending")]
    pub(crate) count: Option<u64>,
    /// Stop when nothing arrived for so long and nothing is on its way
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_negative_numbers = true, help_heading = "Ending")]
    pub(crate) idle_exit: Option<Duration>,
    /// Write a summary in JSON to this file at the end; - is stderr
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
pub(crate) struct IdentityFlags {
    /// A name makes the relay durable: its MQTT sessions stay, and a later one of the same name goes on with them
    #[arg(long, value_name = "NAME", help_heading = "Identity")]
    pub(crate) name: Option<String>,
    /// Tells apart processes that share the work of one name
    #[arg(long, value_name = "ID", requires = "name", help_heading = "Identity")]
    pub(crate) instance: Option<String>,
    /// Where named relays keep their state
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Identity")]
    pub(crate) state_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// end the relay; the message stays unacknowledged
    #[default]
    Stop,
    /// acknowledge, count and forget it
    Drop,
    /// send it to --dlq (planned; this version refuses it)
    Dlq,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Require {
    /// no message is lost, some may come twice
    AtLeastOnce,
    /// and none comes twice (no sink of this version can)
    EffectivelyOnce,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "lorry check [OPTIONS] SOURCE SINK...\n       lorry check [OPTIONS] launch PIPELINE\n       lorry check [OPTIONS] fbp FILE"
)]
pub(crate) struct CheckArgs {
    /// A source and its sinks; or the word `launch` and a pipeline; or the word `fbp` and a file
    #[arg(value_name = "WHAT", required = true)]
    pub(crate) words: Vec<String>,
    /// Also connect to the servers
    #[arg(long)]
    pub(crate) connect: bool,
    /// How long --connect may take for each of them
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) graph: GraphFlags,
    #[command(flatten)]
    pub(crate) identity: IdentityFlags,
    #[command(flatten)]
    pub(crate) steps: Steps,
    /// Fail without this guarantee
    #[arg(long, value_name = "GUARANTEE", value_enum)]
    pub(crate) require: Option<Require>,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct GraphFlags {
    /// Print the graph for Graphviz
    #[arg(long)]
    pub(crate) dot: bool,
    /// Print the graph for Mermaid
    #[arg(long)]
    pub(crate) mermaid: bool,
    /// Print the graph as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the graph in FBP notation
    #[arg(long)]
    pub(crate) fbp: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// An element (mqttsrc) or a scheme (mqtt); none lists all
    #[arg(value_name = "ELEMENT|SCHEME")]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Without --data and --file each line of stdin is a message.")]
pub(crate) struct PublishArgs {
    /// Where the messages go
    #[arg(value_name = "SINK", value_hint = ValueHint::Url)]
    pub(crate) sink: String,
    /// This text is the message
    #[arg(long, value_name = "TEXT", conflicts_with = "file", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// The content of this file is the message; - is all of stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// How long the confirmation may take
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after so many seconds; without it Ctrl-C ends the demo
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LogFlags {
    /// Say more: -v connections, -vv details
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// Say only what failed
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Output")]
    pub(crate) quiet: bool,
    /// How log lines on stderr look
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text, help_heading = "Output")]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// for people
    #[default]
    Text,
    /// one object a line
    Json,
}

/// The command as clap knows it, for completions and manual pages.
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

/// Reads the command line.
///
/// # Errors
/// A wrong request, in one line; or the help or version text that was asked for.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Failure> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words).map_err(|error| usage::explain(&error))?;
    Cli::from_arg_matches(&matches).map_err(|error| usage::explain(&error))
}

fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<Span>().map(|span| span.0)
}

fn size(text: &str) -> Result<Size, String> {
    match text.parse()? {
        Size(0) => Err("0 holds no message; give at least 1".into()),
        size => Ok(size),
    }
}

fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("0 is no number of messages; give at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err(format!("{text:?} is no number of messages; give a whole number of at least 1")),
    }
}

#[cfg(test)]
mod tests;
