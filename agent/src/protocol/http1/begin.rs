//! Where messages begin: openings, what is believed of them, and heads.

use super::chunked::Chunked;
use super::framing::{Framing, framing};
use super::head::{Parsed, Strict, strict};
use super::lenient::{first_line, lenient};
use super::long::Long;
use super::parser::{Parser, State, Trust, pass, skip_empty_lines};
use super::proxy::{Proxy, measure, source};
use super::step::{Asked, Limits, Message, Place, Side, Step};
use crate::protocol::sniff::BLANK_MAX_BYTES;
use crate::protocol::{Anomalies, Anomaly, Opening, Version, opening};

/// Bytes after which an opening that is still unclear is none.
const OPENING_MAX_BYTES: usize = 160;

/// Methods by which a request is known again after a loss: those of RFC 9110, RFC 5789 and common
/// extensions of which none is the end of another in the IANA registry.
const METHODS_BEYOND_DOUBT: [&[u8]; 17] = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"REPORT",
    b"SEARCH",
    b"QUERY",
];

/// What every status line begins with (RFC 9112 §4).
const STATUS_LINE: &[u8] = b"HTTP/1.";

/// Whether an opening begins a message.
enum Begin {
    Yes,
    No,
    /// After so many bytes.
    Http2(usize),
}

impl Parser {
    /// Whether a transfer begins with a message, so that the line kept so far, which was taken for
    /// the beginning of one without certainty, was none: together they make no known request.
    pub(super) fn is_belied(&self, input: &[u8]) -> bool {
        if self.trust == Trust::Exact || self.line_start > 0 || self.buffer.is_empty() {
            return false;
        }
        let mut input = input;
        skip_empty_lines(&mut input);
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return false;
        };
        let line = input.get(..=end).unwrap_or_default();
        let known = |line: &[u8]| {
            first_line(self.side, line)
                && (self.side == Side::Response || METHODS_BEYOND_DOUBT.contains(&first_word(line)))
        };
        known(line) && !known(&[&self.buffer, line].concat())
    }

    /// What is not the beginning of a message where one is waited for.
    fn refused(&mut self, place: Place) -> Option<Step<'static>> {
        match self.trust {
            Trust::Exact => Some(self.lost(place, Some(Anomaly::InvalidHead))),
            // A line that begins like a method is a bad request; any other may be the middle of a
            // body that was joined late.
            Trust::Joined if place == Place::Head && shouts(&self.buffer) => {
                Some(self.lost(place, Some(Anomaly::InvalidHead)))
            }
            Trust::Joined | Trust::Resync => {
                self.refused = true;
                self.forget();
                self.state = State::Waiting;
                None
            }
        }
    }

    pub(super) fn wait(&mut self, input: &mut &[u8], first: bool) -> Option<Step<'static>> {
        if !first {
            return pass(input);
        }
        match self.begin(self.opening(input)) {
            Begin::Yes => None,
            Begin::No => pass(input),
            Begin::Http2(taken) => Some(Step::Http2 { taken }),
        }
    }

    pub(super) fn between(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        skip_empty_lines(input);
        if input.is_empty() {
            return None;
        }
        match self.begin(self.opening(input)) {
            Begin::Yes => None,
            Begin::No => self.refused(Place::Between),
            Begin::Http2(taken) => Some(Step::Http2 { taken }),
        }
    }

    /// What `bytes` open with, as far as it can be on this side.
    fn opening(&self, bytes: &[u8]) -> Opening {
        if self.side == Side::Request {
            return opening(bytes);
        }
        let mut line = bytes;
        skip_empty_lines(&mut line);
        if bytes.len() - line.len() > BLANK_MAX_BYTES {
            Opening::Other
        } else if line.starts_with(STATUS_LINE) {
            Opening::Response
        } else if STATUS_LINE.starts_with(line) {
            Opening::Short
        } else {
            Opening::Other
        }
    }

    /// Goes where an opening leads, taking nothing.
    fn begin(&mut self, opening: Opening) -> Begin {
        self.state = match (opening, self.side) {
            (Opening::Request, Side::Request) | (Opening::Response, Side::Response) => State::Head,
            (Opening::Short, _) => State::Opening,
            (Opening::Proxy, Side::Request) if self.trust == Trust::Joined => State::Proxy,
            // A method may be called so.
            (Opening::Proxy, Side::Request) => State::Head,
            (Opening::Http2, Side::Request) => {
                let taken = self.buffer.len();
                self.finish();
                return Begin::Http2(taken);
            }
            _ => return Begin::No,
        };
        Begin::Yes
    }

    /// Collects an opening until it is clear.
    pub(super) fn open(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        let room = OPENING_MAX_BYTES.saturating_sub(self.buffer.len()).min(1);
        self.take(input, room);
        let opening = match self.opening(&self.buffer) {
            Opening::Short if self.buffer.len() < OPENING_MAX_BYTES => return None,
            Opening::Short => Opening::Other,
            clear => clear,
        };
        match self.begin(opening) {
            Begin::Yes if self.state == State::Head => {
                let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
                let start = self.buffer.iter().position(|byte| !blank(byte));
                self.buffer.drain(..start.unwrap_or(0));
                None
            }
            Begin::Yes => None,
            Begin::No => self.refused(Place::Between),
            Begin::Http2(taken) => Some(Step::Http2 { taken }),
        }
    }

    pub(super) fn proxy(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        loop {
            match measure(&self.buffer) {
                Proxy::Length(length) => {
                    self.take(input, length.saturating_sub(self.buffer.len()));
                    if self.buffer.len() >= length {
                        self.proxied = source(&self.buffer);
                        self.forget();
                        self.state = State::Between;
                        self.trust = Trust::Exact;
                    }
                    return None;
                }
                Proxy::Short if input.is_empty() => return None,
                Proxy::Short => self.take(input, 1),
                Proxy::None => return Some(self.lost(Place::Head, Some(Anomaly::InvalidHead))),
            }
        }
    }

    pub(super) fn head(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        limits: &Limits,
    ) -> Option<Step<'static>> {
        if self.buffer.is_empty() {
            skip_empty_lines(input);
        }
        if self.buffer.is_empty()
            && let Strict::Complete(parsed, len) = strict(self.side, input, limits)
        {
            *input = input.get(len..).unwrap_or_default();
            return self.head_read(parsed, len as u64, asked);
        }
        let first_line_known = self.line_start > 0;
        let whole = self.collect(input, limits);
        if !first_line_known && self.line_start > 0 && !first_line(self.side, &self.buffer) {
            return self.refused(Place::Head);
        }
        if whole {
            let len = self.buffer.len() as u64;
            return match strict(self.side, &self.buffer, limits) {
                Strict::Complete(parsed, _) => self.head_read(parsed, len, asked),
                _ if self.trust == Trust::Resync => self.refused(Place::Head),
                _ => match lenient(self.side, &self.buffer, limits) {
                    Some(parsed) => self.head_read(parsed, len, asked),
                    None => self.refused(Place::Head),
                },
            };
        }
        if self.buffer.len() < limits.head_bytes {
            return None;
        }
        self.head_too_long(limits)
    }

    fn head_too_long(&mut self, limits: &Limits) -> Option<Step<'static>> {
        let len = self.buffer.len() as u64;
        let in_line = self.buffer.last() != Some(&b'\n');
        if self.line_start == 0 && self.side == Side::Request {
            // The target itself goes beyond: it is cut, and the version taken for granted.
            self.buffer.extend_from_slice(b" HTTP/1.1");
        }
        let parsed = match self.trust {
            Trust::Resync => None,
            _ => lenient(self.side, &self.buffer, limits),
        };
        let Some(parsed) = parsed else {
            return self.refused(Place::Head);
        };
        self.forget();
        self.buffer = Vec::new();
        self.long = Some(Box::new(Long::new(parsed, len, in_line)));
        self.state = State::Long;
        None
    }

    pub(super) fn long(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        limits: &Limits,
    ) -> Option<Step<'static>> {
        let long = self.long.as_mut()?;
        let (taken, over) = long.take(input, limits);
        *input = input.get(taken..).unwrap_or_default();
        if !over {
            return None;
        }
        let long = self.long.take()?;
        self.head_read(long.parsed, long.bytes, asked)
    }

    /// A head is there: how does its body end?
    fn head_read(
        &mut self,
        mut parsed: Parsed,
        header_bytes: u64,
        asked: Asked,
    ) -> Option<Step<'static>> {
        let framing = framing(self.side, &mut parsed, asked);
        if self.trust == Trust::Resync && !self.is_beyond_doubt(&parsed) {
            return self.refused(Place::Head);
        }
        self.forget();
        self.trust = Trust::Exact;
        self.state = match framing {
            Framing::None | Framing::Length(0) => State::Ending,
            Framing::Length(left) => State::Length(left),
            Framing::Chunked => State::Chunked(Chunked::START),
            Framing::UntilClose => State::UntilClose,
            Framing::Tunnel => State::Over,
        };
        Some(Step::Head(Message {
            version: parsed.version.unwrap_or(Version::Http11),
            head: parsed.head,
            status: parsed.status,
            header_bytes,
            framing,
            anomalies: parsed.anomalies,
        }))
    }

    /// Whether a head that stands after a loss is one for certain: without fault, and with a method
    /// that cannot be the end of another, whose beginning was lost.
    fn is_beyond_doubt(&self, parsed: &Parsed) -> bool {
        let method = parsed.head.get(parsed.head.word);
        let known = self.side == Side::Response || METHODS_BEYOND_DOUBT.contains(&method);
        known && parsed.anomalies == Anomalies::NONE
    }
}

/// What stands before the first space.
fn first_word(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// Whether the first word is in capitals, as methods are.
fn shouts(line: &[u8]) -> bool {
    let word = first_word(line);
    !word.is_empty() && word.iter().all(u8::is_ascii_uppercase)
}
