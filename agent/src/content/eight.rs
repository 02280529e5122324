//! Eight bytes at a time, in one number: what most values are made of is told in a few steps.

use super::signs::Signs;

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);

/// Eight bytes, the first in the lowest place.
#[derive(Clone, Copy)]
pub(super) struct Eight(u64);

impl Eight {
    /// Those that `bytes` begins with, if there are as many.
    #[inline]
    pub(super) fn first(bytes: &[u8]) -> Option<Self> {
        let eight = bytes.first_chunk::<8>()?;
        Some(Self(u64::from_le_bytes(*eight)))
    }

    /// How many stand in front of the first quote or backslash.
    #[inline]
    pub(super) const fn before_quote(self) -> usize {
        let found = zeros(self.0 ^ (ONES * b'"' as u64)) | zeros(self.0 ^ (ONES * b'\\' as u64));
        found.trailing_zeros() as usize / 8
    }

    /// The first `count`, fewer than eight; zeros behind.
    #[inline]
    pub(super) const fn cut(self, count: usize) -> Self {
        Self(self.0 & ((1 << (8 * count)) - 1))
    }

    /// What they have.
    #[inline(always)]
    pub(super) fn signs(self) -> Signs {
        if self.is_words() {
            return Signs::NONE;
        }
        Signs::of_each(&self.bytes())
    }

    /// Whether all are letters, blanks or zeros: most are.
    #[inline]
    const fn is_words(self) -> bool {
        if self.0 & HIGHS != 0 {
            return false;
        }
        // Capitals, and a zero of a blank.
        let large = self.0 & (ONES * 0xdf);
        let words = between(large, b'A', b'Z') | is_zero(large);
        words & HIGHS == HIGHS
    }

    /// Whether they are those of `form`, in which `0` stands for any digit.
    #[inline]
    pub(super) const fn is_like(self, form: [u8; 8]) -> bool {
        if self.0 & HIGHS != 0 {
            return false;
        }
        let form = u64::from_le_bytes(form);
        let digits = is_zero(form ^ (ONES * b'0' as u64)) & HIGHS;
        // All of each byte that is a digit.
        let any = (digits >> 7) * 0xff;
        let is_digit = between(self.0, b'0', b'9') & digits == digits;
        (self.0 ^ form) & !any == 0 && is_digit
    }

    /// The bytes.
    #[inline]
    pub(super) const fn bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// How many bytes stand in front of the first quote or backslash, if there is one among the first `most`;
/// else how far it was looked for.
#[inline(always)]
pub(super) fn until_quote(bytes: &[u8], most: usize) -> usize {
    let mut at = 0;
    while at < most
        && let Some(eight) = bytes.get(at..).and_then(Eight::first)
    {
        let before = eight.before_quote();
        at += before;
        if before < 8 {
            return at;
        }
    }
    let is_none = |byte: &&u8| !matches!(byte, b'"' | b'\\');
    at + bytes.iter().take(most).skip(at).take_while(is_none).count()
}

/// The high bit of the first byte that is zero; those behind it may be wrong.
#[inline]
const fn zeros(bytes: u64) -> u64 {
    bytes.wrapping_sub(ONES) & !bytes & HIGHS
}

/// The high bit of each byte that is zero, if none has it.
#[inline]
const fn is_zero(bytes: u64) -> u64 {
    !(bytes + ONES * 0x7f)
}

/// The high bit of each byte from `low` to `high`, if none has it.
#[inline]
const fn between(bytes: u64, low: u8, high: u8) -> u64 {
    (bytes + ONES * (0x80 - low) as u64) & !(bytes + ONES * (0x7f - high) as u64)
}

#[cfg(test)]
mod tests {
    use super::{Eight, Signs, until_quote};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_are_what_each_of_them_is(bytes in any::<[u8; 8]>(), text in "[ -~]{8}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let eight = Eight::first(bytes).unwrap();
                let quote = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
                prop_assert_eq!(eight.before_quote(), quote.unwrap_or(8));
                prop_assert_eq!(eight.signs(), Signs::of_each(bytes));
                for count in 0..8 {
                    let cut = eight.cut(count).bytes();
                    prop_assert_eq!(&cut[..count], &bytes[..count]);
                    prop_assert!(cut[count..].iter().all(|byte| *byte == 0));
                }
            }
        }

        #[test]
        fn quotes_are_found(text in "[a-z]{0,20}[\"\\\\]?[a-z\"\\\\]{0,20}", most in 0_usize..40) {
            let all = text.bytes().position(|byte| matches!(byte, b'"' | b'\\'));
            let found = until_quote(text.as_bytes(), most.next_multiple_of(8));
            let expected = all.unwrap_or(text.len()).min(most.next_multiple_of(8));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn eight_are_like_a_form_by_each_of_them(text in "[01a -]{8}|.{2,4}", form in "[0 a-]{8}") {
            let form = *form.as_bytes().first_chunk().unwrap();
            if let Some(eight) = Eight::first(text.as_bytes()) {
                let is = |(byte, form): (u8, u8)| match form {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte == form,
                };
                prop_assert_eq!(eight.is_like(form), text.bytes().zip(form).all(is));
                let of_it = text.bytes().map(|byte| if byte == b'1' { b'0' } else { byte });
                let own: Vec<u8> = of_it.take(8).collect();
                let is_ascii = own.is_ascii();
                prop_assert_eq!(eight.is_like(*own.first_chunk().unwrap()), is_ascii);
            }
        }
    }
}
