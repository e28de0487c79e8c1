#![doc = include_str!("../README.md")]
// A test kit speaks by panicking: what it cannot do must fail the test.
#![allow(clippy::panic)]

pub mod servers;
