//! Processor time as a number of cores: `0.5` is half of one.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::UnitError;

/// Digits behind the point that count.
const PLACES: usize = 3;

/// A number of cores, in thousandths of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cores(pub u32);

impl Cores {
    /// What a number of cores looks like, for messages.
    pub const ALLOWED: &'static str = "a number of cores, as in 0.5";

    /// Thousandths of a core.
    #[must_use]
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// Whole cores.
    ///
    /// # Errors
    /// More than can be counted.
    pub fn whole(cores: u64) -> Result<Self, UnitError> {
        let thousandths = cores
            .checked_mul(1000)
            .and_then(|all| u32::try_from(all).ok());
        thousandths.map(Self).ok_or(UnitError::TooLarge)
    }
}

impl FromStr for Cores {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) {
            return Err(UnitError::Number);
        }
        // What is finer than a thousandth is cut off.
        let places = part.bytes().chain(std::iter::repeat(b'0')).take(PLACES);
        let part = places.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
        let whole = Self::whole(whole.parse().map_err(|_| UnitError::TooLarge)?)?;
        let sum = whole.0.checked_add(part);
        sum.map(Self).ok_or(UnitError::TooLarge)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1000, format!("{:03}", self.0 % 1000));
        match part.trim_end_matches('0') {
            "" => write!(f, "{whole}.0"),
            part => write!(f, "{whole}.{part}"),
        }
    }
}

impl Serialize for Cores {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Cores;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Cores::ALLOWED)
            }
            fn visit_u64<E: de::Error>(self, cores: u64) -> Result<Cores, E> {
                Cores::whole(cores).map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, cores: f64) -> Result<Cores, E> {
                cores.to_string().parse().map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cores, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_any(Reader)
    }
}

impl JsonSchema for Cores {
    fn schema_name() -> Cow<'static, str> {
        "Cores".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "format": "cores", "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cores, UnitError};

    #[track_caller]
    fn check(text: &str, expected: Result<u32, UnitError>) {
        let cores = text.parse::<Cores>();
        assert_eq!(cores.map(Cores::thousandths), expected);
        if let Ok(cores) = cores {
            assert_eq!(cores.to_string().parse(), Ok(cores));
            let json = serde_json::to_string(&cores).unwrap();
            assert_eq!(serde_json::from_str::<Cores>(&json).unwrap(), cores);
        }
    }

    #[test]
    fn cores_are_numbers_with_three_places() {
        check("1", Ok(1000));
        check("1.0", Ok(1000));
        check("0.25", Ok(250));
        check(" 12.3456 ", Ok(12_345));
        check("0.001", Ok(1));
        check("", Err(UnitError::Number));
        check(".5", Err(UnitError::Number));
        check("1.", Err(UnitError::Number));
        check("-1", Err(UnitError::Number));
        check("1e3", Err(UnitError::Number));
        check("4294968", Err(UnitError::TooLarge));
        check("99999999999999999999", Err(UnitError::TooLarge));
    }
}
