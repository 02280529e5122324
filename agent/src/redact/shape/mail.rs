//! E-mail addresses (RFC 5321 §4.1.2, without quoted local parts).

use super::{Found, Text};
use crate::bytes::table;
use crate::exchange::Secret;

/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL: usize = 64;

/// Longest domain (§4.5.3.1.2).
const DOMAIN: usize = 255;

/// What a byte may stand in.
const IS_LOCAL: u8 = 1;
const IS_DOMAIN: u8 = 2;

/// Of each byte, those of the two it may stand in.
static STANDS_IN: [u8; 256] = table!(u8, {
    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | 0x80.. => IS_LOCAL | IS_DOMAIN,
    b'_' | b'%' | b'+' | b'\'' => IS_LOCAL,
    _ => 0,
});

#[inline]
fn is(byte: u8, what: u8) -> bool {
    STANDS_IN
        .get(usize::from(byte))
        .is_some_and(|stands_in| stands_in & what != 0)
}

/// The address around the `@` at `at`.
pub(super) fn at(text: Text<'_>, at: usize) -> Found {
    let nothing = Found::Nothing(at + 1);
    let before = text.get(at.saturating_sub(LOCAL)..at);
    let local = before.iter().rev().take_while(|byte| is(**byte, IS_LOCAL));
    let local = local.count();
    // A dot, a quote or a dash in front is the sentence's.
    let front = text.get(at - local..at);
    let marks = front
        .iter()
        .take_while(|byte| b".'-%".contains(byte))
        .count();
    let local = local - marks;
    if local == 0 {
        return nothing;
    }
    let behind = text.from(at + 1).iter().take(DOMAIN);
    let len = behind.take_while(|byte| is(**byte, IS_DOMAIN)).count();
    let domain = text.get(at + 1..at + 1 + len);
    let trailing = domain
        .iter()
        .rev()
        .take_while(|byte| b".-".contains(byte))
        .count();
    let end = at + 1 + len - trailing;
    let domain = text.get(at + 1..end);
    let top = domain
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default();
    let is_top = top.len() >= 2
        && top
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
    let begins = domain
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    let is_name = begins && domain.contains(&b'.') && is_top || begins && top.starts_with(b"xn--");
    let is_cut = text.may_go_on(at + 1 + len) && (local >= 2 || len >= 2);
    if is_name || is_cut {
        return Found::hit(at - local..end.max(at + 1), Secret::Email);
    }
    nothing
}
