//! Bytes as hexadecimal digits, and back.

/// `bytes`, two lower-case digits each.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16);
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(digit).collect()
}

/// The bytes that `digits` of either case stand for, if they are just as many.
#[must_use]
pub fn decode<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    let value = |digit: u8| Some(char::from(digit).to_digit(16)? as u8);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// Whether `text` is a UUID (RFC 9562 §4).
#[inline]
#[must_use]
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36 && has_digits_and_dashes(text)
}

fn has_digits_and_dashes(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first_chunk::<18>() else {
        return false;
    };
    let Some(last) = rest.first_chunk::<18>() else {
        return false;
    };
    let has_dashes = [first.get(8), first.get(13), last.first(), last.get(5)];
    let dash = |byte: &u8| u8::from(*byte == b'-');
    // Without a branch they are looked at together.
    let is = |half: &[u8; 18]| {
        half.iter().fold((1, 0), |(all, dashes), byte| {
            let digit = u8::from(byte.is_ascii_digit() | matches!(byte | 0x20, b'a'..=b'f'));
            (all & (digit | dash(byte)), dashes + dash(byte))
        })
    };
    has_dashes == [Some(&b'-'); 4] && is(first) == (1, 2) && is(last) == (1, 2)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, is_uuid};

    #[test]
    fn uuids_have_their_digits_and_dashes_in_place() {
        assert!(is_uuid(b"7b1f0d3e-5a0e-4A55-9d0b-0f4c00001eef"));
        for other in [
            &b"7b1f0d3e-5a0e-4a55-9d0b-0f4c00001ee"[..],
            b"7b1f0d3e-5a0e-4a55-9d0b-0f4c00001eef0",
            b"7b1f0d3e-5a0e-4a55-9d0b-0f4c-0001eef",
            b"7b1f0d3e-5a0e-4a55-9d0b00f4c00001eef",
            b"7b1f0d3e-5a0e-4a55-9d0b-0g4c00001eef",
            b"",
        ] {
            assert!(!is_uuid(other), "{other:?}");
        }
    }

    #[test]
    fn bytes_come_back() {
        let all: [u8; 256] = std::array::from_fn(|at| at as u8);
        assert_eq!(decode(encode(&all).as_bytes()), Some(all));
        assert_eq!(encode(&[0x0a, 0xff]), "0aff");
    }

    #[test]
    fn only_whole_hexadecimal_is_read() {
        assert_eq!(decode::<2>(b"0aFf"), Some([10, 255]));
        for wrong in [&b"0aF"[..], b"0aFf0", b"+a+f", b"0x0a", b""] {
            assert_eq!(decode::<2>(wrong), None);
        }
    }
}
