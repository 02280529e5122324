//! `name=value` and `"name": "value"` in text that has no form: logs, HTML, what is left of JSON.

use memchr::memchr2;

use super::{Hit, Text};
use crate::redact::names::{Meanings, Means, holds};

/// Longest name that is looked at.
const NAME: usize = 64;

/// Longest value without a quote around it.
const VALUE: usize = 4096;

/// Appends the values whose names call them secrets.
pub(in crate::redact) fn pairs(text: Text<'_>, meanings: &mut Meanings, hits: &mut Vec<Hit>) {
    let mut at = 0;
    while let Some(found) = memchr2(b'=', b':', text.from(at)) {
        let sign = at + found;
        at = sign + 1;
        let name = name_before(text, sign);
        if name.len() < 3 {
            continue;
        }
        let Some(means @ Means::This(_)) = meanings.of(name, false) else {
            continue;
        };
        let (from, to) = value_after(text, at);
        if let Some(secret) = holds(means, text.get(from..to), false, name) {
            hits.push(Hit {
                range: from..to,
                secret,
            });
            at = to;
        }
    }
}

/// The name in front of the sign at `sign`, out of its quotes.
fn name_before(text: Text<'_>, sign: usize) -> &[u8] {
    let before = text.get(sign.saturating_sub(NAME)..sign);
    let end = before
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\'))
        .count();
    let before = before.get(..before.len() - end).unwrap_or_default();
    let is_name = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']')
    };
    let len = before.iter().rev().take_while(is_name).count();
    before.get(before.len() - len..).unwrap_or_default()
}

/// Where the value behind a sign begins and ends.
fn value_after(text: Text<'_>, at: usize) -> (usize, usize) {
    let blank = text
        .from(at)
        .iter()
        .take_while(|byte| b" \t\\".contains(byte));
    let from = at + blank.count();
    let rest = text.from(from);
    let len = match rest.first() {
        Some(quote @ (b'"' | b'\'')) => {
            let behind = rest.get(1..).unwrap_or_default();
            let len = behind.iter().take_while(|byte| *byte != quote).count();
            // A backslash in front of the quote is the quote's.
            let escape = usize::from(len > 0 && behind.get(len - 1) == Some(&b'\\'));
            return (from + 1, from + 1 + len - escape);
        }
        _ => {
            let is_value =
                |byte: &&u8| !byte.is_ascii_whitespace() && !b"&;,<>\"'}])".contains(byte);
            rest.iter().take(VALUE).take_while(is_value).count()
        }
    };
    (from, from + len)
}
