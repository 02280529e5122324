//! Which response answers which request in HTTP/2: by the id of their stream.
//!
//! Ids of a client's requests only rise, so an id at or below the newest that is not open is over,
//! unless requests were lost there. A half whose rest a loss may have hidden is given up at once:
//! its end would not be known from another's. One of which nothing has come yet may still come.

mod late;
mod loss;

pub(super) use late::Piece;
pub(super) use loss::Hole;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::body::{Arrival, Progress};
use super::conn::Books;
use super::expiry::{Closing, close};
use super::pair::Open;
use super::{ConnInfo, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::http1::{Framing, Message};
use crate::protocol::http2::Block;
use crate::protocol::websocket::Within;
use crate::protocol::{Anomaly, Version};
use crate::stream::Direction;
use crate::telemetry::Counter;
use loss::Doubt;

/// Streams of a conn that are under way at once; servers allow 100 to 256. Beyond, the oldest goes.
const OPEN_MAX: usize = 1024;
/// Streams that were reset of which frames may still come, remembered.
const RESETS_MAX: usize = 128;
/// The exchanges of one conn that are under way, by stream.
#[derive(Debug)]
pub(super) struct Streams {
    open: BTreeMap<u32, Box<Open>>,
    /// Memory the open exchanges take beyond their own size.
    bytes: usize,
    /// Ordinal of the next.
    next: u64,
    /// The newest stream of a request.
    newest: u32,
    /// Requests of streams from the first to before the second may have passed unseen.
    unseen: Option<(u32, u32)>,
    /// Why.
    unseen_hole: Option<Hole>,
    /// The last streams that were reset.
    resets: VecDeque<u32>,
    /// Responses may have passed unseen: those of the first loss, and of the last.
    doubt: Option<Doubt>,
    doubt_again: Option<Doubt>,
    /// When some exchange is to be reported that may still be under way, or earlier.
    due: Option<Ktime>,
    /// WebSockets that are looked for where no head was seen.
    searches: Option<Box<Within>>,
    /// Of some request the method is not known.
    hides: bool,
}

impl Streams {
    /// Of a conn that begins to speak HTTP/2; exchanges count from `next`.
    pub(super) const fn begun(next: u64) -> Self {
        Self {
            open: BTreeMap::new(),
            bytes: 0,
            next,
            newest: 0,
            unseen: None,
            unseen_hole: None,
            resets: VecDeque::new(),
            doubt: None,
            doubt_again: None,
            due: None,
            searches: None,
            hides: false,
        }
    }

    /// Of a conn that was joined late.
    pub(super) const fn late() -> Self {
        let mut streams = Self::begun(0);
        streams.unseen = Some((0, u32::MAX));
        streams
    }

    /// Memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let each = size_of::<Open>() + size_of::<(u32, Box<Open>)>() * 2;
        let resets = self.resets.capacity() * size_of::<u32>();
        self.bytes + self.open.len() * each + resets + self.searches_bytes()
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Puts an exchange under way here that began elsewhere.
    pub(super) fn adopt(&mut self, stream: u32, mut open: Open) {
        open.exchange.stream = Some(stream);
        self.newest = self.newest.max(stream);
        self.bytes += open.bytes;
        self.open.insert(stream, Box::new(open));
    }

    /// A block of fields came.
    pub(super) fn head(
        &mut self,
        direction: Direction,
        stream: u32,
        block: Block,
        bytes: u64,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        if self.is_trailers(direction, stream, &block) {
            return self.trailers(direction, stream, block);
        }
        match direction {
            Direction::ToServer => self.request(stream, block, bytes, info, books),
            Direction::ToClient => self.response(stream, block, bytes, info, books),
        }
    }

    /// The server promises to answer a request that nobody sent.
    pub(super) fn promise(
        &mut self,
        stream: u32,
        block: Block,
        bytes: u64,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        if !self.open.contains_key(&stream) && block.pseudo {
            self.begin_request(stream, block, bytes, info, books);
            self.end(Direction::ToServer, stream, books);
        }
    }

    /// A block of fields was lost.
    pub(super) fn head_lost(
        &mut self,
        direction: Direction,
        stream: u32,
        hole: Hole,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        let new = match direction {
            Direction::ToServer => stream > self.newest && stream % 2 == 1,
            Direction::ToClient => self.can_answer(stream),
        };
        if new && !self.open.contains_key(&stream) {
            self.push(stream, info, books);
            if direction == Direction::ToServer {
                self.asked(stream, books);
            } else {
                self.unasked(stream);
            }
        }
        self.hides |= direction == Direction::ToServer;
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let (arrival, _) = open.side(direction);
        if arrival.progress != Progress::Done {
            arrival.anomalies.absorb(hole.anomalies);
            arrival.hide(0, hole.reason);
            arrival.progress = Progress::Arriving;
        }
    }

    /// Bytes of a body came; whether they prove a WebSocket whose head nobody saw.
    pub(super) fn data(
        &mut self,
        piece: Piece<'_>,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) -> bool {
        if (self.hides || self.unseen.is_some()) && self.seek(piece, info, books) {
            return true;
        }
        self.body(piece, books);
        false
    }

    /// Bytes of a body came, or those of a WebSocket.
    fn body(&mut self, piece: Piece<'_>, books: &mut Books<'_>) {
        let Piece {
            direction,
            stream,
            first,
            bytes,
        } = piece;
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.socket.is_some() {
            return self.socket(direction, stream, books, |open| {
                open.with_socket(direction, |reader, samples| {
                    // Ends mostly put whole frames into DATA.
                    reader.push(bytes, first, samples);
                })
            });
        }
        open.inside(direction, bytes);
        let (arrival, half) = open.side(direction);
        match (arrival.progress, half) {
            (Progress::Arriving, Some(half)) => {
                let took = arrival.body(half, bytes);
                open.bytes += took;
                self.bytes += took;
            }
            // The head must have been lost.
            (Progress::Waiting, _) => {
                arrival.hide(0, self.doubt.and_then(|doubt| doubt.hole.reason));
                arrival.progress = Progress::Arriving;
            }
            _ => {}
        }
    }

    /// Bytes of a body never came, or left out on purpose; nobody knows how many if `n` is absent.
    pub(super) fn missing(
        &mut self,
        direction: Direction,
        stream: u32,
        n: Option<u64>,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        self.seek_missing(direction, stream, n);
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.socket.is_some() {
            return self.socket(direction, stream, books, |open| {
                open.socket_missing(direction, n, reason)
            });
        }
        open.inside_missing(direction, n.unwrap_or(u64::MAX));
        let (arrival, half) = open.side(direction);
        if arrival.progress != Progress::Arriving {
            return;
        }
        match n {
            Some(n) => arrival.missing(n, reason),
            None => {
                arrival.hide(0, reason.or(Some(Reason::BodyLimit)));
                arrival.end(half, false, books.now);
                self.report_if_done(stream, books);
            }
        }
    }

    /// Nothing follows on this stream in this direction.
    pub(super) fn end(&mut self, direction: Direction, stream: u32, books: &mut Books<'_>) {
        self.seek_no_more(stream);
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let mut is_cut = false;
        let changed = open.with_socket(direction, |reader, samples| {
            is_cut = reader.close_code().is_none();
            reader.end(samples);
        });
        self.bytes = (self.bytes + changed.took).saturating_sub(changed.gave);
        let (arrival, half) = open.side(direction);
        match arrival.progress {
            Progress::Done => return,
            // All of it was lost but this.
            Progress::Waiting => {
                arrival.hide(0, None);
                arrival.end(half, false, books.now);
            }
            Progress::Arriving => arrival.end(half, true, books.now),
        }
        if is_cut {
            arrival.degrade(Seen::Unfinished, None);
        }
        self.report_if_done(stream, books);
    }

    /// The stream is given up.
    pub(super) fn reset(&mut self, stream: u32, books: &mut Books<'_>) {
        if self.unseen.is_some() {
            if self.resets.len() >= RESETS_MAX {
                self.resets.pop_front();
            }
            self.resets.push_back(stream);
        }
        self.seek_no_more(stream);
        self.close_one(stream, Closing::Reset, books);
    }

    /// The end that sends in `direction` looks at no stream beyond `last`.
    pub(super) fn go_away(&mut self, direction: Direction, last: u32, books: &mut Books<'_>) {
        if direction == Direction::ToServer {
            return;
        }
        let beyond = |open: &Open| open.response.progress == Progress::Waiting;
        while let Some(stream) = last.checked_add(1).and_then(|from| {
            let mut later = self.open.range(from..);
            later.find(|(_, open)| beyond(open)).map(|(id, _)| *id)
        }) {
            self.close_one(stream, Closing::Reset, books);
        }
    }

    /// A direction ended.
    pub(super) fn cut(
        &mut self,
        direction: Direction,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        if direction == Direction::ToServer {
            self.settle_unasked(u32::MAX, books);
        }
        let ids: Vec<u32> = self.open.keys().copied().collect();
        for stream in ids {
            let Some(open) = self.open.get_mut(&stream) else {
                continue;
            };
            let (arrival, half) = open.side(direction);
            if arrival.progress == Progress::Arriving {
                arrival.break_off(half, reason, books.now);
                self.report_if_done(stream, books);
            }
        }
    }

    /// Gives up the bodies kept so far.
    pub(super) fn shed_bodies(&mut self) {
        self.searches = None;
        for open in self.open.values_mut() {
            self.bytes = self.bytes.saturating_sub(open.shed_socket());
            for direction in [Direction::ToServer, Direction::ToClient] {
                let (arrival, half) = open.side(direction);
                let bytes = half.map_or(0, |half| arrival.shed(half));
                open.bytes = open.bytes.saturating_sub(bytes);
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Reports everything that is open.
    pub(super) fn close_all(&mut self, closing: Closing, books: &mut Books<'_>) {
        self.searches = None;
        self.bytes = 0;
        for (stream, mut open) in std::mem::take(&mut self.open) {
            if let Some(doubt) = self.doubt
                && stream <= doubt.newest
                && open.response.progress == Progress::Waiting
            {
                open.response.hide(0, doubt.hole.reason);
            }
            close(*open, closing, books);
        }
        self.doubt = None;
        self.doubt_again = None;
    }

    /// Whether a block ends a message rather than begins one.
    fn is_trailers(&self, direction: Direction, stream: u32, block: &Block) -> bool {
        if block.pseudo {
            return false;
        }
        let Some(open) = self.open.get(&stream) else {
            // Its message began unseen, unless a response's status is what is unknown.
            return direction == Direction::ToServer || !block.unknown;
        };
        let arrival = match direction {
            Direction::ToServer => &open.request,
            Direction::ToClient => &open.response,
        };
        // Behind a loss the block of a response may be either: of that nothing is kept.
        arrival.progress != Progress::Waiting || !block.unknown || self.doubt.is_some()
    }

    fn trailers(&mut self, direction: Direction, stream: u32, block: Block) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let (arrival, half) = open.side(direction);
        if arrival.progress == Progress::Waiting {
            arrival.hide(0, None);
            arrival.progress = Progress::Arriving;
        }
        if arrival.progress == Progress::Done {
            return;
        }
        arrival.anomalies.absorb(block.anomalies);
        if block.unknown {
            arrival.degrade(Seen::Gap, Some(Reason::HpackState));
        }
        if let Some(half) = half
            && half.trailers.is_none()
            && !block.head.fields.is_empty()
        {
            let bytes = block.head.bytes();
            half.trailers = Some(Box::new(block.head));
            open.bytes += bytes;
            self.bytes += bytes;
        }
    }

    fn request(
        &mut self,
        stream: u32,
        block: Block,
        bytes: u64,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        let waits = |open: &Open| open.request.progress == Progress::Waiting;
        let answered_early = self.open.get(&stream).is_some_and(|open| waits(open));
        let is_new = stream > self.newest && stream % 2 == 1;
        if !answered_early && !is_new {
            return;
        }
        self.begin_request(stream, block, bytes, info, books);
        self.asked(stream, books);
    }

    fn begin_request(
        &mut self,
        stream: u32,
        block: Block,
        bytes: u64,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        books.counters.add(Counter::ProtocolMessages, 1);
        books.counters.add(Counter::ProtocolRequests, 1);
        self.push(stream, info, books);
        let keep = books.context.keeps_request(&block.head);
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let unknown = block.unknown;
        self.hides |= unknown && block.head.get(block.head.word).is_empty();
        let message = message(block, 0, bytes);
        let half = open.request.begin(message, books.now, books.now, keep);
        if unknown {
            open.request.degrade(Seen::Gap, Some(Reason::HpackState));
        }
        let took = half.bytes();
        open.exchange.request = Some(half);
        open.look_inside();
        open.may_last(Direction::ToServer, books.now);
        self.due = earlier(self.due, open.due);
        open.bytes += took;
        self.bytes += took;
    }

    fn response(
        &mut self,
        stream: u32,
        block: Block,
        bytes: u64,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        if !self.open.contains_key(&stream) {
            if !self.can_answer(stream) {
                return;
            }
            self.push(stream, info, books);
            self.unasked(stream);
        }
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        let status = block.status.unwrap_or(0);
        let before = open.exchange.response.as_ref().map(|half| half.status);
        if open.response.progress == Progress::Done || before.is_some_and(|status| status != 0) {
            // A second final response: none that a client would take.
            return open.response.anomalies.add(Anomaly::OddPseudoField);
        }
        books.counters.add(Counter::ProtocolMessages, 1);
        if (100..200).contains(&status) {
            return books.counters.add(Counter::ProtocolInterims, 1);
        }
        // What had no known status before was an interim one.
        let counter = match before {
            Some(_) => Counter::ProtocolInterims,
            None => Counter::ProtocolResponses,
        };
        books.counters.add(counter, 1);
        let unknown = block.unknown;
        let message = message(block, status, bytes);
        let asked = open.exchange.request.as_ref();
        let keep = books.context.keeps_response(status, asked);
        let half = open.response.begin(message, books.now, books.now, keep);
        if unknown {
            open.response.degrade(Seen::Gap, Some(Reason::HpackState));
        }
        let took = half.bytes();
        if open.exchange.conn.open.transport.is_none() {
            // The socket of a TLS session may be known by now.
            open.exchange.conn = Arc::clone(info);
        }
        open.exchange.response = Some(half);
        open.look_inside();
        open.may_last(Direction::ToClient, books.now);
        self.due = earlier(self.due, open.due);
        open.bytes += took;
        self.bytes += took;
        let tunnel = open.method() == Some(b"CONNECT") && (200..300).contains(&status);
        if tunnel && !open.go_over(&books.context.options) {
            // What follows is another protocol's.
            self.end(Direction::ToServer, stream, books);
            self.end(Direction::ToClient, stream, books);
        }
    }

    /// Begins an exchange, unless one is open there.
    fn push(&mut self, stream: u32, info: &Arc<ConnInfo>, books: &mut Books<'_>) {
        if self.open.contains_key(&stream) {
            return;
        }
        if self.open.len() >= OPEN_MAX
            && let Some(oldest) = self.open.keys().next().copied()
        {
            self.close_one(oldest, Closing::Shed, books);
        }
        books.counters.add(Counter::ExchangesBegun, 1);
        let mut open = Box::new(Open::new(info, self.next));
        open.exchange.stream = Some(stream);
        self.next += 1;
        self.open.insert(stream, open);
    }

    fn close_one(&mut self, stream: u32, closing: Closing, books: &mut Books<'_>) {
        if let Some(open) = self.open.remove(&stream) {
            self.bytes = self.bytes.saturating_sub(open.bytes);
            close(*open, closing, books);
        }
    }

    fn report_if_done(&mut self, stream: u32, books: &mut Books<'_>) {
        let done = |arrival: &Arrival| arrival.progress == Progress::Done;
        let both = |open: &Open| done(&open.request) && done(&open.response);
        if self.open.get(&stream).is_some_and(|open| both(open)) {
            self.close_one(stream, Closing::Done, books);
        }
    }
}

/// The earlier of two times.
fn earlier(one: Option<Ktime>, other: Option<Ktime>) -> Option<Ktime> {
    one.into_iter().chain(other).min()
}

/// A block as a message. Where it ends its frames say; its length is only a word on memory.
fn message(block: Block, status: u16, header_bytes: u64) -> Message {
    let length = block.head.field("content-length");
    let length = length.and_then(|value| str::from_utf8(value).ok()?.parse().ok());
    Message {
        head: block.head,
        version: Version::Http2,
        status,
        header_bytes,
        framing: length.map_or(Framing::UntilClose, Framing::Length),
        anomalies: block.anomalies,
    }
}
