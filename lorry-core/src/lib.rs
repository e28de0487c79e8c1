#![doc = include_str!("../README.md")]

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
