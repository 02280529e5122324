//! Values of a query by their names.

/// The value of the first parameter of `query` whose name, in lower case, is one of `names`.
pub(super) fn value<'q>(query: &'q [u8], names: &[&[u8]]) -> Option<&'q [u8]> {
    query.split(|byte| *byte == b'&').take(64).find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        let named = names.iter().any(|one| name.eq_ignore_ascii_case(one));
        named.then(|| value.get(1..).unwrap_or_default())
    })
}

/// As [`value`], where it is a number.
pub(super) fn number(query: &[u8], names: &[&[u8]]) -> Option<u64> {
    str::from_utf8(value(query, names)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{number, value};

    #[test]
    fn parameters_are_found_by_name() {
        let query = b"a=1&Page=7&x&page=9&=3&empty=";
        assert_eq!(number(query, &[b"page"]), Some(7));
        assert_eq!(value(query, &[b"empty"]), Some(&b""[..]));
        assert_eq!(number(query, &[b"x", b"b"]), None);
        assert_eq!(number(b"page=7x", &[b"page"]), None);
    }
}
