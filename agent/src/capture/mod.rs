//! Ring bytes → [`Record`].
//!
//! In: the bytes of one record as the kernel wrote them, live or from a capture file. Out: a
//! [`Record`] that borrows its payload. It does not order, join or judge.

mod build;
mod decode;
mod file;
mod kernel;
mod replay;

use std::io;
use std::time::Duration;

use eaves_common::{ConnId, Flow};

use crate::clock::Ktime;

#[doc(hidden)]
pub use build::ConnBuilder;
pub use decode::{Act, ConnOpen, Data, DecodeError, Deed, Ended, Hello, Record, decode};
pub use file::{FileError, Origin, RECORD_MAX_BYTES, Reader, Writer};
pub use kernel::KernelCounters;
pub use replay::Replay;

/// How full the ring between kernel and agent was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingFill {
    /// Most bytes that were found in it at once since this was last asked, up to what one visit takes.
    pub most_bytes: u64,
    /// Its size, bytes.
    pub size_bytes: u64,
}

/// Where records come from: the kernel's ring, or a capture file.
pub trait Source {
    /// Waits at most `wait` for records, then hands each that is ready to `each`, in order.
    ///
    /// How many there were; `None` at the end of a source that has one.
    ///
    /// # Errors
    /// What the source could not read. It may be called again.
    fn read(&mut self, wait: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>>;

    /// The time, where records come as they happen; `None` where only they know it.
    fn now(&self) -> Option<Ktime> {
        None
    }

    /// Says that bytes of `flow` before the position `until` need not be copied.
    fn skip(&mut self, _conn: ConnId, _flow: Flow, _until: u64) {}

    /// Says that a conn is not, or no longer, HTTP.
    fn not_http(&mut self, _conn: ConnId) {}

    /// Says that a conn is not known, or no longer: it is to be announced before its next bytes.
    fn unknown(&mut self, _conn: ConnId) {}

    /// Hears no more from here on. What was heard before can still be read.
    fn close(&mut self) {}

    /// How full the ring was, if there is one.
    fn ring_fill(&mut self) -> Option<RingFill> {
        None
    }

    /// What the kernel side counted, if there is one.
    fn kernel_counters(&mut self) -> Option<KernelCounters> {
        None
    }
}
