//! Counts over the last so many seconds of event time.

use serde::{Deserialize, Serialize};

/// Parts of a window.
const PARTS: usize = 10;

/// How many there were in the last so many seconds.
///
/// A ring of ten parts, so what leaves does so a tenth of the window at a time: what is counted came
/// in the last 90 to 100 % of the window. One that comes late counts in its part, if that is still
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// Which part of time the newest is.
    newest: u32,
    parts: [u32; PARTS],
}

impl Counts {
    /// Counts `n` at `now_s`; how many there are in the `window_s` seconds up to the newest.
    pub(super) fn add(&mut self, now_s: u32, n: u32, window_s: u32) -> u64 {
        let part = self.advance(now_s, window_s);
        let age = self.newest.saturating_sub(part) as usize;
        if age < PARTS
            && let Some(count) = self.parts.get_mut(part as usize % PARTS)
        {
            *count = count.saturating_add(n);
        }
        self.total()
    }

    /// How many there are in the `window_s` seconds up to `now_s`.
    pub(super) fn at(&self, now_s: u32, window_s: u32) -> u64 {
        let mut copy = *self;
        copy.advance(now_s, window_s);
        copy.total()
    }

    /// Moves on to the part of `now_s`, and says which it is.
    fn advance(&mut self, now_s: u32, window_s: u32) -> u32 {
        let part = now_s / (window_s / PARTS as u32).max(1);
        if part > self.newest {
            let gone = (part - self.newest).min(PARTS as u32);
            for step in 0..gone {
                if let Some(count) = self.parts.get_mut((part - step) as usize % PARTS) {
                    *count = 0;
                }
            }
            self.newest = part;
        }
        part
    }

    /// All of them.
    pub(super) fn total(&self) -> u64 {
        self.parts.iter().map(|count| u64::from(*count)).sum()
    }
}

/// Most distinct values that are told apart.
const RECENT_MAX: usize = 256;

/// Which distinct values there were in the last so many seconds.
///
/// Exact up to 256 values, beyond that the 256 newest; two values are taken for one with a
/// probability of 2⁻³² a pair. Holds what was seen of it and no more, so a key that is seen once
/// costs one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recent {
    /// Half of the hash, and when it was last seen; not in order.
    values: Vec<(u32, u32)>,
}

impl Recent {
    /// Sees `value` at `now_s`; how many distinct ones there are in the `window_s` seconds before.
    pub(super) fn add(&mut self, value: u64, now_s: u32, window_s: u32) -> u64 {
        self.see(value, now_s, window_s);
        self.values.len() as u64
    }

    /// Sees `value`; whether it is one that was not there.
    pub(super) fn see(&mut self, value: u64, now_s: u32, window_s: u32) -> bool {
        let value = (value >> 32) as u32;
        let known = self.values.iter_mut().find(|(seen, _)| *seen == value);
        if let Some((_, at)) = known {
            let fresh = at.saturating_add(window_s) >= now_s;
            *at = (*at).max(now_s);
            if fresh {
                return false;
            }
            return true;
        }
        self.expire(now_s, window_s);
        if self.values.len() >= RECENT_MAX
            && let Some(oldest) = self
                .values
                .iter()
                .enumerate()
                .min_by_key(|(_, (_, at))| *at)
        {
            let oldest = oldest.0;
            self.values.swap_remove(oldest);
        }
        self.values.push((value, now_s));
        true
    }

    /// Whether `value` was seen in the `window_s` seconds before `now_s`.
    pub(super) fn has(&self, value: u64, now_s: u32, window_s: u32) -> bool {
        let value = (value >> 32) as u32;
        let fresh = |at: u32| at.saturating_add(window_s) >= now_s;
        self.values
            .iter()
            .any(|(seen, at)| *seen == value && fresh(*at))
    }

    /// How many distinct values there are in the `window_s` seconds before `now_s`.
    pub(super) fn count(&self, now_s: u32, window_s: u32) -> u64 {
        let fresh = |(_, at): &&(u32, u32)| at.saturating_add(window_s) >= now_s;
        self.values.iter().filter(fresh).count() as u64
    }

    fn expire(&mut self, now_s: u32, window_s: u32) {
        self.values
            .retain(|(_, at)| at.saturating_add(window_s) >= now_s);
    }

    /// Gives all it holds to `other`, which forgets nothing for age.
    pub(super) fn pour(self, other: &mut Self, now_s: u32) {
        for (value, _) in self.values {
            other.see(u64::from(value) << 32, now_s, u32::MAX);
        }
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.values.clear();
    }

    /// How many values are held.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}

/// A rate that is allowed, with a burst (GCRA, ITU-T I.371): one number a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rate {
    /// When all that came would have come at the allowed rate, ms since 1970.
    owed_ms: u64,
}

impl Rate {
    /// One more at `now_ms`; by how many it is beyond `per_s` with a burst of `burst`, 0 if it is not.
    pub(super) fn add(&mut self, now_ms: u64, per_s: f64, burst: u32) -> u64 {
        let each_ms = (1000.0 / per_s.max(0.001)) as u64;
        self.owed_ms = self.owed_ms.max(now_ms).saturating_add(each_ms);
        let ahead_ms = self.owed_ms.saturating_sub(now_ms);
        let allowed_ms = each_ms.saturating_mul(u64::from(burst));
        ahead_ms.saturating_sub(allowed_ms).div_ceil(each_ms.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, RECENT_MAX, Rate, Recent};

    /// Counts one at each second of `seconds` with a window of 100 s.
    #[track_caller]
    fn check(seconds: &[u32], expected: u64) {
        let mut counts = Counts::default();
        let mut last = 0;
        for second in seconds {
            last = counts.add(*second, 1, 100);
        }
        assert_eq!(last, expected, "{seconds:?}");
    }

    #[test]
    fn what_is_older_than_the_window_is_gone() {
        check(&[1000, 1001, 1099], 3);
        check(&[1000, 1001, 1100], 1);
        check(&[1000, 1015, 1100], 2);
        check(&[1000, 5000], 1);
    }

    #[test]
    fn what_comes_late_counts_where_it_belongs() {
        check(&[1099, 1000, 1098], 3);
        check(&[1100, 1000], 1);
        let mut counts = Counts::default();
        counts.add(1000, 5, 100);
        assert_eq!(counts.at(1090, 100), 5);
        assert_eq!(counts.at(1100, 100), 0);
    }

    #[test]
    fn values_count_once_while_they_are_recent() {
        let mut recent = Recent::default();
        let value = |n: u64| n << 40;
        assert_eq!(recent.add(value(1), 10, 60), 1);
        assert_eq!(recent.add(value(1), 20, 60), 1);
        assert_eq!(recent.add(value(2), 30, 60), 2);
        assert_eq!(recent.add(value(3), 85, 60), 2);
        assert!(recent.has(value(2), 85, 60) && !recent.has(value(1), 85, 60));
        for n in 0..20_000 {
            recent.add(value(n), 90, 60);
        }
        assert_eq!(recent.len(), RECENT_MAX);
        assert!(recent.values.capacity() <= 2 * RECENT_MAX);
    }

    #[test]
    fn a_rate_allows_its_burst_and_no_more() {
        let mut rate = Rate::default();
        let over = |rate: &mut Rate, now_ms| rate.add(now_ms, 10.0, 50);
        for _ in 0..50 {
            assert_eq!(over(&mut rate, 1000), 0);
        }
        assert_eq!(over(&mut rate, 1000), 1);
        assert_eq!(over(&mut rate, 1000), 2);
        // Two seconds later twenty more may come.
        for n in 0..20 {
            assert!(over(&mut rate, 3000) <= 2, "{n}");
        }
        let mut steady = Rate::default();
        assert!((0..10_000).all(|n| over(&mut steady, n * 100) == 0));
    }
}
