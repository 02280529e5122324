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

#[cfg(test)]
mod tests {
    use super::{decode, encode};

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
