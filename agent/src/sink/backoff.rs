//! When to try again.

use crate::clock::WallTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Longest wait between two attempts, seconds.
const LONGEST_S: u64 = 30;

/// Waits one second after a failure, then two, four, and so on up to [`LONGEST_S`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    since: WallTime,
}

impl Backoff {
    /// Whether an attempt is due. A clock that was set back does not prolong the wait.
    pub(super) fn is_due(&self, now: WallTime) -> bool {
        let waited = now.0.abs_diff(self.since.0);
        self.failures == 0 || waited >= self.wait_s() * SECOND_NS
    }

    fn wait_s(&self) -> u64 {
        let doublings = self.failures.saturating_sub(1).min(10);
        (1 << doublings).min(LONGEST_S)
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, now: WallTime) {
        self.failures = self.failures.saturating_add(1);
        self.since = now;
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use crate::clock::WallTime;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let mut now = 1_000;
        assert!(backoff.is_due(WallTime(now)));
        for wait_s in [1, 2, 4, 8, 16, 30, 30, 30] {
            backoff.failed(WallTime(now));
            now += wait_s * 1_000_000_000;
            assert!(!backoff.is_due(WallTime(now - 1)), "{wait_s}");
            assert!(backoff.is_due(WallTime(now)), "{wait_s}");
        }
        backoff.succeeded();
        assert!(backoff.is_due(WallTime(0)));
    }

    #[test]
    fn it_never_waits_for_ever() {
        let mut backoff = Backoff::default();
        for _ in 0..200 {
            backoff.failed(WallTime(u64::MAX));
        }
        assert!(backoff.is_due(WallTime(0)));
    }
}
