//! Integers with a prefix (RFC 7541 §5.1).

use super::Broken;

/// Largest integer that is read. Indices and lengths beyond it fit no table and no head.
const INTEGER_MAX: u32 = 1 << 28;

/// Reads an integer off the front of `input` whose first `prefix` bits, at most 8, share a byte with
/// something else.
pub(super) fn integer(input: &mut &[u8], prefix: u32) -> Result<u32, Broken> {
    let (first, mut rest) = input.split_first().ok_or(Broken::Short)?;
    let full = (1 << prefix) - 1;
    let mut value = u32::from(*first) & full;
    if value == full {
        let mut shift = 0;
        loop {
            let (byte, behind) = rest.split_first().ok_or(Broken::Short)?;
            rest = behind;
            let more = u32::from(byte & 0x7f)
                .checked_mul(1 << shift)
                .and_then(|part| value.checked_add(part));
            value = more.filter(|n| *n <= INTEGER_MAX).ok_or(Broken::Integer)?;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 28 {
                return Err(Broken::Integer);
            }
        }
    }
    *input = rest;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{Broken, integer};

    #[track_caller]
    fn check(input: &[u8], prefix: u32, expected: Result<(u32, usize), Broken>) {
        let read = |mut bytes: &[u8]| integer(&mut bytes, prefix).map(|value| (value, bytes.len()));
        assert_eq!(read(input), expected);
        if let Ok((_, left)) = expected {
            for cut in 0..input.len() - left {
                assert_eq!(read(&input[..cut]), Err(Broken::Short));
            }
        }
    }

    #[test]
    fn examples_of_the_rfc_are_read() {
        // RFC 7541 C.1.
        check(&[0b1110_1010], 5, Ok((10, 0)));
        check(&[0x1f, 0x9a, 0x0a, 0xff], 5, Ok((1337, 1)));
        check(&[42], 8, Ok((42, 0)));
        check(&[0xff, 0], 7, Ok((127, 0)));
        check(&[0xff, 0x80, 0x80, 0], 7, Ok((127, 0)));
    }

    #[test]
    fn integers_beyond_any_use_are_refused() {
        check(
            &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x0f],
            7,
            Err(Broken::Integer),
        );
        check(
            &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            7,
            Err(Broken::Integer),
        );
    }
}
