//! What the shape of a text says: card numbers, addresses, keys, wherever they stand.
//!
//! One pass over the bytes by their class is the gate: at a digit that begins a number, a letter
//! that begins a word, and at `@ + ( : -` the check functions are asked. Each looks a bounded way
//! back, and on as far as what it finds, so that no text costs more than linear time.

mod address;
mod check;
mod digits;
mod mail;
mod national;
mod number;
mod pair;
mod vendor;
mod word;

use std::ops::Range;

use crate::bytes::table;
use crate::content::Signs;
use crate::exchange::Secret;

pub(super) use mail::is_address;
pub(super) use pair::pairs;
#[cfg(test)]
pub(super) use vendor::prefixes;

/// Something found in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) range: Range<usize>,
    pub(super) secret: Secret,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) bytes: &'t [u8],
    /// Whether it may go on behind its end.
    pub(super) is_cut: bool,
    /// Whether IP addresses are looked for.
    pub(super) addresses: bool,
}

impl<'t> Text<'t> {
    #[inline]
    fn get(self, range: Range<usize>) -> &'t [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    #[inline]
    fn from(self, at: usize) -> &'t [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    #[inline]
    fn at(self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    #[inline]
    fn before(self, at: usize) -> Option<u8> {
        self.at(at.checked_sub(1)?)
    }

    /// Whether anything may be in a text that has `signs`: not in a short one, as most values of JSON
    /// are, that has neither a digit nor an `@`.
    #[inline]
    pub(super) const fn may_hold(self, signs: Signs) -> bool {
        let is_short = self.bytes.len() < SHORTEST_WORDS && !self.is_cut && !self.addresses;
        !is_short || signs.may_have(Signs::DIGIT) || signs.may_have(Signs::AT)
    }

    /// Whether what ends at `end` may have been cut there.
    #[inline]
    fn may_go_on(self, end: usize) -> bool {
        self.is_cut && end >= self.bytes.len()
    }
}

/// Shortest text that may hold something: `a@b.co`.
pub(super) const SHORTEST: usize = 6;

/// What a byte may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Nothing,
    Digit,
    Letter,
    Sign,
}

const CLASSES: [Class; 256] = table!(Class, {
    b'0'..=b'9' => Class::Digit,
    b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
    b'@' | b'+' | b'(' | b':' | b'-' => Class::Sign,
    _ => Class::Nothing,
});

/// Shortest text that may hold what is neither a mail address nor a number: `Basic` and its pair.
pub(super) const SHORTEST_WORDS: usize = 14;

/// Fewest digits of a number that is found, or of a word that is one.
const FEWEST_DIGITS: usize = 6;

/// Appends what `text` holds to `hits`, in order, none overlapping another.
pub(super) fn scan(text: Text<'_>, hits: &mut Vec<Hit>) {
    if text.bytes.len() >= SHORTEST && !is_too_little(text) {
        scan_all(text, hits);
    }
}

/// Whether a text is so short that, by its digits and without an `@`, nothing is in it: most values
/// of JSON are.
fn is_too_little(text: Text<'_>) -> bool {
    if text.bytes.len() >= SHORTEST_WORDS || text.is_cut || text.addresses {
        return false;
    }
    let mut digits = 0;
    let mut has_at = false;
    for byte in text.bytes {
        digits += usize::from(byte.is_ascii_digit());
        has_at |= *byte == b'@';
    }
    digits < FEWEST_DIGITS && !has_at
}

fn scan_all(text: Text<'_>, hits: &mut Vec<Hit>) {
    let first = hits.len();
    let mut at = 0;
    while let Some(byte) = text.at(at) {
        let class = CLASSES
            .get(usize::from(byte))
            .copied()
            .unwrap_or(Class::Nothing);
        let found = match class {
            Class::Nothing => {
                at += 1;
                continue;
            }
            Class::Digit => number::at(text, at),
            Class::Letter => match word::plain(text, at, byte) {
                Some(end) => {
                    at = end;
                    continue;
                }
                None => word::at(text, at, byte),
            },
            Class::Sign => sign(text, at, byte),
        };
        match found {
            Found::Hit(hit) => {
                // What an address has in front of its `@` may have been looked at before.
                while hits.len() > first
                    && hits
                        .last()
                        .is_some_and(|have| have.range.end > hit.range.start)
                {
                    hits.pop();
                }
                at = hit.range.end.max(at + 1);
                hits.push(hit);
            }
            Found::Nothing(next) => at = next.max(at + 1),
        }
    }
}

/// What a check says.
enum Found {
    Hit(Hit),
    /// Nothing begins before there.
    Nothing(usize),
}

impl Found {
    fn hit(range: Range<usize>, secret: Secret) -> Self {
        Self::Hit(Hit { range, secret })
    }
}

fn sign(text: Text<'_>, at: usize, byte: u8) -> Found {
    let next_is_digit = || text.at(at + 1).is_some_and(|next| next.is_ascii_digit());
    match byte {
        b'@' => mail::at(text, at),
        b'+' | b'(' if next_is_digit() || text.at(at + 1) == Some(b'+') => number::at(text, at),
        b':' if text.at(at + 1) == Some(b'/') && text.get(at..at + 3) == b"://" => {
            word::user_info(text, at + 3)
        }
        b':' if text.get(at + 1..at + 3) == b"AA"
            && let Some(found) = word::telegram(text, at) =>
        {
            found
        }
        b':' if text.addresses => address::at(text, at),
        b'-' if text.at(at + 1) == Some(b'-') && text.get(at..at + 11) == b"-----BEGIN " => {
            word::private_key(text, at)
        }
        _ => Found::Nothing(at + 1),
    }
}

#[cfg(test)]
mod tests;
