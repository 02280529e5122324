//! What is usual at this hour of the week.

use serde::{Deserialize, Serialize};

use crate::event::{Baseline, Learnt};

/// Slots of a week, of three hours each.
const SLOTS: usize = 56;
const SLOT_S: u32 = 3 * 3600;
const WEEK_S: u32 = 7 * 86_400;

/// Weeks that a slot remembers.
const WEEKS: usize = 8;

/// Weeks from which on a slot is asked; before that all hours are taken for one.
const WEEKS_MIN: usize = 3;

/// Weight of a new value in what is usual whatever the hour: half is forgotten after nine.
const WEIGHT: f64 = 0.075;

/// Values from which on what is usual is known.
const READY: u64 = 24;

/// A median absolute deviation is this share of a standard deviation of normal values.
const MAD_OF_SIGMA: f64 = 0.6745;

/// What a number usually is: median and MAD of the same three hours of past weeks, and while there
/// are fewer than three weeks, its exponentially weighted mean and mean absolute deviation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Usual {
    mean: f64,
    deviation: f64,
    learnt: u64,
    /// The slot that is being filled: which since 1970, the sum of its values, and how many.
    open: (u32, f64, u32),
    /// Of each slot the mean of each past week, the newest last. Empty until the first is over.
    slots: Vec<Vec<f32>>,
}

impl Usual {
    /// Learns the `value` of the stretch of time that began at `at_s`.
    pub(in super::super) fn learn(&mut self, at_s: u32, value: f64) {
        let slot = at_s / SLOT_S;
        if slot != self.open.0 {
            self.close_slot();
            self.open = (slot, 0.0, 0);
        }
        self.open.1 += value;
        self.open.2 += 1;
        if self.learnt == 0 {
            self.mean = value;
        }
        self.learnt += 1;
        // While there is little, the plain mean.
        let weight = WEIGHT.max(1.0 / self.learnt as f64);
        self.deviation += weight * ((value - self.mean).abs() - self.deviation);
        self.mean += weight * (value - self.mean);
    }

    fn close_slot(&mut self) {
        let (slot, sum, n) = self.open;
        if n == 0 {
            return;
        }
        self.slots.resize(SLOTS, Vec::new());
        let at = (slot % (WEEK_S / SLOT_S)) as usize;
        if let Some(weeks) = self.slots.get_mut(at) {
            if weeks.len() >= WEEKS {
                weeks.remove(0);
            }
            weeks.push((sum / f64::from(n)) as f32);
        }
    }

    /// What is usual at `now_s`.
    pub(in super::super) fn at(&self, now_s: u32) -> Baseline {
        let slot = (now_s / SLOT_S % (WEEK_S / SLOT_S)) as usize;
        let state = if self.learnt >= READY {
            Learnt::Ready
        } else {
            Learnt::Warming
        };
        let (median, mad) = match self.slots.get(slot) {
            Some(weeks) if weeks.len() >= WEEKS_MIN => median_and_mad(weeks),
            _ => (self.mean, self.deviation),
        };
        Baseline {
            median,
            mad,
            samples: self.learnt,
            state,
        }
    }

    /// By how many standard deviations, robustly, `value` is from what is usual. A deviation is
    /// taken for at least a tenth of the median and the square root of it, which is what counts of
    /// independent events have.
    pub(in super::super) fn z(usual: &Baseline, value: f64) -> f64 {
        let sigma = usual.mad / MAD_OF_SIGMA;
        let sigma = sigma.max(usual.median / 10.0).max(usual.median.sqrt());
        (value - usual.median) / sigma.max(1.0)
    }
}

fn median_and_mad(values: &[f32]) -> (f64, f64) {
    let median = median(values.to_vec());
    let distances = values.iter().map(|value| (value - median).abs()).collect();
    (median.into(), self::median(distances).into())
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied();
    f32::midpoint(lower.unwrap_or(0.0), upper)
}

#[cfg(test)]
mod tests {
    use super::{Usual, WEEK_S};
    use crate::event::Learnt;

    #[test]
    fn before_three_weeks_all_hours_are_one() {
        let mut usual = Usual::default();
        for n in 0..23 {
            usual.learn(n * 300, 10.0);
        }
        let before = usual.at(23 * 300);
        assert_eq!(
            (before.state, before.median, before.mad),
            (Learnt::Warming, 10.0, 0.0)
        );
        usual.learn(23 * 300, 10.0);
        assert_eq!(usual.at(24 * 300).state, Learnt::Ready);
        assert!(Usual::z(&before, 10.0) < 0.1 && Usual::z(&before, 60.0) > 6.0);
    }

    #[test]
    fn a_monday_morning_is_held_against_monday_mornings() {
        let mut usual = Usual::default();
        for at in (0..4 * WEEK_S).step_by(300) {
            let busy = at % WEEK_S < 3 * 3600;
            usual.learn(at, if busy { 900.0 } else { 10.0 });
        }
        let busy = usual.at(4 * WEEK_S + 3600);
        let quiet = usual.at(4 * WEEK_S + 86_400);
        assert_eq!((busy.median, quiet.median), (900.0, 10.0));
        assert!(Usual::z(&busy, 950.0) < 6.0);
        assert!(Usual::z(&quiet, 900.0) > 6.0);
    }

    #[test]
    fn room_is_bounded_however_long_it_learns() {
        let mut usual = Usual::default();
        for at in (0..60 * WEEK_S).step_by(3600) {
            usual.learn(at, 1.0);
        }
        assert!(usual.slots.iter().all(|weeks| weeks.len() <= 8));
    }
}
