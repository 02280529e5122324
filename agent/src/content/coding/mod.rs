//! Codings that put several bytes for one, undone unit by unit, so that a place in the decoded value
//! can be found again in the raw one.

mod base64;
mod entity;
mod escape;
mod overlong;
mod percent;

use std::ops::Range;

use memchr::{memchr, memchr2};

use super::layer::{Layer, Layers};
use super::signs::Signs;

pub(super) use base64::{
    SHORTEST as SHORTEST_BASE64, decoded as base64, is_printable, plausible as plausible_base64,
};

/// Longest name whose bytes are looked at one by one.
const SHORT_NAME: usize = 16;

/// A coding of a value's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// The bytes are the value.
    #[default]
    None,
    /// `%XX` and `%uXXXX`.
    Percent,
    /// The same, and `+` for a space.
    Form,
    /// Escapes of a JSON string (RFC 8259 §7).
    Json,
    /// Escapes of JavaScript, more than JSON's.
    Script,
    /// Character references of XML and HTML.
    Entity,
    /// UTF-8 longer than it need be.
    Overlong,
}

/// What some raw bytes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// How many raw bytes.
    consumed: usize,
    /// The bytes they stand for, the first `len` of these.
    out: [u8; 4],
    len: usize,
    layer: Layer,
}

impl Unit {
    fn byte(consumed: usize, byte: u8, layer: Layer) -> Self {
        Self {
            consumed,
            out: [byte, 0, 0, 0],
            len: 1,
            layer,
        }
    }

    /// `None` if `code` is no character.
    fn char(consumed: usize, code: u32, layer: Layer) -> Option<Self> {
        let mut out = [0; 4];
        let len = char::from_u32(code)?.encode_utf8(&mut out).len();
        Some(Self {
            consumed,
            out,
            len,
            layer,
        })
    }
}

impl Coding {
    /// The next byte in `bytes` that may begin a unit.
    #[inline]
    fn next(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Percent => memchr(b'%', bytes),
            Self::Form => memchr2(b'%', b'+', bytes),
            Self::Json | Self::Script => memchr(b'\\', bytes),
            Self::Entity => memchr(b'&', bytes),
            Self::Overlong => bytes.iter().position(|byte| *byte >= 0xc0),
        }
    }

    /// The unit that `bytes` begin with; `None` if the first byte stands for itself.
    fn unit(self, bytes: &[u8]) -> Option<Unit> {
        match self {
            Self::None => None,
            Self::Percent => percent::unit(bytes),
            Self::Form if bytes.first() == Some(&b'+') => Some(Unit::byte(1, b' ', Layer::Plus)),
            Self::Form => percent::unit(bytes),
            Self::Json => escape::json(bytes),
            Self::Script => escape::script(bytes),
            Self::Entity => entity::unit(bytes),
            Self::Overlong => overlong::unit(bytes),
        }
    }

    /// Whether something may be coded in bytes that have `signs`.
    #[inline]
    pub(super) const fn may_touch(self, signs: Signs) -> bool {
        match self {
            Self::None => false,
            Self::Form => signs.may_have(Signs::CODING) || signs.may_have(Signs::PLUS),
            _ => signs.may_have(Signs::CODING),
        }
    }

    /// Whether something in `raw` may be coded; if not, `raw` is the value.
    #[inline]
    pub(super) fn touches(self, raw: &[u8]) -> bool {
        if raw.len() <= SHORT_NAME {
            let begins = |byte: &u8| matches!(byte, b'%' | b'+' | b'\\' | b'&' | 0xc0..);
            return self != Self::None && raw.iter().any(begins);
        }
        self.next(raw).is_some()
    }

    /// Appends the value of `raw` to `out`; the layers that were found, each once.
    pub(super) fn decode(self, raw: &[u8], out: &mut Vec<u8>) -> Layers {
        if matches!(self, Self::Form | Self::Percent) {
            return self.decode_percent(raw, out);
        }
        let mut found = Layers::NONE;
        let mut last = None;
        self.each(raw, |plain, unit| {
            out.extend_from_slice(plain);
            if let Some(unit) = unit {
                out.extend_from_slice(unit.out.get(..unit.len).unwrap_or_default());
                if last != Some(unit.layer) && !found.contains(unit.layer) {
                    found = found.with(unit.layer);
                }
                last = Some(unit.layer);
            }
            true
        });
        found
    }

    /// The same of a form or a path: run by run between the `%`, since a text has a `+` for each space.
    fn decode_percent(self, raw: &[u8], out: &mut Vec<u8>) -> Layers {
        let mut found = Layers::NONE;
        let mut add = |layer| {
            if !found.contains(layer) {
                found = found.with(layer);
            }
        };
        let (mut from, mut searched) = (0, 0);
        loop {
            let behind = raw.get(searched..).unwrap_or_default();
            let at = memchr(b'%', behind).map_or(raw.len(), |at| searched + at);
            let unit = raw.get(at..).and_then(percent::unit);
            if unit.is_none() && at < raw.len() {
                searched = at + 1;
                continue;
            }
            let plain = raw.get(from..at).unwrap_or_default();
            if self == Self::Form && plain.contains(&b'+') {
                spaced(plain, out);
                add(Layer::Plus);
            } else {
                out.extend_from_slice(plain);
            }
            let Some(unit) = unit else {
                return found;
            };
            out.extend_from_slice(unit.out.get(..unit.len).unwrap_or_default());
            add(unit.layer);
            from = at + unit.consumed;
            searched = from;
        }
    }

    /// The bytes of `raw` that `range` of its value comes from.
    pub(super) fn raw_range(self, raw: &[u8], range: Range<usize>) -> Range<usize> {
        let (mut at, mut value_at) = (0, 0);
        let (mut start, mut end) = (None, None);
        self.each(raw, |plain, unit| {
            // Plain bytes map one to one.
            let plain_end = value_at + plain.len();
            if start.is_none() && range.start < plain_end {
                start = Some(at + (range.start - value_at));
            }
            if end.is_none() && range.end <= plain_end {
                end = Some(at + range.end.saturating_sub(value_at));
            }
            (at, value_at) = (at + plain.len(), plain_end);
            if let Some(unit) = unit {
                let unit_end = value_at + unit.len;
                if start.is_none() && range.start < unit_end {
                    start = Some(at);
                }
                (at, value_at) = (at + unit.consumed, unit_end);
                if end.is_none() && range.end <= unit_end {
                    end = Some(at);
                }
            }
            end.is_none()
        });
        let end = end.unwrap_or(raw.len());
        start.unwrap_or(end).min(end)..end
    }

    /// Gives runs of bytes that stand for themselves, each with the unit behind it, until `visit`
    /// wants no more.
    fn each(self, raw: &[u8], mut visit: impl FnMut(&[u8], Option<Unit>) -> bool) {
        let (mut rest, mut searched) = (raw, 0);
        loop {
            let Some(found) = rest.get(searched..).and_then(|bytes| self.next(bytes)) else {
                visit(rest, None);
                return;
            };
            let at = searched + found;
            let Some(unit) = rest.get(at..).and_then(|bytes| self.unit(bytes)) else {
                searched = at + 1;
                continue;
            };
            let Some((plain, behind)) = rest.split_at_checked(at) else {
                return;
            };
            if !visit(plain, Some(unit)) {
                return;
            }
            (rest, searched) = (behind.get(unit.consumed..).unwrap_or_default(), 0);
        }
    }
}

/// Appends `raw` with a space for each `+`: the value of a form that has no other coding.
#[inline]
pub(super) fn spaced(raw: &[u8], out: &mut Vec<u8>) {
    let space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    out.extend(raw.iter().map(space));
}

/// The number that hex digits spell; `None` if one of them is none.
fn hex(digits: &[u8]) -> Option<u32> {
    let digit = |value: u32, byte: &u8| {
        let digit = char::from(*byte).to_digit(16)?;
        value.checked_mul(16)?.checked_add(digit)
    };
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, digit)
}

#[cfg(test)]
mod tests {
    use super::{Coding, Signs};
    use proptest::prelude::*;

    /// Checks the value, and that every place in it is found again.
    #[track_caller]
    fn check(coding: Coding, raw: &[u8], value: &[u8], layers: &[&str]) {
        let mut out = Vec::new();
        let found = coding.decode(raw, &mut out);
        assert_eq!(
            out.escape_ascii().to_string(),
            value.escape_ascii().to_string()
        );
        assert_eq!(
            found.iter().map(super::Layer::as_str).collect::<Vec<_>>(),
            layers
        );
        assert!(layers.is_empty() || coding.touches(raw));
        assert_eq!(coding.raw_range(raw, 0..value.len()), 0..raw.len());
        for (at, byte) in value.iter().enumerate() {
            let range = coding.raw_range(raw, at..at + 1);
            assert!(
                range.start < range.end && range.end <= raw.len(),
                "{at}: {range:?}"
            );
            let mut again = Vec::new();
            coding.decode(&raw[range], &mut again);
            assert!(again.contains(byte), "{at}");
        }
    }

    #[test]
    fn percent_and_plus() {
        check(
            Coding::Percent,
            b"a%2fB%2F+%zz%",
            b"a/B/+%zz%",
            &["percent"],
        );
        check(
            Coding::Form,
            b"a+b%26%u00e9",
            "a b&é".as_bytes(),
            &["plus", "percent", "percent_u"],
        );
        check(Coding::Percent, b"%ud800x%u12", b"%ud800x%u12", &[]);
        check(Coding::None, b"%41+", b"%41+", &[]);
    }

    #[test]
    fn json_escapes_with_surrogates() {
        check(
            Coding::Json,
            br#"a\"\\\/\n\u00e9\ud83d\ude00z"#,
            "a\"\\/\né😀z".as_bytes(),
            &["escape"],
        );
        check(
            Coding::Json,
            br"\x41\ud83dz\",
            b"\\x41\xef\xbf\xbdz\\",
            &["escape"],
        );
    }

    #[test]
    fn escapes_of_scripts() {
        check(
            Coding::Script,
            br"\x61\u{6c}\u0065\162\'\0\q",
            b"aler'\0\\q",
            &["escape"],
        );
    }

    #[test]
    fn character_references() {
        check(
            Coding::Entity,
            b"&lt;a&#62;&#x2F;&#0000097b&amp;amp; & &nope; &#x110000;",
            b"<a>/ab&amp; & &nope; &#x110000;",
            &["entity"],
        );
    }

    #[test]
    fn utf8_longer_than_it_need_be() {
        check(
            Coding::Overlong,
            b"\xc0\xae\xe0\x80\xaf\xf0\x80\x80\xaf",
            b".//",
            &["overlong"],
        );
        check(Coding::Overlong, "é😀".as_bytes(), "é😀".as_bytes(), &[]);
    }

    proptest! {
        #[test]
        fn runs_are_decoded_as_each_of_their_units(
            raw in "(%[0-9a-fA-F]{2}|%[uU][0-9a-f]{4}|%|[a+u4]){0,12}",
        ) {
            for coding in [Coding::Percent, Coding::Form] {
                let (mut expected, mut layers) = (Vec::new(), super::Layers::NONE);
                coding.each(raw.as_bytes(), |plain, unit| {
                    expected.extend_from_slice(plain);
                    if let Some(unit) = unit {
                        expected.extend_from_slice(&unit.out[..unit.len]);
                        if !layers.contains(unit.layer) {
                            layers = layers.with(unit.layer);
                        }
                    }
                    true
                });
                let mut out = Vec::new();
                prop_assert_eq!(coding.decode(raw.as_bytes(), &mut out), layers);
                prop_assert_eq!(out, expected);
            }
        }

        #[test]
        fn what_may_not_be_coded_is_not(raw in "[a%+&\\\\u0;#x3c4é]{0,60}") {
            for coding in [
                Coding::Percent, Coding::Form, Coding::Json, Coding::Script, Coding::Entity,
            ] {
                let found = coding.decode(raw.as_bytes(), &mut Vec::new());
                let signs = Signs::of(raw.as_bytes());
                let may = coding.may_touch(signs) && coding.touches(raw.as_bytes());
                prop_assert!(found.is_empty() || may, "{coding:?}");
            }
        }

        #[test]
        fn ranges_of_any_bytes_stay_within(raw in "[a%+&\\\\u0;#{}x3c]{0,40}", at: usize, len in 0usize..9) {
            for coding in [
                Coding::None, Coding::Percent, Coding::Form, Coding::Json, Coding::Script,
                Coding::Entity, Coding::Overlong,
            ] {
                let mut value = Vec::new();
                coding.decode(raw.as_bytes(), &mut value);
                prop_assert!(value.len() <= raw.len().max(1) * 2);
                let start = at % (value.len() + 1);
                let range = coding.raw_range(raw.as_bytes(), start..(start + len).min(value.len()));
                prop_assert!(range.start <= range.end && range.end <= raw.len());
            }
        }
    }
}
