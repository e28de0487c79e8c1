#![doc = include_str!("../README.md")]

pub mod codec;
pub mod packet;
pub mod topic;
