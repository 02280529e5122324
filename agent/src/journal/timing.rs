//! When what is due.

use std::time::Duration;

use crate::clock::{Ktime, Moment};

/// How far date and steady clock may part between two looks, ns, before the clock was set.
const SET_NS: u64 = 5_000_000_000;

/// How long the date must have gone on steadily before anything is deleted by its age: a clock
/// that wakes up in another year must not cost the journal.
const TRUST_AFTER: Duration = Duration::from_secs(3600);

/// How often free room is looked for.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// `period` in nanoseconds.
pub(super) fn ns(period: Duration) -> u64 {
    u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)
}

/// What was last done when.
#[derive(Debug)]
pub(super) struct Timing {
    last: Moment,
    steady_since: Ktime,
    measured: Option<Ktime>,
    checkpoint: Ktime,
    finding: Option<Ktime>,
    /// When the first link was written that no sync was asked for.
    unsynced: Option<Ktime>,
}

impl Timing {
    /// Begins now.
    pub(super) const fn begin(now: Moment) -> Self {
        Self {
            last: now,
            steady_since: now.steady,
            measured: None,
            checkpoint: now.steady,
            finding: None,
            unsynced: None,
        }
    }

    /// Takes note of the time: by how much the clock was set since the last call, if it was.
    pub(super) fn passed(&mut self, now: Moment) -> Option<i64> {
        let steady = now.steady.since(self.last.steady);
        let expected = self.last.date.0.saturating_add(steady);
        self.last = now;
        if now.date.0.abs_diff(expected) <= SET_NS {
            return None;
        }
        self.steady_since = now.steady;
        let by = i128::from(now.date.0) - i128::from(expected);
        Some(i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Whether the date can be believed so far that something is deleted for it.
    pub(super) fn date_is_trusted(&self) -> bool {
        self.last.steady.since(self.steady_since) >= ns(TRUST_AFTER)
    }

    /// Whether free room is to be looked for; it is taken to be then.
    pub(super) fn measure_is_due(&mut self, now: Ktime) -> bool {
        let due = self
            .measured
            .is_none_or(|then| now.since(then) >= ns(MEASURE_EVERY));
        if due {
            self.measured = Some(now);
        }
        due
    }

    pub(super) fn checkpoint_is_due(&self, now: Ktime, every: Duration) -> bool {
        now.since(self.checkpoint) >= ns(every)
    }

    pub(super) const fn checkpointed(&mut self, now: Ktime) {
        self.checkpoint = now;
    }

    pub(super) fn finding_is_due(&self, now: Ktime, every: Duration) -> bool {
        self.finding.is_none_or(|then| now.since(then) >= ns(every))
    }

    pub(super) const fn finding_closed(&mut self, now: Ktime) {
        self.finding = Some(now);
    }

    /// A link was written.
    pub(super) fn written(&mut self, now: Ktime) {
        self.unsynced.get_or_insert(now);
    }

    /// A sync of all that is written was asked for.
    pub(super) const fn sync_asked(&mut self) {
        self.unsynced = None;
    }

    /// Whether what is written must be synced now to be so within `period`: a quarter is left to
    /// the disk.
    pub(super) fn sync_is_due(&self, now: Ktime, period: Duration) -> bool {
        let soon = ns(period) / 4 * 3;
        self.unsynced.is_some_and(|then| now.since(then) >= soon)
    }
}
