//! The operators, one file each: the operator, its method on [`Stream`](crate::Stream), its rule for tokens.

mod batch;
mod filter;
mod flat_map;
mod map;
mod try_map;

pub use batch::Batch;
pub use filter::Filter;
pub use flat_map::FlatMap;
pub use map::Map;
pub use try_map::TryMap;

use crate::registry::Registry;

/// Adds the operators that launch text knows.
pub(crate) fn register(_registry: &mut Registry) {}
