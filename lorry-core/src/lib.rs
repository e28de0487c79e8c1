#![doc = include_str!("../README.md")]
//!
//! # What is where, in reading order
//!
//! | module | |
//! |---|---|
//! | [`message`] | what connectors speak: payload, key, address, time, properties, headers |
//! | [`flow`] | the synchronous middle: streams, graphs, and the contract of an [`Operator`](flow::Operator) |
//! | [`Token`] | acknowledgement: what may become of an item, and who answers for it |
//! | [`relay`] | the runtime, and the contracts of a [`Source`](relay::Source) and a [`Sink`](relay::Sink) |
//! | [`ops`] | the operators, one file each |
//! | [`registry`] | elements by name and by address, their typed options |
//! | [`launch`] | pipelines as text |
//!
//! Who writes a connector reads the contracts of [`Source`](relay::Source) and [`Sink`](relay::Sink) first; they say who owns a message
//! when, and what may be cancelled where. [`Error`] and its [`Class`] are how elements tell the runtime what to do.

mod ack;
mod error;
#[cfg(feature = "jq")]
pub mod expr;
pub mod flow;
pub mod launch;
pub mod message;
pub mod ops;
pub mod registry;
pub mod relay;
mod sync;
mod template;
#[cfg(feature = "tls")]
pub mod tls;

pub use ack::{Outcome, Token};
pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use error::{Class, Error, ErrorKind, Result, did_you_mean};
pub use flow::{Branch, Input, Stream};
pub use message::{Address, Headers, Message, Meta, Properties, Timestamp, Value};
pub use relay::{Backoff, Next, OnError, Relay, Report, Retry, Running};
pub use template::Template;
