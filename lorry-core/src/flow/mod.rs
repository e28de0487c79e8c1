//! The synchronous middle.

/// An operator.
pub trait Operator<I, O = I>: Send {}
