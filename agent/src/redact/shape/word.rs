//! What begins with a letter: keys by their prefix, tokens, IBANs, national ids; and what stands in
//! a URL in front of its host.

use memchr::memmem;

use super::national;
use super::vendor::{bytes_at, forms};
use super::{Found, Text};
use crate::exchange::Secret;

/// Longest user and password of a URL.
const USER_INFO: usize = 256;

/// Shortest bearer token that is taken for one in running text.
const BEARER: usize = 12;

/// Shortest JWT: three parts, of which the first is `{"alg":…}`.
const JWT: usize = 24;

/// The second bytes of what may begin with a byte, a bit for each by its lowest five bits: of a
/// vendor's forms, of a JWT, of `Bearer` and `Basic`.
static SECONDS: [u32; 256] = with(bytes_at(1), b'e', b'a', b'y');

/// The third ones.
static THIRDS: [u32; 256] = with(bytes_at(2), b'a', b's', b'J');

/// The bytes of vendors' forms with those of `Bearer`, `Basic` and `eyJ`.
#[expect(
    clippy::indexing_slicing,
    reason = "a constant, whose bounds the compiler proves"
)]
const fn with(mut bytes: [u32; 256], bearer: u8, basic: u8, jwt: u8) -> [u32; 256] {
    let scheme = 1 << (bearer & 31) | 1 << (basic & 31);
    bytes[b'b' as usize] |= scheme;
    bytes[b'B' as usize] |= scheme;
    bytes[b'e' as usize] |= 1 << (jwt & 31);
    bytes
}

/// Where the word that begins with the letter `first` at `at` ends, if nothing is in it that [`at`]
/// could find: what has no digit is found by its first bytes.
#[inline]
pub(super) fn plain(text: Text<'_>, at: usize, first: u8) -> Option<usize> {
    let rest = text.from(at + 1);
    let begins = |bytes: &[u32; 256], place: usize| {
        let byte = rest.get(place).copied().unwrap_or_default();
        let bytes = bytes.get(usize::from(first)).copied().unwrap_or_default();
        bytes >> (byte & 31) & 1 == 1
    };
    if begins(&SECONDS, 0) && begins(&THIRDS, 1) {
        return None;
    }
    let len = rest.iter().position(|byte| !byte.is_ascii_alphabetic());
    let end = at + 1 + len.unwrap_or(rest.len());
    (!text.at(end).is_some_and(|byte| byte.is_ascii_digit())).then_some(end)
}

/// What a word that begins with the letter `first` at `at` is. Words end where letters and digits do.
pub(super) fn at(text: Text<'_>, at: usize, first: u8) -> Found {
    let bytes = text.from(at);
    let len = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let end = at + len;
    if first == b'e'
        && bytes.starts_with(b"eyJ")
        && let Some(found) = jwt(text, at)
    {
        return found;
    }
    if matches!(first, b'B' | b'b')
        && matches!(len, 5 | 6)
        && let Some(found) = scheme(text, at, len)
    {
        return found;
    }
    if let Some(found) = vendor(text, at) {
        return found;
    }
    let has_digit = bytes.get(2).is_some_and(u8::is_ascii_digit)
        && bytes.get(3).is_some_and(u8::is_ascii_digit);
    if has_digit && let Some(found) = iban(text, at) {
        return found;
    }
    if matches!(len, 9 | 16) && national::of_word(bytes.get(..len).unwrap_or_default()) {
        return Found::hit(at..end, Secret::NationalId);
    }
    Found::Nothing(end)
}

fn run(text: Text<'_>, at: usize, is_part: impl Fn(u8) -> bool) -> usize {
    let bytes = text.from(at).iter();
    at + bytes.take_while(|byte| is_part(**byte)).count()
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Two or three runs of base64url between dots, the first of an object.
fn jwt(text: Text<'_>, at: usize) -> Option<Found> {
    let header = run(text, at, is_url_safe);
    if text.at(header) != Some(b'.') {
        return (text.may_go_on(header) && header - at >= 10)
            .then(|| Found::hit(at..header, Secret::Jwt));
    }
    // Five parts, if it is encrypted (RFC 7516 §7.1).
    let end = run(text, header + 1, |byte| is_url_safe(byte) || byte == b'.');
    (end - at >= JWT || text.may_go_on(end)).then(|| Found::hit(at..end, Secret::Jwt))
}

/// The token of a bot at Telegram around the `:` at `at`: the bot's number, and 35 characters.
pub(super) fn telegram(text: Text<'_>, at: usize) -> Option<Found> {
    let before = text.get(at.saturating_sub(11)..at).iter().rev();
    let digits = before.take_while(|byte| byte.is_ascii_digit()).count();
    let end = run(text, at + 1, is_url_safe);
    let is_one = (8..=10).contains(&digits) && end - at == 36;
    is_one.then(|| Found::hit(at - digits..end, Secret::CloudKey))
}

/// What follows `Bearer` or `Basic`.
fn scheme(text: Text<'_>, at: usize, len: usize) -> Option<Found> {
    let name = text.get(at..at + len);
    let is_bearer = name.eq_ignore_ascii_case(b"bearer");
    if !is_bearer && !name.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let blank = |byte: u8| byte == b' ' || byte == b'+';
    let from = run(text, at + len, blank);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let end = run(text, from, is_token);
    let token = text.get(from..end);
    // A word of the language has no digit, and no great letter behind a small one.
    let turns = token
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let is_made = token.iter().any(u8::is_ascii_digit) || turns || token.len() >= 32;
    if from == at + len || !is_made {
        return None;
    }
    if is_bearer {
        let long = token.len() >= BEARER || text.may_go_on(end);
        return long.then(|| Found::hit(from..end, Secret::Bearer));
    }
    (token.len() >= 8).then(|| Found::hit(from..end, Secret::Basic))
}

fn vendor(text: Text<'_>, at: usize) -> Option<Found> {
    for form in forms(text.from(at)) {
        let from = at + form.prefix.len();
        let end = run(text, from, |byte| form.chars.has(byte));
        // A sentence may end behind it.
        let dots = text
            .get(from..end)
            .iter()
            .rev()
            .take_while(|byte| **byte == b'.');
        let end = end - dots.count();
        let whole = end - from >= form.least && is_varied(text.get(from..end));
        let is_cut = text.may_go_on(end) && form.prefix.len() >= 4;
        if whole || is_cut {
            return Some(Found::hit(at..end, Secret::CloudKey));
        }
    }
    None
}

/// Whether it is no filling, `xxxx…`, which stands for a key in examples.
fn is_varied(key: &[u8]) -> bool {
    key.windows(2).any(|pair| matches!(pair, [a, b] if a != b))
}

/// Letters and digits, in one run or in groups of four.
fn iban(text: Text<'_>, at: usize) -> Option<Found> {
    let country = text.get(at..at + 2);
    let &[first, second] = country else {
        return None;
    };
    let len = national::iban_len([first.to_ascii_uppercase(), second.to_ascii_uppercase()])?;
    let mut bytes = [0; 34];
    let mut count = 0;
    let mut end = at;
    while count < len {
        let byte = text.at(end);
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() => {
                if let Some(place) = bytes.get_mut(count) {
                    *place = byte;
                }
                count += 1;
            }
            Some(b' ' | b'-')
                if count > 0
                    && text
                        .at(end + 1)
                        .is_some_and(|next| next.is_ascii_alphanumeric()) => {}
            _ => break,
        }
        end += 1;
    }
    let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let whole = national::is_iban(bytes.get(..count)?) && !is_word(text.at(end));
    let is_cut = text.may_go_on(end) && count >= 8 && count < len;
    (whole || is_cut).then(|| Found::hit(at..end, Secret::Iban))
}

/// The password of `user:password@host`, which begins at `at`.
pub(super) fn user_info(text: Text<'_>, at: usize) -> Found {
    let nothing = Found::Nothing(at);
    let rest = text.from(at);
    let mut colon = None;
    for (offset, byte) in rest.iter().take(USER_INFO).enumerate() {
        match byte {
            b':' if colon.is_none() => colon = Some(offset),
            b'@' => {
                let from = colon.map_or(0, |colon| colon + 1);
                if offset > from && colon.is_some() {
                    return Found::hit(at + from..at + offset, Secret::Password);
                }
                return nothing;
            }
            b'/' | b'?' | b'#' | b'"' | b'<' | b'>' => return nothing,
            _ if byte.is_ascii_whitespace() => return nothing,
            _ => {}
        }
    }
    nothing
}

/// All of a key in PEM (RFC 7468), from `-----BEGIN`, if it is a private one.
pub(super) fn private_key(text: Text<'_>, at: usize) -> Found {
    let head = text.get(at..(at + 64).min(text.bytes.len()));
    if memmem::find(head, b"PRIVATE KEY").is_none() {
        return Found::Nothing(at + 11);
    }
    let rest = text.from(at);
    let end = memmem::find(rest, b"-----END ")
        .and_then(|end| {
            let behind = rest.get(end + 9..)?;
            Some(end + 9 + memmem::find(behind, b"-----")? + 5)
        })
        .unwrap_or(rest.len());
    Found::hit(at..at + end, Secret::PrivateKey)
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Text, prefixes};
    use super::{at, plain};
    use proptest::prelude::*;

    #[test]
    fn no_form_is_passed_over() {
        let schemes: [&[u8]; 6] = [
            b"eyJ", b"Bearer ", b"bEARER ", b"BASIC ", b"basic ", b"bAsIc ",
        ];
        for prefix in prefixes().chain(schemes) {
            let bytes = [prefix, b"abcdefghij"].concat();
            let text = Text {
                bytes: &bytes,
                is_cut: false,
                addresses: false,
            };
            assert_eq!(plain(text, 0, prefix[0]), None, "{}", prefix.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn words_that_are_passed_over_hold_nothing(
            text in "(sk|ghp_|eyJ|Basic |bearer |DE8|AKIA|AC|[a-zA-Z]{1,9}|[0-9]{1,4}|[-_. ]){1,12}",
            is_cut: bool,
        ) {
            let text = Text { bytes: text.as_bytes(), is_cut, addresses: false };
            for (place, byte) in text.bytes.iter().enumerate().filter(|(_, byte)| byte.is_ascii_alphabetic()) {
                if let Some(end) = plain(text, place, *byte) {
                    let found = at(text, place, *byte);
                    prop_assert!(matches!(found, Found::Nothing(next) if next == end), "{place}");
                }
            }
        }
    }
}
