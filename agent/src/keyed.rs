//! Keyed hashes: two sightings of one secret can be matched, and none can be looked up.

use std::fmt;

use serde::{Serialize, Serializer};

/// What keys are derived for (BLAKE3's context string: it must never change).
const CONTEXT: &str = "eaves 2026-11 keyed hashes of secrets in events";

/// The secret of a host, or of a fleet, behind every [`KeyedHash`].
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// Derives the key from `secret`, of any length.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// The hash of `bytes`: 64 bits of BLAKE3 in keyed mode. Never allocates.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> KeyedHash {
        let hash = blake3::keyed_hash(&self.0, bytes);
        let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        KeyedHash(u64::from_be_bytes(first))
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

/// What stands for a secret; equal for equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyedHash(pub u64);

impl KeyedHash {
    /// What a hash is written with in front.
    pub const PREFIX: &'static str = "hmac:";

    /// As it is written: `hmac:` and 16 hex digits. Never allocates.
    #[must_use]
    pub fn to_text(self) -> [u8; 21] {
        let mut out = *b"hmac:................";
        let digits = out.iter_mut().skip(Self::PREFIX.len());
        for (place, nibble) in digits.zip((0..16).rev()) {
            let digit = (self.0 >> (4 * nibble)) as u8 & 0xf;
            *place = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
        }
        out
    }
}

impl fmt::Display for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl Serialize for KeyedHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl schemars::JsonSchema for KeyedHash {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KeyedHash".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^hmac:[0-9a-f]{16}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::{HashKey, KeyedHash};

    #[test]
    fn equal_secrets_match_under_one_key_alone() {
        let (one, other) = (HashKey::new(b"one"), HashKey::new(b"other"));
        assert_eq!(one.hash(b"token"), HashKey::new(b"one").hash(b"token"));
        assert_ne!(one.hash(b"token"), one.hash(b"token "));
        assert_ne!(one.hash(b"token"), other.hash(b"token"));
    }

    #[test]
    fn it_is_written_in_sixteen_digits() {
        assert_eq!(KeyedHash(0x9f2c).to_string(), "hmac:0000000000009f2c");
        assert_eq!(format!("{:?}", HashKey::new(b"secret")), "HashKey");
    }
}
