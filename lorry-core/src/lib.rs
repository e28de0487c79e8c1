#![doc = include_str!("../README.md")]

mod error;
#[cfg(feature = "jq")]
pub mod expr;
pub mod flow;
pub mod message;
pub mod ops;
pub mod registry;
pub mod relay;
mod sync;
mod template;
#[cfg(feature = "tls")]
pub mod tls;

pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use error::{Class, Error, ErrorKind, Result, did_you_mean};
pub use message::{Address, Headers, Message, Meta, Properties, Timestamp, Value};
pub use relay::{Backoff, Next, Retry};
pub use template::Template;
