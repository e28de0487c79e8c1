#![doc = include_str!("../README.md")]
// A test kit speaks by panicking: what it cannot do must fail the test.
#![allow(clippy::panic)]

mod clock;
pub mod conformance;
mod faulty;
mod memory;
mod pages;
mod proxy;
pub mod servers;

pub use clock::ManualClock;
pub use faulty::{Fault, Faults, FaultySink, FaultySource};
pub use memory::{Answer, MemorySink, MemorySource, Origin, Store};
pub use pages::assert_pages;
pub use proxy::{Direction, Proxy};
