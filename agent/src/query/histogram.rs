//! How many records there are in each stretch of time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::WallTime;
use crate::event::parse_stamp;
use crate::filter::Fields;

/// Most stretches with a record in them.
const STRETCHES_MAX: usize = 1 << 20;

/// Most rows; beyond them stretches without a record are left out.
const ROWS_MAX: u64 = 10_000;

/// Counts records by their time.
pub struct Histogram {
    time: Fields,
    width_ns: u64,
    counts: BTreeMap<u64, u64>,
    /// Records without a time, or for which there was no room.
    other: u64,
}

impl Histogram {
    /// In stretches `width` wide, counted from 1970; at least a nanosecond.
    ///
    /// # Errors
    /// There is no field `time`: never.
    pub fn new(width: Duration) -> Result<Self, crate::filter::FilterError> {
        let width_ns = u64::try_from(width.as_nanos()).unwrap_or(u64::MAX);
        Ok(Self {
            time: Fields::parse("time")?,
            width_ns: width_ns.max(1),
            counts: BTreeMap::new(),
            other: 0,
        })
    }

    /// Counts one record.
    pub fn add(&mut self, line: &[u8]) {
        let row = self.time.of(line);
        let text = row.cells().flatten().next().map(|time| time.text());
        let time = text.and_then(|text| parse_stamp(text.as_bytes()));
        let Some(WallTime(ns)) = time else {
            self.other += 1;
            return;
        };
        let stretch = ns / self.width_ns;
        if self.counts.len() < STRETCHES_MAX || self.counts.contains_key(&stretch) {
            *self.counts.entry(stretch).or_default() += 1;
        } else {
            self.other += 1;
        }
    }

    /// Records that are in no stretch.
    #[must_use]
    pub const fn other(&self) -> u64 {
        self.other
    }

    /// The beginning of each stretch and its records, from the first record to the last; those
    /// without a record too, unless they are very many.
    #[must_use]
    pub fn rows(&self) -> Vec<(WallTime, u64)> {
        let at = |stretch: u64| WallTime(stretch.saturating_mul(self.width_ns));
        let (Some((first, _)), Some((last, _))) =
            (self.counts.first_key_value(), self.counts.last_key_value())
        else {
            return Vec::new();
        };
        if last - first < ROWS_MAX {
            let count = |stretch| self.counts.get(&stretch).copied().unwrap_or(0);
            (*first..=*last)
                .map(|stretch| (at(stretch), count(stretch)))
                .collect()
        } else {
            let each = self.counts.iter();
            each.map(|(stretch, count)| (at(*stretch), *count))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;
    use std::time::Duration;

    #[track_caller]
    fn check(width_s: u64, times: &[&str], expected: &[(u64, u64)]) {
        let mut histogram = Histogram::new(Duration::from_secs(width_s)).unwrap();
        for time in times {
            histogram.add(format!("{{\"time\":\"1970-01-01T{time}\"}}").as_bytes());
        }
        let rows: Vec<_> = histogram
            .rows()
            .into_iter()
            .map(|(time, count)| (time.0 / 1_000_000_000, count))
            .collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn stretches_between_are_there_with_nothing_in_them() {
        check(
            60,
            &["00:03:00Z", "00:01:59.999999999Z", "00:03:59Z", "nothing"],
            &[(60, 1), (120, 0), (180, 2)],
        );
        check(1, &[], &[]);
    }

    #[test]
    fn very_many_empty_stretches_are_left_out() {
        check(1, &["00:00:00Z", "23:00:00Z"], &[(0, 1), (82_800, 1)]);
    }

    #[test]
    fn what_has_no_time_is_counted_apart() {
        let mut histogram = Histogram::new(Duration::ZERO).unwrap();
        histogram.add(b"{}");
        assert_eq!(histogram.other(), 1);
    }
}
