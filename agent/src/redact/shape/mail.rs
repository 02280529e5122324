//! E-mail addresses (RFC 5321 §4.1.2, without quoted local parts).

use super::{Found, Text};
use crate::exchange::Secret;

/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL: usize = 64;

/// Longest domain (§4.5.3.1.2).
const DOMAIN: usize = 255;

/// The address around the `@` at `at`.
pub(super) fn at(text: Text<'_>, at: usize) -> Found {
    let nothing = Found::Nothing(at + 1);
    let is_local =
        |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte) || !byte.is_ascii();
    let before = text.get(at.saturating_sub(LOCAL)..at);
    let local = before.iter().rev().take_while(is_local).count();
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
    let is_domain =
        |byte: &&u8| byte.is_ascii_alphanumeric() || b".-".contains(byte) || !byte.is_ascii();
    let len = text
        .from(at + 1)
        .iter()
        .take(DOMAIN)
        .take_while(is_domain)
        .count();
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
