//! Callers and routes that detectors pass over, because somebody has allowed them.
//!
//! What is suppressed is counted and not told; what is allowed is not even counted or learnt from, so
//! that a scanner of one's own neither raises anything nor teaches what is usual.

use super::facts::Facts;
use super::options::Exempt;
use super::row::Id;

const _: () = assert!(Id::ALL.len() < u64::BITS as usize);

/// The detectors that pass over one exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed(u64);

impl Allowed {
    /// Those that `entries` name for the exchange of `facts`; an entry that names none is for all.
    pub(super) fn of(entries: &[Exempt], facts: &Facts<'_>) -> Self {
        let mut allowed = Self::default();
        for entry in entries.iter().filter(|entry| entry.fits(facts)) {
            if entry.detectors.is_empty() {
                return Self(u64::MAX);
            }
            let named = entry.detectors.iter().filter_map(|name| name.parse().ok());
            named.for_each(|id: Id| allowed.0 |= 1 << id as u64);
        }
        allowed
    }

    /// Whether nothing looks at it.
    pub(super) const fn is_all(self) -> bool {
        self.0 == u64::MAX
    }

    /// Whether `id` does not look at it.
    pub(super) const fn has(self, id: Id) -> bool {
        self.0 & 1 << id as u64 != 0
    }
}

/// Whether the rule `name` passes over the exchange of `facts`.
pub(super) fn allows(entries: &[Exempt], name: &str, facts: &Facts<'_>) -> bool {
    let named = |entry: &&Exempt| {
        entry.detectors.is_empty() || entry.detectors.iter().any(|one| one == name)
    };
    entries.iter().filter(named).any(|entry| entry.fits(facts))
}
