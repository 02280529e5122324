//! pipeline

mod shard;

pub use shard::{Options, Outcome, Shard};
