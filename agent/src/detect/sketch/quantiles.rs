//! Quantiles of numbers.

use serde::{Deserialize, Serialize};

/// How far off a quantile may be: 1 % of its value.
const ERROR: f64 = 0.01;

/// Most buckets; beyond, the lowest become one, so that only small values lose their place.
const BUCKETS_MAX: usize = 192;

/// Quantiles of numbers, each within 1 % of its value (DDSketch; Masson and others, 2019). With more
/// than 192 buckets in use, that no longer holds for the lowest. 1.5 kB at most.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Quantiles {
    /// Bucket, and how many are in it; in order.
    buckets: Vec<(u16, u32)>,
    total: u64,
}

impl Quantiles {
    /// Learns a value.
    pub(in super::super) fn add(&mut self, value: u64) {
        self.total += 1;
        let bucket = bucket(value);
        match self.buckets.binary_search_by_key(&bucket, |(at, _)| *at) {
            Ok(at) => {
                if let Some((_, count)) = self.buckets.get_mut(at) {
                    *count = count.saturating_add(1);
                }
            }
            Err(at) => {
                self.buckets.insert(at, (bucket, 1));
                if self.buckets.len() > BUCKETS_MAX {
                    let (_, lowest) = self.buckets.remove(0);
                    if let Some((_, count)) = self.buckets.first_mut() {
                        *count = count.saturating_add(lowest);
                    }
                }
            }
        }
    }

    /// The value that a share `q` of all is not above; 0 if there are none.
    pub(in super::super) fn at(&self, q: f64) -> u64 {
        let rank = (q * self.total.saturating_sub(1) as f64).floor() as u64;
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += u64::from(*count);
            if seen > rank {
                return middle(*bucket);
            }
        }
        0
    }

    /// How many values were learnt.
    pub(in super::super) const fn total(&self) -> u64 {
        self.total
    }
}

/// ln((1 + α) / (1 − α)).
fn width() -> f64 {
    ((1.0 + ERROR) / (1.0 - ERROR)).ln()
}

/// 0 is a bucket of its own.
fn bucket(value: u64) -> u16 {
    if value == 0 {
        return 0;
    }
    let at = ((value as f64).ln() / width()).ceil();
    1 + at as u16
}

fn middle(bucket: u16) -> u64 {
    let Some(at) = bucket.checked_sub(1) else {
        return 0;
    };
    let upper = (f64::from(at) * width()).exp();
    (2.0 * upper / (1.0 + (1.0 + ERROR) / (1.0 - ERROR))).round() as u64
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS_MAX, Quantiles};

    #[track_caller]
    fn check(values: &[u64], q: f64) {
        let mut sketch = Quantiles::default();
        values.iter().for_each(|value| sketch.add(*value));
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let exact = sorted[(q * (sorted.len() - 1) as f64) as usize] as f64;
        let off = (sketch.at(q) as f64 - exact).abs();
        assert!(
            off <= (0.011 * exact).max(0.5),
            "{q}: {} not {exact}",
            sketch.at(q)
        );
        assert!(sketch.buckets.len() <= BUCKETS_MAX);
    }

    #[test]
    fn quantiles_are_within_one_percent() {
        let small: Vec<u64> = (0..100).collect();
        let wide: Vec<u64> = (0..20_000).map(|n| (n * n) % 7919 * (n % 97)).collect();
        let large: Vec<u64> = (0..1000).map(|n| u64::MAX - n * 1_000_000_000).collect();
        for values in [&small, &wide, &large, &vec![5], &vec![0; 9]] {
            for q in [0.5, 0.9, 0.99, 0.999] {
                check(values, q);
            }
        }
        assert_eq!(Quantiles::default().at(0.99), 0);
    }
}
