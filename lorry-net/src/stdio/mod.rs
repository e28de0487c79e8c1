#![doc = include_str!("docs.md")]

mod options;
mod sink;
mod source;
#[cfg(test)]
mod tests;

pub use options::{StdinOptions, StdoutOptions};
pub use sink::StdoutSink;
pub use source::StdinSource;

use crate::error::no_address;
use lorry_core::registry::{ElementSpec, Registry};

/// Adds `stdinsrc` and `stdoutsink`.
pub fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::source("stdinsrc", |args| {
            no_address(args.uri())?;
            Ok(Box::new(StdinSource::new(args.take()?)))
        })
        .schemes(&["stdin", "stdio"])
        .about("lines of standard input")
        .docs(include_str!("docs.md"))
        .options::<StdinOptions>()
        .optional_location(),
    );
    registry.add(
        ElementSpec::sink("stdoutsink", |args| {
            no_address(args.uri())?;
            Ok(Box::new(StdoutSink::new(args.take()?)))
        })
        .schemes(&["stdout", "stdio"])
        .about("payloads on standard output, one a line")
        .docs(include_str!("docs.md"))
        .options::<StdoutOptions>()
        .optional_location(),
    );
}
