//! The `lorry` program.

fn main() {}
