//! The synchronous middle: operators, and the graph they form.
//!
//! An item enters at a source and is pushed depth-first through operators until it lands in the sinks' queues. Nothing here waits,
//! reads a clock or does I/O: the pump hands in the time, and back-pressure is a number. So the whole layer is deterministic.

#[doc(hidden)]
pub mod bench;
mod describe;
mod downstream;
mod input;
mod item;
mod join;
mod node;
mod operator;
mod regions;
mod stage;
mod stream;
mod tee;
mod wiring;

pub use describe::{Graph, GraphNode, NodeCounts};
pub use input::{Input, Taken};
pub use item::Item;
pub use join::Either;
pub use operator::{Holds, Operator, Output};
pub use stream::{Branch, Stream};

pub(crate) use describe::{Meeting, sorted};
pub(crate) use downstream::{Downstream, Ending, Status, Turn, earliest};
pub(crate) use input::InputState;
pub(crate) use node::{AnyNode, Count, Info, Meter, Node, already_used};
pub(crate) use regions::{Crossing, regions};
#[cfg(test)]
pub(crate) use stage::Stage;
pub(crate) use stream::{BatchingOverride, SinkEnd};
pub(crate) use wiring::Wiring;
