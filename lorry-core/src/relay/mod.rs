//! The relay: sources, the pump that drives the graph, sinks; and the contracts of what stands at its edges.

mod builder;
mod context;
mod control;
mod count;
mod drive_sink;
mod drive_source;
mod outlet;
mod pending;
mod policy;
mod position;
mod pump;
mod queue;
mod records;
mod report;
mod resend;
mod retry;
mod running;
mod share;
mod sink;
mod sink_node;
mod source;
mod stall;
mod state;

pub use builder::Relay;
pub use context::{Context, Identity, State, Status};
pub use policy::OnError;
pub use position::{LaneId, LaneKey, Position, Positions};
pub use report::{Report, Snapshot};
pub use retry::{Backoff, Next, Retry, Startup};
pub use running::{Monitor, Running, Stopper};
pub use sink::{Batch, Failure, Failures, Limits, Receipt, Sink, SinkInfo};
pub use source::{At, Chunk, Event, Guarantee, Settled, Settlement, Source, SourceInfo, Verdict};
pub use state::{DirState, MemoryState, StateStore};

pub(crate) use control::{Control, Settings};
pub(crate) use drive_source::source_node;
pub(crate) use outlet::{Outlet, Staging};
pub(crate) use pump::{Feed, Root};
pub(crate) use queue::Queue;
pub(crate) use running::Task;
pub(crate) use sink_node::SinkNode;

#[cfg(test)]
mod tests;
