//! Frames of one direction → heads, data, ends.

use std::borrow::Cow;
use std::mem;

use super::frame::{HEADER_BYTES, Header, PREFACE, flag, kind};
use super::gather::Pending;
use super::hpack::Decoder;
use super::seek::Seek;
use super::step::Step;
use crate::protocol::http1::Limits;
use crate::protocol::{Anomalies, Anomaly};
use crate::telemetry::{Counter, Counters};

/// Bytes kept of frames of which only the front is read: RST_STREAM, GOAWAY.
const FRONT_BYTES: usize = 8;

/// Reads what one end sends.
#[derive(Debug)]
pub struct Parser {
    state: State,
    pub(super) decoder: Decoder,
    /// Bytes of a frame's header, or of its payload, that came too few at a time.
    buffer: Vec<u8>,
    /// A block of which more frames are to come.
    pub(super) pending: Option<Box<Pending>>,
    /// Bytes in which boundaries were found, to be read before all others, and how many were.
    again: Vec<u8>,
    again_read: usize,
}

#[derive(Debug)]
enum State {
    /// Inside the preface, so many bytes of which have come.
    Preface(usize),
    /// A frame begins, or its header is under way.
    Header,
    Payload(Frame),
    /// Boundaries are not known.
    Seeking(Box<Seek>),
    /// Nothing is taken any more.
    Over,
}

/// A frame under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) header: Header,
    /// Bytes of payload to come.
    left: u32,
    /// Bytes of DATA's padding at the end; `None` until that is known.
    padding: Option<u32>,
    /// Bytes of the payload are missing.
    pub(super) holes: bool,
    /// It carries more of a block than is kept.
    pub(super) cut: bool,
}

impl Parser {
    /// For what a client sends from its preface on, of which `taken` bytes have been.
    #[must_use]
    pub const fn client(taken: usize) -> Self {
        Self::of(State::Preface(taken), Decoder::new())
    }

    /// For what a server sends.
    #[must_use]
    pub const fn server() -> Self {
        Self::of(State::Header, Decoder::new())
    }

    /// For either end of a conn that was joined late.
    #[must_use]
    pub fn late() -> Self {
        Self::of(State::Seeking(Box::default()), Decoder::late())
    }

    const fn of(state: State, decoder: Decoder) -> Self {
        Self {
            state,
            decoder,
            buffer: Vec::new(),
            pending: None,
            again: Vec::new(),
            again_read: 0,
        }
    }

    /// Takes bytes off the front of `input` up to the next thing it finds. `first`: `input` begins
    /// where a transfer began.
    pub fn step<'a>(
        &mut self,
        input: &mut &'a [u8],
        first: bool,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Step<'a> {
        let mut first = first;
        loop {
            if self.is_due() {
                if let Some(step) = self.finish_frame(limits) {
                    return step;
                }
                continue;
            }
            if self.again_read < self.again.len() {
                if let Some(step) = self.advance_again(limits) {
                    return step;
                }
                continue;
            }
            if input.is_empty() {
                return Step::More;
            }
            match &mut self.state {
                State::Seeking(seek) => {
                    counters.add(Counter::ProtocolBytesPassed, input.len() as u64);
                    let found = seek.take(input, first);
                    *input = &[];
                    if let Some(found) = found {
                        self.state = State::Header;
                        self.again = found;
                        self.again_read = 0;
                    }
                }
                State::Over => {
                    counters.add(Counter::ProtocolBytesPassed, input.len() as u64);
                    *input = &[];
                }
                _ => {
                    if let Some(step) = self.advance(input, limits, counters) {
                        return step;
                    }
                }
            }
            first = false;
        }
    }

    /// Reads on in the bytes in which boundaries were found. What they are was counted when they came.
    fn advance_again(&mut self, limits: &Limits) -> Option<Step<'static>> {
        let again = mem::take(&mut self.again);
        let mut rest = again.get(self.again_read..).unwrap_or_default();
        let step = self.advance(&mut rest, limits, &mut Counters::default());
        let step = step.map(Step::owned);
        let read = again.len() - rest.len();
        if self.is_in_step() && read < again.len() {
            self.again_read = read;
            self.again = again;
        } else {
            self.again_read = 0;
        }
        step
    }

    /// Of the next `left` bytes, which never came, takes those up to the next thing they change.
    pub fn gap(&mut self, left: &mut u64) -> Step<'static> {
        loop {
            if self.is_due() {
                if let Some(step) = self.finish_frame(&Limits::default()) {
                    return step;
                }
                continue;
            }
            if *left == 0 {
                return Step::More;
            }
            let State::Payload(frame) = &mut self.state else {
                *left = 0;
                return self.lose();
            };
            let before = frame.left;
            let n = u64::from(before).min(*left);
            *left -= n;
            frame.left -= n as u32;
            frame.holes = true;
            if frame.header.kind == kind::DATA {
                let stream = frame.header.stream;
                // What of it is padding only its first byte tells.
                let body = |padding| {
                    let of = |left: u32| u64::from(left.saturating_sub(padding));
                    of(before) - of(frame.left)
                };
                let bytes = frame.padding.map(body);
                return Step::Missing { stream, bytes };
            }
        }
    }

    /// An unknown number of bytes never came.
    pub fn lose(&mut self) -> Step<'static> {
        self.lost(None)
    }

    /// Takes nothing any more.
    pub fn finish(&mut self) {
        *self = Self::of(State::Over, Decoder::late());
    }

    /// Whether frames are told apart from each other.
    #[must_use]
    pub const fn is_in_step(&self) -> bool {
        !matches!(self.state, State::Seeking(_))
    }

    /// Whether what comes next belongs to a frame that has begun.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.state, State::Payload(_))
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let seek = match &self.state {
            State::Seeking(seek) => seek.bytes(),
            _ => 0,
        };
        let pending = self.pending.as_ref().map_or(0, |pending| {
            size_of::<Pending>() + pending.fragments.capacity()
        });
        self.decoder.bytes() + self.buffer.capacity() + self.again.capacity() + pending + seek
    }

    /// Gives back memory that nothing under way needs.
    pub fn compact(&mut self) {
        self.buffer.shrink_to_fit();
    }

    /// Gives up what it holds, the table of fields too.
    pub fn shed(&mut self) -> Step<'static> {
        self.decoder.forget();
        let under_way = self.pending.is_some() || self.buffer.len() > 4096;
        if under_way { self.lose() } else { Step::More }
    }

    /// Whether the payload under way has passed.
    const fn is_due(&self) -> bool {
        matches!(&self.state, State::Payload(frame) if frame.left == 0)
    }

    pub(super) fn lost(&mut self, anomaly: Option<Anomaly>) -> Step<'static> {
        let was_seeking = !self.is_in_step();
        if matches!(self.state, State::Over) {
            return Step::More;
        }
        self.decoder.forget();
        self.buffer = Vec::new();
        self.pending = None;
        self.again = Vec::new();
        self.again_read = 0;
        self.state = State::Seeking(Box::default());
        if was_seeking {
            return Step::More;
        }
        Step::Lost {
            anomalies: anomaly.map_or(Anomalies::NONE, Anomalies::from),
        }
    }

    /// Takes bytes of `input`, which holds some, to the next thing; `None` if there is none in them yet.
    fn advance<'a>(
        &mut self,
        input: &mut &'a [u8],
        limits: &Limits,
        counters: &mut Counters,
    ) -> Option<Step<'a>> {
        match &mut self.state {
            State::Preface(taken) => {
                let expected = PREFACE.get(*taken..).unwrap_or_default();
                let n = expected.len().min(input.len());
                let (front, rest) = input.split_at_checked(n)?;
                counters.add(Counter::ProtocolBytesFraming, n as u64);
                *input = rest;
                *taken += n;
                if !expected.starts_with(front) {
                    return Some(self.lost(Some(Anomaly::InvalidFrame)));
                }
                if *taken == PREFACE.len() {
                    self.state = State::Header;
                }
                None
            }
            State::Header => self.header(input, counters),
            State::Payload(frame) if frame.header.kind == kind::DATA => self.data(input, counters),
            State::Payload(_) => self.payload(input, limits, counters),
            State::Seeking(_) | State::Over => None,
        }
    }

    fn header<'a>(&mut self, input: &mut &'a [u8], counters: &mut Counters) -> Option<Step<'a>> {
        let header = if self.buffer.is_empty()
            && let Some(header) = Header::read(input)
        {
            counters.add(Counter::ProtocolBytesFraming, HEADER_BYTES as u64);
            *input = input.get(HEADER_BYTES..).unwrap_or_default();
            header
        } else {
            let n = (HEADER_BYTES - self.buffer.len()).min(input.len());
            let (front, rest) = input.split_at_checked(n)?;
            counters.add(Counter::ProtocolBytesFraming, n as u64);
            self.buffer.extend_from_slice(front);
            *input = rest;
            let header = Header::read(&self.buffer)?;
            self.buffer.clear();
            header
        };
        let goes_on = self.pending.as_ref().map(|pending| pending.stream);
        let fits = match goes_on {
            Some(stream) => header.kind == kind::CONTINUATION && header.stream == stream,
            None => header.kind != kind::CONTINUATION,
        };
        if !fits || !header.is_valid() {
            return Some(self.lost(Some(Anomaly::InvalidFrame)));
        }
        self.state = State::Payload(Frame {
            header,
            left: header.length,
            padding: (!header.has(flag::PADDED)).then_some(0),
            holes: false,
            cut: false,
        });
        None
    }

    fn data<'a>(&mut self, input: &mut &'a [u8], counters: &mut Counters) -> Option<Step<'a>> {
        let State::Payload(frame) = &mut self.state else {
            return None;
        };
        let stream = frame.header.stream;
        let Some(padding) = frame.padding else {
            if frame.holes {
                // Nobody knows what of the rest is padding.
                let n = (frame.left as usize).min(input.len());
                let bytes = take(input, n);
                frame.left -= bytes.len() as u32;
                counters.add(Counter::ProtocolBytesPassed, bytes.len() as u64);
                return None;
            }
            let padding = u32::from(*take(input, 1).first()?);
            counters.add(Counter::ProtocolBytesFraming, 1);
            frame.left -= 1;
            if padding > frame.left {
                return Some(self.lost(Some(Anomaly::InvalidFrame)));
            }
            frame.padding = Some(padding);
            return None;
        };
        let body = frame.left.saturating_sub(padding) as usize;
        if body > 0 {
            let front = u32::from(frame.header.has(flag::PADDED));
            let first = frame.left + front == frame.header.length;
            let bytes = take(input, body);
            frame.left -= bytes.len() as u32;
            counters.add(Counter::ProtocolBytesBody, bytes.len() as u64);
            return Some(Step::Data {
                stream,
                first,
                bytes: Cow::Borrowed(bytes),
            });
        }
        let bytes = take(input, frame.left as usize);
        frame.left -= bytes.len() as u32;
        counters.add(Counter::ProtocolBytesFraming, bytes.len() as u64);
        None
    }

    fn payload<'a>(
        &mut self,
        input: &mut &'a [u8],
        limits: &Limits,
        counters: &mut Counters,
    ) -> Option<Step<'a>> {
        let State::Payload(frame) = &mut self.state else {
            return None;
        };
        let heads = matches!(
            frame.header.kind,
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION
        );
        let bytes = take(input, frame.left as usize);
        let counter = if heads {
            Counter::ProtocolBytesHead
        } else {
            Counter::ProtocolBytesFraming
        };
        counters.add(counter, bytes.len() as u64);
        frame.left -= bytes.len() as u32;
        let most = match frame.header.kind {
            _ if heads => limits.head_bytes + 256,
            kind::RST_STREAM | kind::GOAWAY => FRONT_BYTES,
            _ => 0,
        };
        let at_once = heads && frame.left == 0 && self.buffer.is_empty() && bytes.len() <= most;
        if at_once && !frame.holes && !frame.cut {
            let frame = *frame;
            self.state = State::Header;
            return self.fragment(&frame, bytes, limits);
        }
        if !frame.holes && !frame.cut {
            let room = most.saturating_sub(self.buffer.len()).min(bytes.len());
            let kept = bytes.get(..room).unwrap_or_default();
            self.buffer.extend_from_slice(kept);
            frame.cut |= heads && kept.len() < bytes.len();
        }
        None
    }

    /// The payload under way has passed, with or without holes.
    fn finish_frame(&mut self, limits: &Limits) -> Option<Step<'static>> {
        let State::Payload(frame) = &self.state else {
            return None;
        };
        let (frame, stream) = (*frame, frame.header.stream);
        self.state = State::Header;
        let payload = mem::take(&mut self.buffer);
        let step = match frame.header.kind {
            kind::DATA => {
                let over = frame.header.has(flag::END_STREAM);
                over.then_some(Step::End { stream })
            }
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION => {
                self.fragment(&frame, &payload, limits)
            }
            kind::RST_STREAM => Some(Step::Reset { stream }),
            kind::GOAWAY if !frame.holes => payload.first_chunk::<4>().map(|last| Step::GoAway {
                last: u32::from_be_bytes(*last) & 0x7fff_ffff,
            }),
            _ => None,
        };
        self.buffer = payload;
        self.buffer.clear();
        self.buffer.shrink_to(1024);
        step
    }
}

/// Takes at most `most` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = input
        .split_at_checked(most.min(input.len()))
        .unwrap_or((input, &[]));
    *input = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::{Parser, Step};
    use crate::protocol::http1::Limits;
    use crate::telemetry::Counters;

    const LIMITS: Limits = Limits {
        head_bytes: 256,
        fields: 32,
    };

    fn found(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::server();
        let mut counters = Counters::default();
        let mut found = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            loop {
                let first = input.len() == piece.len();
                match parser.step(&mut input, first, &LIMITS, &mut counters) {
                    Step::More => break,
                    other => found.push(format!("{other:?}")),
                }
            }
        }
        found
    }

    /// A HEADERS frame (RFC 9113 §6.2) of `fields` fields with values of 100 bytes (RFC 7541 §6.2.2), and
    /// behind them `end`.
    fn headers(fields: usize, end: &[u8]) -> Vec<u8> {
        let field = [&[0, 1, b'a', 100], [b'v'; 100].as_slice()].concat();
        let block = [&[0x88], field.repeat(fields).as_slice(), end].concat();
        let len = u32::try_from(block.len()).unwrap().to_be_bytes();
        [&len[1..], &[1, 4, 0, 0, 0, 1], &block].concat()
    }

    #[test]
    fn a_block_of_any_length_says_the_same_whole_and_cut() {
        // Nothing, or a field of the place 0, which there is not (RFC 7541 §6.1).
        let ends: [&[u8]; 2] = [&[], &[0x80]];
        let all = [1, 2, 3, 4, 5, 8, 40].into_iter();
        for (fields, end) in all.flat_map(|fields| ends.map(|end| (fields, end))) {
            let frame = headers(fields, end);
            let whole = found(&[&frame]);
            assert_eq!(whole.len(), 1, "{whole:?}");
            for at in 0..frame.len() {
                let (front, back) = frame.split_at(at);
                assert_eq!(found(&[front, back]), whole, "{fields} fields, cut at {at}");
            }
        }
    }
}
