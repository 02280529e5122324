//! Ring bytes → [`Record`].
//!
//! In: the bytes of one record as the kernel wrote them, live or from a capture file. Out: a
//! [`Record`] that borrows its payload. It does not order, join or judge.

mod decode;
mod file;
mod replay;

use std::io;
use std::time::Duration;

pub use decode::{ConnOpen, Data, DecodeError, Ended, Record, decode};
pub use file::{FileError, Origin, RECORD_MAX_BYTES, Reader, Writer};
pub use replay::Replay;

/// Where records come from: the kernel's ring, or a capture file.
pub trait Source {
    /// Waits at most `wait` for records, then hands each that is ready to `each`, in order.
    ///
    /// How many there were; `None` at the end of a source that has one.
    ///
    /// # Errors
    /// What the source could not read. It may be called again.
    fn read(&mut self, wait: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>>;
}
