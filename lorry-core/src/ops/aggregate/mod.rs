//! Aggregations: numbers about many items, kept up to date as items come and go.
//!
//! | emitted | by | token rule | holds |
//! |---|---|---|---|
//! | with each item | [`Stream::aggregate`](crate::Stream::aggregate) over the whole stream, the last items or the last time | passed on | nothing |
//! | with each vector of items | [`Stream::aggregate_batches`](crate::Stream::aggregate_batches) | passed on | nothing |
//! | with each item, for its group alone | [`Stream::aggregate_by`](crate::Stream::aggregate_by) | passed on | nothing |
//! | once for each window | [`Stream::aggregate_each`](crate::Stream::aggregate_each) of so many items, of an interval, of the whole stream | joined | the window |
//!
//! For windows by the time in the data, and for sessions, there is [`Aggregate::of_all`]:
//!
//! ```
//! # use lorry_core::{Stream, Timestamp, ops::aggregate::{Aggregate, Mean}};
//! # use std::time::Duration;
//! # struct Reading { at: Timestamp, celsius: f64 }
//! let (_input, readings) = Stream::<Reading>::input();
//! let mean = Mean::new().of(|reading: &Reading| reading.celsius);
//! let _minutes = readings
//!     .tumbling_window(Duration::from_secs(60), |reading| reading.at)
//!     .map(move |window| (window.start, mean.of_all(&window.items)));
//! ```
//!
//! What is computed is one of [`Sum`], [`Count`], [`Mean`], [`Min`], [`Max`], [`Var`], [`Std`], [`ValueCounts`], [`EwMean`], [`First`],
//! [`Last`], [`Quantiles`], your own [`Aggregate`], a tuple or a vector of them in one pass; of a part of the item with
//! [`of`](Aggregate::of), for each group with [`by`](Aggregate::by).
//!
//! # What a restart forgets
//!
//! A result is delivered with the item it came with. Items that went into earlier results are not held for the sake of later ones, so
//! after a restart the state is built anew from what comes then. A state that was stored elsewhere goes in with `starting_at`. Where each
//! item must be held until it has left its last window, there is `sliding_window(n).map(move |last| mean.of_all(&last))`.

mod combine;
mod each;
mod ends;
mod ew_mean;
mod extremes;
mod grouped;
mod number;
mod over;
mod quantiles;
mod rolling;
mod running_by;
mod sum;
#[cfg(test)]
mod tests;
mod value_counts;
mod var;

pub(in crate::ops) use over::Following;

pub use combine::{Of, OfSome};
pub use each::{AggregateEach, Every};
pub use ends::{First, Last};
pub use ew_mean::EwMean;
pub use extremes::{Max, Min};
pub use grouped::By;
pub use number::{Compensated, Exact, Number, Total};
pub use over::{AggregateBatches, AggregateItems, Over};
pub use quantiles::Quantiles;
pub use running_by::AggregateBy;
pub use sum::{Count, Mean, Sum};
pub use value_counts::ValueCounts;
pub use var::{Std, Var};

use crate::Result;
use std::hash::Hash;

/// Something that is known about many items, and kept up to date as they come and go. The value itself is the state; where a new state
/// is needed (for a window, for a group), a clone of the one that was given is taken.
///
/// ```
/// use lorry_core::ops::aggregate::Aggregate;
///
/// /// How many bytes.
/// #[derive(Clone, Default)]
/// struct Bytes(usize);
///
/// impl Aggregate<String> for Bytes {
///     type Output = usize;
///
///     fn on_new(&mut self, text: &String) {
///         self.0 += text.len();
///     }
///
///     fn on_old(&mut self, text: &String) -> bool {
///         self.0 -= text.len();
///         true
///     }
///
///     fn result(&self) -> usize {
///         self.0
///     }
/// }
/// # assert_eq!(Bytes::default().of_all(&["a".to_owned(), "bc".to_owned()]), 3);
/// ```
pub trait Aggregate<I>: Clone + Send {
    /// What is known.
    type Output;

    /// Whether [`admit`](Aggregate::admit) ever refuses: then it is asked for each item.
    const LIMITED: bool = false;

    /// Whether it can take this item. It is asked before [`on_new`](Aggregate::on_new); an item that is refused is rejected and changes
    /// nothing.
    ///
    /// # Errors
    /// It would have to remember more than it may.
    fn admit(&self, item: &I) -> Result<()> {
        let _ = item;
        Ok(())
    }

    /// Said once, before the first item, where items will leave again: what [`on_old`](Aggregate::on_old) needs is to be kept. The
    /// window bounds how much that is.
    fn sliding(&mut self) {}

    /// An item has come.
    fn on_new(&mut self, item: &I);

    /// The oldest item has left. False if that cannot be undone, at all or without a loss of accuracy: then the state is of no use, and
    /// is computed anew from the items that are still there.
    fn on_old(&mut self, item: &I) -> bool {
        let _ = item;
        false
    }

    /// What is known now.
    fn result(&self) -> Self::Output;

    /// The same about a part of each item. `part` must find the same part each time.
    fn of<J, F: Fn(&J) -> I>(self, part: F) -> Of<F, Self, I> {
        Of::new(part, self)
    }

    /// The same about a part that not every item has; those without it are left out.
    fn of_some<J, F: Fn(&J) -> Option<I>>(self, part: F) -> OfSome<F, Self, I> {
        OfSome::new(part, self)
    }

    /// The same for each group of items: a table of results by key. `key` must find the same key each time. Groups without items are not
    /// in the table.
    fn by<K: Hash + Eq + Clone, F: Fn(&I) -> K>(self, key: F) -> By<K, F, Self> {
        By::new(key, self)
    }

    /// What is known of these items, from the beginning. Nothing is refused: the slice is the limit.
    fn of_all<'a>(&self, items: impl IntoIterator<Item = &'a I>) -> Self::Output
    where
        I: 'a,
    {
        let mut state = self.clone();
        state.sliding();
        items.into_iter().for_each(|item| state.on_new(item));
        state.result()
    }
}
