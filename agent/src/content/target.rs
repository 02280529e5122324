//! The request target and URLs: segments, their parameters, query, fragment.

use memchr::{memchr, memchr2, memmem};

use super::arena::{NONE, Step};
use super::coding::Coding;
use super::form;
use super::layer::Layers;
use super::place::{Container, Place};
use super::walk::{Lies, Source, Value, Walk};

/// Takes the target of a request apart.
pub(super) fn walk<'a>(walk: &mut Walk<'_, 'a>, target: &'a [u8]) {
    let source = Source {
        bytes: target,
        lies: Lies::Wire {
            bytes: target,
            container: Container::Target,
            start: 0,
        },
        layers: Layers::NONE,
        is_cut: false,
        depth: 0,
    };
    let path_from = authority_end(target).unwrap_or(0);
    if path_from > 0 {
        let name = walk.wordless(NONE, Step::Authority);
        let authority = target.get(..path_from).unwrap_or_default();
        if memchr(b'@', authority).is_some() {
            // User and password stand in front of the host (RFC 3986 §3.2.1).
            let value = Value::text(name, Place::Text, Coding::None);
            walk.push(&source, 0..path_from, value);
        } else {
            let lies = Lies::Wire {
                bytes: authority,
                container: Container::Target,
                start: 0,
            };
            walk.loose(Source { lies, ..source }, name);
        }
    }
    let behind = target.get(path_from..).unwrap_or_default();
    let path_to = path_from + memchr(b'?', behind).unwrap_or(behind.len());
    segments(walk, source, path_from, path_to);
    if path_to < target.len() {
        form::pairs(walk, source, path_to + 1..target.len(), NONE, form::QUERY);
    }
}

/// Where the authority of an absolute URL ends: its path, query or fragment begins there.
pub(super) fn authority_end(url: &[u8]) -> Option<usize> {
    if !url.first()?.is_ascii_alphabetic() {
        return None;
    }
    // A scheme is short, and "://" further on is a value's.
    let start = memmem::find(url.get(..16).unwrap_or(url), b"://")? + 3;
    let scheme = url.get(..start - 3)?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if !scheme.iter().all(is_scheme) {
        return None;
    }
    let rest = url.get(start..)?;
    let end = rest.iter().position(|byte| b"/?#".contains(byte));
    Some(start + end.unwrap_or(rest.len()))
}

/// Segments from `from` to before `to`, and what stands behind a `;` in them.
fn segments<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, from: usize, to: usize) {
    let (mut at, mut number) = (from, 0);
    while at < to {
        if source.bytes.get(at) == Some(&b'/') {
            at += 1;
        }
        let rest = source.get(at..to);
        // Few segments have parameters.
        let first = memchr2(b'/', b';', rest).unwrap_or(rest.len());
        let len = match rest.get(first) {
            Some(b';') => memchr(b'/', rest).unwrap_or(rest.len()),
            _ => first,
        };
        if !walk.has_room() {
            // As one segment what is too much is still looked at.
            let name = walk.wordless(NONE, Step::Path(number));
            walk.push(
                &source,
                at..to,
                Value::text(name, Place::Path, Coding::Percent),
            );
            return;
        }
        if len > 0 {
            let name = walk.wordless(NONE, Step::Path(number));
            let value = Value::text(name, Place::Path, Coding::Percent);
            walk.add(&source, at..at + first, value);
            if first < len {
                parameters(walk, source, at + first..at + len, name);
            }
            number += 1;
        }
        at += len;
    }
}

/// `;name=value` behind a segment.
fn parameters<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    range: std::ops::Range<usize>,
    parent: u32,
) {
    let mut at = range.start;
    while at < range.end && walk.has_room() {
        at += 1;
        let rest = source.get(at..range.end);
        let len = memchr(b';', rest).unwrap_or(rest.len());
        form::pair(walk, source, at..at + len, parent, form::PARAMETER);
        at += len;
    }
}
