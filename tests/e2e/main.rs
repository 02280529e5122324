//! Tests that need no root.
#![cfg(test)]

mod peers;
