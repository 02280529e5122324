//! JSON of any depth (RFC 8259), one text or several, whole or cut.

use std::convert::Infallible;
use std::ops::Range;

use memchr::memchr2;

use super::arena::Step;
use super::coding::Coding;
use super::eight::until_quote;
use super::place::{Kind, Place};
use super::signs::{SHORT, Signs};
use super::walk::{Source, Value, Walk};

/// Objects and arrays within each other that are followed.
const DEEPEST: usize = 64;

/// An object or array that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    name: u32,
    /// How many members or elements there were.
    count: u32,
    /// Where it was opened.
    start: u32,
    is_object: bool,
}

/// Why an object or array is left.
enum Left {
    /// Another begins in it.
    Opens(Frame),
    /// It is closed.
    Closed,
    /// There are no more bytes.
    Ended,
    /// It is not JSON from here on, or there is no room.
    Broken,
}

/// Whether `value` may be JSON: an object or an array.
pub(super) fn is_likely(value: &[u8]) -> bool {
    let mut bytes = value.trim_ascii_start().iter();
    let first = bytes.next();
    let second = bytes.find(|byte| !byte.is_ascii_whitespace());
    match (first, second) {
        (Some(b'{'), second) => matches!(second, None | Some(b'"' | b'}')),
        (Some(b'['), second) => matches!(
            second,
            None | Some(b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
        ),
        _ => false,
    }
}

/// Takes JSON apart under the name `root`; where it stopped, the end if all of it is JSON.
pub(super) fn walk<'a>(
    walk: &mut Walk<'_, 'a>,
    source: Source<'_, 'a>,
    root: u32,
    place: Place,
) -> usize {
    // JSON within this one finds none there and makes its own.
    let mut frames = std::mem::take(&mut walk.parts.frames);
    frames.clear();
    let mut json = Json {
        walk,
        source,
        place,
        frames: &mut frames,
        at: 0,
    };
    let mut stopped = json.text(root);
    // Several texts behind each other, as in JSON Lines (RFC 7464 puts a record separator between).
    while stopped && json.rest_is_json() {
        stopped = json.text(root);
    }
    let at = json.at;
    walk.parts.frames = frames;
    at
}

/// The bytes of the word or number that `rest` begins with; `None` if it is no such thing. A word at
/// the end may be cut.
fn word_or_number(rest: &[u8], kind: Kind) -> Option<usize> {
    let goes_on = |at: usize| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        rest.get(at).is_some_and(is_part)
    };
    if kind == Kind::Number {
        let is_part = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let len = rest.iter().take_while(is_part).count();
        return (!goes_on(len)).then_some(len);
    }
    let (word, is_there): (&[u8], bool) = match rest.first()? {
        b't' => (b"true", rest.starts_with(b"true")),
        b'f' => (b"false", rest.starts_with(b"false")),
        _ => (b"null", rest.starts_with(b"null")),
    };
    let is_whole = is_there && !goes_on(word.len());
    let is_cut = || word.starts_with(rest);
    (is_whole || is_cut()).then_some(word.len().min(rest.len()))
}

struct Json<'w, 'p, 's, 'a> {
    walk: &'w mut Walk<'p, 'a>,
    source: Source<'s, 'a>,
    place: Place,
    frames: &'w mut Vec<Frame>,
    at: usize,
}

impl Json<'_, '_, '_, '_> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.source.bytes.get(self.at..)?;
        let first = *rest.first()?;
        if first > b' ' {
            return Some(first);
        }
        let blank = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x1e))
            .count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// The next two bytes.
    #[inline]
    fn two(&self) -> Option<[u8; 2]> {
        let rest = self.source.bytes.get(self.at..)?;
        rest.first_chunk().copied()
    }

    fn rest_is_json(&mut self) -> bool {
        matches!(self.peek(), Some(b'{' | b'[' | b'"'))
    }

    /// Reads one text; false if it is not JSON from `at` on, or there is no room.
    fn text(&mut self, root: u32) -> bool {
        let Some(first) = self.peek() else {
            return true;
        };
        if !self.walk.has_room() {
            return false;
        }
        if !matches!(first, b'{' | b'[') {
            return self.scalar(root, first);
        }
        self.frames.clear();
        let mut top = self.frame(root, first);
        self.at += 1;
        let mut is_behind = false;
        loop {
            let Err(left) = if top.is_object {
                self.members(&mut top, is_behind)
            } else {
                self.elements(&mut top, is_behind)
            };
            is_behind = match left {
                Left::Opens(frame) => {
                    self.frames.push(top);
                    self.at += 1;
                    top = frame;
                    false
                }
                Left::Closed => {
                    self.close(top);
                    let Some(outer) = self.frames.pop() else {
                        return true;
                    };
                    top = outer;
                    true
                }
                Left::Ended => return true,
                Left::Broken => return false,
            };
        }
    }

    /// The first byte of the next key or element, whatever it is; `is_behind`: a comma must come before.
    #[inline(always)]
    fn next(&mut self, mut is_behind: bool, closes: u8) -> Result<u8, Left> {
        loop {
            let byte = self.peek().ok_or(Left::Ended)?;
            if !self.walk.has_room() {
                return Err(Left::Broken);
            }
            match byte {
                b',' if is_behind => {
                    self.at += 1;
                    is_behind = false;
                }
                _ if byte == closes => return Err(Left::Closed),
                _ if is_behind => return Err(Left::Broken),
                _ => return Ok(byte),
            }
        }
    }

    /// Reads an object from a key on, or from behind a value, until it is left.
    fn members(&mut self, top: &mut Frame, mut is_behind: bool) -> Result<Infallible, Left> {
        loop {
            // As most are written, with nothing between.
            let is_next = is_behind && self.two() == Some(*b",\"");
            if is_next {
                self.at += 1;
            } else if self.next(is_behind, b'}')? != b'"' {
                return Err(Left::Broken);
            }
            let name = self.key(top.name).ok_or(Left::Broken)?;
            top.count += 1;
            let first = self.peek().ok_or(Left::Ended)?;
            if !self.walk.has_room() {
                return Err(Left::Broken);
            }
            self.value(name, first)?;
            is_behind = true;
        }
    }

    /// Reads an array from an element on, or from behind one, until it is left.
    fn elements(&mut self, top: &mut Frame, mut is_behind: bool) -> Result<Infallible, Left> {
        loop {
            let first = self.next(is_behind, b']')?;
            let name = self.walk.wordless(top.name, Step::Index(top.count));
            top.count += 1;
            let read = self.value(name, first);
            if matches!(read, Err(Left::Broken)) {
                // It was none.
                self.walk.parts.names.pop();
            }
            read?;
            is_behind = true;
        }
    }

    #[inline(always)]
    fn value(&mut self, name: u32, first: u8) -> Result<(), Left> {
        if matches!(first, b'{' | b'[') {
            if self.frames.len() + 1 >= DEEPEST {
                return Err(Left::Broken);
            }
            return Err(Left::Opens(self.frame(name, first)));
        }
        let is_read = self.scalar(name, first);
        is_read.then_some(()).ok_or(Left::Broken)
    }

    /// The object or array that begins at `at`.
    fn frame(&self, name: u32, first: u8) -> Frame {
        Frame {
            name,
            count: 0,
            start: self.at as u32,
            is_object: first == b'{',
        }
    }

    fn close(&mut self, frame: Frame) {
        self.at += 1;
        if frame.count == 0 {
            self.push(frame.start as usize..self.at, frame.name, Kind::Word, false);
        }
    }

    /// A key below `parent` and its colon: its name; `None` if that is not JSON.
    #[inline]
    fn key(&mut self, parent: u32) -> Option<u32> {
        let (range, coding) = self.key_string()?;
        let (before, end) = (self.at, range.end);
        let name = self
            .walk
            .name(parent, Step::Key, &self.source, range, coding);
        self.at = end + 1;
        if self.source.bytes.get(self.at) == Some(&b':') {
            self.at += 1;
            return Some(name);
        }
        match self.peek() {
            Some(b':') => self.at += 1,
            None => {}
            Some(_) => {
                self.at = before;
                return None;
            }
        }
        Some(name)
    }

    /// The bytes between the quotes at `at`, and how they are coded; `None` if the second one is missing.
    #[inline(always)]
    fn key_string(&self) -> Option<(Range<usize>, Coding)> {
        let start = self.at + 1;
        let end = start + until_quote(self.source.bytes.get(start..)?, SHORT);
        if self.source.bytes.get(end) == Some(&b'"') {
            return Some((start..end, Coding::None));
        }
        // A key that is cut is text like any other.
        let (range, coding, closed, _) = self.long_string(start, end);
        closed.then_some((range, coding))
    }

    /// The bytes between the quotes at `at`, how they are coded, whether the second one is there, and
    /// what bytes they have.
    #[inline(always)]
    fn string(&self) -> (Range<usize>, Coding, bool, Signs) {
        let (start, bytes) = (self.at + 1, self.source.bytes);
        let (len, signs) = Signs::until_quote(bytes.get(start..).unwrap_or_default());
        if bytes.get(start + len) == Some(&b'"') {
            return (start..start + len, Coding::None, true, signs);
        }
        self.long_string(start, start + len)
    }

    /// The same, for one that has no quote before `at`.
    fn long_string(&self, start: usize, mut at: usize) -> (Range<usize>, Coding, bool, Signs) {
        let bytes = self.source.bytes;
        let mut coding = Coding::None;
        let found = |at: usize| memchr2(b'"', b'\\', bytes.get(at..)?);
        while let Some(len) = found(at) {
            at += len;
            if bytes.get(at) == Some(&b'"') {
                return (
                    start..at,
                    coding,
                    true,
                    Signs::of(self.source.get(start..at)),
                );
            }
            coding = Coding::Json;
            at += 2;
        }
        let all = start..bytes.len().max(start);
        (all.clone(), coding, false, Signs::of(self.source.get(all)))
    }

    /// A string, a number or a word under `name`; false if it is none.
    #[inline]
    fn scalar(&mut self, name: u32, first: u8) -> bool {
        if first == b'"' {
            let (range, coding, closed, signs) = self.string();
            self.at = (range.end + 1).min(self.source.bytes.len());
            let value = Value::text(name, self.place, coding).cut(!closed);
            let signs = signs.or_time(self.source.get(range.clone()));
            self.walk.add_read(&self.source, range, value, signs);
            return true;
        }
        let kind = match first {
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' | b'n' => Kind::Word,
            _ => return false,
        };
        let rest = self.source.bytes.get(self.at..).unwrap_or_default();
        let Some(len) = word_or_number(rest, kind) else {
            return false;
        };
        let range = self.at..self.at + len;
        self.at = range.end;
        let is_cut = self.source.is_cut && range.end == self.source.bytes.len();
        self.push(range, name, kind, is_cut);
        true
    }

    fn push(&mut self, range: Range<usize>, name: u32, kind: Kind, is_cut: bool) {
        let value = Value {
            name,
            place: self.place,
            kind,
            coding: Coding::None,
            is_cut,
        };
        self.walk.push(&self.source, range, value);
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, word_or_number};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn words_and_numbers_end_where_nothing_of_them_follows(
            rest in "(t|f|n|-|[0-9])(rue|alse|ull|ru|[0-9]|[eE+.-]|[a-z]|[ ,}\\]]){0,6}",
        ) {
            let rest = rest.as_bytes();
            let is_word = rest[0].is_ascii_lowercase();
            let kind = if is_word { Kind::Word } else { Kind::Number };
            let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
            let len = rest.iter().take_while(is_part).count();
            let text = &rest[..len];
            let words = [&b"true"[..], b"false", b"null"];
            let is_cut = |word: &[u8]| len == rest.len() && word.starts_with(text);
            let is_known = if is_word {
                words.into_iter().any(|word| word == text || is_cut(word))
            } else {
                text.iter().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
            };
            prop_assert_eq!(word_or_number(rest, kind), is_known.then_some(len));
        }
    }
}
