//! What a name says of its value.

use super::shape::SHORTEST;
use super::words::{LONGEST, Meant, by_its_end, meant, of_field};
use crate::exchange::Secret;

/// How much a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// The value is that, whatever it looks like.
    This(Secret),
    /// It is, if it looks like something made by a machine: `code`, `key`, `session`.
    Maybe(Secret),
    /// It is, if it has at least so many digits: `phone`, `card`.
    Digits(Secret, u8),
}

/// Words of a name that are kept in mind.
const MOST_WORDS: usize = 8;

/// What `name` says: `accessToken`, `user[new-password]`, `X-Api-Key`. `is_header`: it is a field's,
/// where `key`, `code` and `session` alone mean other things.
pub(super) fn meaning(name: &[u8], is_header: bool) -> Option<Means> {
    if is_header && let Some(secret) = of_field(name) {
        return Some(Means::This(secret));
    }
    let mut words = Words::of(name);
    let mut means = None;
    let mut last = Meant::NOTHING;
    while let Some(word) = words.next_word() {
        let found = last.before(word).or(word.means);
        means = match (means, found) {
            (Some(Means::This(secret)), _) => Some(Means::This(secret)),
            (_, Some(found)) => Some(found),
            (means, None) => means,
        };
        last = word;
    }
    let is_id = last.is_id
        && matches!(
            means,
            Some(Means::Digits(Secret::Phone | Secret::PaymentCard, _))
        );
    if last.is_about || is_id {
        return None;
    }
    means.filter(|means| !is_header || matches!(means, Means::This(_)))
}

/// Longest name that is remembered.
const REMEMBERED_BYTES: usize = 32;

/// How many names are remembered, at most: the services of a host say the same few again and again.
const REMEMBERED: usize = 512;

/// What names mean, remembered: the same as [`meaning`] says, for less.
#[derive(Debug, Default)]
pub(super) struct Meanings {
    names: Vec<[Remembered; 2]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Remembered {
    key: Key,
    said: Says,
}

/// What a name says, and what it may be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Says {
    /// Of its value.
    pub(super) means: Option<Means>,
    /// It may have something sensitive in it: a key may be a mail address.
    pub(super) may_hold: bool,
}

impl Says {
    fn by(name: &[u8], is_header: bool) -> Self {
        let begins = |byte: &u8| byte.is_ascii_digit() || *byte == b'@';
        Self {
            means: meaning(name, is_header),
            may_hold: name.len() >= SHORTEST && name.iter().any(begins),
        }
    }
}

/// A name that is remembered, in numbers that are compared faster than its bytes. With its length they
/// hold every byte of it, so no other name has the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Key {
    bytes: [u64; 4],
    /// 0 where none is remembered.
    len: u8,
    is_header: bool,
}

impl Key {
    /// Of a name; `None` if it is too long to be remembered, or empty.
    fn of(name: &[u8], is_header: bool) -> Option<Self> {
        // What lies in two of the pieces does no harm.
        let bytes = match name.len() {
            0 => return None,
            1..=3 => {
                let more = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
                [name.iter().fold(0, more), 0, 0, 0]
            }
            4..=7 => {
                let four = |piece: &[u8; 4]| u64::from(u32::from_le_bytes(*piece));
                [four(name.first_chunk()?), four(name.last_chunk()?), 0, 0]
            }
            8..=16 => [eight(name, 0)?, eight(name, name.len() - 8)?, 0, 0],
            17..=REMEMBERED_BYTES => [
                eight(name, 0)?,
                eight(name, name.len() - 8)?,
                eight(name, 8)?,
                eight(name, name.len() - 16)?,
            ],
            _ => return None,
        };
        Some(Self {
            bytes,
            len: name.len() as u8,
            is_header,
        })
    }

    /// Where it is kept. Who makes names collide on purpose has them read anew, which is what all cost
    /// once.
    fn place(&self) -> usize {
        let [first, last, ..] = self.bytes;
        let mixed = (first ^ last.rotate_left(29) ^ u64::from(self.len))
            .wrapping_mul(0x517c_c1b7_2722_0a95);
        (mixed >> 40) as usize % (REMEMBERED / 2)
    }
}

/// Eight bytes of `name` from `at` on.
fn eight(name: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*name.get(at..)?.first_chunk()?))
}

impl Meanings {
    /// What `name` says, see [`meaning`].
    pub(super) fn of(&mut self, name: &[u8], is_header: bool) -> Option<Means> {
        self.said(name, is_header).means
    }

    /// The same, and whether something may be in the name.
    pub(super) fn said(&mut self, name: &[u8], is_header: bool) -> Says {
        let Some(key) = Key::of(name, is_header) else {
            return Says::by(name, is_header);
        };
        if self.names.is_empty() {
            self.names.resize(REMEMBERED / 2, Default::default());
        }
        let Some([first, second]) = self.names.get_mut(key.place()) else {
            return Says::by(name, is_header);
        };
        if first.key != key {
            // What comes once does not put out what comes always.
            if second.key == key {
                std::mem::swap(first, second);
            } else {
                let said = Says::by(name, is_header);
                *second = Remembered { key, said };
                return said;
            }
        }
        first.said
    }
}

/// The words of a name: parted by what is no letter or digit, and where small letters turn great.
struct Words<'n> {
    rest: &'n [u8],
    left: usize,
}

impl<'n> Words<'n> {
    fn of(name: &'n [u8]) -> Self {
        Self {
            rest: name,
            left: MOST_WORDS,
        }
    }

    /// What the next word means; one that is not known, what its end means.
    fn next_word(&mut self) -> Option<Meant> {
        self.left = self.left.checked_sub(1)?;
        let start = self.rest.iter().position(u8::is_ascii_alphanumeric)?;
        self.rest = self.rest.get(start..)?;
        let mut packed = 0;
        let mut before = b' ';
        let mut len = 0;
        for (at, byte) in self.rest.iter().enumerate() {
            if !byte.is_ascii_alphanumeric() {
                break;
            }
            if byte.is_ascii_uppercase() && at > 0 {
                let after = self.rest.get(at + 1).copied().unwrap_or(b' ');
                if before.is_ascii_lowercase()
                    || (before.is_ascii_uppercase() && after.is_ascii_lowercase())
                {
                    break;
                }
            }
            packed = packed << 8 | u128::from(byte.to_ascii_lowercase());
            before = *byte;
            len = at + 1;
        }
        self.rest = self.rest.get(len..)?;
        let meant = if len <= LONGEST {
            meant(packed, len)
        } else {
            Meant::NOTHING
        };
        Some(match meant {
            Meant::NOTHING => by_its_end(packed, len),
            known => known,
        })
    }
}

/// Digits that a count has at most.
const COUNT_DIGITS: usize = 9;

/// Whether a value may be what its name means.
pub(super) fn holds(means: Means, value: &[u8], is_number: bool, name: &[u8]) -> Option<Secret> {
    let value = value.trim_ascii();
    match means {
        Means::This(secret) => {
            let is_nothing = matches!(value, b"" | b"null" | b"true" | b"false" | b"undefined");
            // Of language models and limits: how many, not which.
            let is_many = name.ends_with(b"okens") || name.ends_with(b"eys");
            let is_few = || value.len() <= COUNT_DIGITS && value.iter().all(u8::is_ascii_digit);
            let is_count = is_many && (is_number || is_few());
            (!is_nothing && !is_count).then_some(secret)
        }
        Means::Maybe(secret) => is_made(value).then_some(secret),
        Means::Digits(secret, least) => {
            let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
            (digits >= usize::from(least) && value.len() <= 64).then_some(secret)
        }
    }
}

/// Whether a value looks made by a machine: no spaces, and digits or a mix of small and great
/// letters in it, or long.
fn is_made(value: &[u8]) -> bool {
    if value.len() < 4 || value.iter().any(u8::is_ascii_whitespace) {
        return false;
    }
    let has_digit = value.iter().any(u8::is_ascii_digit);
    let has_small = value.iter().any(u8::is_ascii_lowercase);
    let has_great = value.iter().any(u8::is_ascii_uppercase);
    let has_mark = value.iter().any(|byte| !byte.is_ascii_alphanumeric());
    has_digit || (has_small && has_great && !has_mark && value.len() >= 12) || value.len() >= 24
}

#[cfg(test)]
mod tests {
    use super::{Key, Meanings, Means, holds, meaning};
    use crate::exchange::Secret;
    use proptest::prelude::*;

    #[track_caller]
    fn check(name: &str, value: &str, expected: Option<Secret>) {
        let found = meaning(name.as_bytes(), false)
            .and_then(|means| holds(means, value.as_bytes(), false, name.as_bytes()));
        assert_eq!(found, expected, "{name}={value}");
    }

    #[test]
    fn names_in_any_spelling() {
        for name in [
            "password",
            "PASSWORD",
            "newPassword",
            "user[password]",
            "user.pwd",
            "db-passwd",
            "confirm_password",
        ] {
            check(name, "x", Some(Secret::Password));
        }
        for name in [
            "token",
            "access_token",
            "accessToken",
            "id-token",
            "csrfmiddlewaretoken",
        ] {
            check(name, "x", Some(Secret::Token));
        }
        check("APIKey", "x", Some(Secret::ApiKey));
        check("x-api-key", "x", Some(Secret::ApiKey));
        check("client_secret", "x", Some(Secret::Secret));
        check("sessionId", "x", Some(Secret::Session));
        check("cvv", "123", Some(Secret::CardCode));
        check("verification_code", "x", Some(Secret::Code));
    }

    #[test]
    fn names_about_a_secret_hold_none() {
        for name in [
            "token_type",
            "password_changed_at",
            "tokenExpiresIn",
            "secret_name",
            "password_policy",
            "secretary",
            "passwordless",
            "tokenizer",
            "monkey",
            "keyboard",
            "passenger",
            "compass",
            "codec",
            "author",
            "session_count",
        ] {
            check(name, "abc123def456", None);
        }
        check("password", "", None);
        check("password", "null", None);
        let tokens = meaning(b"max_tokens", false).unwrap();
        assert_eq!(holds(tokens, b"4096", true, b"max_tokens"), None);
    }

    #[test]
    fn words_of_two_meanings_need_a_value_that_was_made() {
        check("code", "SplxlOBeZQQYbYS6WxSjWA", Some(Secret::Code));
        check("code", "482913", Some(Secret::Code));
        check("code", "not_found", None);
        check("code", "US", None);
        check("key", "color", None);
        check("key", "9f86d081884c", Some(Secret::ApiKey));
        check("phone", "call me", None);
        check("phone", "0171 2345678", Some(Secret::Phone));
        check("card", "Visa", None);
    }

    #[test]
    fn header_fields_need_a_clear_name() {
        let secret = |name: &[u8]| match meaning(name, true) {
            Some(Means::This(secret)) => Some(secret),
            _ => None,
        };
        assert_eq!(secret(b"X-Api-Key"), Some(Secret::ApiKey));
        assert_eq!(secret(b"X-Auth-Token"), Some(Secret::Token));
        assert_eq!(secret(b"X-Amz-Security-Token"), Some(Secret::Token));
        assert_eq!(secret(b"X-CSRFToken"), Some(Secret::Token));
        assert_eq!(secret(b"Ocp-Apim-Subscription-Key"), Some(Secret::ApiKey));
        for plain in [
            "Sec-WebSocket-Key",
            "Idempotency-Key",
            "X-Request-Id",
            "Accept",
            "Authority",
        ] {
            assert_eq!(secret(plain.as_bytes()), None, "{plain}");
        }
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was_read(
            names in prop::collection::vec("(api|code|Token|user|x){1,3}[-_a-z0-9]{0,30}", 1..40),
            is_header: bool,
        ) {
            let mut meanings = Meanings::default();
            // The second time all that fit are remembered.
            for name in names.iter().chain(&names) {
                let name = name.as_bytes();
                prop_assert_eq!(meanings.of(name, is_header), meaning(name, is_header));
                prop_assert_eq!(meanings.of(name, !is_header), meaning(name, !is_header));
            }
        }

        #[test]
        fn no_two_names_have_one_key(one in "[ab\\x00]{0,33}", other in "[ab\\x00]{0,33}") {
            let key = |name: &str| Key::of(name.as_bytes(), false);
            let both = key(&one).zip(key(&other));
            prop_assert_eq!(both.is_some_and(|(one, other)| one == other), one == other && both.is_some());
        }
    }
}
