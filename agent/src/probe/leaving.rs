//! How programs and probes come off: apart, one after the other, and all before the process ends.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use crate::guard;

/// Takes off what it is given: programs, or probes of theirs.
pub(super) type Off = Sender<Box<dyn Send>>;

/// A thread that takes off what it is given. Probes in processes come off one by one, each after the kernel's
/// grace period: that takes seconds, and what the ring holds is not to wait for it. It is begun before it is
/// needed, as who hears begins no threads.
pub(super) struct Leaving {
    off: Option<Off>,
    thread: Option<JoinHandle<()>>,
}

impl Leaving {
    /// Begins the thread.
    ///
    /// # Errors
    /// There is none to be had.
    pub(super) fn begin() -> io::Result<Self> {
        let (off, given) = channel::<Box<dyn Send>>();
        let take = guard::keeping([guard::Need::Detach], move || given.iter().for_each(drop));
        let thread = thread::Builder::new().name("eaves-off".into());
        Ok(Self {
            thread: Some(thread.spawn(take)?),
            off: Some(off),
        })
    }

    /// Where it is given something.
    pub(super) fn off(&self) -> Option<Off> {
        self.off.clone()
    }
}

impl Drop for Leaving {
    /// Waits until all is off: a process that ends meanwhile breaks one off in the middle, and the kernel
    /// leaves its breakpoint where it was (`uprobe_write_opcode` gives up at a signal that kills).
    fn drop(&mut self) {
        drop(self.off.take());
        if let Some(thread) = self.thread.take() {
            // It says itself what went wrong.
            let _ = thread.join();
        }
    }
}
