//! IPv6 addresses (RFC 4291 §2.2). Those of IPv4 are numbers parted by dots, see `number`.

use std::net::Ipv6Addr;

use super::{Found, Text};
use crate::exchange::Secret;

/// Longest address: eight groups of four digits, or six and an IPv4 address.
const LONGEST: usize = 45;

/// Longest group, in digits.
const GROUP: usize = 4;

/// Shortest that is taken for one: `::` stands in programs too.
const SHORTEST: usize = 6;

/// The address whose first colon is at `at`.
pub(super) fn at(text: Text<'_>, at: usize) -> Found {
    let nothing = Found::Nothing(at + 1);
    let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let before = text.get(at.saturating_sub(GROUP)..at).iter().rev();
    let start = at - before.take_while(|byte| byte.is_ascii_hexdigit()).count();
    if is_word(text.before(start)) || text.before(start) == Some(b':') {
        return nothing;
    }
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let run = text
        .from(start)
        .iter()
        .take(LONGEST + 1)
        .take_while(is_part);
    let mut end = start + run.count();
    // A sentence may end behind it.
    while end > start
        && matches!(text.before(end), Some(b'.' | b':'))
        && !text.get(start..end).ends_with(b"::")
    {
        end -= 1;
    }
    let word = text.get(start..end);
    let is_address = word.len() >= SHORTEST
        && word.iter().any(u8::is_ascii_digit)
        && !is_word(text.at(end))
        && str::from_utf8(word).is_ok_and(|word| word.parse::<Ipv6Addr>().is_ok());
    if is_address {
        return Found::hit(start..end, Secret::IpAddress);
    }
    nothing
}
