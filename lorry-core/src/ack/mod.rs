//! Acknowledgement: tokens that ride on the items, and the ledger that turns their outcomes into what a source may settle.
//!
//! A source's chunk becomes a [`Run`](run::Run): one slot per item, one allocation for all of them. A [`Token`] is (run, index). The
//! run's own reference count *is* its completion counter: when the last token is gone, the run reports to its [`Lane`](lane::Lane),
//! once, whatever the number of items.

mod group;
mod lane;
mod ledger;
mod run;
mod tally;
mod token;
mod weight;

pub use token::{Outcome, Token};

pub(crate) use lane::Lane;
pub(crate) use ledger::{Bound, Doubt, Full, Ledger};
pub(crate) use run::{Completion, OnRejected, Run};
pub(crate) use tally::Tally;
pub(crate) use weight::Weight;

#[cfg(test)]
mod tests;
