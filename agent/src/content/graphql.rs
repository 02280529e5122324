//! Literal arguments in a GraphQL document (spec §2.6, §2.9): `login(password: "x", id: 7)`.

use memchr::memmem;

use super::arena::Step;
use super::coding::Coding;
use super::place::{Kind, Place};
use super::walk::{Source, Value, Walk};

/// Whether `value` may be a document: it begins with a word of one, or with a selection.
pub(super) fn is_likely(value: &[u8]) -> bool {
    let start = value.trim_ascii_start();
    let begins = |word: &[u8]| {
        start
            .strip_prefix(word)
            .and_then(|rest| rest.first())
            .is_some_and(|byte| byte.is_ascii_whitespace() || b"({@".contains(byte))
    };
    let words: [&[u8]; 4] = [b"query", b"mutation", b"subscription", b"fragment"];
    words.into_iter().any(begins) && value.contains(&b'{') || is_selection(start)
}

/// `{ name`, which JSON never begins with.
fn is_selection(start: &[u8]) -> bool {
    let Some(rest) = start.strip_prefix(b"{") else {
        return false;
    };
    let first = rest.trim_ascii_start().first();
    first.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && start.contains(&b'}')
        && !start.contains(&b';')
}

/// Gives each string and number with the name in front of its colon.
pub(super) fn walk<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, parent: u32) {
    let bytes = source.bytes;
    let mut at = 0;
    let mut word = None;
    let mut name = None;
    while let Some(byte) = bytes.get(at).copied() {
        if !walk.has_room() {
            let all = at..bytes.len();
            walk.push(&source, all, Value::text(parent, Place::Text, Coding::None));
            return;
        }
        let rest = source.get(at..bytes.len());
        match byte {
            b'#' => at += rest.iter().take_while(|byte| **byte != b'\n').count(),
            b':' => {
                name = word.take();
                at += 1;
            }
            b'"' => {
                let (from, to, end) = string(rest);
                let step = step(walk, source, parent, name.clone());
                let value = Value::text(step, Place::GraphQl, Coding::Json).cut(end > rest.len());
                walk.add(&source, at + from..at + to, value);
                at = (at + end).min(bytes.len());
            }
            b'0'..=b'9' | b'-' => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let len = rest.iter().take_while(is_part).count();
                let step = step(walk, source, parent, name.clone());
                let mut value = Value::text(step, Place::GraphQl, Coding::None);
                value.kind = Kind::Number;
                walk.push(&source, at..at + len, value);
                at += len;
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                let len = rest.iter().take_while(is_part).count();
                word = Some(at..at + len);
                at += len;
            }
            // A list or an object belongs to the name in front of it; all else ends it.
            b'[' | b',' | b']' => at += 1,
            _ if byte.is_ascii_whitespace() => at += 1,
            _ => {
                name = None;
                at += 1;
            }
        }
    }
}

fn step<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    parent: u32,
    name: Option<std::ops::Range<usize>>,
) -> u32 {
    match name {
        Some(range) => walk.name(parent, Step::GraphQl, &source, range, Coding::None),
        None => walk.wordless(parent, Step::GraphQl),
    }
}

/// Where the text of the string at the front of `rest` begins and ends, and where the string does;
/// beyond `rest` if it is cut.
fn string(rest: &[u8]) -> (usize, usize, usize) {
    if rest.starts_with(b"\"\"\"") {
        let found = memmem::find(rest.get(3..).unwrap_or_default(), b"\"\"\"");
        return match found {
            Some(len) => (3, 3 + len, 6 + len),
            None => (3, rest.len().max(3), rest.len() + 1),
        };
    }
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => return (1, at, at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    (1, rest.len().max(1), rest.len() + 1)
}

/// Tells the operations of a document (spec §2.3): the word that each begins with, and its name, if it
/// has one. One that is a selection alone is a `query`.
pub(super) fn operations<'d>(
    document: &'d [u8],
    tell: &mut impl FnMut(&'d [u8], Option<&'d [u8]>),
) {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (mut at, mut depth) = (0, 0_usize);
    // Words at the outermost level since the last selection.
    let (mut kind, mut name): (Option<&[u8]>, Option<&[u8]>) = (None, None);
    while let Some(byte) = document.get(at) {
        let rest = document.get(at..).unwrap_or_default();
        match byte {
            b'#' => at += rest.iter().take_while(|byte| **byte != b'\n').count(),
            b'"' => at += string(rest).2,
            b'{' | b'(' | b'[' => {
                if depth == 0 && *byte == b'{' && kind != Some(b"fragment") {
                    tell(kind.unwrap_or(b"query"), name);
                }
                depth += 1;
                at += 1;
            }
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *byte == b'}' {
                    (kind, name) = (None, None);
                }
                at += 1;
            }
            _ if depth == 0 && is_part(byte) => {
                let len = rest.iter().take_while(|byte| is_part(byte)).count();
                let word = rest.get(..len);
                if kind.is_none() {
                    kind = word;
                } else if name.is_none() {
                    name = word;
                }
                at += len;
            }
            // The name of a directive is no operation's.
            b'@' => at += 1 + rest.iter().skip(1).take_while(|byte| is_part(byte)).count(),
            _ => at += 1,
        }
    }
}
