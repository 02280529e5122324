//! E-mail addresses (RFC 5321 §4.1.2, without quoted local parts).

use memchr::memrchr;

use super::{Found, Text};
use crate::bytes::table;
use crate::exchange::Secret;

/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL: usize = 64;

/// Longest domain (§4.5.3.1.2).
const DOMAIN: usize = 255;

/// What a byte may stand in.
const IS_LOCAL: u8 = 1;
const IS_DOMAIN: u8 = 1 << 1;
/// In the last name of a domain.
const IS_TOP: u8 = 1 << 2;
/// In front of the rest of a domain.
const IS_FIRST: u8 = 1 << 3;

/// Of each byte, those that it may stand in.
static STANDS_IN: [u8; 256] = table!(u8, {
    b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => IS_LOCAL | IS_DOMAIN | IS_TOP | IS_FIRST,
    b'0'..=b'9' => IS_LOCAL | IS_DOMAIN | IS_FIRST,
    b'.' | b'-' => IS_LOCAL | IS_DOMAIN,
    b'_' | b'%' | b'+' | b'\'' => IS_LOCAL,
    _ => 0,
});

#[inline]
fn is(byte: u8, what: u8) -> bool {
    STANDS_IN
        .get(usize::from(byte))
        .is_some_and(|stands_in| stands_in & what != 0)
}

/// How many bytes at the end of `bytes` may stand in `what`.
#[inline]
fn count_back(bytes: &[u8], what: u8) -> usize {
    let mut rest = bytes;
    while let [before @ .., last] = rest
        && is(*last, what)
    {
        rest = before;
    }
    bytes.len() - rest.len()
}

/// How many bytes at the beginning of `bytes` may stand in `what`.
#[inline]
fn count(bytes: &[u8], what: u8) -> usize {
    let mut rest = bytes;
    while let [first, behind @ ..] = rest
        && is(*first, what)
    {
        rest = behind;
    }
    bytes.len() - rest.len()
}

/// Whether all of `value` is one address, as a value of JSON often is: nothing else is in it then.
pub(in crate::redact) fn is_address(value: &[u8]) -> bool {
    let len = count(value, IS_LOCAL);
    let Some((local, [b'@', domain @ ..])) = value.split_at_checked(len) else {
        return false;
    };
    let is_local = match local {
        [] | [b'.' | b'\'' | b'-' | b'%', ..] => false,
        _ => len <= LOCAL,
    };
    let ends = !matches!(domain, [.., b'.' | b'-']) && domain.len() <= DOMAIN;
    is_local && ends && count(domain, IS_DOMAIN) == domain.len() && is_name(domain)
}

/// The address around the `@` at `at`.
pub(super) fn at(text: Text<'_>, at: usize) -> Found {
    let nothing = Found::Nothing(at + 1);
    let before = text.get(at.saturating_sub(LOCAL)..at);
    let local = count_back(before, IS_LOCAL);
    // A dot, a quote or a dash in front is the sentence's.
    let mut start = at - local;
    while start < at && matches!(text.at(start), Some(b'.' | b'\'' | b'-' | b'%')) {
        start += 1;
    }
    if start == at {
        return nothing;
    }
    let behind = text.from(at + 1);
    let most = behind.get(..DOMAIN).unwrap_or(behind);
    let len = count(most, IS_DOMAIN);
    let mut domain = behind.get(..len).unwrap_or_default();
    while let [before @ .., b'.' | b'-'] = domain {
        domain = before;
    }
    let is_cut = text.may_go_on(at + 1 + len) && (at - start >= 2 || len >= 2);
    if is_name(domain) || is_cut {
        return Found::hit(start..at + 1 + domain.len(), Secret::Email);
    }
    nothing
}

/// Whether `domain`, which neither a dot nor a dash ends, is the name of a host.
fn is_name(domain: &[u8]) -> bool {
    let begins = domain.first().is_some_and(|byte| is(*byte, IS_FIRST));
    let top = count_back(domain, IS_TOP);
    let above = domain.get(..domain.len() - top).unwrap_or_default();
    let is_top = top >= 2 && above.last() == Some(&b'.');
    begins && (is_top || is_coded(domain))
}

/// Whether the last name of `domain` is one of another script, in letters and digits (RFC 3492).
fn is_coded(domain: &[u8]) -> bool {
    let top = memrchr(b'.', domain).map_or(0, |dot| dot + 1);
    domain
        .get(top..)
        .is_some_and(|top| top.starts_with(b"xn--"))
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::super::scan;
    use super::{DOMAIN, Found, LOCAL, at, is_address};
    use crate::exchange::Secret;
    use proptest::prelude::*;
    use std::ops::Range;

    /// The same in other words: the address around the `@` at `at` of a text.
    fn by_words(text: &str, is_cut: bool, at: usize) -> Option<Range<usize>> {
        let (before, behind) = (&text[..at], &text[at + 1..]);
        let is_host = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || ".-".contains(c);
        let is_local = |c: char| is_host(c) || "_%+'".contains(c);
        let local = &before[before.trim_end_matches(is_local).len()..];
        let local = local.trim_start_matches(['.', '\'', '-', '%']);
        let run = behind.len() - behind.trim_start_matches(is_host).len();
        let domain = behind[..run].trim_end_matches(['.', '-']);
        let top = domain.rsplit('.').next()?;
        let is_word = |c: char| c.is_ascii_alphabetic() || !c.is_ascii();
        let is_name = domain.contains('.') && top.len() >= 2 && top.chars().all(is_word);
        let begins = !domain.is_empty() && !domain.starts_with(['.', '-']);
        let may_go_on = is_cut && run == behind.len() && (local.len() >= 2 || run >= 2);
        let is_address = begins && (is_name || top.starts_with("xn--")) || may_go_on;
        (is_address && !local.is_empty()).then(|| at - local.len()..at + 1 + domain.len())
    }

    proptest! {
        #[test]
        fn in_an_address_nothing_else_is_found(
            text in "(sk-|ghp_|eyJ|basic[+]|DE89|AKIA|[+]?4111111111111111|[0-9]{3}-[0-9]{3}-[0-9]{4}|[a-z]{1,3}|[A-Z0-9]{1,9}|[é_+%'.-]){1,4}@([a-z0-9]{1,12}|[é.-]|xn--){0,4}[.](co|org|c1)(@)?",
            is_cut: bool,
            addresses: bool,
        ) {
            if is_address(text.as_bytes()) {
                let scanned = Text { bytes: text.as_bytes(), is_cut, addresses };
                let mut hits = Vec::new();
                scan(scanned, &mut hits);
                let ranges: Vec<_> = hits.iter().map(|hit| (hit.range.clone(), hit.secret)).collect();
                prop_assert_eq!(ranges, [(0..text.len(), Secret::Email)]);
            }
        }

        #[test]
        fn addresses_are_what_their_definition_says(
            text in "([a-z]{1,3}|[0-9é _+%'.-]|xn--|[.](co|c1|é)){0,6}@?([a-z]{1,3}|[0-9é _+%'.-]|xn--|[.](co|c1|é)){0,6}(@[a-z.]{0,5})?",
            is_cut: bool,
        ) {
            prop_assume!(text.len() < LOCAL.min(DOMAIN));
            let scanned = Text { bytes: text.as_bytes(), is_cut, addresses: false };
            for (place, _) in text.match_indices('@') {
                let found = match at(scanned, place) {
                    Found::Hit(hit) => Some(hit.range),
                    Found::Nothing(_) => None,
                };
                prop_assert_eq!(found, by_words(&text, is_cut, place));
            }
        }
    }
}
