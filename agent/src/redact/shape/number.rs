//! What begins with a digit, `+` or `(`: payment cards, national ids, telephone numbers, addresses.

use super::digits::{Digits, Group, MOST_DIGITS, next_group};
use super::{Found, Text, check, national};
use crate::exchange::Secret;

/// Fewest digits of a number that is found.
const FEWEST: usize = 7;

/// Where the first group of a number at `from` ends, if all its groups together have too few digits:
/// most numbers have, and are told by that for less than it takes to read them.
fn too_few(text: Text<'_>, from: usize) -> Option<usize> {
    if text.addresses {
        return None;
    }
    let run = |at: usize| run(text, at, FEWEST);
    let first = run(from);
    let (mut count, mut last, mut end) = (first, first, from + first);
    while count < FEWEST {
        let next = next_group(text, end).filter(|_| last > 0);
        let Some((start, _)) = next else {
            return Some(from + first);
        };
        last = run(start);
        (count, end) = (count + last, start + last);
    }
    None
}

/// How many digits stand at `at`, of the first `most` bytes.
#[inline]
fn run(text: Text<'_>, at: usize, most: usize) -> usize {
    let bytes = text.from(at).iter().take(most);
    bytes.take_while(|byte| byte.is_ascii_digit()).count()
}

/// Length of a date, `2026-11-21`.
const DATE: usize = 10;

/// Whether a date stands at `at` that is not the beginning of a longer number: it is none, and most
/// that looks like a number is one.
fn is_plain_date(text: Text<'_>, at: usize) -> bool {
    let Some([c, e, n, t, b'-', m, o, b'-', d, a]) = text.from(at).first_chunk::<DATE>() else {
        return false;
    };
    let is_year = matches!([c, e], [b'1', b'9'] | [b'2', b'0']);
    let rest = [n, t, m, o, d, a];
    is_year
        && rest.into_iter().all(u8::is_ascii_digit)
        && match text.at(at + DATE) {
            Some(next) => next != b'-' && !next.is_ascii_digit(),
            None => !text.is_cut,
        }
}

/// What a number at `at` is.
pub(super) fn at(text: Text<'_>, at: usize) -> Found {
    let marks = text
        .from(at)
        .iter()
        .take(3)
        .take_while(|byte| b"+(".contains(byte));
    let from = at + marks.count();
    // A number that is the middle of a longer word, an id in hexadecimal or a serial number, is none.
    let before = text.before(at);
    let glued = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
        || (before == Some(b'-') && is_word(text.before(at - 1)));
    if glued {
        return Found::Nothing(from + run(text, from, MOST_DIGITS));
    }
    if from == at && is_plain_date(text, at) {
        return Found::Nothing(at + DATE);
    }
    if let Some(end) = too_few(text, from) {
        return Found::Nothing(end);
    }
    by_digits(text, at, from)
}

/// What a number at `at` is, whose first digit is at `from`, by all its digits.
fn by_digits(text: Text<'_>, at: usize, from: usize) -> Found {
    let digits = Digits::read(text, from);
    let first_end = digits
        .groups()
        .first()
        .map_or(from, |group| group.start + group.len);
    let may_be_address = text.addresses && digits.group_count == 4;
    if digits.count < FEWEST && !may_be_address {
        return Found::Nothing(first_end);
    }
    let after = text.at(digits.end);
    let runs_on = is_word(after)
        || (after.is_some_and(|byte| b"-_".contains(&byte)) && is_word(text.at(digits.end + 1)));
    if let Some(found) = card(text, &digits) {
        return found;
    }
    if text.addresses && digits.is_address(text) {
        return Found::hit(at..digits.end, Secret::IpAddress);
    }
    if let Some(end) = national::of_digits(text, &digits) {
        return Found::hit(at..end, Secret::NationalId);
    }
    let end = extension(text, digits.end);
    if (!runs_on || end > digits.end) && phone(text, at, &digits) {
        return Found::hit(at..end, Secret::Phone);
    }
    Found::Nothing(first_end)
}

/// Where a telephone number that goes on as `x123` ends.
fn extension(text: Text<'_>, end: usize) -> usize {
    if !matches!(text.at(end), Some(b'x' | b'X')) {
        return end;
    }
    let digits = text.from(end + 1).iter().take(6);
    match digits.take_while(|byte| byte.is_ascii_digit()).count() {
        count @ 1..=5 => end + 1 + count,
        _ => end,
    }
}

fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// Fewest digits of a card.
const SHORTEST_CARD: usize = 12;

/// The longest card number that begins with the first group.
fn card(text: Text<'_>, digits: &Digits) -> Option<Found> {
    let groups = digits.groups();
    let start = groups.first()?.start;
    let mut count = 0;
    let mut longest = None;
    let separator = groups.get(1).map_or(0, |group| group.separator);
    for (place, group) in groups.iter().enumerate() {
        if place > 0 && (group.separator != separator || !b" -.".contains(&separator)) {
            break;
        }
        count += group.len;
        let end = group.start + group.len;
        let number = digits.values.get(..count)?;
        if is_word(text.at(end)) {
            break;
        }
        let is_card = count >= SHORTEST_CARD
            && is_grouped(groups.get(..=place)?)
            && is_issued(number)
            && check::luhn(number);
        if is_card {
            longest = Some(end);
        } else if text.may_go_on(end) && count >= 8 && issuer(number).is_some() {
            // What is missing may be what makes it one.
            longest = Some(end);
        }
    }
    longest.map(|end| Found::hit(start..end, Secret::PaymentCard))
}

/// Cards are written in one run, or in groups of three to seven, the first of four.
fn is_grouped(groups: &[Group]) -> bool {
    match groups {
        [_] => true,
        [first, rest @ ..] => {
            first.len == 4 && rest.iter().all(|group| (2..=7).contains(&group.len))
        }
        [] => false,
    }
}

/// Whether an issuer gives out numbers like this.
fn is_issued(number: &[u8]) -> bool {
    issuer(number).is_some_and(|lengths| lengths.contains(&number.len()))
}

/// Lengths of the numbers of the issuer whose first digits these are (ISO/IEC 7812, and the
/// networks' own publications).
fn issuer(number: &[u8]) -> Option<&'static [usize]> {
    let first = |count: usize| {
        let digits = number.get(..count)?;
        Some(
            digits
                .iter()
                .fold(0_u32, |value, digit| value * 10 + u32::from(*digit)),
        )
    };
    let (two, three, four) = (first(2)?, first(3)?, first(4)?);
    Some(match (two, three, four) {
        (40..=49, ..) => &[13, 16, 19],
        (51..=55, ..) | (_, _, 2221..=2720) => &[16],
        (34 | 37, ..) => &[15],
        (36 | 38 | 39, ..) | (_, 300..=305 | 309, _) => &[14, 16, 19],
        (_, _, 3528..=3589) => &[16, 17, 18, 19],
        (_, _, 2131 | 1800) => &[15],
        (_, _, 6011) | (65, ..) | (_, 644..=649, _) => &[16, 17, 18, 19],
        (62 | 81, ..) => &[16, 17, 18, 19],
        (_, _, 2200..=2204) => &[16, 17, 18, 19],
        (50 | 56..=58 | 60 | 63 | 67, ..) | (_, _, 6304 | 6390) => {
            &[12, 13, 14, 15, 16, 17, 18, 19]
        }
        _ => return None,
    })
}

impl Digits {
    /// Four numbers up to 255, parted by dots, and nothing more of the kind behind.
    fn is_address(&self, text: Text<'_>) -> bool {
        let groups = self.groups();
        groups.len() == 4
            && groups.iter().skip(1).all(|group| group.separator == b'.')
            && groups.iter().all(|group| {
                let digits = text.get(group.start..group.start + group.len);
                digits.len() <= 3
                    && digits
                        .iter()
                        .fold(0, |value, byte| value * 10 + u32::from(byte - b'0'))
                        <= 255
            })
    }
}

/// Whether a number is written as telephone numbers are, and no date, price or id is.
fn phone(text: Text<'_>, at: usize, digits: &Digits) -> bool {
    let groups = digits.groups();
    let count = digits.count;
    if !(7..=15).contains(&count) {
        return false;
    }
    let international = text.at(at) == Some(b'+') || text.at(at + 1) == Some(b'+');
    if international {
        return count >= 8;
    }
    let bracket =
        text.at(at) == Some(b'(') && groups.get(1).is_some_and(|group| group.separator == b')');
    if bracket {
        return groups
            .first()
            .is_some_and(|group| (2..=5).contains(&group.len));
    }
    let separators = groups.iter().skip(1).map(|group| group.separator);
    let same = separators
        .clone()
        .all(|one| Some(one) == groups.get(1).map(|group| group.separator));
    let one = groups.get(1).map_or(0, |group| group.separator);
    // Bare digits are ids more often than telephone numbers.
    if groups.len() < 2 || !same || !b" -.".contains(&one) || is_date(digits) {
        return false;
    }
    // The end of a longer number, parted in the same way, is none.
    if text.before(at) == Some(one)
        && text
            .before(at - 1)
            .is_some_and(|byte| byte.is_ascii_digit())
    {
        return false;
    }
    let lengths = |at: usize| groups.get(at).map_or(0, |group| group.len);
    let [first, second, third] = [lengths(0), lengths(1), lengths(2)];
    match groups.len() {
        // North America: 3-3-4, with 1 in front 1-3-3-4.
        3 if (first, second, third) == (3, 3, 4) => digits
            .all()
            .first()
            .is_some_and(|digit| *digit > 1 || one != b' '),
        4 if (first, second, third, lengths(3)) == (1, 3, 3, 4) => digits.all().first() == Some(&1),
        // Elsewhere a national number begins with 0, or the text says what it is; and the groups
        // behind are not all single.
        _ => {
            (9..=14).contains(&count)
                && (2..=6).contains(&first)
                && one != b'.'
                && groups.iter().skip(1).all(|group| group.len >= 2)
                && (digits.all().first() == Some(&0)
                    || (groups.len() >= 3 && is_called_phone(text, at, digits.end)))
        }
    }
}

/// Words that stand beside telephone numbers, in lower case.
const PHONE_WORDS: [&[u8]; 10] = [
    b"call", b"cell", b"desk", b"dial", b"fax", b"mobile", b"office", b"phone", b"sms", b"tel",
];

/// Bytes around a number that are searched for such a word.
const BESIDE: usize = 16;

/// Whether the words beside a number, in its line, call it a telephone number.
fn is_called_phone(text: Text<'_>, at: usize, end: usize) -> bool {
    let before = text.get(at.saturating_sub(BESIDE)..at);
    let behind = text.get(end..text.bytes.len().min(end + BESIDE));
    let before = before.rsplit(|byte| *byte == b'\n').next();
    let behind = behind.split(|byte| *byte == b'\n').next();
    [before, behind].into_iter().flatten().any(|words| {
        words
            .split(|byte| !byte.is_ascii_alphabetic())
            .any(|word| PHONE_WORDS.iter().any(|one| word.eq_ignore_ascii_case(one)))
    })
}

/// A year, a month and a day in this or the other order.
fn is_date(digits: &Digits) -> bool {
    let year = |at: usize| matches!(digits.all().get(at..at + 2), Some([1, 9] | [2, 0]));
    (digits.group_count >= 3)
        && match digits.groups() {
            [a, b, c, ..] if (a.len, b.len, c.len) == (4, 2, 2) => year(0),
            [a, b, c, ..] if (a.len, b.len, c.len) == (2, 2, 4) => year(4),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::super::digits::Digits;
    use super::super::{Found, Text};
    use super::{FEWEST, by_digits, is_plain_date, too_few};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_has_too_few_digits_is_told_without_reading_it(text in "[0-9 .)/a-]{0,14}", from in 0usize..15) {
            let text = Text { bytes: text.as_bytes(), is_cut: false, addresses: false };
            let digits = Digits::read(text, from);
            let first = digits.groups().first().map_or(from, |group| group.start + group.len);
            let expected = (digits.count < FEWEST).then_some(first);
            prop_assert_eq!(too_few(text, from), expected);
        }

        #[test]
        fn a_date_is_passed_over_that_by_its_digits_is_nothing(
            text in "(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}[-0-9 .)/aT:]{0,12}",
            is_cut in any::<bool>(),
        ) {
            let text = Text { bytes: text.as_bytes(), is_cut, addresses: false };
            if is_plain_date(text, 0) {
                let passed = matches!(by_digits(text, 0, 0), Found::Nothing(4));
                prop_assert!(passed || too_few(text, 0).is_some());
            }
        }
    }
}
