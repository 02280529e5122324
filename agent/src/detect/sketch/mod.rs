//! What is learnt in little room, each with its error: distinct values, heavy hitters, quantiles,
//! what is usual at this hour of the week, and whether two shares differ.

mod baseline;
mod distinct;
mod heavy;
mod quantiles;
mod share;

pub(super) use baseline::Usual;
pub(super) use distinct::Distinct;
pub(super) use heavy::Heavy;
pub(super) use quantiles::Quantiles;
pub(super) use share::rose;
