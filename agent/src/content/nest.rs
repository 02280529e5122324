//! Containers within a value: JSON, XML, a form, the query of a URL, base64 of text, a JWT.

use memchr::{memchr, memchr2, memrchr};

use super::arena::{Bytes, Step};
use super::coding::{self, Coding};
use super::layer::Layer;
use super::place::{Container, Place};
use super::signs::Signs;
use super::walk::{Lies, Source, Value, Walk};
use super::{form, graphql, json, target, xml};

/// Values within values that are taken apart: a form's value that is a token, and its claims.
const DEEPEST: u8 = 2;

/// Shorter values hold nothing.
const SHORTEST: usize = 4;

/// Longest name in front of the `=` of a form within a value.
const LONGEST_NAME: usize = 64;

/// What a value is, beside being a value.
enum Form {
    Json,
    Xml,
    GraphQl,
    /// Pairs from here on.
    Url(usize),
    Pairs,
    Jwt,
    Base64,
}

/// Whether anything may lie in a value of `len` bytes that has `signs`.
#[inline]
pub(super) const fn may_hold(len: usize, signs: Signs) -> bool {
    let has_form = len >= SHORTEST && signs.may_have(Signs::WITHIN);
    // A token has a dot and no `@`, base64 neither.
    let is_token = len >= SHORTEST && signs.may_have(Signs::DOT);
    let is_coded = len >= coding::SHORTEST_BASE64 && !signs.is_time();
    has_form || (is_token || is_coded) && !signs.may_have(Signs::AT)
}

/// Looks into the value of the part `index`, which lies in `depth` others.
pub(super) fn look(walk: &mut Walk<'_, '_>, index: u32, depth: u8) {
    let Some(entry) = walk.parts.entries.get(index as usize) else {
        return;
    };
    let value = walk.parts.get(entry.value);
    if depth < DEEPEST
        && may_hold(value.len(), entry.signs)
        && walk.has_room()
        && let Some(form) = form_of(value)
    {
        take(walk, index, 0, form, depth);
    }
}

/// Looks into the value of a header field: for a token behind its scheme, for a query in a URL.
pub(super) fn header(walk: &mut Walk<'_, '_>, index: u32, name: &[u8]) {
    let Some(value) = value(walk, index) else {
        return;
    };
    if value.len() < SHORTEST || !walk.has_room() {
        return;
    }
    let is = |one: &[u8]| name.len() == one.len() && name.eq_ignore_ascii_case(one);
    if is(b"authorization") || is(b"proxy-authorization") {
        // The scheme and one space (RFC 9110 §11.4).
        let from = memchr(b' ', value).map_or(0, |at| at + 1);
        let token = value.get(from..).unwrap_or_default();
        if is_jwt(token) {
            take(walk, index, from, Form::Jwt, 0);
        }
        return;
    }
    // Few fields hold more than one value; most end here by their first bytes.
    let form = match form_of(value) {
        // `max-age=0` is no form.
        Some(Form::Pairs) | None => return,
        Some(form) => form,
    };
    take(walk, index, 0, form, 0);
}

fn value<'w>(walk: &'w Walk<'_, '_>, index: u32) -> Option<&'w [u8]> {
    let entry = walk.parts.entries.get(index as usize)?;
    Some(walk.parts.get(entry.value))
}

fn form_of(value: &[u8]) -> Option<Form> {
    let first = *value.trim_ascii_start().first()?;
    match first {
        b'{' | b'[' if json::is_likely(value) => Some(Form::Json),
        b'{' if graphql::is_likely(value) => Some(Form::GraphQl),
        b'<' if xml::is_likely(value) => Some(Form::Xml),
        b'e' if is_jwt(value) => Some(Form::Jwt),
        b'q' | b'm' | b's' | b'f' if graphql::is_likely(value) => Some(Form::GraphQl),
        _ if coding::plausible_base64(value) => Some(Form::Base64),
        b'/' => memchr2(b'?', b'#', value).map(Form::Url),
        _ if first.is_ascii_alphanumeric() || first == b'_' => url_or_pairs(value),
        b'?' => Some(Form::Url(0)),
        _ => None,
    }
}

fn url_or_pairs(value: &[u8]) -> Option<Form> {
    let is_name = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']')
    };
    let len = value.iter().take(LONGEST_NAME).take_while(is_name).count();
    match value.get(len..)? {
        [b'=', next, ..] if *next != b'=' => Some(Form::Pairs),
        [b':', b'/', b'/', ..] => {
            let path = target::authority_end(value)?;
            let behind = value.get(path..)?;
            memchr2(b'?', b'#', behind).map(|at| Form::Url(path + at))
        }
        [b'/' | b'?' | b'#', ..] => memchr2(b'?', b'#', value)
            .filter(|at| memchr(b'=', value.get(*at..).unwrap_or_default()).is_some())
            .map(Form::Url),
        _ => None,
    }
}

/// Three runs of base64 between two dots, the first of them JSON (RFC 7515 §7.1).
fn is_jwt(value: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=".contains(byte);
    value.starts_with(b"ey") && memchr(b'.', value).is_some() && value.iter().all(digit)
}

/// Takes the value of the part `index` from `from` on apart.
fn take<'a>(walk: &mut Walk<'_, 'a>, index: u32, from: usize, form: Form, depth: u8) {
    let Some(entry) = walk.parts.entries.get(index as usize).copied() else {
        return;
    };
    let container: Container = entry.at.container;
    match entry.value {
        Bytes::Wire(bytes) => {
            let bytes = bytes.get(from..).unwrap_or_default();
            // A value that is as it was sent has its place where it was sent.
            let start = entry.at.start + from as u32;
            let source = Source {
                bytes,
                lies: Lies::Wire {
                    bytes,
                    container,
                    start,
                },
                layers: entry.layers,
                is_cut: entry.is_cut,
                depth: depth + 1,
            };
            walk_form(walk, source, entry.name, index, form);
        }
        Bytes::Text { start, len } => {
            // The arena's text grows while it is read, so what is read is a copy.
            let mut copy = walk.parts.copies.pop().unwrap_or_default();
            copy.clear();
            let value = walk.parts.get(Bytes::Text { start, len });
            copy.extend_from_slice(value.get(from..).unwrap_or_default());
            let source = Source {
                bytes: &copy,
                lies: Lies::Text {
                    text: start + from as u32,
                    start: from as u32,
                    outer: index,
                    container,
                    opaque: false,
                },
                layers: entry.layers,
                is_cut: entry.is_cut,
                depth: depth + 1,
            };
            walk_form(walk, source, entry.name, index, form);
            walk.parts.copies.push(copy);
        }
    }
}

fn walk_form<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    name: u32,
    index: u32,
    form: Form,
) {
    match form {
        Form::Json => {
            let root = walk.wordless(name, Step::JsonRoot);
            json::walk(walk, source.under(Layer::Json), root, Place::Json);
        }
        Form::Xml => {
            let root = xml::root(walk, name);
            xml::walk(walk, source.under(Layer::Xml), root);
        }
        Form::GraphQl => graphql::walk(walk, source.under(Layer::GraphQl), name),
        Form::Url(from) => url(walk, source.under(Layer::Url), from, name),
        Form::Pairs => {
            let all = 0..source.bytes.len();
            form::pairs(walk, source.under(Layer::Form), all, name, form::FORM);
        }
        Form::Jwt => jwt(walk, source.under(Layer::Jwt), name, index),
        Form::Base64 => base64(walk, source, name, index),
    }
}

/// Query and fragment, the first of which begins at `from`.
fn url<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, from: usize, name: u32) {
    let all = source.bytes.len();
    let hash = memchr(b'#', source.get(from..all)).map_or(all, |at| from + at);
    if from < hash {
        form::pairs(walk, source, from + 1..hash, name, form::QUERY);
    }
    if hash < all {
        form::pairs(walk, source, hash + 1..all, name, form::FRAGMENT);
    }
}

/// Header and claims of a token; its signature is no text.
fn jwt<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, name: u32, index: u32) {
    let bytes = source.bytes;
    let first = memchr(b'.', bytes).unwrap_or(bytes.len());
    let last = memrchr(b'.', bytes)
        .filter(|last| *last > first)
        .unwrap_or(bytes.len());
    let claims = bytes.get(first + 1..last).unwrap_or_default();
    let header = bytes.get(..first).unwrap_or_default();
    for (text, step) in [(header, Step::JwtHeader), (claims, Step::JwtClaims)] {
        decoded(walk, source, index, text, |walk, source| {
            let root = walk.wordless(name, step);
            json::walk(walk, source, root, Place::Jwt);
        });
    }
}

/// Base64 of text: a part of its own, and what lies in that.
fn base64<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, name: u32, index: u32) {
    let place = walk
        .parts
        .entries
        .get(index as usize)
        .map_or(Place::Text, |entry| entry.place);
    let under = source.under(Layer::Base64);
    decoded(walk, under, index, source.bytes, |walk, source| {
        let value = Value::text(name, place, Coding::None).cut(source.is_cut);
        walk.add(&source, 0..source.bytes.len(), value);
    });
}

/// Lets `visit` walk over what `text`, which lies in the part `index`, is base64 of, if that is text.
fn decoded<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    index: u32,
    text: &[u8],
    visit: impl FnOnce(&mut Walk<'_, 'a>, Source<'_, 'a>),
) {
    let mut copy = walk.parts.copies.pop().unwrap_or_default();
    copy.clear();
    // Of a value that is cut the last characters may be no whole quantum.
    let text = if source.is_cut && text.len() % 4 == 1 {
        text.get(..text.len() - 1).unwrap_or_default()
    } else {
        text
    };
    if coding::base64(text, &mut copy) && coding::is_printable(&copy) {
        let start = walk.parts.text.len() as u32;
        walk.parts.text.extend_from_slice(&copy);
        let container = match source.lies {
            Lies::Wire { container, .. } | Lies::Text { container, .. } => container,
        };
        let below = Source {
            bytes: &copy,
            lies: Lies::Text {
                text: start,
                start: 0,
                outer: index,
                container,
                opaque: true,
            },
            ..source
        };
        visit(walk, below);
    }
    walk.parts.copies.push(copy);
}

#[cfg(test)]
mod tests {
    use super::super::coding;
    use super::super::signs::Signs;
    use super::{Form, SHORTEST, form_of, may_hold};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_passed_over_by_its_signs_holds_nothing(
            value in "(ey|query |fragment |YWJj|[a-z_0-9 +%@.;&\"'()}\\]-]){0,9}@?",
        ) {
            let value = value.as_bytes();
            if value.len() >= SHORTEST && !may_hold(value.len(), Signs::of(value)) {
                // What an `@` far behind is in begins as base64 does, and is none.
                let is_none = match form_of(value) {
                    Some(Form::Base64) => !coding::base64(value, &mut Vec::new()),
                    Some(_) => false,
                    None => true,
                };
                prop_assert!(is_none);
            }
        }

        #[test]
        fn nothing_lies_in_a_time(
            value in "(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?([.][0-9]{1,4})?(Z|[-+][0-9]{2}:[0-9]{2})?)?",
        ) {
            let value = value.as_bytes();
            if Signs::of(value).or_time(value).is_time() {
                prop_assert!(form_of(value).is_none());
            }
        }
    }
}
