#![doc = include_str!("docs.md")]

mod options;
mod payload;
mod source;
#[cfg(test)]
mod tests;

pub use options::TestOptions;
pub use source::TestSource;

use crate::error::no_address;
use lorry_core::registry::{ElementSpec, Registry};

/// Adds `testsrc`.
pub fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::source("testsrc", |args| {
            no_address(args.uri())?;
            Ok(Box::new(TestSource::new(args.take()?)?))
        })
        .schemes(&["test"])
        .about("numbered JSON messages out of nothing, reproducible")
        .docs(include_str!("docs.md"))
        .options::<TestOptions>()
        .optional_location(),
    );
}
