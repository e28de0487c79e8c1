//! The SQLite sink on real files.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod failing;
mod tables;
mod values;

use lorry_core::relay::Context;

fn drop_policy() -> Context {
    let mut context = Context::detached("sqlsink0");
    context.stop_on_refusal = false;
    context
}
