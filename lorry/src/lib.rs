#![doc = include_str!("../README.md")]

pub use lorry_core::*;
