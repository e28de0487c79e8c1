#![doc = include_str!("../README.md")]
// Some of the elements use some of what all of them share.
#![cfg_attr(not(feature = "default"), allow(dead_code, unused_imports))]

#[cfg(any(feature = "stdio", feature = "file", feature = "exec", feature = "test", feature = "null"))]
mod error;
#[cfg(any(feature = "stdio", feature = "file", feature = "exec"))]
mod framing;
#[cfg(any(feature = "stdio", feature = "file", feature = "exec"))]
mod reader;
#[cfg(any(feature = "stdio", feature = "file", feature = "exec"))]
mod writer;

#[cfg(feature = "exec")]
pub mod exec;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "null")]
pub mod null;
#[cfg(feature = "stdio")]
pub mod stdio;
#[cfg(feature = "test")]
pub mod test;

#[cfg(any(feature = "stdio", feature = "file", feature = "exec"))]
pub use framing::Format;

use lorry_core::registry::Registry;

/// Adds the elements of this crate that were compiled in.
///
/// ```
/// let mut registry = lorry_core::registry::Registry::new();
/// lorry_net::register(&mut registry);
/// # #[cfg(feature = "test")]
/// assert!(registry.source("test://?count=3").is_ok());
/// ```
pub fn register(registry: &mut Registry) {
    #[cfg(feature = "exec")]
    exec::register(registry);
    #[cfg(feature = "file")]
    file::register(registry);
    #[cfg(feature = "null")]
    null::register(registry);
    #[cfg(feature = "stdio")]
    stdio::register(registry);
    #[cfg(feature = "test")]
    test::register(registry);
    // Without any feature there is nothing to add to.
    let _ = registry;
}
