//! A message's head: order, case and bytes kept.

use std::ops::Range;

/// HTTP version as the message says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
}

/// A range of bytes in a [`Head`]'s buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first.
    pub start: u32,
    /// How many.
    pub len: u32,
}

impl Span {
    /// From `start` to before `end`; empty if that is not after it, or beyond what a head holds.
    pub(super) fn between(start: usize, end: usize) -> Self {
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u32::try_from(end.saturating_sub(start)).unwrap_or(0),
        }
    }
}

/// A message's head: one buffer, and where in it things lie. Order, case and bytes are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The bytes spans point into.
    pub buffer: Vec<u8>,
    /// Request: method. Response: reason phrase.
    pub word: Span,
    /// Request: target, in HTTP/2 its `:path`. Response: empty.
    pub target: Span,
    /// Request of HTTP/2: `:scheme`.
    pub scheme: Option<Span>,
    /// Request of HTTP/2: `:authority`.
    pub authority: Option<Span>,
    /// Request of HTTP/2: `:protocol` of an extended CONNECT (RFC 8441 §4).
    pub protocol: Option<Span>,
    /// Names and values, in order of arrival; folded lines joined by a space.
    pub fields: Vec<(Span, Span)>,
}

impl Head {
    /// The bytes of `span`.
    #[inline]
    #[must_use]
    pub fn get(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.buffer
            .get(start..start.saturating_add(span.len as usize))
            .unwrap_or_default()
    }

    /// Where `part`, a slice of the target, lies in it; empty, at its end, if it is no part of it.
    #[must_use]
    pub fn in_target(&self, part: &[u8]) -> Range<usize> {
        let target = self.get(self.target);
        let start = part.as_ptr().addr().wrapping_sub(target.as_ptr().addr());
        let end = start.saturating_add(part.len());
        if end <= target.len() {
            start..end
        } else {
            target.len()..target.len()
        }
    }

    /// Names and values, in order of arrival.
    #[inline]
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (self.get(*name), self.get(*value)))
    }

    /// The first value of the field `name`, in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(have, _)| {
                have.len() == name.len() && have.eq_ignore_ascii_case(name.as_bytes())
            })
            .map(|(_, value)| value)
    }

    /// The host asked for: `:authority`, or else the Host field.
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        let authority = self.authority.map(|span| self.get(span));
        authority.or_else(|| self.field("host"))
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.capacity() + self.fields.capacity() * size_of::<(Span, Span)>()
    }

    /// Appends bytes to the buffer; where they lie.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        Span::between(start, self.buffer.len())
    }
}
