//! What a parameter's value looks like.

use serde::{Deserialize, Serialize};

use crate::hex::is_uuid;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing.
    Empty,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Another number.
    Number,
    /// A UUID.
    Uuid,
    /// A date, with or without a time.
    Date,
    /// An e-mail address.
    Email,
    /// A URL.
    Url,
    /// A word of letters, digits, `-`, `_` and `.`.
    Word,
    /// Any other text.
    Text,
}

impl Kind {
    /// What `value` looks like.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let unsigned = value.strip_prefix(b"-").unwrap_or(value);
        if value.is_empty() || value == b"null" {
            return Self::Empty;
        }
        if value == b"true" || value == b"false" {
            return Self::Boolean;
        }
        if digits(unsigned) {
            return Self::Integer;
        }
        let number = |byte: &u8| byte.is_ascii_digit() || b".eE+-".contains(byte);
        if unsigned.first().is_some_and(u8::is_ascii_digit)
            && value.iter().all(number)
            && str::from_utf8(value).is_ok_and(|text| text.parse::<f64>().is_ok())
        {
            return Self::Number;
        }
        let dash = |at: usize| value.get(at) == Some(&b'-');
        if is_uuid(value) {
            return Self::Uuid;
        }
        if value.len() >= 10 && dash(4) && dash(7) && value.get(..4).is_some_and(digits) {
            return Self::Date;
        }
        if value.starts_with(b"http://") || value.starts_with(b"https://") {
            return Self::Url;
        }
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let at = value.iter().position(|byte| *byte == b'@');
        if let Some((name, host)) = at.and_then(|at| value.split_at_checked(at))
            && !name.is_empty()
            && host.contains(&b'.')
            && host.iter().skip(1).all(word)
        {
            return Self::Email;
        }
        if value.iter().all(word) {
            Self::Word
        } else {
            Self::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn values_are_told_by_their_look() {
        for (value, expected) in [
            ("", Kind::Empty),
            ("null", Kind::Empty),
            ("true", Kind::Boolean),
            ("42", Kind::Integer),
            ("-42", Kind::Integer),
            ("1.5e3", Kind::Number),
            ("1.2.3", Kind::Word),
            ("550e8400-e29b-41d4-a716-446655440000", Kind::Uuid),
            ("550e8400e29b-41d4-a716-446655440000-", Kind::Word),
            ("2026-11-21", Kind::Date),
            ("2026-11-21T10:00:00Z", Kind::Date),
            ("a@b.c", Kind::Email),
            ("https://a/b", Kind::Url),
            ("asc", Kind::Word),
            ("two words", Kind::Text),
            ("1 OR 1=1", Kind::Text),
        ] {
            assert_eq!(Kind::of(value.as_bytes()), expected, "{value}");
        }
    }
}
