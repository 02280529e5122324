//! Which values there were most of.

use serde::{Deserialize, Serialize};

/// The values there were most of (Space-Saving; Metwally and others, 2005).
///
/// With `K` counters and `n` values in all, a count is too high by at most `n / K`, and every value
/// with more than that is among them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct Heavy<const K: usize> {
    /// Value, its count, and how much of that may be others'.
    counters: Vec<(u64, u32, u32)>,
    total: u64,
}

impl<const K: usize> Default for Heavy<K> {
    fn default() -> Self {
        Self {
            counters: Vec::new(),
            total: 0,
        }
    }
}

impl<const K: usize> Heavy<K> {
    /// Sees a value.
    pub(in super::super) fn add(&mut self, value: u64) {
        self.total += 1;
        if let Some((_, count, _)) = self.counters.iter_mut().find(|(seen, ..)| *seen == value) {
            *count = count.saturating_add(1);
        } else if self.counters.len() < K {
            self.counters.push((value, 1, 0));
        } else if let Some(least) = self.counters.iter_mut().min_by_key(|(_, count, _)| *count) {
            *least = (value, least.1.saturating_add(1), least.1);
        }
    }

    /// The largest share that one value is certain to have.
    pub(in super::super) fn largest_share(&self) -> f64 {
        let sure = |(_, count, error): &(u64, u32, u32)| count - error;
        let largest = self.counters.iter().map(sure).max().unwrap_or(0);
        f64::from(largest) / (self.total.max(1) as f64)
    }

    /// Begins anew.
    pub(in super::super) fn clear(&mut self) {
        self.counters.clear();
        self.total = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Heavy;

    #[test]
    fn what_there_is_much_of_stays_known_among_many_others() {
        let mut heavy = Heavy::<64>::default();
        for n in 0..200_000_u64 {
            heavy.add(if n % 10 == 0 { 7 } else { 1000 + n });
        }
        let (_, count, error) = *heavy
            .counters
            .iter()
            .find(|(value, ..)| *value == 7)
            .unwrap();
        assert!(
            count - error <= 20_000 && count >= 20_000,
            "{count} {error}"
        );
        assert!(error <= 200_000 / 64);
        assert!(heavy.largest_share() > 0.08);
        assert_eq!((heavy.counters.len(), heavy.total), (64, 200_000));
    }
}
