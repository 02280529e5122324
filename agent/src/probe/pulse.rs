//! A transfer of our own, now and then, which the taps pass over and count.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// Two sockets that talk to each other.
#[derive(Debug)]
pub(super) struct Pulse {
    from: UnixStream,
    to: UnixStream,
}

impl Pulse {
    /// # Errors
    /// The system gives no sockets.
    pub(super) fn new() -> io::Result<Self> {
        let (from, to) = UnixStream::pair()?;
        from.set_nonblocking(true)?;
        to.set_nonblocking(true)?;
        Ok(Self { from, to })
    }

    /// One byte there: as long as the taps work they count it.
    pub(super) fn beat(&mut self) {
        // One byte at a time always has room, and is there at once.
        let _ = self.from.write(&[0]);
        let _ = self.to.read(&mut [0; 8]);
    }
}
