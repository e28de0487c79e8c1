#![doc = include_str!("docs.md")]

mod sink;

pub use sink::NullSink;

use crate::error::no_address;
use lorry_core::registry::{ElementSpec, Registry};

/// Adds `nullsink`.
pub fn register(registry: &mut Registry) {
    registry.add(
        ElementSpec::sink("nullsink", |args| {
            no_address(args.uri())?;
            Ok(Box::new(NullSink::default()))
        })
        .schemes(&["null"])
        .about("counts and forgets")
        .docs(include_str!("docs.md"))
        .optional_location(),
    );
}
