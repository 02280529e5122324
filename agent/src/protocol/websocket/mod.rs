//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), passive: what each end sends by one
//! [`Reader`].
//!
//! In: the bytes behind the handshake, in HTTP/2 those of the stream's DATA, and what of them is
//! missing. Out: how many messages and bytes went, how the sender closed, and of messages within a
//! budget a [`Sample`]: unmasked, put together, decompressed. After a loss that hid where a frame
//! begins, boundaries are found again where transfers begin, over several frames; how many messages
//! went by is unknown from then on. What was compressed against bytes that never came is not decoded.

mod deflate;
mod frame;
mod handshake;
mod late;
mod reader;
mod sample;
mod seek;
mod within;

pub use handshake::{Deflate, Extensions, accepts};
pub use late::Late;
pub use reader::Reader;
pub use sample::{Coded, Opcode, Sample, Samples, To};
pub use seek::Kept;
pub use within::{Found, Within};

#[cfg(test)]
mod tests;
