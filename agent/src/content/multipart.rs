//! Multipart bodies (RFC 7578, RFC 2046 §5.1): parts between boundaries.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::arena::Step;
use super::body;
use super::coding::Coding;
use super::place::{Kind, Place};
use super::walk::{Source, Value, Walk};

/// Longest boundary there may be (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The parameter `name` of a field's value, out of its quotes.
pub(super) fn parameter<'s>(value: &'s [u8], name: &[u8]) -> Option<&'s [u8]> {
    let mut rest = value;
    loop {
        let from = memchr(b';', rest)? + 1;
        rest = rest.get(from..)?.trim_ascii_start();
        let Some(behind) = rest
            .split_at_checked(name.len())
            .filter(|(have, _)| have.eq_ignore_ascii_case(name))
            .and_then(|(_, behind)| behind.trim_ascii_start().strip_prefix(b"="))
        else {
            continue;
        };
        let behind = behind.trim_ascii_start();
        return match behind.strip_prefix(b"\"") {
            Some(quoted) => quoted.get(..memchr(b'"', quoted).unwrap_or(quoted.len())),
            None => {
                let len = memchr(b';', behind).unwrap_or(behind.len());
                Some(behind.get(..len)?.trim_ascii_end())
            }
        };
    }
}

/// One part of a multipart body, as its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultipartPart<'b> {
    /// Its name.
    pub name: Option<&'b [u8]>,
    /// What its Content-Type field says, without its parameters.
    pub media_type: Option<&'b [u8]>,
    /// Its bytes; `None` if its end is not there.
    pub bytes: Option<usize>,
}

/// Tells the parts of `body`, whose Content-Type field is `media_type`, at most `most` of them.
pub fn multipart_parts<'b>(
    media_type: &[u8],
    body: &'b [u8],
    most: usize,
    tell: &mut impl FnMut(MultipartPart<'b>),
) {
    let is_it = media_type
        .get(..10)
        .is_some_and(|front| front.eq_ignore_ascii_case(b"multipart/"));
    let boundary = parameter(media_type, b"boundary").unwrap_or_default();
    if !is_it || boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return;
    }
    let mark = [b"--", boundary].concat();
    let mut starts = memmem::find_iter(body, &mark).map(|at| at + mark.len());
    let Some(mut from) = starts.next() else {
        return;
    };
    for _ in 0..most {
        if body.get(from..).is_none_or(|rest| rest.starts_with(b"--")) {
            return;
        }
        let next = starts.next();
        let to = next.map_or(body.len(), |next| next - mark.len());
        let bytes = body.get(from..to).unwrap_or_default();
        let Some(len) = memmem::find(bytes, b"\r\n\r\n") else {
            return;
        };
        let head = Head::read(bytes.get(..len).unwrap_or_default());
        let content = bytes.get(len + 4..).unwrap_or_default();
        tell(MultipartPart {
            name: head.name.and_then(|range| bytes.get(range)),
            media_type: head.media_type.and_then(|range| bytes.get(range)),
            // The line end in front of a boundary is the boundary's.
            bytes: next.map(|_| content.strip_suffix(b"\r\n").unwrap_or(content).len()),
        });
        let Some(next) = next else { return };
        from = next;
    }
}

/// Takes the parts between `boundary` apart; false if there is not even a first one.
pub(super) fn walk<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    boundary: &[u8],
    root: u32,
) -> bool {
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return false;
    }
    let mut mark = Vec::with_capacity(boundary.len() + 2);
    mark.extend_from_slice(b"--");
    mark.extend_from_slice(boundary);
    let finder = memmem::Finder::new(&mark);
    let bytes = source.bytes;
    let find = |from: usize| Some(from + finder.find(bytes.get(from..)?)?);
    let Some(mut at) = find(0) else { return false };
    loop {
        let from = at + mark.len();
        if bytes.get(from..from + 2) == Some(b"--") || from >= bytes.len() {
            // What is behind the last boundary belongs to nobody, and may hold anything.
            rest(walk, source, from + 2..bytes.len(), root);
            return true;
        }
        let next = find(from);
        let to = next.unwrap_or(bytes.len());
        if !walk.has_room() {
            rest(walk, source, from..bytes.len(), root);
            return true;
        }
        part(walk, source, from..to, root, next.is_none());
        let Some(next) = next else { return true };
        at = next;
    }
}

fn rest<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, range: Range<usize>, root: u32) {
    if !source.get(range.clone()).trim_ascii().is_empty() {
        walk.push(&source, range, Value::text(root, Place::Text, Coding::None));
    }
}

/// One part, from behind its boundary to the next one.
fn part<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    range: Range<usize>,
    root: u32,
    is_last: bool,
) {
    let bytes = source.get(range.clone());
    let head_end = memmem::find(bytes, b"\r\n\r\n")
        .map(|at| (at, 4))
        .or_else(|| memmem::find(bytes, b"\n\n").map(|at| (at, 2)));
    let Some((head_len, gap)) = head_end else {
        // The head is cut, or there is none.
        return rest(walk, source, range, root);
    };
    let head = Head::read(bytes.get(..head_len).unwrap_or_default());
    let name = match &head.name {
        Some(name) => walk.name(
            root,
            Step::Field,
            &source,
            shift(name, range.start),
            Coding::None,
        ),
        None => walk.wordless(root, Step::Field),
    };
    if let Some(file) = &head.file {
        let step = walk.wordless(name, Step::FileName);
        let value = Value::text(step, Place::Multipart, Coding::Percent);
        walk.add(&source, shift(file, range.start), value);
    }
    let from = range.start + head_len + gap;
    let mut to = range.end;
    // The line end in front of a boundary is the boundary's.
    for end in [b'\n', b'\r'] {
        if !is_last && to > from && source.bytes.get(to - 1) == Some(&end) {
            to -= 1;
        }
    }
    let content = source.get(from..to);
    let value = Value::text(name, Place::Multipart, Coding::None).cut(is_last && source.is_cut);
    // JSON and the like are looked for in any value, whatever media type the part names.
    if body::is_text(content) {
        walk.add(&source, from..to, value);
    } else {
        let kind = Kind::Binary;
        walk.push(&source, from..to, Value { kind, ..value });
    }
}

fn shift(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// What a part's header fields say.
#[derive(Default)]
struct Head {
    name: Option<Range<usize>>,
    file: Option<Range<usize>>,
    media_type: Option<Range<usize>>,
}

impl Head {
    fn read(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        for line in bytes.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr(b':', line) else {
                continue;
            };
            let (field, value) = line.split_at(colon);
            if field.eq_ignore_ascii_case(b"content-type") {
                let value = value.get(1..).unwrap_or_default();
                let value = value.split(|byte| *byte == b';').next().unwrap_or_default();
                let value = value.trim_ascii();
                head.media_type = offset(bytes, value).map(|start| start..start + value.len());
            }
            if field.eq_ignore_ascii_case(b"content-disposition") {
                let place = |parameter: &[u8]| {
                    // Its place in the head is that of its slice in `bytes`.
                    let start = offset(bytes, parameter)?;
                    Some(start..start + parameter.len())
                };
                head.name = parameter(value, b"name").and_then(place);
                head.file = parameter(value, b"filename")
                    .or_else(|| parameter(value, b"filename*"))
                    .and_then(place);
            }
        }
        head
    }
}

/// Where `part`, a slice of `bytes`, begins in it.
fn offset(bytes: &[u8], part: &[u8]) -> Option<usize> {
    (part.as_ptr() as usize)
        .checked_sub(bytes.as_ptr() as usize)
        .filter(|at| at + part.len() <= bytes.len())
}
