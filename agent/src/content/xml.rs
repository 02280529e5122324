//! XML (and what looks like it), read tolerantly: text, attributes, CDATA; nothing is resolved.

use std::ops::Range;

use memchr::{memchr, memmem};

use super::arena::Step;
use super::coding::Coding;
use super::form::trimmed;
use super::place::Place;
use super::walk::{Source, Value, Walk};

/// Elements within each other that are followed; those further in count as the last one's.
const DEEPEST: usize = 64;

/// Whether `value` may be XML.
pub(super) fn is_likely(value: &[u8]) -> bool {
    let start = value.trim_ascii_start();
    match start {
        [b'<', second, ..] => second.is_ascii_alphabetic() || matches!(second, b'?' | b'!' | b'_'),
        _ => false,
    }
}

/// Takes XML apart under the name `root`.
pub(super) fn walk<'a>(walk: &mut Walk<'_, 'a>, source: Source<'_, 'a>, root: u32) {
    let mut elements = std::mem::take(&mut walk.parts.elements);
    elements.clear();
    let mut xml = Xml {
        walk,
        source,
        root,
        elements: &mut elements,
        surplus: 0,
    };
    xml.all();
    walk.parts.elements = elements;
}

struct Xml<'w, 'p, 's, 'a> {
    walk: &'w mut Walk<'p, 'a>,
    source: Source<'s, 'a>,
    root: u32,
    /// Names of the elements that are open.
    elements: &'w mut Vec<u32>,
    /// How many are open beyond those.
    surplus: usize,
}

impl Xml<'_, '_, '_, '_> {
    fn all(&mut self) {
        let (bytes, mut at) = (self.source.bytes, 0);
        while at < bytes.len() {
            if !self.walk.has_room() {
                let value = Value::text(self.here(), Place::Text, Coding::Entity);
                self.walk.push(&self.source, at..bytes.len(), value);
                return;
            }
            let rest = self.source.get(at..bytes.len());
            at += if rest.first() == Some(&b'<') {
                self.markup(at, rest)
            } else {
                let len = memchr(b'<', rest).unwrap_or(rest.len());
                self.text(at..at + len, Coding::Entity);
                len
            };
        }
    }

    fn here(&self) -> u32 {
        self.elements.last().copied().unwrap_or(self.root)
    }

    fn text(&mut self, range: Range<usize>, coding: Coding) {
        let range = trimmed(self.source, range);
        if !range.is_empty() {
            let is_cut = self.source.is_cut && range.end == self.source.bytes.len();
            let value = Value::text(self.here(), Place::Xml, coding).cut(is_cut);
            self.walk.add(&self.source, range, value);
        }
    }

    /// Markup as one part, not looked into again.
    fn whole(&mut self, range: Range<usize>) {
        let value = Value::text(self.here(), Place::Xml, Coding::None);
        self.walk.push(&self.source, range, value);
    }

    /// Reads what begins with `<` at `at`; how long it is.
    fn markup(&mut self, at: usize, rest: &[u8]) -> usize {
        let until = |from: usize, end: &[u8]| {
            let found = memmem::find(rest.get(from..).unwrap_or_default(), end);
            found.map_or((rest.len(), rest.len()), |found| {
                (from + found, from + found + end.len())
            })
        };
        // Most markup is a tag.
        match rest.get(1) {
            Some(b'/') => {
                if self.surplus > 0 {
                    self.surplus -= 1;
                } else {
                    self.elements.pop();
                }
                return memchr(b'>', rest).map_or(rest.len(), |end| end + 1);
            }
            Some(b'!' | b'?') => {}
            _ => return self.element(at, rest),
        }
        if rest.starts_with(b"<![CDATA[") {
            let (to, end) = until(9, b"]]>");
            self.text(at + 9..at + to, Coding::None);
            return end;
        }
        if rest.starts_with(b"<!--") {
            let (to, end) = until(4, b"-->");
            self.text(at + 4..at + to, Coding::None);
            return end;
        }
        if rest.starts_with(b"<?") {
            let (to, end) = until(2, b"?>");
            self.whole(at + 2..at + to);
            return end;
        }
        let len = declaration(rest);
        self.whole(at..at + len);
        len
    }

    /// A start tag.
    fn element(&mut self, at: usize, rest: &[u8]) -> usize {
        let is_name = |byte: &&u8| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'<' | b'=' | b'"' | b'\'')
        };
        let behind = rest.get(1..).unwrap_or_default();
        let len = behind.iter().take_while(is_name).count();
        if len == 0 {
            // A lone `<` is text.
            self.text(at..at + 1, Coding::None);
            return 1;
        }
        let from = at + 1;
        let parent = self.here();
        let element = self.walk.name(
            parent,
            Step::Element,
            &self.source,
            from..from + len,
            Coding::None,
        );
        let (end, is_empty) = self.attributes(from + len, element);
        if !is_empty {
            if self.elements.len() < DEEPEST {
                self.elements.push(element);
            } else {
                self.surplus += 1;
            }
        }
        end - at
    }

    /// Attributes from `at` on; where the tag ends, and whether the element does too.
    fn attributes(&mut self, mut at: usize, element: u32) -> (usize, bool) {
        let all = self.source.bytes.len();
        let mut is_empty = false;
        loop {
            let Some(byte) = self.source.bytes.get(at).copied() else {
                return (all, false);
            };
            match byte {
                b'>' => return (at + 1, is_empty),
                // The next tag begins though this one has no end.
                b'<' => return (at, is_empty),
                b'/' => is_empty = true,
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    is_empty = false;
                    at = self.attribute(at, element);
                    continue;
                }
            }
            at += 1;
        }
    }

    /// One attribute at `at`; where it ends, at least one byte further.
    fn attribute(&mut self, at: usize, element: u32) -> usize {
        let rest = self.source.get(at..self.source.bytes.len());
        let is_name =
            |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'<' | b'=');
        let len = rest.iter().take_while(is_name).count();
        let blank = |from: usize| {
            let rest = rest.get(from..).unwrap_or_default();
            from + rest
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count()
        };
        let equals = blank(len);
        if rest.get(equals) != Some(&b'=') || !self.walk.has_room() {
            return at + len.max(1);
        }
        let from = blank(equals + 1);
        let (from, to, end) = match rest.get(from) {
            Some(quote @ (b'"' | b'\'')) => {
                let behind = rest.get(from + 1..).unwrap_or_default();
                let len = memchr(*quote, behind).unwrap_or(behind.len());
                (from + 1, from + 1 + len, (from + 2 + len).min(rest.len()))
            }
            _ => {
                let behind = rest.get(from..).unwrap_or_default();
                let is_value = |byte: &&u8| !byte.is_ascii_whitespace() && **byte != b'>';
                let len = behind.iter().take_while(is_value).count();
                (from, from + len, from + len)
            }
        };
        let name = self.walk.name(
            element,
            Step::Attribute,
            &self.source,
            at..at + len,
            Coding::None,
        );
        let is_cut = self.source.is_cut && at + to == self.source.bytes.len();
        let value = Value::text(name, Place::Xml, Coding::Entity).cut(is_cut);
        self.walk.add(&self.source, at + from..at + to, value);
        at + end.max(1)
    }
}

/// Length of a declaration with what stands in brackets in it (`<!DOCTYPE a [ … ]>`).
fn declaration(rest: &[u8]) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The name under which XML within `parent` is told.
pub(super) fn root<'a>(walk: &mut Walk<'_, 'a>, parent: u32) -> u32 {
    walk.wordless(parent, Step::XmlRoot)
}
