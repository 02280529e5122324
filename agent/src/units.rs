//! Sizes like `16KiB` and periods like `5m`, as numbers that are checked when they are read.

mod cores;
mod network;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

pub use cores::Cores;
pub use network::{Addresses, Network};

/// Why a text is no size or period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No digits where a number must stand.
    #[error("is not a number with a unit")]
    Number,
    /// A part of a number.
    #[error("is not a whole number")]
    Fraction,
    /// A unit that is none.
    #[error("has a unit that is none")]
    Unit,
    /// Beyond 64 bits.
    #[error("is too large")]
    TooLarge,
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// Units of a [`Size`], the largest of each kind first, with their bytes.
const SIZES: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units of a [`Period`], the largest first, with their nanoseconds.
const PERIODS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Size {
    /// What a size looks like, for messages.
    pub const ALLOWED: &'static str =
        "a number of bytes, or one with B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, as in 16KiB";

    /// `n` KiB.
    #[must_use]
    pub const fn kibi(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` MiB.
    #[must_use]
    pub const fn mebi(n: u64) -> Self {
        Self(n << 20)
    }

    /// How many bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// How many bytes, as far as this machine can count in memory.
    #[must_use]
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Period {
    /// What a period looks like, for messages.
    pub const ALLOWED: &'static str =
        "a number of seconds, or numbers with d, h, m, s, ms, us or ns, as in 5m or 1h30m";

    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u64) -> Self {
        Self(Duration::from_secs(n * 60))
    }

    /// `n` seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }
}

/// Splits a number off the front of `text`.
fn number(text: &str) -> Result<(u64, &str), UnitError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).ok_or(UnitError::Number)?;
    if digits.is_empty() {
        return Err(UnitError::Number);
    }
    let number = digits.parse().map_err(|_| UnitError::TooLarge)?;
    Ok((number, rest))
}

/// What `unit` stands for in `units`.
fn unit(unit: &str, units: &[(&str, u64)]) -> Result<u64, UnitError> {
    if unit.starts_with('.') {
        return Err(UnitError::Fraction);
    }
    let found = units.iter().find(|(name, _)| *name == unit);
    found.map(|(_, value)| *value).ok_or(UnitError::Unit)
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, rest) = number(text.trim())?;
        let unit = match rest.trim_start() {
            "" => 1,
            name => unit(name, SIZES)?,
        };
        number
            .checked_mul(unit)
            .map(Self)
            .ok_or(UnitError::TooLarge)
    }
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        if let Ok((seconds, "")) = number(rest) {
            return Ok(Self(Duration::from_secs(seconds)));
        }
        let mut sum: u64 = 0;
        loop {
            let (count, behind) = number(rest)?;
            let end = behind
                .find(|c: char| !c.is_ascii_alphabetic() && c != '.')
                .unwrap_or(behind.len());
            let (name, behind) = behind.split_at_checked(end).ok_or(UnitError::Unit)?;
            let ns = count.checked_mul(unit(name, PERIODS)?);
            sum = ns
                .and_then(|ns| sum.checked_add(ns))
                .ok_or(UnitError::TooLarge)?;
            rest = behind.trim_start();
            if rest.is_empty() {
                return Ok(Self(Duration::from_nanos(sum)));
            }
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*unit);
        match SIZES.iter().find(whole) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "0B"),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, unit) in PERIODS {
            let unit = u128::from(*unit);
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

macro_rules! unit_type {
    ($name:ident, $format:literal, $pattern:literal, |$number:ident| $from_number:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Reader;
                impl Visitor<'_> for Reader {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($name::ALLOWED)
                    }
                    fn visit_u64<E: de::Error>(self, $number: u64) -> Result<$name, E> {
                        Ok($from_number)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(|error| {
                            E::custom(format!("`{text}` {error}; allowed: {}", $name::ALLOWED))
                        })
                    }
                }
                from.deserialize_any(Reader)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": ["string", "integer"],
                    "format": $format,
                    "minimum": 0,
                    "pattern": $pattern
                })
            }
        }
    };
}

unit_type!(
    Size,
    "size",
    "^[0-9]+ ?(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?$",
    |bytes| Size(bytes)
);
unit_type!(
    Period,
    "period",
    "^([0-9]+|([0-9]+(d|h|m|s|ms|us|ns) ?)+)$",
    |seconds| Period(Duration::from_secs(seconds))
);

#[cfg(test)]
mod tests {
    use super::{Period, Size, UnitError};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        let check = |text: &str, expected| assert_eq!(text.parse::<Size>().map(|s| s.0), expected);
        check("0", Ok(0));
        check("512", Ok(512));
        check("16KiB", Ok(16_384));
        check(" 1 GiB ", Ok(1 << 30));
        check("2MB", Ok(2_000_000));
        check("", Err(UnitError::Number));
        check("KiB", Err(UnitError::Number));
        check("-1", Err(UnitError::Number));
        check("1.5MiB", Err(UnitError::Fraction));
        check("16kb", Err(UnitError::Unit));
        check("16777216TiB", Err(UnitError::TooLarge));
        check("99999999999999999999", Err(UnitError::TooLarge));
    }

    #[test]
    fn periods_are_numbers_with_units() {
        let check = |text: &str, expected: Result<u64, UnitError>| {
            let expected = expected.map(|ms| Period(Duration::from_millis(ms)));
            assert_eq!(text.parse(), expected);
        };
        check("5", Ok(5000));
        check("5m", Ok(300_000));
        check("1h30m", Ok(5_400_000));
        check("1d 2s 5ms", Ok(86_402_005));
        check("", Err(UnitError::Number));
        check("m", Err(UnitError::Number));
        check("5 minutes", Err(UnitError::Unit));
        check("5m3", Err(UnitError::Unit));
        check("1.5h", Err(UnitError::Fraction));
        check("1e3s", Err(UnitError::Unit));
        check("999999999999d", Err(UnitError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(bytes: u64, ns: u64) {
            let (size, period) = (Size(bytes), Period(Duration::from_nanos(ns)));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }
    }
}
