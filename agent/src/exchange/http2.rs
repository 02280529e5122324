//! One conn's chunks once it speaks HTTP/2: both parsers, and what they find put to its stream.

use std::sync::Arc;

use super::conn::Books;
use super::expiry::Closing;
use super::streams::{Hole, Piece, Streams};
use super::{ConnInfo, Reason};
use crate::clock::Ktime;
use crate::protocol::Anomalies;
use crate::protocol::http2::{Parser, Step};
use crate::stream::Direction;
use crate::telemetry::Counter;

/// One conn's HTTP/2.
#[derive(Debug)]
pub(super) struct Http2 {
    requests: Parser,
    responses: Parser,
    streams: Streams,
    /// Bytes heard while no head was.
    unheard: u64,
    heard: bool,
}

impl Http2 {
    /// A conn whose client has sent `taken` bytes of the preface; its exchanges count from `next`.
    pub(super) fn begun(taken: usize, next: u64) -> Self {
        Self::of(
            Parser::client(taken),
            Parser::server(),
            Streams::begun(next),
        )
    }

    /// A conn that was joined when it spoke HTTP/2 already.
    pub(super) fn late() -> Self {
        Self::of(Parser::late(), Parser::late(), Streams::late())
    }

    fn of(requests: Parser, responses: Parser, streams: Streams) -> Self {
        Self {
            requests,
            responses,
            streams,
            unheard: 0,
            heard: false,
        }
    }

    /// The exchanges under way.
    pub(super) const fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The exchanges under way, to be changed.
    pub(super) const fn streams_mut(&mut self) -> &mut Streams {
        &mut self.streams
    }

    /// Whether a head was heard.
    pub(super) const fn is_certain(&self) -> bool {
        self.heard
    }

    /// Bytes heard while no head was.
    pub(super) const fn unheard(&self) -> u64 {
        self.unheard
    }

    /// Memory it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let parsers = self.requests.bytes() + self.responses.bytes();
        size_of::<Self>() + parsers + self.streams.bytes()
    }

    /// Bytes came.
    pub(super) fn bytes_came(
        &mut self,
        direction: Direction,
        first: bool,
        bytes: &[u8],
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        if !self.heard {
            self.unheard += bytes.len() as u64;
        }
        let limits = books.context.options.limits;
        let mut input = bytes;
        loop {
            let first = first && input.len() == bytes.len();
            let parser = match direction {
                Direction::ToServer => &mut self.requests,
                Direction::ToClient => &mut self.responses,
            };
            let step = parser.step(&mut input, first, &limits, books.counters);
            if step == Step::More {
                return;
            }
            self.found(direction, step, None, info, books);
        }
    }

    /// Bytes passed that are not there; without a reason they were left out on purpose.
    pub(super) fn missing(
        &mut self,
        direction: Direction,
        n: u64,
        reason: Option<Reason>,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        let mut left = n;
        loop {
            let step = self.parser(direction).gap(&mut left);
            if step == Step::More {
                return;
            }
            self.found(direction, step, reason, info, books);
        }
    }

    /// An unknown number of bytes never came.
    pub(super) fn lose(
        &mut self,
        direction: Direction,
        reason: Reason,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        let step = self.parser(direction).lose();
        self.found(direction, step, Some(reason), info, books);
    }

    /// The direction ended.
    pub(super) fn end(&mut self, direction: Direction, good: bool, books: &mut Books<'_>) {
        self.parser(direction).finish();
        let reason = (!good).then_some(Reason::Reset);
        self.streams.cut(direction, reason, books);
    }

    /// Gives up what it holds beyond bodies, if that is much.
    pub(super) fn shed(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) {
        let before = self.bytes();
        self.streams.shed_bodies();
        for direction in [Direction::ToServer, Direction::ToClient] {
            let step = self.parser(direction).shed();
            self.found(direction, step, Some(Reason::Shed), info, books);
        }
        if self.bytes() > before / 2 {
            self.streams.close_all(Closing::Shed, books);
        }
        self.compact();
    }

    /// Gives back memory that nothing under way needs.
    pub(super) fn compact(&mut self) {
        self.requests.compact();
        self.responses.compact();
    }

    /// When it wants to be woken.
    pub(super) fn deadline(&self) -> Option<Ktime> {
        self.streams.deadline()
    }

    const fn parser(&mut self, direction: Direction) -> &mut Parser {
        match direction {
            Direction::ToServer => &mut self.requests,
            Direction::ToClient => &mut self.responses,
        }
    }

    /// What a parser found; `reason` says why bytes are missing that it has just been told of.
    fn found(
        &mut self,
        direction: Direction,
        step: Step<'_>,
        reason: Option<Reason>,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        let streams = &mut self.streams;
        match step {
            Step::More => {}
            Step::Head {
                stream,
                block,
                over,
                bytes,
            } => {
                self.heard |= block.pseudo;
                streams.head(direction, stream, *block, bytes, info, books);
                if over {
                    streams.end(direction, stream, books);
                }
            }
            Step::Promise {
                stream,
                block,
                bytes,
            } => streams.promise(stream, *block, bytes, info, books),
            Step::HeadLost {
                stream,
                over,
                anomalies,
            } => {
                books.counters.add(Counter::ProtocolLosses, 1);
                let hole = Hole { reason, anomalies };
                streams.head_lost(direction, stream, hole, info, books);
                if over {
                    streams.end(direction, stream, books);
                }
            }
            Step::Data {
                stream,
                first,
                bytes,
            } => {
                let piece = Piece {
                    direction,
                    stream,
                    first,
                    bytes: &bytes,
                };
                let joined = streams.data(piece, info, books);
                self.heard |= joined;
            }
            Step::Missing { stream, bytes } => {
                streams.missing(direction, stream, bytes, reason, books);
            }
            Step::End { stream } => streams.end(direction, stream, books),
            Step::Reset { stream } => streams.reset(stream, books),
            Step::GoAway { last } => streams.go_away(direction, last, books),
            Step::Lost { anomalies } => {
                books.counters.add(Counter::ProtocolLosses, 1);
                let told = reason.or((anomalies == Anomalies::NONE).then_some(Reason::BodyLimit));
                let hole = Hole {
                    reason: told,
                    anomalies,
                };
                streams.lost(direction, hole, books);
            }
        }
    }
}
