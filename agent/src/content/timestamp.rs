//! Values that are a date, or a date and a time, and nothing else: many values of JSON are, and nothing
//! that anyone looks for begins in one.

use super::eight::Eight;

/// Length of a date, `2026-11-21`.
const DATE: usize = 10;

/// Where the day begins.
const DAY: usize = 8;

/// Longest: `2026-11-21T06:02:11.123+01:00`.
const LONGEST: usize = 29;

/// Digits of a fraction of a second, at most: with more it may be another number.
const FRACTION: usize = 3;

/// Whether `value` is a date of this century or the last, alone or with a time (RFC 3339 §5.6, with `T` or
/// a blank between).
#[inline]
pub(super) fn is_timestamp(value: &[u8]) -> bool {
    let has_month = |value| Eight::first(value).is_some_and(|eight| eight.is_like(*b"0000-00-"));
    (DATE..=LONGEST).contains(&value.len()) && has_month(value) && is_date(value)
}

/// Whether it is a date or a time by what is around its month.
fn is_date(value: &[u8]) -> bool {
    let is_year = matches!(value, [b'1', b'9', ..] | [b'2', b'0', ..]);
    let behind = value.get(DAY..).unwrap_or_default();
    let is_rest = match Eight::first(behind) {
        Some(minutes) => {
            let has_time = minutes.is_like(*b"00T00:00") || minutes.is_like(*b"00 00:00");
            has_time && is_second(behind.get(8..).unwrap_or_default())
        }
        None => matches!(behind, [a, b] if a.is_ascii_digit() && b.is_ascii_digit()),
    };
    is_year && is_rest
}

/// Whether it is two digits, a colon and two digits.
fn is_pair(bytes: &[u8]) -> bool {
    let [a, b, b':', c, d] = bytes else {
        return false;
    };
    [a, b, c, d].into_iter().all(u8::is_ascii_digit)
}

/// Whether `rest` is what may follow minutes: seconds, their fraction, the zone.
fn is_second(rest: &[u8]) -> bool {
    let rest = match rest {
        [b':', a, b, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() => rest,
        _ => rest,
    };
    let (has_fraction, rest) = match rest.strip_prefix(b".") {
        Some(behind) => {
            let count = behind
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            if !(1..=FRACTION).contains(&count) {
                return false;
            }
            (true, behind.get(count..).unwrap_or_default())
        }
        None => (false, rest),
    };
    match rest {
        [] | [b'Z'] => true,
        [b'+', zone @ ..] => is_pair(zone),
        // Behind a fraction it may be read as a longer number.
        [b'-', zone @ ..] => !has_fraction && is_pair(zone),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[track_caller]
    fn check(value: &str, expected: bool) {
        assert_eq!(is_timestamp(value.as_bytes()), expected, "{value}");
    }

    #[test]
    fn dates_and_times_are_told() {
        for value in [
            "2026-11-21",
            "1999-12-31",
            "2026-11-21 06:02",
            "2026-11-21T06:02",
            "2026-11-21T06:02Z",
            "2026-11-21 06:02:11",
            "2026-11-21T06:02:11Z",
            "2026-11-21T06:02:11.123Z",
            "2026-11-21T06:02:11-05:00",
            "2026-11-21T06:02:11.123+01:00",
        ] {
            check(value, true);
            check(&format!("{value}0"), false);
            check(&format!("1{value}"), false);
            check(&format!("{value}@"), false);
        }
    }

    #[test]
    fn others_are_none() {
        for value in [
            "",
            "2026-11-2",
            "1811-11-21",
            "2026-11-2a",
            "2026/11/21",
            "2026-11-21x06:02",
            "2026-11-21T06-02",
            "2026-11-21T06:02:1",
            "2026-11-21T06:02:11.",
            "2026-11-21T06:02:11.123-05:00",
            "2026-11-21T06:02:11.123456Z",
            "2026-11-21T06:02:11z",
            "2026-11-21 06:02 a@b.co",
            "\u{b2}026-11-21",
        ] {
            check(value, false);
        }
    }
}
