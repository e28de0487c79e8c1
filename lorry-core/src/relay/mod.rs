//! The relay: sources, the pump that drives the graph, sinks; and the contracts of what stands at its edges.

mod context;
mod position;
mod retry;
mod sink;
mod source;
mod state;

pub use context::{Context, Identity, State, Status};
pub use position::{LaneId, LaneKey, Position, Positions};
pub use retry::{Backoff, Next, Retry, Startup};
pub use sink::{Batch, Failure, Failures, Limits, Receipt, Sink, SinkInfo};
pub use source::{At, Chunk, Event, Guarantee, Settled, Settlement, Source, SourceInfo, Verdict};
pub use state::{DirState, MemoryState, StateStore};
