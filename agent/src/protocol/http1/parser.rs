//! One direction's parser: where in a message it stands, and what to do with what comes.

use std::net::IpAddr;

use super::chunked::Chunked;
use super::lenient::fields;
use super::long::Long;
use super::step::{Asked, Ending, Limits, Place, Side, Step};
use crate::protocol::{Anomalies, Anomaly, Head};
use crate::telemetry::{Counter, Counters};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
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
pub(super) enum Trust {
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
    pub(super) side: Side,
    pub(super) state: State,
    pub(super) trust: Trust,
    /// Something that was taken for a message at first was none.
    pub(super) refused: bool,
    /// A head, an opening, or trailers, as far as they have come.
    pub(super) buffer: Vec<u8>,
    /// Bytes of `buffer` in which no line's end is left to be found.
    pub(super) scanned: usize,
    /// Where in `buffer` the line under way begins.
    pub(super) line_start: usize,
    pub(super) long: Option<Box<Long>>,
    pub(super) trailers: Option<Box<Head>>,
    /// Who asked the proxy whose head stood in front, until that is taken.
    pub(super) proxied: Option<(IpAddr, u16)>,
    pub(super) anomalies: Anomalies,
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
            proxied: None,
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

    /// Who asked, by the head a proxy sent in front of the first message; once.
    pub const fn take_proxied(&mut self) -> Option<(IpAddr, u16)> {
        self.proxied.take()
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

    pub(super) fn forget(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(4096);
        self.scanned = 0;
        self.line_start = 0;
        self.long = None;
        self.trailers = None;
        self.anomalies = Anomalies::default();
    }

    pub(super) fn lost(&mut self, place: Place, anomaly: Option<Anomaly>) -> Step<'static> {
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
    pub(super) fn collect(&mut self, input: &mut &[u8], limits: &Limits) -> bool {
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
    pub(super) fn take(&mut self, input: &mut &[u8], most: usize) {
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

/// Passes over all of `input`.
pub(super) fn pass(input: &mut &[u8]) -> Option<Step<'static>> {
    *input = &[];
    None
}

/// Passes over CR and LF before a message (RFC 9112 §2.2).
pub(super) fn skip_empty_lines(input: &mut &[u8]) {
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
