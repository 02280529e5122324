//! HTTP/1.0 and HTTP/1.1 (RFC 9112), passive: requests by one [`Parser`], responses by another.
//!
//! Feed it with [`Parser::step`] until it says [`Step::More`], tell it of bytes that never came
//! with [`Parser::gap`], of the end with [`Parser::end`]. After a loss that hid the framing it waits
//! for a whole and faultless head at the start of a transfer: bytes in a body that look like a head
//! do not begin a message.

mod begin;
mod chunked;
mod framing;
mod head;
mod lenient;
mod long;
mod parser;
mod proxy;
mod step;
#[cfg(test)]
mod tests;

pub use framing::Framing;
pub use parser::Parser;
pub use step::{Asked, Ending, Limits, Message, Place, Side, Step};
