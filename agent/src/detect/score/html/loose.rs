//! Tags that are none as they stand: names whose letters are spaced out, which who takes white space
//! away makes one of, and tags without an end, which the page's own text completes.

use super::super::text::{among, at, from, is_space, run, skip_space, slice};

/// Names that nobody writes letter by letter. In order.
const NAMES: &[&str] = &[
    "applet", "base", "body", "embed", "form", "frame", "frameset", "iframe", "input", "link",
    "meta", "object", "script", "style",
];

/// Attributes by which a tag loads or sends. In order.
const ADDRESSES: &[&str] = &[
    "action",
    "background",
    "data",
    "formaction",
    "href",
    "poster",
    "src",
    "srcset",
];

/// Longest value that is a tag without an end: what is longer may be a text that was cut.
const DANGLING_MAX: usize = 512;

/// Where the name ends that is spaced out behind the `<` at `here`: `< s c r i p t`.
pub(super) fn spaced(low: &[u8], here: usize) -> Option<usize> {
    let (mut name, mut length) = ([0; 8], 0);
    let mut next = skip_space(low, here + 1);
    while at(low, next).is_ascii_lowercase() && !at(low, next + 1).is_ascii_lowercase() {
        *name.get_mut(length)? = at(low, next);
        length += 1;
        next = skip_space(low, next + 1);
    }
    among(NAMES, slice(&name, 0, length)).then_some(next.min(low.len()))
}

/// Where a tag with an address begins that the value does not end: `<img src='//h/?`.
pub(super) fn dangling(low: &[u8]) -> Option<usize> {
    if low.len() > DANGLING_MAX {
        return None;
    }
    let place = memchr::memrchr(b'<', low)?;
    let tag = from(low, place + 1);
    let name = run(tag, 0, |byte| byte.is_ascii_alphanumeric());
    let parted = is_space(at(tag, name)) || at(tag, name) == b'/';
    if !at(tag, 0).is_ascii_alphabetic() || !parted || memchr::memchr(b'>', tag).is_some() {
        return None;
    }
    let start = run(tag, name, |byte| is_space(byte) || byte == b'/');
    let end = run(tag, start, |byte| byte.is_ascii_alphabetic());
    let equals = skip_space(tag, end);
    let value = skip_space(tag, equals + 1);
    let quoted = matches!(at(tag, value), b'"' | b'\'');
    (at(tag, equals) == b'=' && quoted && among(ADDRESSES, slice(tag, start, end))).then_some(place)
}
