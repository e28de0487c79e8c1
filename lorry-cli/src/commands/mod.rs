//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod completions;
#[cfg_attr(not(all(feature = "mqtt", feature = "sqlite")), path = "demo/missing.rs")]
pub(crate) mod demo;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod launch;
pub(crate) mod man;
pub(crate) mod publish;
pub(crate) mod relay;
