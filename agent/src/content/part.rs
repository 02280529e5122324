//! Parts and names as they are read.

use std::fmt;
use std::ops::Range;

use super::arena::{Entry, NameEntry, Parts, Step};
use super::layer::Layers;
use super::place::{BodyForm, Container, Kind, Place, Side};
use super::signs::Signs;
use crate::memo::Number;

/// One value of a message.
#[derive(Clone, Copy)]
pub struct Part<'p, 'a> {
    parts: &'p Parts<'a>,
    entry: &'p Entry<'a>,
}

/// The name of a part, or of what parts lie in: a step, and those above it.
///
/// Its `Display` is the spelling of EVENTS: `request.query.id`, `request.body:$.user.name`; with `#`
/// in the format it says `[*]` for every number.
#[derive(Clone, Copy)]
pub struct Name<'p, 'a> {
    parts: &'p Parts<'a>,
    entry: &'p NameEntry<'a>,
    number: u32,
}

/// A piece of a message that has bytes which are of no part.
#[derive(Clone, Copy, Debug)]
pub struct LooseText<'a> {
    /// All its bytes.
    pub bytes: &'a [u8],
    /// Whose it is.
    pub side: Side,
    /// Which it is.
    pub container: Container,
    /// The number in [`Parts::names`] that it is told under.
    pub name: usize,
    /// Whether it may go on behind its end.
    pub is_cut: bool,
}

impl<'a> Parts<'a> {
    /// All parts, in the order in which they stand in the messages, a part in front of those that
    /// lie in its value.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Part<'_, 'a>> + Clone {
        self.entries.iter().map(|entry| Part { parts: self, entry })
    }

    /// All names, each behind the one it lies in.
    #[inline]
    pub fn names(&self) -> impl ExactSizeIterator<Item = Name<'_, 'a>> + Clone {
        let named = |(number, entry)| Name {
            parts: self,
            entry,
            number: number as u32,
        };
        self.names.iter().enumerate().map(named)
    }

    /// The part of this number, from 0.
    #[inline]
    #[must_use]
    pub fn part(&self, number: usize) -> Option<Part<'_, 'a>> {
        let entry = self.entries.get(number)?;
        Some(Part { parts: self, entry })
    }

    /// The name of this number, from 0.
    #[inline]
    #[must_use]
    pub fn name(&self, number: usize) -> Option<Name<'_, 'a>> {
        Some(Name {
            parts: self,
            entry: self.names.get(number)?,
            number: u32::try_from(number).ok()?,
        })
    }

    /// The pieces of the messages that have bytes which are of no part (markup, words of a language),
    /// each whole: who looks for what must not leave looks there too.
    pub fn loose(&self) -> impl Iterator<Item = LooseText<'a>> {
        self.loose.iter().map(|loose| LooseText {
            bytes: loose.bytes,
            side: loose.side,
            container: loose.container,
            name: loose.name as usize,
            is_cut: loose.is_cut,
        })
    }

    /// What the body of the message turned out to be.
    #[inline]
    #[must_use]
    pub const fn form(&self, side: Side) -> BodyForm {
        let [request, response] = self.forms;
        match side {
            Side::Request => request,
            Side::Response => response,
        }
    }
}

impl<'p, 'a> Part<'p, 'a> {
    /// Which message it is of.
    #[inline]
    #[must_use]
    pub const fn side(self) -> Side {
        self.entry.side
    }

    /// What kind of place it stands in.
    #[inline]
    #[must_use]
    pub const fn place(self) -> Place {
        self.entry.place
    }

    /// What it is.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> Kind {
        self.entry.kind
    }

    /// Its bytes as they stood in what it lies in: the message, or the value of another part.
    #[inline]
    #[must_use]
    pub fn raw(self) -> &'p [u8] {
        self.parts.get(self.entry.at.raw)
    }

    /// Its bytes with the coding of its place taken off.
    #[inline]
    #[must_use]
    pub fn value(self) -> &'p [u8] {
        self.parts.get(self.entry.value)
    }

    /// What was taken off, those of the values it lies in first.
    #[inline]
    #[must_use]
    pub const fn layers(self) -> Layers {
        self.entry.layers
    }

    /// Whether a limit or the end of what was kept cut it off.
    #[inline]
    #[must_use]
    pub const fn is_cut(self) -> bool {
        self.entry.is_cut
    }

    /// Whether it lies in the value of another part.
    #[inline]
    #[must_use]
    pub const fn is_nested(self) -> bool {
        self.entry.at.outer != super::arena::NONE
    }

    /// What bytes its value may have, if it is text.
    #[inline]
    #[must_use]
    pub const fn signs(self) -> Signs {
        self.entry.signs
    }

    /// The number of a short header field, or of a cookie: no other name and value has it.
    #[inline]
    #[must_use]
    pub const fn field(self) -> Option<Number> {
        self.entry.number
    }

    /// Its name.
    #[inline]
    #[must_use]
    pub fn name(self) -> Option<Name<'p, 'a>> {
        self.parts.name(self.entry.name as usize)
    }

    /// The number of its name in [`Parts::names`].
    #[inline]
    #[must_use]
    pub const fn name_number(self) -> usize {
        self.entry.name as usize
    }

    /// Where it lies in the message. A value in base64 or the like lies in all of what it was in.
    #[must_use]
    pub fn span(self) -> (Container, Range<usize>) {
        self.span_of(0..self.value().len())
    }

    /// Where the bytes `range` of its value lie in the message.
    #[must_use]
    pub fn span_of(self, range: Range<usize>) -> (Container, Range<usize>) {
        self.parts.span(&self.entry.at, range)
    }
}

impl fmt::Debug for Part<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are not for logs.
        let name = self.name().map(|name| name.to_string());
        f.debug_struct("Part")
            .field("name", &name)
            .field("place", &self.place())
            .field("span", &self.span())
            .field("layers", &self.layers())
            .finish_non_exhaustive()
    }
}

impl<'p, 'a> Name<'p, 'a> {
    /// Which message it is of.
    #[inline]
    #[must_use]
    pub const fn side(self) -> Side {
        self.entry.side
    }

    /// The number of the header field or cookie, as [`Part::field`] has it.
    #[inline]
    #[must_use]
    pub const fn field(self) -> Option<Number> {
        self.entry.number
    }

    /// Its number in [`Parts::names`].
    #[inline]
    #[must_use]
    pub const fn number(self) -> usize {
        self.number as usize
    }

    /// The name it lies in.
    #[inline]
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        self.parts.name(self.entry.parent as usize)
    }

    /// The number of the name it lies in.
    #[inline]
    #[must_use]
    pub fn parent_number(self) -> Option<usize> {
        let number = self.entry.parent as usize;
        (number < self.parts.names.len()).then_some(number)
    }

    /// What the message calls it, decoded: a field's name, a key. Empty where the message has no
    /// word for it, as for an element of an array.
    #[inline]
    #[must_use]
    pub fn word(self) -> &'p [u8] {
        self.parts.get(self.entry.text)
    }

    /// The number of an array's element or a path's segment.
    #[inline]
    #[must_use]
    pub const fn index(self) -> Option<u32> {
        match self.entry.step {
            Step::Index(at) | Step::Path(at) | Step::Message(at) => Some(at),
            _ => None,
        }
    }

    /// Whether it is of the kind that JSONPath calls a member or an element.
    #[inline]
    #[must_use]
    pub const fn is_json(self) -> bool {
        matches!(self.entry.step, Step::JsonRoot | Step::Key | Step::Index(_))
    }

    /// Whether JSON begins here.
    #[inline]
    #[must_use]
    pub const fn is_root(self) -> bool {
        matches!(self.entry.step, Step::JsonRoot)
    }

    /// Whether a message's body begins here.
    #[inline]
    #[must_use]
    pub const fn is_body(self) -> bool {
        matches!(self.entry.step, Step::Body)
    }

    /// Whether it is that of the file's name in a part of a multipart body.
    #[inline]
    #[must_use]
    pub const fn is_file_name(self) -> bool {
        matches!(self.entry.step, Step::FileName)
    }

    /// Whether its word is a name that the sender chose freely, not one of a header field.
    #[inline]
    #[must_use]
    pub const fn is_free(self) -> bool {
        matches!(
            self.entry.step,
            Step::Query
                | Step::Fragment
                | Step::Cookie
                | Step::Field
                | Step::Key
                | Step::Element
                | Step::Attribute
                | Step::GraphQl
        )
    }

    /// Whether it is that of a parameter in a query.
    #[inline]
    #[must_use]
    pub const fn is_query(self) -> bool {
        matches!(self.entry.step, Step::Query)
    }

    /// Whether it is that of a parameter of an address that a body's text holds.
    #[must_use]
    pub fn is_query_in_body(self) -> bool {
        let of_address = matches!(self.entry.step, Step::Query | Step::Fragment);
        let above = std::iter::successors(self.parent(), |name| name.parent());
        of_address && above.into_iter().any(Self::is_body)
    }

    /// The last word in the name: its own, or that of the nearest step above which has one.
    #[must_use]
    pub fn last_word(self) -> &'p [u8] {
        let mut name = self;
        loop {
            let word = name.word();
            if !word.is_empty() {
                return word;
            }
            match name.parent() {
                Some(parent) => name = parent,
                None => return word,
            }
        }
    }

    /// Where the bytes `range` of its word lie in the message; `None` if the word is not there.
    #[must_use]
    pub fn span_of(self, range: Range<usize>) -> Option<(Container, Range<usize>)> {
        (self.is_free() && !self.word().is_empty()).then(|| self.parts.span(&self.entry.at, range))
    }

    fn write<W: fmt::Write>(self, to: &mut W, with_numbers: bool) -> fmt::Result {
        let mut behind = |sign: &str| {
            to.write_str(sign)?;
            spell(to, self.word())
        };
        match self.entry.step {
            Step::Query => behind("query."),
            Step::Fragment => behind("fragment."),
            Step::Cookie => behind("cookies."),
            Step::Field => behind("."),
            Step::Key if is_plain(self.word()) => behind("."),
            Step::Key => {
                behind("['")?;
                to.write_str("']")
            }
            Step::Element => behind("/"),
            Step::Attribute => behind("/@"),
            Step::GraphQl => behind(":graphql."),
            Step::Header => {
                to.write_str("headers.")?;
                spell_lower(to, self.word())
            }
            Step::Trailer => {
                to.write_str("trailers.")?;
                spell_lower(to, self.word())
            }
            Step::Path(at) if with_numbers => write!(to, "path[{at}]"),
            Step::Index(at) if with_numbers => write!(to, "[{at}]"),
            Step::Message(at) if with_numbers => write!(to, "message[{at}]"),
            Step::Path(_) => to.write_str("path[*]"),
            Step::Index(_) => to.write_str("[*]"),
            Step::Message(_) => to.write_str("message[*]"),
            Step::Authority => to.write_str("authority"),
            Step::Body => to.write_str("body"),
            Step::FileName => to.write_str(".filename"),
            Step::JsonRoot => to.write_str(":$"),
            Step::XmlRoot => to.write_str(":"),
            Step::JwtHeader => to.write_str(":jwt.header"),
            Step::JwtClaims => to.write_str(":jwt.claims"),
        }
    }

    /// Whether `other` is another of its kind: of the same words, numbers aside. Its spelling without
    /// numbers is the same then.
    #[inline]
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        // Elements have no words.
        let are_elements = matches!(
            (self.entry.step, other.entry.step),
            (Step::Index(_), Step::Index(_))
        );
        are_elements && self.entry.parent == other.entry.parent || self.is_like_above(other)
    }

    fn is_like_above(self, other: Self) -> bool {
        let (mut one, mut other) = (self, other);
        loop {
            let same_step = match (one.entry.step, other.entry.step) {
                (Step::Path(_), Step::Path(_))
                | (Step::Index(_), Step::Index(_))
                | (Step::Message(_), Step::Message(_)) => true,
                (one, other) => one == other,
            };
            if one.number == other.number {
                return true;
            }
            if !same_step || one.side() != other.side() || one.word() != other.word() {
                return false;
            }
            match (one.parent(), other.parent()) {
                (Some(above), Some(other_above)) => (one, other) = (above, other_above),
                (None, None) => return true,
                _ => return false,
            }
        }
    }

    /// Writes the name as its `Display` does, with the numbers of elements or a `*` for each.
    ///
    /// # Errors
    /// That of `to`.
    pub fn spell<W: fmt::Write>(self, to: &mut W, with_numbers: bool) -> fmt::Result {
        to.write_str(self.side().as_str())?;
        to.write_str(".")?;
        if self.parent().is_none() {
            return self.write(to, with_numbers);
        }
        let mut steps = [None; MOST_STEPS];
        let mut next = Some(self);
        let mut count = 0;
        for place in &mut steps {
            let Some(name) = next else { break };
            *place = Some(name);
            next = name.parent();
            count += 1;
        }
        let mut is_first = true;
        for name in steps.iter().take(count).rev().flatten() {
            // A URL's query within a value is a step below it.
            let is_root = matches!(
                name.entry.step,
                Step::Query | Step::Fragment | Step::Path(_) | Step::Cookie
            );
            if is_root && !is_first {
                to.write_str(".")?;
            }
            name.write(to, with_numbers)?;
            is_first = false;
        }
        Ok(())
    }
}

/// Whether JSONPath writes `key` behind a dot.
fn is_plain(key: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !key.is_empty() && key.iter().all(plain)
}

/// Longest word that is spelled out.
const LONGEST_WORD: usize = 128;

/// Foreign bytes as readable text: what is not printable ASCII or UTF-8 becomes a question mark.
fn spell<W: fmt::Write>(to: &mut W, word: &[u8]) -> fmt::Result {
    let shown = word.get(..LONGEST_WORD).unwrap_or(word);
    for chunk in shown.utf8_chunks() {
        let text = chunk.valid();
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            to.write_str(text)?;
        } else {
            for character in text.chars() {
                let is_control = character.is_control();
                to.write_char(if is_control { '?' } else { character })?;
            }
        }
        if !chunk.invalid().is_empty() {
            to.write_str("?")?;
        }
    }
    Ok(())
}

/// The same with A to Z in lower case, for the names of fields.
fn spell_lower<W: fmt::Write>(to: &mut W, word: &[u8]) -> fmt::Result {
    let mut lower = [0; LONGEST_WORD];
    let mut len = 0;
    for (place, byte) in lower.iter_mut().zip(word) {
        let shown = if byte.is_ascii_graphic() { *byte } else { b'?' };
        *place = shown.to_ascii_lowercase();
        len += 1;
    }
    let shown = lower
        .get(..len)
        .and_then(|lower| str::from_utf8(lower).ok());
    to.write_str(shown.unwrap_or_default())
}

/// Steps of a name that are spelled out: the deepest ones are.
const MOST_STEPS: usize = 96;

impl fmt::Display for Name<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_numbers = !f.alternate();
        self.spell(f, with_numbers)
    }
}
