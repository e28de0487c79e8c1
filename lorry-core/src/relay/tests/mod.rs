//! The relay as a whole, on virtual time.
#![allow(clippy::unwrap_used, clippy::panic)]

mod ends;
mod failures;
mod flow;
mod inputs;
mod lost;
mod operators;
mod positions;
mod replay;
mod script;
