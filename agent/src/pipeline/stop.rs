//! What the world asks of a running pipeline: set by signals, read by its threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Change, Refusal};

/// Requests to a running pipeline.
#[derive(Debug, Default)]
pub struct Requests {
    stop: AtomicBool,
    reopen: AtomicBool,
    change: Slot<Box<Change>>,
    refusal: Slot<Refusal>,
}

/// Holds the last that was put in; looking into an empty one costs a load.
#[derive(Debug)]
struct Slot<T> {
    full: AtomicBool,
    value: Mutex<Option<T>>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            full: AtomicBool::new(false),
            value: Mutex::new(None),
        }
    }
}

impl<T> Slot<T> {
    fn put(&self, value: T) {
        let mut slot = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(value);
        self.full.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<T> {
        if !self.full.load(Ordering::Acquire) {
            return None;
        }
        let mut slot = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        self.full.store(false, Ordering::Release);
        slot.take()
    }
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

    /// Asks for another configuration.
    pub fn change(&self, change: Change) {
        self.change.put(Box::new(change));
    }

    /// The configuration that was asked for since the last call.
    pub(super) fn take_change(&self) -> Option<Box<Change>> {
        self.change.take()
    }

    /// Tells that a configuration was read and is not to be in force.
    pub fn refuse(&self, refusal: Refusal) {
        self.refusal.put(refusal);
    }

    /// What was refused since the last call.
    pub(super) fn take_refusal(&self) -> Option<Refusal> {
        self.refusal.take()
    }
}
