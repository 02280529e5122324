//! Where parts and names are kept: in a few vectors that are used again and again.

use std::ops::Range;

use super::coding::Coding;
use super::layer::Layers;
use super::place::{BodyForm, Container, Kind, Place, Side};
use super::signs::Signs;
use crate::memo::{Notes, Number, Numbers, REMEMBERED};

/// Parts of one message; the rest of the body is one part then.
pub(super) const MOST_PARTS: usize = 4096;

/// Bytes of decoded values of one message; values beyond stay as they are.
pub(super) const MOST_TEXT: usize = 1 << 20;

/// The kinds of what is remembered. Fields of requests and of answers come in other orders.
pub(super) const REQUEST_FIELD: u8 = 0;
pub(super) const RESPONSE_FIELD: u8 = 1;
pub(super) const COOKIE: u8 = 2;

/// No part, no name.
pub(super) const NONE: u32 = u32::MAX;

/// Bytes of the message, or of the arena's own text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bytes<'a> {
    Wire(&'a [u8]),
    Text { start: u32, len: u32 },
}

impl Bytes<'_> {
    pub(super) const EMPTY: Self = Bytes::Text { start: 0, len: 0 };
}

/// Where raw bytes lie, and how they are coded.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) raw: Bytes<'a>,
    /// Offset in the container, or in the value of `outer`.
    pub(super) start: u32,
    /// The part in whose value this lies; [`NONE`] if it lies in the message itself.
    pub(super) outer: u32,
    pub(super) container: Container,
    pub(super) coding: Coding,
    /// Whether no place in it can be told in `outer`, so that it stands for all of that.
    pub(super) opaque: bool,
}

/// One value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) at: At<'a>,
    pub(super) value: Bytes<'a>,
    pub(super) layers: Layers,
    pub(super) name: u32,
    pub(super) side: Side,
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) is_cut: bool,
    /// Of the value.
    pub(super) signs: Signs,
    /// Of a header field or a cookie.
    pub(super) number: Option<Number>,
}

/// A step of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `request.` or `response.`, and what is in the message.
    Authority,
    Path(u32),
    Query,
    Fragment,
    Header,
    Trailer,
    Cookie,
    Body,
    /// A message of WebSocket.
    Message(u32),
    /// `.name` of a form, of a multipart body or a path parameter.
    Field,
    FileName,
    JsonRoot,
    Key,
    Index(u32),
    XmlRoot,
    Element,
    Attribute,
    JwtHeader,
    JwtClaims,
    GraphQl,
}

/// A step with the bytes it has from the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameEntry<'a> {
    pub(super) at: At<'a>,
    /// The name as it is meant.
    pub(super) text: Bytes<'a>,
    pub(super) parent: u32,
    pub(super) step: Step,
    pub(super) side: Side,
    /// Of a header field or a cookie.
    pub(super) number: Option<Number>,
}

/// A piece of a message that has bytes which are of no part: markup, words of a language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loose<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) side: Side,
    pub(super) container: Container,
    pub(super) name: u32,
    pub(super) is_cut: bool,
}

/// The parts of an exchange's messages, in the order in which they stand there.
///
/// It borrows the messages and is used again by [`Parts::recycle`], so that after a few exchanges
/// taking one apart allocates nothing.
#[derive(Debug)]
pub struct Parts<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) names: Vec<NameEntry<'a>>,
    pub(super) text: Vec<u8>,
    pub(super) forms: [BodyForm; 2],
    pub(super) loose: Vec<Loose<'a>>,
    pub(super) frames: Vec<super::json::Frame>,
    pub(super) elements: Vec<u32>,
    /// Copies of decoded values that are taken apart in their turn.
    pub(super) copies: Vec<Vec<u8>>,
    /// Header fields and cookies that were taken apart before.
    pub(super) known: Numbers,
    /// Those in whose values nothing lies.
    pub(super) plain: Notes<()>,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            names: Vec::new(),
            text: Vec::new(),
            forms: Default::default(),
            loose: Vec::new(),
            frames: Vec::new(),
            elements: Vec::new(),
            copies: Vec::new(),
            known: Numbers::new(REMEMBERED),
            plain: Notes::new(REMEMBERED),
        }
    }
}

impl<'a> Parts<'a> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same memory, empty, for other messages.
    #[must_use]
    pub fn recycle<'b>(mut self) -> Parts<'b> {
        self.entries.clear();
        self.names.clear();
        self.text.clear();
        self.loose.clear();
        Parts {
            // Nothing is left to be mapped; the compiler keeps the memory of a vector that is
            // collected into one of the same layout.
            entries: self.entries.into_iter().map_while(|_| None).collect(),
            names: self.names.into_iter().map_while(|_| None).collect(),
            text: self.text,
            forms: Default::default(),
            loose: self.loose.into_iter().map_while(|_| None).collect(),
            frames: self.frames,
            elements: self.elements,
            copies: self.copies,
            known: self.known,
            plain: self.plain,
        }
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<'_>>()
            + self.names.capacity() * size_of::<NameEntry<'_>>()
            + self.text.capacity()
            + self.known.bytes()
            + self.plain.bytes()
    }

    #[inline]
    pub(super) fn get(&self, bytes: Bytes<'a>) -> &[u8] {
        match bytes {
            Bytes::Wire(bytes) => bytes,
            Bytes::Text { start, len } => {
                let start = start as usize;
                self.text
                    .get(start..start + len as usize)
                    .unwrap_or_default()
            }
        }
    }

    /// Where in the message the bytes `range` of the value at `at` come from.
    #[inline]
    pub(super) fn span(&self, at: &At<'a>, range: Range<usize>) -> (Container, Range<usize>) {
        if at.outer == NONE && at.coding == Coding::None {
            let start = at.start as usize;
            return (at.container, start + range.start..start + range.end);
        }
        self.coded_span(at, range)
    }

    fn coded_span(&self, at: &At<'a>, range: Range<usize>) -> (Container, Range<usize>) {
        let (mut at, mut range) = (*at, range);
        loop {
            let raw = at.coding.raw_range(self.get(at.raw), range);
            let start = at.start as usize;
            range = start + raw.start..start + raw.end;
            let Some(outer) = self.entries.get(at.outer as usize) else {
                return (at.container, range);
            };
            if at.opaque {
                range = 0..self.get(outer.value).len();
            }
            at = outer.at;
        }
    }
}
