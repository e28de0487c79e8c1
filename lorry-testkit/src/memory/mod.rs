//! A source and a sink in memory, which record what is done with them and can be told how to behave.

mod sink;
mod source;

pub use sink::{Answer, MemorySink, Store};
pub use source::{MemorySource, Origin};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks whether or not a test has panicked meanwhile.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
