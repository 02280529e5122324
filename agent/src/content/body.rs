//! Which form a body has, by its media type and by its first bytes.

use std::ops::Range;

use super::arena::{Bytes, NONE, Step};
use super::coding::{self, Coding};
use super::form;
use super::layer::{Layer, Layers};
use super::place::{BodyForm, Container, Place};
use super::walk::{Body, Lies, Source, Value, Walk};
use super::{graphql, json, multipart, xml};

/// Bytes that tell whether a body is text.
const TRIED: usize = 512;

/// Takes a body apart; what it turned out to be.
pub(super) fn walk<'a>(walk: &mut Walk<'_, 'a>, body: &Body<'a>) -> BodyForm {
    let content = body.content;
    if content.is_empty() {
        return BodyForm::Empty;
    }
    let media_type = body.media_type.unwrap_or_default();
    let root = walk.wordless(NONE, Step::Body);
    let source = Source {
        bytes: content,
        lies: Lies::Wire {
            bytes: content,
            container: Container::Body,
            start: 0,
        },
        layers: Layers::NONE,
        is_cut: !body.is_whole,
        depth: 0,
    };
    if body.is_coded {
        return BodyForm::Binary;
    }
    if is(media_type, b"application/grpc-web-text") {
        grpc_web_text(walk, source, root);
        return BodyForm::GrpcWebText;
    }
    if starts(media_type, b"multipart/") {
        let boundary = multipart::parameter(media_type, b"boundary").unwrap_or_default();
        if multipart::walk(walk, source, boundary, root) {
            walk.loose(source, root);
            return BodyForm::Multipart;
        }
    }
    if !is_text(content) {
        return BodyForm::Binary;
    }
    of_text(walk, source, media_type, root)
}

pub(super) fn of_text<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    media_type: &[u8],
    root: u32,
) -> BodyForm {
    let content = source.bytes;
    let looks_json = json::is_likely(content);
    if looks_json || is_json(media_type) {
        let name = walk.wordless(root, Step::JsonRoot);
        let first = walk.parts.entries.len();
        let stopped = json::walk(walk, source, name, Place::Json);
        if looks_json || stopped > 0 {
            mark_variables(walk, first, name);
            rest(walk, source, stopped..content.len(), root);
            return BodyForm::Json;
        }
    }
    if is(media_type, b"application/graphql") || graphql::is_likely(content) {
        graphql::walk(walk, source, root);
        walk.loose(source, root);
        return BodyForm::GraphQl;
    }
    let is_html = is(media_type, b"text/html");
    if !is_html && xml::is_likely(content) {
        let name = xml::root(walk, root);
        xml::walk(walk, source, name);
        walk.loose(source, root);
        return BodyForm::Xml;
    }
    if is(media_type, b"application/x-www-form-urlencoded")
        || (media_type.is_empty() && is_form(content))
    {
        form::pairs(walk, source, 0..content.len(), root, form::FORM);
        return BodyForm::Form;
    }
    rest(walk, source, 0..content.len(), root);
    BodyForm::Text
}

/// Text that has no form, or is left of one.
fn rest<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, range: Range<usize>, root: u32) {
    let range = form::trimmed(source, range);
    if !range.is_empty() {
        let value = Value::text(root, Place::Text, Coding::None).cut(source.is_cut);
        walk.push(&source, range, value);
    }
}

/// Base64 of length-prefixed messages, whose text stands between bytes that are none: one part.
fn grpc_web_text<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, root: u32) {
    let index = walk.push(
        &source,
        0..source.bytes.len(),
        Value::text(root, Place::Text, Coding::None).cut(source.is_cut),
    );
    let mut copy = walk.parts.copies.pop().unwrap_or_default();
    copy.clear();
    // Each frame may be padded on its own, and the last one cut.
    for piece in source
        .bytes
        .trim_ascii()
        .split_inclusive(|byte| *byte == b'=')
    {
        let whole = piece.len() - if piece.len() % 4 == 1 { 1 } else { 0 };
        let piece = piece.get(..whole).unwrap_or_default();
        if piece != b"=" && !coding::base64(piece, &mut copy) {
            let digits = piece.strip_suffix(b"=").unwrap_or(piece);
            coding::base64(digits, &mut copy);
        }
    }
    if !copy.is_empty() {
        let start = walk.parts.text.len() as u32;
        walk.parts.text.extend_from_slice(&copy);
        let below = Source {
            bytes: &copy,
            lies: Lies::Text {
                text: start,
                start: 0,
                outer: index,
                container: Container::Body,
                opaque: true,
            },
            ..source.under(Layer::Base64)
        };
        let value = Value::text(root, Place::Text, Coding::None).cut(source.is_cut);
        walk.push(&below, 0..copy.len(), value);
    }
    walk.parts.copies.push(copy);
}

/// Calls what stands under `variables` GraphQL's, if a document stands under `query` beside it.
fn mark_variables(walk: &mut Walk<'_, '_>, first: usize, root: u32) {
    let parts = &mut *walk.parts;
    let is_document = |parts: &super::Parts<'_>, at: usize| {
        let entry = parts.entries.get(at)?;
        let name = parts.names.get(entry.name as usize)?;
        let is_query = name.parent == root && name.step == Step::Key;
        let value = || parts.get(entry.value);
        (is_query && parts.get(name.text) == b"query" && graphql::is_likely(value())).then_some(())
    };
    if !(first..parts.entries.len()).any(|at| is_document(parts, at).is_some()) {
        return;
    }
    let mut within = Bytes::EMPTY;
    for at in first..parts.entries.len() {
        let Some(mut name) = parts.entries.get(at).map(|entry| entry.name) else {
            continue;
        };
        // The key below the root is the last but one step upwards.
        while let Some(entry) = parts.names.get(name as usize) {
            if entry.parent == root {
                within = entry.text;
                break;
            }
            name = entry.parent;
        }
        if parts.get(within) == b"variables"
            && let Some(entry) = parts.entries.get_mut(at)
        {
            entry.place = Place::GraphQl;
        }
        within = Bytes::EMPTY;
    }
}

/// Whether the media type, without parameters, is `name`.
fn is(media_type: &[u8], name: &[u8]) -> bool {
    starts(media_type, name)
        && media_type
            .get(name.len())
            .is_none_or(|byte| matches!(byte, b';' | b' ' | b'\t' | b'+'))
}

fn starts(media_type: &[u8], name: &[u8]) -> bool {
    media_type
        .get(..name.len())
        .is_some_and(|have| have.eq_ignore_ascii_case(name))
}

/// Whether a media type says JSON (RFC 6839 §3.1).
fn is_json(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';');
    let name = media_type
        .get(..end.unwrap_or(media_type.len()))
        .unwrap_or_default()
        .trim_ascii();
    let behind = |len: usize| name.len().checked_sub(len).and_then(|at| name.get(at..));
    behind(4).is_some_and(|end| end.eq_ignore_ascii_case(b"json"))
        || behind(6).is_some_and(|end| end.eq_ignore_ascii_case(b"ndjson"))
}

/// Whether a body without a media type is a form: one line that begins with a name and `=`, or one
/// word that is escaped as a form escapes.
fn is_form(content: &[u8]) -> bool {
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte);
    let len = content.iter().take(128).take_while(is_name).count();
    let line = content.trim_ascii_end();
    let named = len > 0 && content.get(len) == Some(&b'=');
    let escaped = |three: &[u8]| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let one_word = || !line.contains(&b' ') && line.windows(3).take(TRIED).any(escaped);
    !line.contains(&b'\n') && (named || one_word())
}

/// Whether bytes are text: of the first ones few are control bytes. A stray one among letters is
/// no way round being read.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    let tried = bytes.get(..TRIED).unwrap_or(bytes);
    // Without a branch sixteen are looked at together.
    if tried
        .iter()
        .fold(0, |low, byte| low | u8::from(*byte < b' '))
        == 0
    {
        return true;
    }
    let is_control =
        |byte: &&u8| **byte < b' ' && !matches!(**byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b | 0x1e);
    tried.iter().filter(is_control).count() * 16 <= tried.len()
}
