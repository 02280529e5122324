//! One direction's parser: where in a message it stands, and what to do with what comes.

use super::chunked::Chunked;
use super::framing::{Framing, framing};
use super::head::{Parsed, Strict, strict};
use super::lenient::{fields, first_line, lenient};
use super::long::Long;
use super::proxy::{Proxy, measure};
use crate::protocol::{Anomalies, Anomaly, Head, Opening, Version, opening};
use crate::telemetry::{Counter, Counters};

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

/// Which messages a direction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// What a response answers, as far as its framing depends on it (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD: there is no body.
    Head,
    /// CONNECT: success ends HTTP.
    Connect,
    /// Anything else, or nobody knows.
    Other,
}

/// What a parser keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, and of trailers.
    pub head_bytes: usize,
    /// Fields of a head, and of trailers.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            fields: 256,
        }
    }
}

/// A message's head, and how its body will end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The head.
    pub head: Head,
    /// Its version.
    pub version: Version,
    /// Status code; 0 for a request.
    pub status: u16,
    /// Bytes of the head as sent, the empty line included.
    pub header_bytes: u64,
    /// Where the message ends.
    pub framing: Framing,
    /// What is odd about the head.
    pub anomalies: Anomalies,
}

/// What a parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing more in this input.
    More,
    /// A message's head. Its body, if any, and its end follow; after [`Framing::Tunnel`] nothing.
    Head(Message),
    /// Bytes of the body, transfer coding taken off.
    Body(&'a [u8]),
    /// So many bytes of the body never came; the framing holds.
    Missing(u64),
    /// The message is whole.
    End {
        /// Trailer fields, if there are any.
        trailers: Option<Box<Head>>,
        /// What was odd about body and trailers.
        anomalies: Anomalies,
    },
    /// The framing is lost: a message under way cannot be finished, messages may pass unseen.
    Lost {
        /// Where it was lost.
        place: Place,
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
    /// HTTP/2's preface: no HTTP/1 from here on.
    Http2,
}

/// Where in a direction something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between messages, or before the first.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

/// How a direction's end leaves its last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There was none under way.
    Between,
    /// The end completes it: take [`Parser::step`] once more.
    Completes,
    /// It was cut off.
    Cuts(Place),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For a head at the start of a transfer.
    Waiting,
    /// At an opening too short to tell.
    Opening,
    Between,
    Proxy,
    Head,
    /// In a head beyond the limit.
    Long,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// The message is over, and not yet told.
    Ending,
    /// No HTTP any more.
    Over,
}

/// Why the next bytes are thought to begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// They are the first to be heard: take what looks like a message.
    Joined,
    /// Framing was lost: take only what is beyond doubt.
    Resync,
    /// The message before ended here: whatever comes must be one.
    Exact,
}

/// One direction's parser.
#[derive(Debug)]
pub struct Parser {
    side: Side,
    state: State,
    trust: Trust,
    /// Something that was taken for a message at first was none.
    refused: bool,
    /// A head, an opening, or trailers, as far as they have come.
    buffer: Vec<u8>,
    /// Bytes of `buffer` in which no line's end is left to be found.
    scanned: usize,
    /// Where in `buffer` the line under way begins.
    line_start: usize,
    long: Option<Box<Long>>,
    trailers: Option<Box<Head>>,
    anomalies: Anomalies,
}

impl Parser {
    /// One that has heard nothing yet.
    #[must_use]
    pub const fn new(side: Side) -> Self {
        Self {
            side,
            state: State::Waiting,
            trust: Trust::Joined,
            refused: false,
            buffer: Vec::new(),
            scanned: 0,
            line_start: 0,
            long: None,
            trailers: None,
            anomalies: Anomalies::NONE,
        }
    }

    /// Takes bytes off the front of `input` until there is something to tell; call it again until
    /// it says [`Step::More`]. `first`: `input` begins where a transfer began. Each byte taken is
    /// counted once.
    pub fn step<'a>(
        &mut self,
        input: &mut &'a [u8],
        first: bool,
        asked: Asked,
        limits: &Limits,
        counters: &mut Counters,
    ) -> Step<'a> {
        let whole = input.len();
        loop {
            let before = input.len();
            let first = first && before == whole;
            let (step, counter) = match self.state {
                State::Ending => return self.over(),
                _ if input.is_empty() => return Step::More,
                State::Over => (pass(input), Counter::ProtocolBytesPassed),
                State::Waiting => (self.wait(input, first), Counter::ProtocolBytesPassed),
                State::Opening | State::Head if first && self.is_belied(input) => {
                    self.forget();
                    self.state = State::Waiting;
                    (None, Counter::ProtocolBytesHead)
                }
                State::Opening => (self.open(input), Counter::ProtocolBytesHead),
                State::Between => (self.between(input), Counter::ProtocolBytesFraming),
                State::Proxy => (self.proxy(input), Counter::ProtocolBytesFraming),
                State::Head => (self.head(input, asked, limits), Counter::ProtocolBytesHead),
                State::Long => (self.long(input, asked, limits), Counter::ProtocolBytesHead),
                State::Length(_) | State::UntilClose => {
                    (self.plain(input), Counter::ProtocolBytesBody)
                }
                State::Chunked(Chunked::Data { .. }) => {
                    (self.chunk(input), Counter::ProtocolBytesBody)
                }
                State::Chunked(Chunked::Trailers) => {
                    (self.trailers(input, limits), Counter::ProtocolBytesFraming)
                }
                State::Chunked(_) => (self.chunk_frame(input), Counter::ProtocolBytesFraming),
            };
            counters.add(counter, (before - input.len()) as u64);
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Passes over bytes that never came: takes off `missing` what it can place. Call it again
    /// until it says [`Step::More`].
    pub fn gap(&mut self, missing: &mut u64) -> Step<'static> {
        if self.state == State::Ending {
            return self.over();
        }
        if *missing == 0 {
            return Step::More;
        }
        match &mut self.state {
            State::Length(left) => {
                let passed = (*left).min(*missing);
                *left -= passed;
                *missing -= passed;
                if *left == 0 {
                    self.state = State::Ending;
                }
                Step::Missing(passed)
            }
            State::Chunked(chunked) if chunked.left() > 0 => {
                let passed = chunked.left().min(*missing);
                chunked.pass(passed);
                *missing -= passed;
                Step::Missing(passed)
            }
            State::UntilClose => Step::Missing(std::mem::take(missing)),
            _ => {
                *missing = 0;
                self.lose()
            }
        }
    }

    /// Forgets where it stands: an unknown number of bytes never came.
    pub fn lose(&mut self) -> Step<'static> {
        let place = match self.state {
            State::Over => return Step::More,
            State::Waiting if self.trust == Trust::Resync => return Step::More,
            State::Waiting | State::Between | State::Proxy | State::Ending => Place::Between,
            // What is not sure to be a head cannot be missed.
            State::Opening | State::Head | State::Long if self.trust == Trust::Resync => {
                self.forget();
                self.state = State::Waiting;
                return Step::More;
            }
            State::Opening | State::Head | State::Long => Place::Head,
            State::Length(_) | State::Chunked(_) | State::UntilClose => Place::Body,
        };
        self.lost(place, None)
    }

    /// The direction ended, in good order or not.
    pub fn end(&mut self, good: bool) -> Ending {
        let ending = match self.state {
            State::Ending => Ending::Completes,
            State::UntilClose if good => {
                self.state = State::Ending;
                return Ending::Completes;
            }
            State::Waiting | State::Between | State::Proxy | State::Over => Ending::Between,
            State::Opening | State::Head | State::Long => Ending::Cuts(Place::Head),
            State::Length(_) | State::Chunked(_) | State::UntilClose => Ending::Cuts(Place::Body),
        };
        if ending != Ending::Completes {
            self.finish();
        }
        ending
    }

    /// Takes nothing any more.
    pub fn finish(&mut self) {
        self.state = State::Over;
        self.forget();
        self.buffer = Vec::new();
    }

    /// Whether no message is under way.
    #[must_use]
    pub fn is_between(&self) -> bool {
        matches!(
            self.state,
            State::Waiting | State::Between | State::Proxy | State::Over
        )
    }

    /// Whether it lost its place and waits for the next head.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state == State::Waiting && self.trust == Trust::Resync
    }

    /// The other direction has begun a message: a line that was taken for the beginning of one
    /// without certainty, and is not over, was none.
    pub fn turn(&mut self) {
        let unsure = matches!(self.state, State::Opening | State::Head) && self.line_start == 0;
        if unsure && self.trust != Trust::Exact {
            self.forget();
            self.state = State::Waiting;
        }
    }

    /// Whether something that was taken for a message at first was none.
    #[must_use]
    pub const fn has_refused(&self) -> bool {
        self.refused
    }

    /// Whether a head is under way.
    #[must_use]
    pub fn in_head(&self) -> bool {
        matches!(self.state, State::Opening | State::Head | State::Long)
    }

    /// Ends a body that turned out not to be there: the response was to a request nobody saw.
    pub fn no_body(&mut self) {
        if matches!(
            self.state,
            State::Length(_) | State::UntilClose | State::Chunked(_)
        ) {
            self.state = State::Ending;
        }
    }

    /// Bytes to come that belong to the body for certain: `u64::MAX` until close.
    #[must_use]
    pub const fn body_left(&self) -> u64 {
        match self.state {
            State::Length(left) => left,
            State::Chunked(chunked) => chunked.left(),
            State::UntilClose => u64::MAX,
            _ => 0,
        }
    }

    /// Memory it holds, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let long = self
            .long
            .as_ref()
            .map_or(0, |long| long.parsed.head.bytes() + 512);
        let trailers = self.trailers.as_ref().map_or(0, |head| head.bytes());
        self.buffer.capacity() + long + trailers
    }

    /// Gives back memory that nothing under way needs.
    pub fn compact(&mut self) {
        self.buffer.shrink_to_fit();
    }

    fn forget(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(4096);
        self.scanned = 0;
        self.line_start = 0;
        self.long = None;
        self.trailers = None;
        self.anomalies = Anomalies::default();
    }

    fn lost(&mut self, place: Place, anomaly: Option<Anomaly>) -> Step<'static> {
        let mut anomalies = self.anomalies;
        if let Some(anomaly) = anomaly {
            anomalies.add(anomaly);
        }
        self.forget();
        self.state = State::Waiting;
        self.trust = Trust::Resync;
        Step::Lost { place, anomalies }
    }

    fn over(&mut self) -> Step<'static> {
        let trailers = self.trailers.take();
        let anomalies = self.anomalies;
        self.forget();
        self.state = State::Between;
        self.trust = Trust::Exact;
        Step::End {
            trailers,
            anomalies,
        }
    }

    /// Whether a transfer begins with a message, so that the line kept so far, which was taken for
    /// the beginning of one without certainty, was none: together they make no known request.
    fn is_belied(&self, input: &[u8]) -> bool {
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

    fn wait(&mut self, input: &mut &[u8], first: bool) -> Option<Step<'static>> {
        if !first {
            return pass(input);
        }
        match self.begin(self.opening(input)) {
            Begin::Yes => None,
            Begin::No => pass(input),
            Begin::Http2 => Some(Step::Http2),
        }
    }

    fn between(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        skip_empty_lines(input);
        if input.is_empty() {
            return None;
        }
        match self.begin(self.opening(input)) {
            Begin::Yes => None,
            Begin::No => self.refused(Place::Between),
            Begin::Http2 => Some(Step::Http2),
        }
    }

    /// What `bytes` open with, as far as it can be on this side.
    fn opening(&self, bytes: &[u8]) -> Opening {
        if self.side == Side::Request {
            return opening(bytes);
        }
        let mut line = bytes;
        skip_empty_lines(&mut line);
        if line.starts_with(STATUS_LINE) {
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
                self.finish();
                return Begin::Http2;
            }
            _ => return Begin::No,
        };
        Begin::Yes
    }

    /// Collects an opening until it is clear.
    fn open(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
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
            Begin::Http2 => Some(Step::Http2),
        }
    }

    fn proxy(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        loop {
            match measure(&self.buffer) {
                Proxy::Length(length) => {
                    self.take(input, length.saturating_sub(self.buffer.len()));
                    if self.buffer.len() >= length {
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

    fn head(&mut self, input: &mut &[u8], asked: Asked, limits: &Limits) -> Option<Step<'static>> {
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

    fn long(&mut self, input: &mut &[u8], asked: Asked, limits: &Limits) -> Option<Step<'static>> {
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

    fn plain<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let left = self.body_left();
        let body = take_up_to(input, left);
        if let State::Length(left) = &mut self.state {
            *left -= body.len() as u64;
            if *left == 0 {
                self.state = State::Ending;
            }
        }
        Some(Step::Body(body))
    }

    fn chunk<'a>(&mut self, input: &mut &'a [u8]) -> Option<Step<'a>> {
        let State::Chunked(chunked) = &mut self.state else {
            return None;
        };
        let body = take_up_to(input, chunked.left());
        chunked.pass(body.len() as u64);
        Some(Step::Body(body))
    }

    fn chunk_frame(&mut self, input: &mut &[u8]) -> Option<Step<'static>> {
        let State::Chunked(chunked) = &mut self.state else {
            return None;
        };
        match chunked.frame(input, &mut self.anomalies) {
            Ok(taken) => {
                *input = input.get(taken..).unwrap_or_default();
                None
            }
            Err(anomaly) => {
                *input = &[];
                Some(self.lost(Place::Body, Some(anomaly)))
            }
        }
    }

    fn trailers(&mut self, input: &mut &[u8], limits: &Limits) -> Option<Step<'static>> {
        let whole = self.collect(input, limits);
        if !whole && self.buffer.len() < limits.head_bytes {
            return None;
        }
        if self.buffer.len() > 2 && self.trailers.is_none() {
            let mut head = Head::default();
            fields(&self.buffer, &mut head, &mut self.anomalies, limits.fields);
            if !head.fields.is_empty() {
                self.trailers = Some(Box::new(head));
            }
        }
        if whole {
            self.state = State::Ending;
            return None;
        }
        // Full: what is kept stays, and of the line under way only enough to know it is not empty.
        self.anomalies.add(Anomaly::TrailersTooLong);
        if self.line_start == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer = b"..".to_vec();
        }
        self.line_start = 0;
        self.scanned = self.buffer.len();
        None
    }

    /// Moves bytes from `input` to the buffer, up to the empty line or the limit; whether that
    /// line has come.
    fn collect(&mut self, input: &mut &[u8], limits: &Limits) -> bool {
        let (whole, had) = (*input, self.buffer.len());
        self.take(input, limits.head_bytes.saturating_sub(had));
        let Some(end) = self.empty_line() else {
            return false;
        };
        *input = whole.get(end.saturating_sub(had)..).unwrap_or_default();
        self.buffer.truncate(end);
        true
    }

    /// Moves at most `most` bytes from `input` to the buffer.
    fn take(&mut self, input: &mut &[u8], most: usize) {
        self.buffer
            .extend_from_slice(take_up_to(input, most as u64));
    }

    /// Where in the buffer the empty line ends, if it has come.
    fn empty_line(&mut self) -> Option<usize> {
        loop {
            let rest = self.buffer.get(self.scanned..)?;
            let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                return None;
            };
            let end = self.scanned + at;
            let line = self.buffer.get(self.line_start..end)?;
            self.scanned = end + 1;
            self.line_start = end + 1;
            if matches!(line, b"" | b"\r") {
                return Some(end + 1);
            }
        }
    }
}

/// Whether an opening begins a message.
enum Begin {
    Yes,
    No,
    Http2,
}

/// Passes over all of `input`.
fn pass(input: &mut &[u8]) -> Option<Step<'static>> {
    *input = &[];
    None
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

/// Passes over CR and LF before a message (RFC 9112 §2.2).
fn skip_empty_lines(input: &mut &[u8]) {
    while let [b'\r' | b'\n', rest @ ..] = *input {
        *input = rest;
    }
}

/// Takes at most `most` bytes off the front of `input`.
fn take_up_to<'a>(input: &mut &'a [u8], most: u64) -> &'a [u8] {
    let len = usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
    let (taken, rest) = input.split_at_checked(len).unwrap_or((input, &[]));
    *input = rest;
    taken
}
