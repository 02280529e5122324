//! Base64 of either alphabet (RFC 4648 §4, §5), padded or not.

use crate::base64::value;
use crate::hex::is_uuid;

/// Shorter ones are words as often as not.
pub(in crate::content) const SHORTEST: usize = 16;

/// Characters looked at before all are: a multiple of four.
const TRIED: usize = 24;

/// Whether `value` may well be base64 of text: long enough, of one alphabet, and its beginning
/// decodes to something printable.
pub(in crate::content) fn plausible(value: &[u8]) -> bool {
    // Of texts most end here.
    let is_blank = |head: &[u8; SHORTEST]| head.iter().fold(false, |is, byte| is | (*byte == b' '));
    if value.first_chunk().is_none_or(is_blank) || is_uuid(value) {
        return false;
    }
    let head = value.get(..TRIED.min(value.len() & !3)).unwrap_or_default();
    let mut out = [0; TRIED / 4 * 3];
    let mut len = 0;
    for four in head.chunks(4) {
        let Some((bytes, count)) = quantum(four) else {
            return false;
        };
        let Some(to) = out.get_mut(len..len + 3) else {
            return false;
        };
        // Of random bytes most end here.
        if bytes.iter().take(count).any(is_control) {
            return false;
        }
        to.copy_from_slice(&bytes);
        len += count;
    }
    out.get(..len).is_some_and(is_printable)
}

/// Appends what `value` is base64 of, if it is; a cut last quantum gives the bytes it has.
pub(in crate::content) fn decoded(value: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    out.reserve(value.len() / 4 * 3 + 3);
    let mut rest = value;
    while let Some((four, behind)) = rest.split_at_checked(4.min(rest.len())) {
        if four.is_empty() {
            return true;
        }
        let Some((bytes, count)) = quantum(four) else {
            break;
        };
        out.extend_from_slice(bytes.get(..count).unwrap_or_default());
        // Padding stands at the end only.
        if count < 3 && !behind.is_empty() {
            break;
        }
        rest = behind;
    }
    out.truncate(before);
    false
}

/// Whether nine bytes of ten are printable, line ends among them, and none of ASCII's rarer
/// controls is there. Bytes beyond ASCII count if they are UTF-8.
pub(in crate::content) fn is_printable(bytes: &[u8]) -> bool {
    let plain = bytes.iter().filter(|byte| is_plain(byte)).count();
    if plain == bytes.len() {
        return !bytes.is_empty();
    }
    let beyond = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    // The last character may be cut.
    let is_text = match str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    !bytes.iter().any(is_control) && (is_text || beyond * 10 <= bytes.len())
}

const fn is_plain(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// Whether it is one of ASCII's rarer controls.
const fn is_control(byte: &u8) -> bool {
    byte.is_ascii() && !is_plain(byte)
}

/// Up to four characters, and how many of the three bytes they stand for.
fn quantum(four: &[u8]) -> Option<([u8; 3], usize)> {
    let pad = four.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = four.get(..four.len() - pad)?;
    if digits.len() < 2 || (pad > 0 && four.len() < 4) {
        return None;
    }
    let bits = digits
        .iter()
        .try_fold(0u32, |bits, byte| Some(bits << 6 | value(*byte)?))?;
    let bits = bits << (6 * (4 - digits.len()));
    let [_, a, b, c] = bits.to_be_bytes();
    Some(([a, b, c], digits.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::{decoded, is_printable, plausible};
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[u8]>) {
        let mut out = b"before".to_vec();
        let whole = decoded(text.as_bytes(), &mut out);
        assert_eq!(whole.then(|| &out[6..]), expected, "{text}");
        assert!(whole || out == b"before");
    }

    #[test]
    fn either_alphabet_padded_or_not_or_cut() {
        check("", Some(b""));
        check("TWFu", Some(b"Man"));
        check("TWE=", Some(b"Ma"));
        check("TQ==", Some(b"M"));
        check("TWE", Some(b"Ma"));
        check("-_-_", Some(b"\xfb\xff\xbf"));
        check("+/+/", Some(b"\xfb\xff\xbf"));
        check("TWFuT", None);
        check("T===", None);
        check("TQ==TWFu", None);
        check("TW u", None);
        check("TQ=", None);
    }

    proptest! {
        #[test]
        fn what_is_plausible_begins_with_what_can_be_printed(text in "[A-Za-z0-9+/_-]{16,40}") {
            let head = &text.as_bytes()[..24.min(text.len() & !3)];
            let mut out = Vec::new();
            let expected = decoded(head, &mut out) && is_printable(&out);
            prop_assert_eq!(plausible(text.as_bytes()), expected);
        }
    }

    #[test]
    fn words_and_hashes_are_not_taken_for_text() {
        assert!(plausible(b"eyJ1c2VyIjoiYm9iIn0="));
        assert!(plausible(b"JyBPUiAxPTEgLS0gY29tbWVudA=="));
        for not in [
            "eyJh",
            "administrator-of-everything",
            "8f14e45fceea167a5a36dedd4bea2543",
            "550e8400-e29b-41d4-a716-446655440000",
            "Mozilla/5.0 (X11; Linux x86_64)",
            "2026-11-21T06:02:11Z",
        ] {
            assert!(!plausible(not.as_bytes()), "{not}");
        }
    }
}
