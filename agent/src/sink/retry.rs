//! When to try again: full jitter, the far end's own word, and a breaker.
//!
//! Never gives up: the events lie in the journal, and an outage of days costs nothing but its room.

use std::time::Duration;

/// Longest wait of our own choosing.
const LONGEST: Duration = Duration::from_secs(30);

/// Shortest wait: jitter that comes out near nothing would be no wait at all.
const SHORTEST: Duration = Duration::from_millis(100);

/// Longest wait that a far end may ask for.
const ASKED_LONGEST: Duration = Duration::from_secs(3600);

/// Failures in a row after which the sink counts as down.
const DOWN_AFTER: u32 = 3;

/// The failures of one sink, and how long it is left alone.
#[derive(Clone, Debug)]
pub(super) struct Retry {
    failures: u32,
    random: u64,
}

impl Retry {
    /// `seed` parts the waits of sinks and of hosts from each other.
    #[must_use]
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed,
        }
    }

    /// An attempt failed: how long to wait. Between nothing and 1, 2, 4 … 30 s, evenly (full jitter),
    /// so that many hosts do not come back at once; but not before the far end asked.
    pub(super) fn failed(&mut self, retry_after: Option<Duration>) -> Duration {
        let ceiling = Duration::from_secs(1 << self.failures.min(5)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let span = u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX);
        let jitter = Duration::from_millis(self.next() % (span + 1)).max(SHORTEST);
        match retry_after {
            None => jitter,
            // A little later each: else all that were told the same come at once.
            Some(asked) => asked.min(ASKED_LONGEST) + jitter.min(Duration::from_secs(1)),
        }
    }

    /// Something arrived.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether so many failed that the sink counts as down: it is then asked with one event alone.
    #[must_use]
    pub(super) fn down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// How long an HTTP answer asks to be left alone (RFC 9110 §10.2.3): seconds, or a date, of which
/// `now`, seconds since 1970, is taken off.
#[must_use]
pub(super) fn retry_after(value: &str, now: u64) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::from_secs(http_date(value)?.saturating_sub(now)))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in seconds since 1970 (RFC 9110 §5.6.7, the form that is not obsolete).
fn http_date(value: &str) -> Option<u64> {
    let mut words = value.strip_suffix(" GMT")?.split(' ').skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = months.iter().position(|name| *name == month)? + 1;
    let stamp = format!("{year}-{month:02}-{day}T{time}Z");
    Some(super::format::nanoseconds(&stamp)? / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::{Retry, retry_after};
    use std::time::Duration;

    #[test]
    fn waits_grow_to_half_a_minute_and_differ() {
        let ceilings = [1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs);
        let (mut one, mut other) = (Retry::new(1), Retry::new(2));
        let mut same = 0;
        for ceiling in ceilings {
            let waits = [one.failed(None), other.failed(None)];
            same += u32::from(waits[0] == waits[1]);
            for wait in waits {
                assert!(
                    wait <= ceiling && wait >= Duration::from_millis(100),
                    "{wait:?}"
                );
            }
        }
        assert!(same < 3);
        assert!(one.down());
        one.succeeded();
        assert!(!one.down());
        assert!(one.failed(None) <= Duration::from_secs(1));
        assert!(!one.down());
    }

    #[test]
    fn jitter_is_even() {
        let mut sum = Duration::ZERO;
        for seed in 0..1000 {
            let mut retry = Retry::new(seed);
            (0..9).for_each(|_| {
                retry.failed(None);
            });
            sum += retry.failed(None);
        }
        let mean = sum / 1000;
        assert!(
            mean > Duration::from_secs(14) && mean < Duration::from_secs(16),
            "{mean:?}"
        );
    }

    #[test]
    fn an_hour_s_outage_costs_a_few_hundred_attempts_and_is_never_given_up() {
        for seed in 0..50 {
            let mut retry = Retry::new(seed);
            let (mut waited, mut attempts) = (Duration::ZERO, 0);
            while waited < Duration::from_secs(3600) {
                waited += retry.failed(None);
                attempts += 1;
            }
            assert!((180..320).contains(&attempts), "{attempts}");
            // The far end is back: no more than half a minute later it is asked.
            assert!(waited < Duration::from_secs(3630));
        }
    }

    #[test]
    fn what_the_far_end_asks_is_honoured_within_reason() {
        let mut retry = Retry::new(7);
        let wait = retry.failed(Some(Duration::from_secs(90)));
        assert!(wait >= Duration::from_secs(90) && wait <= Duration::from_secs(91));
        let wait = retry.failed(Some(Duration::from_secs(u64::MAX)));
        assert!(wait <= Duration::from_secs(3601));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(
                retry_after(value, 784_111_770),
                expected.map(Duration::from_secs),
                "{value}"
            );
        };
        check("120", Some(120));
        check(" 0 ", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        for none in [
            "",
            "soon",
            "-1",
            "Sun, 06 Nov 1994 08:49:37",
            "Sunday, 06-Nov-94 08:49:37 GMT",
        ] {
            check(none, None);
        }
    }
}
