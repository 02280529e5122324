//! How many distinct values there were.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values that are told apart exactly.
const EXACT_MAX: usize = 16;

/// Bits of a hash that choose a register.
const PRECISION: u32 = 8;
const REGISTERS: usize = 1 << PRECISION;

/// How many distinct values there were: exact up to 16, then estimated by HyperLogLog (Flajolet and
/// others, 2007) with 256 registers: standard error 1.04 / √256 = 6.5 %. 256 bytes at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Distinct {
    Few(Vec<u64>),
    Many(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Distinct {
    /// Sees a value by its hash.
    pub(in super::super) fn add(&mut self, hash: u64) {
        match self {
            Self::Few(values) if values.contains(&hash) => {}
            Self::Few(values) if values.len() < EXACT_MAX => values.push(hash),
            Self::Few(values) => {
                let mut registers = Box::new([0; REGISTERS]);
                for value in values.iter().chain([&hash]) {
                    set(&mut registers, *value);
                }
                *self = Self::Many(registers);
            }
            Self::Many(registers) => set(registers, hash),
        }
    }

    /// How many there were.
    pub(in super::super) fn count(&self) -> u64 {
        match self {
            Self::Few(values) => values.len() as u64,
            Self::Many(registers) => estimate(registers),
        }
    }
}

fn set(registers: &mut [u8; REGISTERS], hash: u64) {
    let at = (hash >> (64 - PRECISION)) as usize;
    // How many zeros lead the rest, and one.
    let rank = ((hash << PRECISION) | 1 << (PRECISION - 1)).leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut(at) {
        *register = (*register).max(rank);
    }
}

fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let m = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|rank| half_to_the(*rank)).sum();
    let zeros = registers.iter().filter(|rank| **rank == 0).count() as f64;
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    // Linear counting below 2.5 m, as the paper has it.
    if raw <= 2.5 * m && zeros > 0.0 {
        (m * (m / zeros).ln()).round() as u64
    } else {
        raw.round() as u64
    }
}

/// A half to the power of `rank`, as its exponent alone says (IEEE 754): it is exact, and asked for
/// 256 times for each address that many share.
fn half_to_the(rank: u8) -> f64 {
    f64::from_bits((1023 - u64::from(rank)) << 52)
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Few(values) => values.serialize(to),
            // A rank is at most 57: one character each.
            Self::Many(registers) => {
                let text: String = registers
                    .iter()
                    .map(|rank| char::from(b'0' + rank))
                    .collect();
                to.serialize_str(&text)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Few(Vec<u64>),
            Many(String),
        }
        match Form::deserialize(from)? {
            Form::Few(values) => Ok(Self::Few(values)),
            Form::Many(text) => {
                let ranks: Vec<u8> = text.bytes().map(|byte| byte.saturating_sub(b'0')).collect();
                let ranks: Box<[u8; REGISTERS]> = ranks
                    .into_boxed_slice()
                    .try_into()
                    .map_err(|_| D::Error::custom("not so many registers"))?;
                Ok(Self::Many(ranks))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Distinct;
    use crate::detect::value_hash;

    #[track_caller]
    fn check(values: u64, error: f64) {
        let mut distinct = Distinct::default();
        for value in (0..values).chain(0..values.min(1000)) {
            distinct.add(value_hash(&value.to_le_bytes()));
        }
        let off = (distinct.count() as f64 - values as f64).abs();
        assert!(
            off <= error * values as f64,
            "{values}: {}",
            distinct.count()
        );
        let text = serde_json::to_string(&distinct).unwrap();
        assert_eq!(serde_json::from_str::<Distinct>(&text).unwrap(), distinct);
    }

    #[test]
    fn counts_are_exact_to_sixteen_and_within_three_standard_errors_beyond() {
        for values in 0..=16 {
            check(values, 0.0);
        }
        for values in [17, 50, 200, 600, 1000, 30_000] {
            check(values, 0.195);
        }
    }
}
