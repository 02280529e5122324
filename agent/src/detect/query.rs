//! Values of a query by their names, and percent-encoding.

use std::borrow::Cow;

use crate::hex;

/// The value of the first parameter of `query` whose name, in lower case, is one of `names`, where it is
/// a number; name and number without their percent-encoding.
pub(super) fn number(query: &[u8], names: &[&[u8]]) -> Option<u64> {
    let value = query
        .split(|byte| *byte == b'&')
        .take(64)
        .find_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(at)?;
            let name = plain(name);
            let named = names.iter().any(|one| name.eq_ignore_ascii_case(one));
            named.then(|| value.get(1..).unwrap_or_default())
        })?;
    str::from_utf8(&plain(value)).ok()?.parse().ok()
}

/// The bytes that `%` and two digits stand for put in their places, once (RFC 3986 §2.1).
pub(super) fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let coded = behind.split_at_checked(2).filter(|_| *first == b'%');
        let byte = coded.and_then(|(digits, behind)| Some((hex::decode::<1>(digits)?, behind)));
        let (byte, behind) = byte.map_or((*first, behind), |([byte], behind)| (byte, behind));
        plain.push(byte);
        rest = behind;
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::{number, plain};

    #[track_caller]
    fn check(query: &str, names: &[&[u8]], expected: Option<u64>) {
        assert_eq!(number(query.as_bytes(), names), expected, "{query}");
    }

    #[test]
    fn only_two_digits_are_taken_for_a_byte() {
        for (text, expected) in [
            ("%41%2e%2F", "A./"),
            ("%+7%-1% 1%4", "%+7%-1% 1%4"),
            ("%%41%", "%A%"),
        ] {
            assert_eq!(*plain(text.as_bytes()), *expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn parameters_are_found_by_name() {
        let query = "a=1&Page=7&x&page=9&=3&empty=";
        check(query, &[b"page"], Some(7));
        check(query, &[b"x", b"b", b"empty"], None);
        check("page=7x", &[b"page"], None);
        check("b=%37&p%61ge=1%38", &[b"page"], Some(18));
        check("page=%", &[b"page"], None);
        check("page=%4", &[b"page"], None);
        check("page=%+7", &[b"page"], None);
        check("page=1%+31", &[b"page"], None);
    }
}
