//! The operators, one file each: the operator, its method on [`Stream`](crate::Stream), its rule for tokens.

mod batch;
#[cfg(feature = "jq")]
mod elements;
mod filter;
#[cfg(feature = "jq")]
mod filter_expr;
mod flat_map;
mod json;
mod map;
#[cfg(feature = "jq")]
mod map_expr;
mod try_map;

pub use batch::Batch;
pub use filter::Filter;
#[cfg(feature = "jq")]
pub use filter_expr::FilterExpr;
pub use flat_map::FlatMap;
pub use map::Map;
#[cfg(feature = "jq")]
pub use map_expr::MapExpr;
pub use try_map::TryMap;

use crate::registry::Registry;

/// Adds the operators that launch text knows.
#[cfg_attr(not(feature = "jq"), allow(unused_variables))]
pub(crate) fn register(registry: &mut Registry) {
    #[cfg(feature = "jq")]
    elements::register(registry);
}
