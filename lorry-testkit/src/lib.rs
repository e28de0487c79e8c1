#![doc = include_str!("../README.md")]
// A test kit speaks by panicking: what it cannot do must fail the test.
#![allow(clippy::panic)]

mod proxy;
pub mod servers;

pub use proxy::{Direction, Proxy};
