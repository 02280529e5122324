//! A message's pieces, taken apart one after the other.

use std::ops::Range;

use super::arena::{
    At, Bytes, Entry, Loose, MOST_PARTS, MOST_TEXT, NONE, NameEntry, Parts, REQUEST_FIELD,
    RESPONSE_FIELD, Step,
};
use super::coding::{self, Coding};
use super::layer::{Layer, Layers};
use super::place::{Container, Kind, Place, Side};
use super::signs::{SHORT, Signs};
use super::{body, form, nest, target};
use crate::memo::Number;

/// A body, as far as it was kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body<'a> {
    /// Its bytes, content coding taken off.
    pub content: &'a [u8],
    /// The value of the Content-Type field.
    pub media_type: Option<&'a [u8]>,
    /// Whether nothing of it is missing at the end.
    pub is_whole: bool,
    /// Whether a content coding still lies over it, so that nothing can be read in it.
    pub is_coded: bool,
}

/// A message in raw pieces.
#[derive(Clone, Debug)]
pub struct Message<'a, F> {
    /// Which it is.
    pub side: Side,
    /// The request target; empty for a response.
    pub target: &'a [u8],
    /// Names and values of the header fields, in order.
    pub fields: F,
    /// Those of the trailer fields.
    pub trailers: F,
    /// The body.
    pub body: Body<'a>,
}

/// Bytes that are taken apart, and where they come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'s, 'a> {
    pub(super) bytes: &'s [u8],
    pub(super) lies: Lies<'a>,
    pub(super) layers: Layers,
    /// Whether what is at the end may go on in what was not kept.
    pub(super) is_cut: bool,
    /// How many values this lies in.
    pub(super) depth: u8,
}

/// Where a source's bytes lie.
#[derive(Clone, Copy)]
pub(super) enum Lies<'a> {
    /// In the message, from `start` of `container` on.
    Wire {
        bytes: &'a [u8],
        container: Container,
        start: u32,
    },
    /// In the arena's text from `text` on, and from `start` on in the value of `outer`.
    Text {
        text: u32,
        start: u32,
        outer: u32,
        container: Container,
        opaque: bool,
    },
}

impl<'s, 'a> Source<'s, 'a> {
    #[inline(always)]
    fn at(&self, range: Range<usize>, coding: Coding) -> At<'a> {
        let offset = range.start as u32;
        match self.lies {
            Lies::Wire {
                bytes,
                container,
                start,
            } => At {
                raw: Bytes::Wire(bytes.get(range).unwrap_or_default()),
                start: start + offset,
                outer: NONE,
                container,
                coding,
                opaque: false,
            },
            Lies::Text {
                text,
                start,
                outer,
                container,
                opaque,
            } => At {
                raw: Bytes::Text {
                    start: text + offset,
                    len: range.len() as u32,
                },
                start: start + offset,
                outer,
                container,
                coding,
                opaque,
            },
        }
    }

    #[inline]
    pub(super) fn get(&self, range: Range<usize>) -> &'s [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The same source, of which `layer` was taken off.
    #[inline]
    pub(super) fn under(self, layer: Layer) -> Self {
        Self {
            layers: self.layers.with(layer),
            ..self
        }
    }
}

/// What is said of a value when it is added.
#[derive(Clone, Copy)]
pub(super) struct Value {
    pub(super) name: u32,
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) coding: Coding,
    pub(super) is_cut: bool,
}

impl Value {
    /// A text at `place` under `name`.
    pub(super) const fn text(name: u32, place: Place, coding: Coding) -> Self {
        Self {
            name,
            place,
            kind: Kind::Text,
            coding,
            is_cut: false,
        }
    }

    pub(super) const fn cut(self, is_cut: bool) -> Self {
        Self { is_cut, ..self }
    }
}

/// A walk over one message.
pub(super) struct Walk<'p, 'a> {
    pub(super) parts: &'p mut Parts<'a>,
    pub(super) side: Side,
    /// How many parts there may be when this message is done.
    most: usize,
}

impl<'a> Parts<'a> {
    /// Takes a message apart; its parts come behind those that are there.
    pub fn take<F>(&mut self, message: Message<'a, F>)
    where
        F: Iterator<Item = (&'a [u8], &'a [u8])>,
    {
        let mut walk = Walk::new(self, message.side);
        if !message.target.is_empty() {
            target::walk(&mut walk, message.target);
        }
        for (number, (name, value)) in (0..u16::MAX).zip(message.fields) {
            walk.field(name, value, Container::Field(number), Step::Header);
        }
        let form = body::walk(&mut walk, &message.body);
        for (number, (name, value)) in (0..u16::MAX).zip(message.trailers) {
            walk.field(name, value, Container::Trailer(number), Step::Trailer);
        }
        match (message.side, &mut self.forms) {
            (Side::Request, [have, _]) | (Side::Response, [_, have]) => *have = form,
        }
    }
}

impl<'p, 'a> Walk<'p, 'a> {
    /// A walk that adds parts behind those that are there.
    pub(super) fn new(parts: &'p mut Parts<'a>, side: Side) -> Self {
        let most = parts.entries.len() + MOST_PARTS;
        Self { parts, side, most }
    }

    /// Whether more parts may be added, and more bytes decoded.
    #[inline]
    pub(super) const fn has_room(&self) -> bool {
        self.parts.entries.len() < self.most && self.parts.text.len() < MOST_TEXT
    }

    fn field(&mut self, name: &'a [u8], value: &'a [u8], container: Container, step: Step) {
        let wire = |bytes| Source {
            bytes,
            lies: Lies::Wire {
                bytes,
                container,
                start: 0,
            },
            layers: Layers::NONE,
            is_cut: false,
            depth: 0,
        };
        let source = wire(value);
        // By length and beginning most names are told to be others.
        let is = |one: &[u8], first: u8| {
            name.len() == one.len()
                && name.first().is_some_and(|byte| byte | 0x20 == first)
                && name.eq_ignore_ascii_case(one)
        };
        if is(b"cookie", b'c') {
            return form::cookies(self, source);
        }
        let is_cookie = is(b"set-cookie", b's');
        if is_cookie && !form::set_cookie(self, source) {
            return;
        }
        // What is not looked into for want of room is not what it is elsewhere.
        let has_room = self.parts.entries.len() + 1 < self.most && self.has_room();
        let kind = match self.side {
            Side::Request => REQUEST_FIELD,
            Side::Response => RESPONSE_FIELD,
        };
        let known = match is_cookie {
            false => self.parts.known.of(kind, name, value),
            true => None,
        };
        let known = known.filter(|_| has_room);
        let number = self.step(NameEntry {
            at: wire(name).at(0..name.len(), Coding::None),
            text: Bytes::Wire(name),
            parent: NONE,
            step,
            side: self.side,
            number: known,
        });
        if is_cookie {
            return self.loose(source, number);
        }
        let is_plain = self.is_plain(known);
        let index = self.parts.entries.len() as u32;
        self.parts.entries.push(Entry {
            at: source.at(0..value.len(), Coding::None),
            value: Bytes::Wire(value),
            layers: Layers::NONE,
            name: number,
            side: self.side,
            place: Place::Header,
            kind: Kind::Text,
            is_cut: false,
            signs: if is_plain {
                Signs::ANY
            } else {
                Signs::of(value)
            },
            number: known,
        });
        if !is_plain {
            self.look_once(known, |walk| nest::header(walk, index, name));
        }
    }

    /// Gives the last part and its name the number `known`.
    pub(super) fn number(&mut self, known: Option<Number>) {
        if let Some(entry) = self.parts.entries.last_mut() {
            entry.number = known;
        }
        if let Some(entry) = self.parts.names.last_mut() {
            entry.number = known;
        }
    }

    /// Whether nothing lies in the value of a header field or cookie of this number.
    #[inline]
    pub(super) fn is_plain(&self, known: Option<Number>) -> bool {
        known.is_some_and(|known| self.parts.plain.of(known).is_some())
    }

    /// Looks into the value of the last part, whose number is `known`, for the first time.
    pub(super) fn look_once(&mut self, known: Option<Number>, look: impl FnOnce(&mut Self)) {
        let counts = |walk: &Self| (walk.parts.entries.len(), walk.parts.names.len());
        let before = counts(self);
        look(self);
        if let Some(known) = known.filter(|_| counts(self) == before && self.has_room()) {
            self.parts.plain.add(known, ());
        }
    }

    /// Says that `source`, told under `name`, has bytes which are of no part. In a value they are of
    /// that.
    pub(super) fn loose(&mut self, source: Source<'_, 'a>, name: u32) {
        if let Lies::Wire {
            bytes, container, ..
        } = source.lies
        {
            self.parts.loose.push(Loose {
                bytes,
                side: self.side,
                container,
                name,
                is_cut: source.is_cut,
            });
        }
    }

    /// Adds a step below `parent`; its number.
    #[inline(always)]
    pub(super) fn name(
        &mut self,
        parent: u32,
        step: Step,
        source: &Source<'_, 'a>,
        range: Range<usize>,
        coding: Coding,
    ) -> u32 {
        let at = source.at(range.clone(), coding);
        let text = match coding {
            Coding::None => at.raw,
            _ => match source.get(range) {
                raw if coding.touches(raw) => self.decode(raw, at).0,
                _ => at.raw,
            },
        };
        self.step(NameEntry {
            at,
            text,
            parent,
            step,
            side: self.side,
            number: None,
        })
    }

    /// Adds a step that the message has no word for.
    #[inline]
    pub(super) fn wordless(&mut self, parent: u32, step: Step) -> u32 {
        self.step(NameEntry {
            at: At {
                raw: Bytes::EMPTY,
                start: 0,
                outer: NONE,
                container: Container::Target,
                coding: Coding::None,
                opaque: false,
            },
            text: Bytes::EMPTY,
            parent,
            step,
            side: self.side,
            number: None,
        })
    }

    #[inline(always)]
    fn step(&mut self, entry: NameEntry<'a>) -> u32 {
        let number = self.parts.names.len() as u32;
        self.parts.names.push(entry);
        number
    }

    /// Adds a part and looks into its value; its number.
    pub(super) fn add(&mut self, source: &Source<'_, 'a>, range: Range<usize>, value: Value) {
        let index = self.push(source, range, value);
        if value.kind == Kind::Text {
            nest::look(self, index, source.depth);
        }
    }

    /// The same, if its bytes have `signs`.
    #[inline(always)]
    pub(super) fn add_read(
        &mut self,
        source: &Source<'_, 'a>,
        range: Range<usize>,
        value: Value,
        signs: Signs,
    ) {
        let may_hold = value.coding != Coding::None || nest::may_hold(range.len(), signs);
        let index = self.push_read(source, range, value, signs);
        if may_hold {
            nest::look(self, index, source.depth);
        }
    }

    /// Adds a part; its number.
    #[inline(always)]
    pub(super) fn push(
        &mut self,
        source: &Source<'_, 'a>,
        range: Range<usize>,
        value: Value,
    ) -> u32 {
        let signs = match value.kind {
            Kind::Text => {
                let text = source.get(range.clone());
                Signs::of(text).or_time(text)
            }
            _ => Signs::ANY,
        };
        self.push_read(source, range, value, signs)
    }

    /// Adds a part whose bytes have `signs`; its number.
    #[inline(always)]
    pub(super) fn push_read(
        &mut self,
        source: &Source<'_, 'a>,
        range: Range<usize>,
        value: Value,
        signs: Signs,
    ) -> u32 {
        let number = self.parts.entries.len() as u32;
        let at = source.at(range.clone(), value.coding);
        let (text, layers, signs) = if value.coding.may_touch(signs) {
            let (text, below, signs) = self.decoded(source.get(range), at, signs);
            (text, source.layers.and(below), signs)
        } else {
            (at.raw, source.layers, signs)
        };
        self.parts.entries.push(Entry {
            at,
            value: text,
            layers,
            name: value.name,
            side: self.side,
            place: value.place,
            kind: value.kind,
            is_cut: value.is_cut,
            signs,
            number: None,
        });
        number
    }

    /// The value of `raw`, which lies at `at` and has `signs`: itself, if nothing in it is coded.
    #[inline]
    fn decoded(&mut self, raw: &[u8], at: At<'a>, signs: Signs) -> (Bytes<'a>, Layers, Signs) {
        if at.coding == Coding::Form && raw.len() <= SHORT && !signs.may_have(Signs::CODING) {
            let text = &mut self.parts.text;
            let (start, len) = (text.len() as u32, raw.len() as u32);
            coding::spaced(raw, text);
            let layers = Layers::NONE.with(Layer::Plus);
            return (
                Bytes::Text { start, len },
                layers,
                signs.without(Signs::PLUS),
            );
        }
        if at.coding.touches(raw) {
            let (text, layers) = self.decode(raw, at);
            return (text, layers, Signs::of(self.parts.get(text)));
        }
        (at.raw, Layers::NONE, signs)
    }

    fn decode(&mut self, raw: &[u8], at: At<'a>) -> (Bytes<'a>, Layers) {
        let text = &mut self.parts.text;
        let start = text.len();
        let layers = at.coding.decode(raw, text);
        if layers.is_empty() {
            text.truncate(start);
            return (at.raw, layers);
        }
        let value = Bytes::Text {
            start: start as u32,
            len: (text.len() - start) as u32,
        };
        (value, layers)
    }
}
