//! Base64 with padding (RFC 4648 §4): bytes as text, and back.

/// `bytes` as base64.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            out.push(if place <= group.len() {
                digit(bits >> (18 - 6 * place) & 0x3f)
            } else {
                '='
            });
        }
    }
    out
}

fn digit(value: u32) -> char {
    let value = value as u8;
    char::from(match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    })
}

/// The bytes that `text` stands for; `None` if it is not just what [`encode`] writes of them.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let digits = group.iter().take_while(|byte| **byte != b'=').count();
        let mut bits = 0;
        for byte in group.iter().take(digits) {
            bits = bits << 6 | value(*byte)?;
        }
        let bits: u32 = bits << (6 * (4 - digits));
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend_from_slice(bytes.get(..digits.checked_sub(1)?)?);
    }
    // What lacks its padding, has a digit behind it or a bit too many is not what would be written.
    (encode(&out) == text).then_some(out)
}

/// What a digit stands for, in the alphabet of RFC 4648 §4 or in that of URLs (§5).
#[inline]
#[must_use]
pub const fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use proptest::prelude::*;

    #[track_caller]
    fn check(bytes: &[u8], text: &str) {
        assert_eq!(encode(bytes), text);
        assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
    }

    #[test]
    fn it_is_that_of_the_rfc() {
        // RFC 4648 §10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            check(bytes.as_bytes(), text);
        }
        check(&[0xfb, 0xff, 0xbf], "+/+/");
    }

    #[test]
    fn what_is_not_written_so_is_not_read() {
        for text in [
            "Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "====", "Zm9v\n", "Zm-v", "Zm=v", "é",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            check(&bytes, &encode(&bytes));
        }
    }
}
