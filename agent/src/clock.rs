//! Time: what the kernel counts, and dates.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ktime(pub u64);

impl Ktime {
    /// The kernel's clock, now.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        let [seconds, ns] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to this; 0 if it is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This plus `ns` nanoseconds.
    #[must_use]
    pub const fn plus(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// A date: nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub u64);

impl WallTime {
    /// The system's clock, now; 1970 if it stands before.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The date at which the host booted: turns a [`Ktime`] into a [`WallTime`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootTime(pub WallTime);

impl BootTime {
    /// The date of `time`.
    #[must_use]
    pub const fn date(self, time: Ktime) -> WallTime {
        WallTime(self.0.0.saturating_add(time.0))
    }
}

/// One moment by both clocks: dates may jump, waits must not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What waits are measured by.
    pub steady: Ktime,
    /// What is written down.
    pub date: WallTime,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            steady: Ktime::now(),
            date: WallTime::now(),
        }
    }
}
