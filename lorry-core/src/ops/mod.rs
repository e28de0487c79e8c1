//! The operators.

use crate::registry::Registry;

/// Adds the operators of this crate.
pub(crate) fn register(_registry: &mut Registry) {}
