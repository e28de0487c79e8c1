//! Decorators that make any source or sink fail, by script or by chance.

mod faults;
mod sink;
mod source;

pub use faults::{Fault, Faults};
pub use sink::FaultySink;
pub use source::FaultySource;
