//! Which bytes a value has that anything could begin with: told once, so that most values need not be
//! read again by who looks for something in them.

use memchr::{memchr2, memchr3};

use super::eight::Eight;
use super::timestamp::is_timestamp;
use crate::bytes::table;

/// Kinds of bytes that a value may have: what it is not said to have is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs(u16);

/// Longest value whose bytes are looked at one by one: longer ones are searched faster.
pub(super) const SHORT: usize = 48;

impl Signs {
    /// A digit.
    pub const DIGIT: Self = Self(1);
    /// `@`.
    pub const AT: Self = Self(1 << 1);
    /// One that parts a name from its value: `=`, `:`.
    pub const PAIR: Self = Self(1 << 2);
    /// One of a coding, or a byte that is no ASCII.
    pub const CODING: Self = Self(1 << 3);
    /// Any of those: without one nothing begins in a short value.
    pub const TELLING: Self = Self::DIGIT.or(Self::AT).or(Self::PAIR).or(Self::CODING);
    /// One without which a short value holds no other values.
    pub(super) const WITHIN: Self = Self(1 << 4);
    /// `+`.
    pub(super) const PLUS: Self = Self(1 << 5);
    /// A quote, a backslash.
    const STOP: Self = Self(1 << 6);
    /// A dot: without one a short value is no token either.
    pub(super) const DOT: Self = Self(1 << 7);
    /// None of them but in a date or a time, which is all of the value: nothing begins in it.
    const TIME: Self = Self(1 << 8);
    /// None of them.
    pub(super) const NONE: Self = Self(0);
    /// Any of them.
    pub(super) const ANY: Self = Self(!Self::TIME.0);

    /// What `value` has. A long one may have any, but for those of pairs and codings.
    #[inline]
    pub(super) fn of(value: &[u8]) -> Self {
        if value.len() > SHORT {
            return Self::of_long(value);
        }
        let (mut signs, mut rest) = (Self::NONE, value);
        while let Some(eight) = Eight::first(rest) {
            signs = signs.or(eight.signs());
            rest = rest.get(8..).unwrap_or_default();
        }
        // Those looked at twice do no harm.
        match value.len().checked_sub(8).and_then(|at| value.get(at..)) {
            Some(last) if !rest.is_empty() => {
                signs.or(Eight::first(last).map_or(Self::ANY, Eight::signs))
            }
            _ => signs.or(Self::of_each(rest)),
        }
    }

    /// Where the first quote or backslash is, and what stands in front of it, if that is short; else how
    /// far it was looked for.
    #[inline(always)]
    pub(super) fn until_quote(bytes: &[u8]) -> (usize, Self) {
        let (mut signs, mut at) = (Self::NONE, 0);
        while at < SHORT
            && let Some(eight) = bytes.get(at..).and_then(Eight::first)
        {
            let before = eight.before_quote();
            at += before;
            if before < 8 {
                return (at, signs.or(eight.cut(before).signs()));
            }
            signs = signs.or(eight.signs());
        }
        for byte in bytes.iter().take(SHORT).skip(at) {
            let one = Self::of_byte(*byte);
            if one.may_have(Self::STOP) {
                break;
            }
            signs = signs.or(one);
            at += 1;
        }
        (at, signs)
    }

    /// Those of `value`, or that it is a date or a time.
    #[inline]
    pub(super) fn or_time(self, value: &[u8]) -> Self {
        let may_be = Self::DIGIT
            .or(Self::PAIR)
            .or(Self::WITHIN)
            .or(Self::PLUS)
            .or(Self::DOT);
        let is_time = self.may_have(Self::DIGIT) && !self.may_have(Self(!may_be.0));
        if is_time && is_timestamp(value) {
            Self::TIME
        } else {
            self
        }
    }

    /// Whether the value is a date or a time and nothing else.
    #[inline]
    #[must_use]
    pub const fn is_time(self) -> bool {
        self.0 == Self::TIME.0
    }

    #[inline]
    pub(super) fn of_each(bytes: &[u8]) -> Self {
        let signs = |signs: Self, byte: &u8| signs.or(Self::of_byte(*byte));
        bytes.iter().fold(Self::NONE, signs)
    }

    fn of_long(value: &[u8]) -> Self {
        let mut signs = Self::DIGIT
            .or(Self::AT)
            .or(Self::WITHIN)
            .or(Self::PLUS)
            .or(Self::DOT);
        if memchr2(b'=', b':', value).is_some() {
            signs = signs.or(Self::PAIR);
        }
        if memchr3(b'%', b'&', b'\\', value).is_some() || !value.is_ascii() {
            signs = signs.or(Self::CODING);
        }
        signs
    }

    /// What `byte` is.
    #[inline]
    pub(super) fn of_byte(byte: u8) -> Self {
        let signs = OF_BYTES.get(usize::from(byte));
        signs.copied().unwrap_or(Self::ANY)
    }

    /// These, but for `other`.
    #[inline]
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// These, and `other`.
    #[inline]
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there may be one of `other`.
    #[inline]
    #[must_use]
    pub const fn may_have(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

static OF_BYTES: [Signs; 256] = table!(Signs, {
    b'0'..=b'9' => Signs::DIGIT,
    b'@' => Signs::AT,
    b'=' | b':' => Signs::PAIR.or(Signs::WITHIN),
    b'"' => Signs::STOP,
    b'\\' => Signs::CODING.or(Signs::STOP),
    b'%' | b'&' | 0x80.. => Signs::CODING,
    b'+' => Signs::PLUS,
    b'.' => Signs::DOT,
    b'{' | b'[' | b'<' | b'/' | b'?' | b'#' => Signs::WITHIN,
    _ => Signs(0),
});

#[cfg(test)]
mod tests {
    use super::{SHORT, Signs};

    #[track_caller]
    fn check(value: &str, expected: Signs) {
        assert_eq!(Signs::of(value.as_bytes()), expected, "{value}");
        // What a long value has it may have.
        let long = format!("{}{value}", "x".repeat(SHORT));
        let signs = Signs::of(long.as_bytes());
        assert_eq!(signs.0 & expected.0, expected.0, "{long}");
        let exact = Signs::PAIR.or(Signs::CODING).0;
        assert_eq!(signs.0 & exact, expected.0 & exact, "{long}");
    }

    #[test]
    fn values_have_the_signs_of_their_bytes() {
        check("Ada Lovelace", Signs(0));
        check("42", Signs::DIGIT);
        check("a@b", Signs::AT);
        check("a=b", Signs::PAIR.or(Signs::WITHIN));
        check("/a", Signs::WITHIN);
        check("50%", Signs::DIGIT.or(Signs::CODING));
        check("é", Signs::CODING);
    }
}
