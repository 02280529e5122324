//! What the world asks of a running pipeline: set by signals, read by its threads.

use std::sync::atomic::{AtomicBool, Ordering};

/// Requests to a running pipeline.
#[derive(Debug, Default)]
pub struct Requests {
    stop: AtomicBool,
    reopen: AtomicBool,
}

impl Requests {
    /// Asks for an orderly stop: hear no more, pass on what was heard, end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Asks the outputs to open their files anew.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// Whether that was asked since the last call.
    pub fn take_reopen(&self) -> bool {
        self.reopen.swap(false, Ordering::AcqRel)
    }
}
