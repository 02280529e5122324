//! Names and values: query, form, cookies.

use std::ops::Range;

use memchr::memchr;

use super::arena::{self, NONE, Step};
use super::coding::Coding;
use super::nest;
use super::place::Place;
use super::walk::{Source, Value, Walk};

/// Bytes of a pair that are looked at one by one for its `=`.
const SHORT_NAME: usize = 12;

/// How pairs are read.
#[derive(Clone, Copy)]
pub(super) struct Style {
    step: Step,
    place: Place,
    coding: Coding,
}

/// Of a query.
pub(super) const QUERY: Style = Style {
    step: Step::Query,
    place: Place::Query,
    coding: Coding::Form,
};

/// Of a URL's fragment, where answers of OAuth stand.
pub(super) const FRAGMENT: Style = Style {
    step: Step::Fragment,
    place: Place::Fragment,
    coding: Coding::Form,
};

/// Of a form.
pub(super) const FORM: Style = Style {
    step: Step::Field,
    place: Place::Form,
    coding: Coding::Form,
};

/// Of a parameter of a path's segment.
pub(super) const PARAMETER: Style = Style {
    step: Step::Field,
    place: Place::Path,
    coding: Coding::Percent,
};

const COOKIE: Style = Style {
    step: Step::Cookie,
    place: Place::Cookie,
    coding: Coding::Percent,
};

/// Pairs between `&`.
pub(super) fn pairs<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    range: Range<usize>,
    parent: u32,
    style: Style,
) {
    let mut at = range.start;
    while at < range.end {
        let rest = source.get(at..range.end);
        let len = memchr(b'&', rest).unwrap_or(rest.len());
        if !walk.has_room() {
            let name = walk.wordless(parent, style.step);
            walk.push(
                &source,
                at..range.end,
                Value::text(name, Place::Text, style.coding),
            );
            return;
        }
        pair(walk, source, at..at + len, parent, style);
        at += len + 1;
    }
}

/// One pair; a name without a value has an empty one.
pub(super) fn pair<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    range: Range<usize>,
    parent: u32,
    style: Style,
) {
    if range.is_empty() {
        return;
    }
    let pair = source.get(range.clone());
    let equals = name_len(pair);
    let name_to = range.start + equals;
    let name = walk.name(
        parent,
        style.step,
        &source,
        range.start..name_to,
        style.coding,
    );
    let value_from = (name_to + 1).min(range.end);
    let is_cut = source.is_cut && range.end == source.bytes.len();
    let value = Value::text(name, style.place, style.coding).cut(is_cut);
    walk.add(&source, value_from..range.end, value);
}

/// Bytes in front of the `=` of a pair. Names are short.
#[inline]
fn name_len(pair: &[u8]) -> usize {
    let near = pair.iter().take(SHORT_NAME).position(|byte| *byte == b'=');
    near.or_else(|| memchr(b'=', pair)).unwrap_or(pair.len())
}

/// The value of a Cookie field (RFC 6265 §4.2.1).
pub(super) fn cookies<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>) {
    let mut at = 0;
    while at < source.bytes.len() {
        let rest = source.get(at..source.bytes.len());
        let len = memchr(b';', rest).unwrap_or(rest.len());
        if !walk.has_room() {
            let name = walk.wordless(NONE, Step::Cookie);
            let all = at..source.bytes.len();
            walk.push(
                &source,
                all,
                Value::text(name, Place::Cookie, Coding::Percent),
            );
            return;
        }
        cookie(walk, source, at..at + len);
        at += len + 1;
    }
}

/// The value of a Set-Cookie field: the cookie, and not how long it lives; whether that is said.
pub(super) fn set_cookie<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>) -> bool {
    let len = memchr(b';', source.bytes).unwrap_or(source.bytes.len());
    cookie(walk, source, 0..len);
    len < source.bytes.len()
}

fn cookie<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, range: Range<usize>) {
    let range = trimmed(source, range);
    let bytes = source.get(range.clone());
    if let Some(equals) = memchr(b'=', bytes) {
        let (name, value) = (
            source.get(range.start..range.start + equals),
            source.get(range.start + equals + 1..range.end),
        );
        let known = walk.parts.known.of(arena::COOKIE, name, value);
        let value = range.start + equals + 1..range.end;
        let name = range.start..range.start + equals;
        let name = walk.name(NONE, COOKIE.step, &source, name, COOKIE.coding);
        let told = Value::text(name, COOKIE.place, COOKIE.coding);
        let index = walk.push(&source, value, told);
        // What is not looked into for want of room is not what it is elsewhere.
        let known = known.filter(|_| walk.has_room());
        walk.number(known);
        if !walk.is_plain(known) {
            walk.look_once(known, |walk| nest::look(walk, index, source.depth));
        }
        return;
    }
    if !range.is_empty() {
        // Browsers take a cookie without `=` as a value without a name (RFC 6265bis §5.6).
        let name = walk.wordless(NONE, COOKIE.step);
        walk.add(
            &source,
            range,
            Value::text(name, COOKIE.place, COOKIE.coding),
        );
    }
}

/// `range` without white space at its ends.
pub(super) fn trimmed(source: Source<'_, '_>, range: Range<usize>) -> Range<usize> {
    let bytes = source.get(range.clone());
    let start = range.start + (bytes.len() - bytes.trim_ascii_start().len());
    start..start + bytes.trim_ascii().len()
}
