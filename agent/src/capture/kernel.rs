//! What the kernel programs counted, and whether it adds up.

use eaves_common::{Counter, DropReason};

/// Every slot of the kernel's counter map, summed over processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelCounters([u64; DropReason::SLOTS as usize]);

impl Default for KernelCounters {
    fn default() -> Self {
        Self([0; DropReason::SLOTS as usize])
    }
}

impl KernelCounters {
    /// Sets what `slot` holds; slots that do not exist are ignored.
    pub fn set(&mut self, slot: u32, count: u64) {
        if let Some(have) = self.0.get_mut(slot as usize) {
            *have = count;
        }
    }

    /// How many `counter` counted.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.slot(counter.slot())
    }

    /// How many transfers were dropped for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.slot(reason.slot())
    }

    /// Transfers dropped, for whatever reason.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        DropReason::ALL
            .iter()
            .map(|reason| self.dropped(*reason))
            .sum()
    }

    fn slot(&self, slot: u32) -> u64 {
        self.0.get(slot as usize).copied().unwrap_or(0)
    }
}
