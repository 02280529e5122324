//! HTTP/2 (RFC 9113), passive: what the client sends by one [`Parser`], what the server sends by
//! another.
//!
//! Feed it with [`Parser::step`] until it says [`Step::More`], tell it of bytes that never came with
//! [`Parser::gap`]. Frames that steer the conn (priorities, windows, pings) pass by. After a loss
//! that hid where a frame begins it waits for transfers that begin with frames which follow on each
//! other: bytes in a body that look like a frame begin none. Header fields that refer to what was
//! lost are left out, never guessed.

mod block;
mod frame;
mod gather;
mod hpack;
mod late;
mod parser;
mod seek;
mod step;

pub use block::Block;
pub use late::{Came, Late};
pub use parser::Parser;
pub use seek::{Evidence, evidence};
pub use step::Step;
