//! Numbers that states give to persons, each with its check rule. Only forms whose check, date or
//! punctuation leaves few others are found by shape alone.

use super::Text;
use super::check::{luhn, mod97, verhoeff, weighted};
use super::digits::Digits;

/// Where a number of a person that is the whole run of `digits` ends.
pub(super) fn of_digits(text: Text<'_>, digits: &Digits) -> Option<usize> {
    let next = text.at(digits.end);
    let all = digits.all();
    if let Some(letter) = next.filter(u8::is_ascii_alphabetic) {
        let ends = !text
            .at(digits.end + 1)
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
        return (ends && digits.group_count == 1 && spain(all, letter)).then_some(digits.end + 1);
    }
    let found = united_states(digits)
        || brazil(digits)
        || india(digits)
        || sweden(digits)
        || germany(digits)
        || france(digits)
        || poland(digits);
    let runs_on = next.is_some_and(|byte| b"-_".contains(&byte))
        && text
            .at(digits.end + 1)
            .is_some_and(|byte| byte.is_ascii_alphanumeric());
    (found && !runs_on).then_some(digits.end)
}

/// Social security number: AAA-GG-SSSS (ssa.gov: no area 000, 666, 900–999, no zeros alone).
fn united_states(digits: &Digits) -> bool {
    let zeros = |range: std::ops::Range<usize>| {
        digits
            .all()
            .get(range)
            .is_none_or(|part| part.iter().all(|digit| *digit == 0))
    };
    (digits.is(b'-', &[3, 2, 4]) || digits.is(b' ', &[3, 2, 4]))
        && !matches!(digits.all(), [6, 6, 6, ..] | [9, ..])
        && !zeros(0..3)
        && !zeros(3..5)
        && !zeros(5..9)
}

/// CPF: 000.000.000-00, two check digits by 11.
fn brazil(digits: &Digits) -> bool {
    let groups = digits.groups().iter();
    let shape = [(0, 3), (b'.', 3), (b'.', 3), (b'-', 2)];
    if !groups.map(|group| (group.separator, group.len)).eq(shape) {
        return false;
    }
    let all = digits.all();
    let digit = |count: u32| {
        let weights: Vec<u32> = (2..=count + 1).rev().collect();
        let rest = weighted(all, &weights) * 10 % 11;
        Some(if rest == 10 { 0 } else { rest as u8 })
    };
    digit(9) == all.get(9).copied() && digit(10) == all.get(10).copied()
}

/// Aadhaar: four, four and four digits, Verhoeff.
fn india(digits: &Digits) -> bool {
    (digits.is(b' ', &[4, 4, 4]) || digits.is(b'-', &[4, 4, 4]))
        && digits.all().first().is_some_and(|digit| *digit >= 2)
        && verhoeff(digits.all())
}

/// Personnummer: YYMMDD-NNNC, Luhn.
fn sweden(digits: &Digits) -> bool {
    let all = digits.all();
    let all = match digits.groups() {
        [date, _] if digits.is(b'-', &[6, 4]) || (date.len == 8 && digits.is(b'-', &[8, 4])) => {
            all.get(date.len - 6..).unwrap_or_default()
        }
        _ => return false,
    };
    is_day(all, 2) && luhn(all)
}

/// Whether month and day stand from `at` on.
fn is_day(digits: &[u8], at: usize) -> bool {
    let two = |at: usize| match digits.get(at..at + 2) {
        Some([tens, ones]) => tens * 10 + ones,
        _ => 0,
    };
    (1..=12).contains(&two(at)) && (1..=31).contains(&two(at + 2))
}

/// Steuer-Identifikationsnummer: eleven digits, one of the first ten twice or thrice, ISO 7064 11,10.
fn germany(digits: &Digits) -> bool {
    let bare = digits.group_count == 1 || digits.is(b' ', &[2, 3, 3, 3]);
    let all = digits.all();
    if !bare || all.len() != 11 || all.first() == Some(&0) {
        return false;
    }
    let mut counts = [0_u8; 10];
    let mut product = 10_u32;
    for digit in all.iter().take(10) {
        if let Some(count) = counts.get_mut(usize::from(*digit)) {
            *count += 1;
        }
        let sum = (u32::from(*digit) + product) % 10;
        product = if sum == 0 { 10 } else { sum } * 2 % 11;
    }
    let repeated: Vec<u8> = counts.iter().copied().filter(|count| *count > 1).collect();
    let check = (11 - product) % 10;
    matches!(repeated.as_slice(), [2 | 3])
        && all.last().map(|digit| u32::from(*digit)) == Some(check)
}

/// NIR: sex, year, month, place, order, and a key that is 97 less the rest by 97.
fn france(digits: &Digits) -> bool {
    let all = digits.all();
    let bare = digits.group_count == 1
        || digits.is(b' ', &[1, 2, 2, 2, 3, 3, 2])
        || digits.is(b' ', &[13, 2]);
    if !bare || all.len() != 15 || !matches!(all.first(), Some(1 | 2)) {
        return false;
    }
    let month = all.get(3..5).map_or(0, |two| {
        two.iter().fold(0, |value, digit| value * 10 + digit)
    });
    let number = |range: std::ops::Range<usize>| {
        let digits = all.get(range).unwrap_or_default();
        digits
            .iter()
            .fold(0_u64, |value, digit| value * 10 + u64::from(*digit))
    };
    (1..=12).contains(&month) && 97 - number(0..13) % 97 == number(13..15)
}

/// PESEL: date of birth with the century in the month, serial, check digit. Alone it is like many
/// other numbers of eleven digits, so both the date and the check must hold.
fn poland(digits: &Digits) -> bool {
    let all = digits.all();
    if digits.group_count != 1 || all.len() != 11 {
        return false;
    }
    let [_, _, tens, ones, day_tens, day_ones, ..] = *all else {
        return false;
    };
    // 80 is added for the 1800s, 20 for the 2000s; nobody else is alive.
    let month = match tens {
        0 | 1 => tens * 10 + ones,
        2 | 3 => (tens - 2) * 10 + ones,
        _ => return false,
    };
    let check = (10 - weighted(all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10;
    (1..=12).contains(&month)
        && (1..=31).contains(&(day_tens * 10 + day_ones))
        && all.last().map(|digit| u32::from(*digit)) == Some(check)
}

/// DNI: eight digits and the letter their rest by 23 names.
fn spain(digits: &[u8], letter: u8) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    if digits.len() != 8 {
        return false;
    }
    let number = digits
        .iter()
        .fold(0_usize, |value, digit| value * 10 + usize::from(*digit));
    LETTERS.get(number % 23) == Some(&letter)
}

/// Whether a word of letters and digits is a number of a person.
pub(super) fn of_word(word: &[u8]) -> bool {
    italy(word) || united_kingdom(word) || spain_foreign(word)
}

/// NIE: X, Y or Z for 0, 1 or 2, seven digits, the letter of a DNI.
fn spain_foreign(word: &[u8]) -> bool {
    let [first @ b'X'..=b'Z', digits @ .., letter] = word else {
        return false;
    };
    if digits.len() != 7 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let mut number = [0; 8];
    for (place, byte) in number
        .iter_mut()
        .zip(std::iter::once(&(first - b'X' + b'0')).chain(digits))
    {
        *place = byte - b'0';
    }
    spain(&number, *letter)
}

/// National Insurance number: two letters, six digits, a letter A to D (gov.uk: no D, F, I, Q, U, V
/// in front, no O second).
fn united_kingdom(word: &[u8]) -> bool {
    let [first, second, digits @ .., suffix @ b'A'..=b'D'] = word else {
        return false;
    };
    let barred = [b"BG", b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
    digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
        && first.is_ascii_uppercase()
        && second.is_ascii_uppercase()
        && !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && !barred.contains(&&[*first, *second])
        && suffix.is_ascii_uppercase()
}

/// Codice fiscale: six letters, year, letter of the month, day, place, check letter.
fn italy(word: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    if word.len() != 16 {
        return false;
    }
    let letters = [0, 1, 2, 3, 4, 5, 8, 11, 15];
    let shaped = word.iter().enumerate().all(|(at, byte)| {
        if letters.contains(&at) {
            byte.is_ascii_alphabetic()
        } else {
            byte.is_ascii_digit()
        }
    });
    let value = |byte: u8| match byte.to_ascii_uppercase() {
        digit @ b'0'..=b'9' => u32::from(digit - b'0'),
        letter => u32::from(letter.saturating_sub(b'A')),
    };
    let sum: u32 = word
        .iter()
        .take(15)
        .enumerate()
        .map(|(at, byte)| match at % 2 {
            0 => ODD.get(value(*byte) as usize).copied().unwrap_or(0),
            _ => value(*byte),
        })
        .sum();
    shaped && word.last().map(|byte| value(*byte)) == Some(sum % 26)
}

/// Whether `bytes` are an IBAN: country, check digits, and up to thirty letters and digits (ISO 13616).
pub(super) fn is_iban(bytes: &[u8]) -> bool {
    let [a, b, c, d, rest @ ..] = bytes else {
        return false;
    };
    let Some(len) = iban_len([a.to_ascii_uppercase(), b.to_ascii_uppercase()]) else {
        return false;
    };
    bytes.len() == len
        && c.is_ascii_digit()
        && d.is_ascii_digit()
        && mod97(rest.iter().copied().chain([*a, *b, *c, *d])) == Some(1)
}

/// Countries, in order, and how long their IBANs are (SWIFT's IBAN registry, release 99).
const LENGTHS: [(&[u8; 2], u8); 89] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Length of the IBANs of a country.
pub(super) fn iban_len(country: [u8; 2]) -> Option<usize> {
    LENGTHS
        .binary_search_by_key(&&country, |(name, _)| *name)
        .ok()
        .and_then(|at| LENGTHS.get(at))
        .map(|(_, len)| usize::from(*len))
}
