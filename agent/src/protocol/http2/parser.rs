//! Frames of one direction → heads, data, ends.

use std::borrow::Cow;
use std::mem;

use super::block::Block;
use super::frame::{HEADER_BYTES, Header, PREFACE, flag, kind, unpadded};
use super::hpack::Decoder;
use super::seek::Seek;
use crate::protocol::http1::Limits;
use crate::protocol::{Anomalies, Anomaly};
use crate::telemetry::{Counter, Counters};

/// Bytes kept of frames of which only the front is read: RST_STREAM, GOAWAY.
const FRONT_BYTES: usize = 8;

/// What a parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing more in this input.
    More,
    /// A block of fields: a head, or trailers.
    Head {
        /// Its stream.
        stream: u32,
        /// The fields.
        block: Box<Block>,
        /// Nothing follows it on its stream.
        over: bool,
        /// Bytes of its frames.
        bytes: u64,
    },
    /// The server is about to answer a request that the client has not sent.
    Promise {
        /// The stream of the answer.
        stream: u32,
        /// The request.
        block: Box<Block>,
        /// Bytes of its frames.
        bytes: u64,
    },
    /// A block of fields that cannot be read: some of it is missing, or it is none.
    HeadLost {
        /// Its stream.
        stream: u32,
        /// Nothing follows it on its stream.
        over: bool,
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
    /// Bytes of a stream's body.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes.
        bytes: Cow<'a, [u8]>,
    },
    /// Bytes of a stream's body never came.
    Missing {
        /// The stream.
        stream: u32,
        /// How many; `None` if padding may be among them.
        bytes: Option<u64>,
    },
    /// Nothing follows on this stream.
    End {
        /// The stream.
        stream: u32,
    },
    /// The stream is given up.
    Reset {
        /// The stream.
        stream: u32,
    },
    /// The sender ends the conn and has looked at no stream beyond this.
    GoAway {
        /// The last stream.
        last: u32,
    },
    /// Frames may have passed unseen.
    Lost {
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
}

/// Reads what one end sends.
#[derive(Debug)]
pub struct Parser {
    state: State,
    decoder: Decoder,
    /// Bytes of a frame's header, or of its payload, that came too few at a time.
    buffer: Vec<u8>,
    /// A block of which more frames are to come.
    pending: Option<Box<Pending>>,
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
struct Frame {
    header: Header,
    /// Bytes of payload to come.
    left: u32,
    /// Bytes of DATA's padding at the end; `None` until that is known.
    padding: Option<u32>,
    /// Bytes of the payload are missing.
    holes: bool,
    /// It carries more of a block than is kept.
    cut: bool,
}

/// A block under way over several frames (RFC 9113 §6.10).
#[derive(Debug)]
struct Pending {
    stream: u32,
    promised: bool,
    over: bool,
    fragments: Vec<u8>,
    frames_bytes: u64,
    holes: bool,
    /// More came than is kept.
    cut: bool,
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
        let step = step.map(owned);
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

    fn lost(&mut self, anomaly: Option<Anomaly>) -> Step<'static> {
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
            let bytes = take(input, body);
            frame.left -= bytes.len() as u32;
            counters.add(Counter::ProtocolBytesBody, bytes.len() as u64);
            return Some(Step::Data {
                stream,
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
        if heads && frame.left == 0 && self.buffer.is_empty() && !frame.holes && !frame.cut {
            let frame = *frame;
            self.state = State::Header;
            return self.fragment(&frame, bytes, limits);
        }
        let most = match frame.header.kind {
            _ if heads => limits.head_bytes + 256,
            kind::RST_STREAM | kind::GOAWAY => FRONT_BYTES,
            _ => 0,
        };
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

    /// A frame that carries a part of a block is over.
    fn fragment(
        &mut self,
        frame: &Frame,
        payload: &[u8],
        limits: &Limits,
    ) -> Option<Step<'static>> {
        let header = &frame.header;
        let mut fragment = payload;
        let mut promised = None;
        if header.kind != kind::CONTINUATION {
            let own = unpadded(header, payload);
            let own = match header.kind {
                kind::PUSH_PROMISE => own.and_then(|own| {
                    let (id, rest) = own.split_first_chunk::<4>()?;
                    promised = Some(u32::from_be_bytes(*id) & 0x7fff_ffff);
                    Some(rest)
                }),
                _ => own,
            };
            match own {
                Some(own) => fragment = own,
                None if frame.holes => fragment = &[],
                None => return Some(self.lost(Some(Anomaly::InvalidFrame))),
            }
        }
        let frame_bytes = HEADER_BYTES as u64 + u64::from(header.length);
        let ends = header.has(flag::END_HEADERS);
        let mut pending = match self.pending.take() {
            Some(pending) => pending,
            None if ends && !frame.holes && !frame.cut => {
                let pending = Pending::new(header, promised, frame_bytes);
                return Some(self.whole(&pending, fragment, limits));
            }
            None => Box::new(Pending::new(header, promised, 0)),
        };
        pending.frames_bytes += frame_bytes;
        pending.holes |= frame.holes;
        let room = limits.head_bytes.saturating_sub(pending.fragments.len());
        let kept = fragment.get(..room.min(fragment.len())).unwrap_or_default();
        if !pending.cut && !pending.holes {
            pending.fragments.extend_from_slice(kept);
        }
        pending.cut |= frame.cut || kept.len() < fragment.len();
        if !ends {
            self.pending = Some(pending);
            return None;
        }
        let fragments = mem::take(&mut pending.fragments);
        Some(self.whole(&pending, &fragments, limits))
    }

    /// All frames of a block have come, or as much of them as is kept.
    fn whole(&mut self, pending: &Pending, bytes: &[u8], limits: &Limits) -> Step<'static> {
        let (stream, over) = (pending.stream, pending.over);
        if pending.holes {
            self.decoder.forget();
            let mut anomalies = Anomalies::NONE;
            if pending.cut {
                anomalies.add(Anomaly::HeadTooLong);
            }
            return Step::HeadLost {
                stream,
                over,
                anomalies,
            };
        }
        let mut block = Box::<Block>::default();
        let decoded = self.decoder.decode(bytes, limits, &mut block);
        if pending.cut {
            self.decoder.forget();
            block.anomalies.add(Anomaly::HeadTooLong);
        } else if decoded.is_err() {
            return Step::HeadLost {
                stream,
                over,
                anomalies: Anomaly::InvalidHeaderBlock.into(),
            };
        }
        let bytes = pending.frames_bytes;
        if pending.promised {
            return Step::Promise {
                stream,
                block,
                bytes,
            };
        }
        Step::Head {
            stream,
            block,
            over,
            bytes,
        }
    }

    /// Whether no field can be unknown.
    #[must_use]
    pub const fn knows_table(&self) -> bool {
        self.decoder.is_whole()
    }
}

impl Pending {
    fn new(header: &Header, promised: Option<u32>, frames_bytes: u64) -> Self {
        Self {
            stream: promised.unwrap_or(header.stream),
            promised: promised.is_some(),
            over: header.kind == kind::HEADERS && header.has(flag::END_STREAM),
            fragments: Vec::new(),
            frames_bytes,
            holes: false,
            cut: false,
        }
    }
}

/// The same, its bytes copied.
fn owned(step: Step<'_>) -> Step<'static> {
    match step {
        Step::Data { stream, bytes } => Step::Data {
            stream,
            bytes: Cow::Owned(bytes.into_owned()),
        },
        Step::More => Step::More,
        Step::Head {
            stream,
            block,
            over,
            bytes,
        } => Step::Head {
            stream,
            block,
            over,
            bytes,
        },
        Step::Promise {
            stream,
            block,
            bytes,
        } => Step::Promise {
            stream,
            block,
            bytes,
        },
        Step::HeadLost {
            stream,
            over,
            anomalies,
        } => Step::HeadLost {
            stream,
            over,
            anomalies,
        },
        Step::Missing { stream, bytes } => Step::Missing { stream, bytes },
        Step::End { stream } => Step::End { stream },
        Step::Reset { stream } => Step::Reset { stream },
        Step::GoAway { last } => Step::GoAway { last },
        Step::Lost { anomalies } => Step::Lost { anomalies },
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
