#![doc = include_str!("docs.md")]

mod client;
mod options;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use client::CommandLine;
pub use options::{ExecSinkOptions, ExecSourceOptions};
pub use sink::ExecSink;
pub use source::ExecSource;

use lorry_core::registry::{ElementSpec, Registry};

/// Adds `execsrc` and `execsink`.
pub fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::source("execsrc", |args| {
            let command = CommandLine::parse(args.uri().rest())?;
            Ok(Box::new(ExecSource::new(command, args.take()?)))
        })
        .schemes(&["exec"])
        .about("lines that a program prints")
        .docs(include_str!("docs.md"))
        .options::<ExecSourceOptions>()
        .opaque()
        .bare_path(),
    );
    registry.add(
        ElementSpec::sink("execsink", |args| {
            let command = CommandLine::parse(args.uri().rest())?;
            Ok(Box::new(ExecSink::new(command, args.take()?)))
        })
        .schemes(&["exec"])
        .about("payloads to a program's input, one a line")
        .docs(include_str!("docs.md"))
        .options::<ExecSinkOptions>()
        .opaque()
        .bare_path(),
    );
}
