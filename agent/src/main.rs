//! The `eaves` command.

fn main() {}
