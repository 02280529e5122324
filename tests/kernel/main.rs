//! Tests that need root and BTF.

fn main() {}
