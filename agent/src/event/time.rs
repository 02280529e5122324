//! Dates as they are written: RFC 3339, UTC, nanoseconds.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::clock::WallTime;

/// Bytes of a date: `2026-11-21T06:02:11.123456789Z`.
pub const STAMP_BYTES: usize = 30;

const NS_PER_S: u64 = 1_000_000_000;

/// Writes `time` as RFC 3339 (§5.6) in UTC with nanoseconds. Never allocates.
#[must_use]
pub fn stamp(time: WallTime) -> [u8; STAMP_BYTES] {
    let (seconds, ns) = (time.0 / NS_PER_S, time.0 % NS_PER_S);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut out = *b"0000-00-00T00:00:00.000000000Z";
    for (at, width, number) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 9, ns),
    ] {
        digits(out.get_mut(at..at + width).unwrap_or_default(), number);
    }
    out
}

/// Fills `field` with the last decimal digits of `number`.
fn digits(field: &mut [u8], mut number: u64) {
    for byte in field.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of the day `days` after 1970-01-01, in the Gregorian calendar.
///
/// Counts in eras of 400 years that begin on the first of March, so that the leap day comes last
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// Reads a date as [`stamp`] writes it, or any other of RFC 3339 (§5.6), from 1970 to 2554.
///
/// What is finer than a nanosecond is cut off; a leap second is the one before it. Never allocates.
#[must_use]
pub fn parse_stamp(text: &[u8]) -> Option<WallTime> {
    let (date, rest) = text.split_at_checked(19)?;
    let number = |from: usize, to: usize| number(date.get(from..to)?);
    let marks = [4, 7, 10, 13, 16].map(|at| date.get(at).copied());
    let [
        Some(b'-'),
        Some(b'-'),
        Some(b'T' | b't' | b' '),
        Some(b':'),
        Some(b':'),
    ] = marks
    else {
        return None;
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if year < 1970 || !in_range {
        return None;
    }
    let (ns, zone) = match rest {
        [b'.', rest @ ..] => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            let (digits, zone) = rest.split_at_checked(end)?;
            let kept = digits.get(..digits.len().min(9))?;
            let scale = 10_u64.pow(9 - u32::try_from(kept.len()).ok()?);
            (self::number(kept)? * scale, zone)
        }
        zone => (0, zone),
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59);
    let seconds = match zone {
        [b'Z' | b'z'] => seconds,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (self::number(&[*h1, *h2])?, self::number(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            match sign {
                b'+' => seconds.checked_sub(offset)?,
                _ => seconds + offset,
            }
        }
        _ => return None,
    };
    seconds.checked_mul(NS_PER_S)?.checked_add(ns).map(WallTime)
}

/// Reads a date from text, for types that are read again.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<WallTime, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    parse_stamp(text.as_bytes()).ok_or_else(|| D::Error::custom("not a date of RFC 3339"))
}

/// A number of at most nine digits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let sum = |sum, digit: &u8| sum * 10 + u64::from(digit - b'0');
    Some(digits.iter().fold(0, sum))
}

fn days_of(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date: [`civil`] the other way (Hinnant, `days_from_civil`).
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let march_month = (month + 9) % 12;
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

pub(super) fn serialize<S: Serializer>(time: &WallTime, to: S) -> Result<S::Ok, S::Error> {
    // Always ASCII, so never the empty text.
    to.serialize_str(str::from_utf8(&stamp(*time)).unwrap_or_default())
}

pub(super) fn serialize_some<S: Serializer>(
    time: &Option<WallTime>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, to),
        None => to.serialize_none(),
    }
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "format": "date-time",
        "description": "RFC 3339, UTC, nanoseconds."
    })
}

#[cfg(test)]
mod tests {
    use super::{parse_stamp, stamp};
    use crate::clock::WallTime;

    #[track_caller]
    fn check(ns: u64, expected: &str) {
        assert_eq!(str::from_utf8(&stamp(WallTime(ns))).unwrap(), expected);
        assert_eq!(parse_stamp(expected.as_bytes()), Some(WallTime(ns)));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check(0, "1970-01-01T00:00:00.000000000Z");
        check(951_782_399_999_999_999, "2000-02-28T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z");
        check(951_868_800_000_000_001, "2000-03-01T00:00:00.000000001Z");
        check(1_795_240_931_123_456_789, "2026-11-21T06:02:11.123456789Z");
        check(4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000000Z");
        check(u64::MAX, "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn other_forms_of_a_date_are_read() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(
                parse_stamp(text.as_bytes()).map(|time| time.0),
                expected,
                "{text}"
            );
        };
        let second = 1_795_240_931_000_000_000;
        check("2026-11-21T06:02:11Z", Some(second));
        check("2026-11-21 06:02:11z", Some(second));
        check("2026-11-21T06:02:11.5Z", Some(second + 500_000_000));
        check(
            "2026-11-21T06:02:11.1234567899Z",
            Some(second + 123_456_789),
        );
        check("2026-11-21T08:32:11+02:30", Some(second));
        check("2026-11-20T23:02:11-07:00", Some(second));
        check("2026-06-30T23:59:60Z", Some(1_782_863_999_000_000_000));
        for wrong in [
            "",
            "2026-11-21",
            "2026-11-21T06:02:11",
            "2026-11-21T06:02:11.Z",
            "2026-11-21T24:00:00Z",
            "2026-13-21T06:02:11Z",
            "2026-02-29T06:02:11Z",
            "2026-00-00T06:02:11Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-01-01T00:00:00Z",
            "2026-11-21T06:02:11+24:00",
            "2026-11-21T06:02:11Z ",
            "+026-11-21T06:02:11Z",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn each_day_is_the_one_after_the_last() {
        let every = |year: u64, n| year.is_multiple_of(n);
        let leap = |year| every(year, 4) && (!every(year, 100) || every(year, 400));
        let month_days = |year: u64, month: u64| match month {
            2 if leap(year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(super::civil(days), (year, month, day));
            assert_eq!(super::days(year, month, day), days);
            day += 1;
            if day > month_days(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
