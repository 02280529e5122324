//! A number of any type: MaxMind's writers choose one for each field, others by the value's size.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// An AS number or degrees, which an `f64` holds as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Number {
    /// It as an AS number (RFC 6793).
    pub(super) fn whole(self) -> Option<u32> {
        let fits = self.0 >= 0.0 && self.0 <= f64::from(u32::MAX) && self.0.fract() == 0.0;
        fits.then_some(self.0 as u32)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl Visitor<'_> for Any {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        let number = i32::try_from(number);
        let number = number.map_err(|_| E::invalid_value(Unexpected::Other("a larger one"), &self));
        number.map(|number| Number(f64::from(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        let number = u32::try_from(number);
        let number = number.map_err(|_| E::invalid_value(Unexpected::Other("a larger one"), &self));
        number.map(|number| Number(f64::from(number)))
    }
}
