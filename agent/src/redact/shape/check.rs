//! Check digits.

/// Whether decimal `digits` pass the Luhn check (ISO/IEC 7812-1 annex B).
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder by 97 of what letters and digits spell, A being 10 (ISO/IEC 7064, ISO 13616).
/// `None` if a byte is neither.
pub(super) fn mod97(bytes: impl Iterator<Item = u8>) -> Option<u32> {
    let mut rest = 0;
    for byte in bytes {
        let value = char::from(byte).to_digit(36)?;
        rest = if value < 10 {
            rest * 10 + value
        } else {
            rest * 100 + value
        } % 97;
    }
    Some(rest)
}

/// The sum of digits, each times its weight.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum()
}

/// Whether decimal `digits` pass the Verhoeff check, the last being the check digit.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    // The dihedral group D5, and the permutation of each place.
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u8, b: u8| -> u8 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => 5 + (a + b - 5) % 5,
            (false, true) => 5 + (a - 5 + 5 - b) % 5,
            (false, false) => (a - 5 + 5 - (b - 5)) % 5,
        }
    };
    let permuted = |digit: u8, times: usize| {
        (0..times % 8).fold(digit, |digit, _| {
            PERMUTATION.get(usize::from(digit)).copied().unwrap_or(0)
        })
    };
    let places = digits.iter().rev().enumerate();
    places.fold(0, |check, (at, digit)| product(check, permuted(*digit, at))) == 0
}

#[cfg(test)]
mod tests {
    use super::{luhn, mod97, verhoeff};

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn check_digits_catch_every_single_wrong_digit() {
        for (check, good) in [
            (luhn as fn(&[u8]) -> bool, "4111111111111111"),
            (luhn, "79927398713"),
            (verhoeff, "2363"),
            (verhoeff, "123451"),
        ] {
            let good = digits(good);
            assert!(check(&good), "{good:?}");
            for at in 0..good.len() {
                let mut wrong = good.clone();
                wrong[at] = (wrong[at] + 1) % 10;
                assert!(!check(&wrong), "{wrong:?}");
            }
        }
        assert_eq!(mod97(b"WEST12345698765432GB82".iter().copied()), Some(1));
        assert_eq!(mod97(b"A-".iter().copied()), None);
    }
}
