//! The operators, one file each: the operator, its method on [`Stream`](crate::Stream), its rule for tokens, what it holds.
//!
//! | to | there is |
//! |---|---|
//! | change items | `map`, `try_map`, `map_async`, `starmap`, `pluck`, `scan`, `accumulate`, `enumerate`, `decode_json`, `encode_json` |
//! | leave some out | `filter`, `remove`, `slice`, `unique`, `latest` |
//! | make several of one | `flat_map`, `flatten` |
//! | make one of several | `batch`, `partition`, `partition_unique`, `sliding_window`, `collect`, `frequencies` |
//! | say something about many | `aggregate`, `aggregate_batches`, `aggregate_by`, `aggregate_each` |
//! | go by the clock | `timed_window`, `timed_window_unique`, `delay`, `rate_limit`, `buffer` |
//! | go by the time in the data | `tumbling_window`, `session_window` |
//! | branch and join | `tee`, `zip`, `combine_latest`, `zip_latest`, `union`, `partition_by` |
//! | end in the program | `sink`, `try_sink`, `async_sink`, `collect_vec` |
//!
//! Sizes, limits and intervals that make no sense (a batch of nothing, a window of no length) are taken as the nearest that do; each
//! constructor says which.

pub mod aggregate;
mod batch;
mod buffer;
mod collect;
mod collect_vec;
mod combine_latest;
mod combine_latest_all;
mod delay;
mod elements;
mod event_time;
mod filter;
#[cfg(feature = "jq")]
mod filter_expr;
mod flat_map;
mod flatten;
mod frequencies;
mod gather;
#[cfg(test)]
mod holding;
mod interval;
mod json;
mod latest;
mod map;
mod map_async;
#[cfg(feature = "jq")]
mod map_expr;
mod ordered;
mod partition;
mod partition_by;
mod partition_unique;
mod pluck;
mod rate_limit;
mod remove;
mod scan;
mod session_window;
mod sink;
mod slice;
mod sliding_window;
mod starmap;
#[cfg(test)]
mod testing;
mod timed_window;
mod timed_window_unique;
mod try_map;
mod tumbling_window;
mod union;
mod unique;
mod zip;
mod zip_all;
mod zip_latest;
mod zip_latest_all;

pub use batch::Batch;
pub use buffer::Buffer;
pub use collect::{Collect, Flush};
pub use collect_vec::Collected;
pub use combine_latest::{CombineLatest, EmitOn};
pub use combine_latest_all::CombineLatestAll;
pub use delay::Delay;
pub use event_time::Window;
pub use filter::Filter;
#[cfg(feature = "jq")]
pub use filter_expr::FilterExpr;
pub use flat_map::FlatMap;
pub use frequencies::Frequencies;
pub use gather::gather;
pub use latest::Latest;
pub use map::Map;
#[cfg(feature = "jq")]
pub use map_expr::MapExpr;
pub use partition::Partition;
pub use partition_unique::{Keep, PartitionUnique};
pub use pluck::Pick;
pub use rate_limit::RateLimit;
pub use scan::{Scan, TryScan};
pub use session_window::SessionWindow;
pub use slice::Slice;
pub use sliding_window::SlidingWindow;
pub use timed_window::TimedWindow;
pub use timed_window_unique::TimedWindowUnique;
pub use try_map::TryMap;
pub use tumbling_window::TumblingWindow;
pub use union::Union;
pub use unique::Unique;
pub use zip::Zip;
pub use zip_all::ZipAll;
pub use zip_latest::ZipLatest;
pub use zip_latest_all::ZipLatestAll;

use crate::registry::Registry;

/// Adds the operators that launch text knows.
pub(crate) fn register(registry: &mut Registry) {
    elements::register(registry);
}
