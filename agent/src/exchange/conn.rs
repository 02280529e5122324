//! One conn's chunks: both parsers, and what they find put into exchanges.

mod consume;
mod early;
mod hollow;
mod switch;
mod unplaced;
mod websocket;

use std::sync::Arc;

use eaves_common::Role;

use super::expiry::Closing;
use super::http2::Http2;
use super::pair::{Overtaken, Pairs};
use super::{ConnInfo, Exchange, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::grpc::Schema;
use crate::protocol::http1::{Asked, Ending, Framing, Limits, Message, Parser, Place, Step};
use crate::protocol::{Anomalies, Anomaly, Opening, opening};
use crate::stream::{self, Chunk, Consumer, Direction, GapReason, Parting, Piece};
use crate::telemetry::Counter;
use early::Early;
use unplaced::Unplaced;

/// Bytes of a conn, no message among them, after which it is not HTTP.
const NO_MESSAGE_BYTES: u64 = 256 * 1024;

/// What is kept of exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes kept of a request's body.
    pub request_body_bytes: usize,
    /// Most bytes kept of a response's body.
    pub response_body_bytes: usize,
    /// What the parsers keep.
    pub limits: Limits,
    /// Whether conns are reported whose server end was heard.
    pub servers: bool,
    /// Whether conns are reported whose client end was heard.
    pub clients: bool,
    /// Nanoseconds a response waits for the request it answers: a client may read on one thread
    /// before its write on another has told.
    pub early_ns: u64,
    /// Most bytes that wait so.
    pub early_bytes: usize,
    /// What fields of gRPC's messages are called.
    pub schema: Arc<Schema>,
    /// Templates of paths at which people sign in, beside those whose words say so.
    pub login_routes: Arc<Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            request_body_bytes: 16 * 1024,
            response_body_bytes: 16 * 1024,
            limits: Limits::default(),
            servers: true,
            clients: true,
            early_ns: 5_000_000,
            early_bytes: 64 * 1024,
            schema: Arc::default(),
            login_routes: Arc::default(),
        }
    }
}

impl Options {
    /// Whether conns of which this end was heard are reported.
    const fn wants(&self, role: Role) -> bool {
        match role {
            Role::Server => self.servers,
            Role::Client => self.clients,
        }
    }
}

/// What all conns share.
#[derive(Debug, Default)]
pub struct Context {
    /// What is kept.
    pub options: Options,
    /// How often bodies are halved that begin now, to keep within the agent's budget; at most
    /// [`SHORTEST`](super::SHORTEST).
    pub shorter: u8,
    /// Exchanges that are over, for the caller to take.
    pub out: Vec<Exchange>,
}

/// The time, what all conns share, and what is counted.
pub(super) type Books<'a> = stream::Books<'a, Context>;

/// One conn's exchanges.
#[derive(Debug)]
pub struct Conn {
    info: Arc<ConnInfo>,
    /// Memory that names in `info` take.
    names_bytes: usize,
    requests: Parser,
    responses: Parser,
    pairs: Pairs,
    /// What is spoken instead of HTTP/1.
    http2: Option<Box<Http2>>,
    /// It went over to WebSocket.
    is_socket: bool,
    /// First byte of the request under way.
    request_began: Ktime,
    /// It began where a transfer began.
    request_first: bool,
    /// First byte of the response under way.
    response_began: Ktime,
    /// Bytes to the client that came before the request they answer.
    early: Early,
    /// Bytes heard while no message was.
    unheard: u64,
    /// A message was heard.
    http: bool,
    /// A first line towards the server was none of HTTP's.
    odd: bool,
    /// A response is under way whose request nobody saw, no byte of its body has come, and the
    /// client has asked anew: what comes next tells whether it had one. If that lies right behind
    /// its head, it answered HEAD; after a hole the body may have been in it.
    hollow: bool,
    /// What waits for the conn's ends; `None` if they were known from the first.
    unplaced: Option<Box<Unplaced>>,
    over: bool,
}

impl Conn {
    /// A chunk came.
    fn came(&mut self, chunk: Chunk<'_>, books: &mut Books<'_>) {
        if !self.over && !books.context.options.wants(self.info.role) {
            // The kernel could not tell whose end it is by so few bytes at a time.
            self.requests.finish();
            self.responses.finish();
            self.over = true;
        }
        if chunk.direction == Direction::ToClient {
            if self.comes_early(&chunk, books.context) {
                return;
            }
            self.late(books);
        }
        self.take(chunk, books);
        if !self.early.chunks.is_empty() && self.pairs.expects_response() {
            self.late(books);
        }
    }

    /// It is time.
    fn woken(&mut self, books: &mut Books<'_>) {
        let due = |deadline: Ktime| deadline <= books.now;
        if self.early.deadline.is_some_and(due) {
            self.late(books);
        }
        self.pairs.wake(books);
        if let Some(http2) = &mut self.http2 {
            http2.streams_mut().wake(books);
        }
    }

    /// It was quiet for long.
    fn expired(&mut self, books: &mut Books<'_>) {
        self.late(books);
        if !self.is_socket {
            // One that is idle stays: nothing may come for hours, and its end is told.
            self.pairs.close_all(Closing::Timeout, books);
        }
        if let Some(http2) = &mut self.http2 {
            http2.streams_mut().expire(books);
            http2.compact();
        }
        self.requests.compact();
        self.responses.compact();
    }

    /// It holds too much.
    fn shed_what_it_can(&mut self, books: &mut Books<'_>) {
        self.late(books);
        if let Some(http2) = &mut self.http2 {
            http2.shed(&self.info, books);
        }
        let before = self.bytes();
        self.pairs.shed_bodies();
        if self.bytes() > before / 2 {
            for side in [Direction::ToServer, Direction::ToClient] {
                if self.parser(side).in_head() {
                    self.lose(side, Reason::Shed, books);
                }
            }
            self.pairs.close_all(Closing::Shed, books);
            self.pairs.requests_lost(0, Some(Reason::Shed), books);
        }
        self.requests.compact();
        self.responses.compact();
    }

    /// No more will come of it.
    fn closed(&mut self, parting: Parting, books: &mut Books<'_>) {
        self.late(books);
        // What the last positions bear out has been reported by now.
        self.pairs.take_back(books);
        if parting == Parting::Ended {
            self.end(Direction::ToServer, true, books);
            self.end(Direction::ToClient, true, books);
        }
        let closing = match parting {
            Parting::Ended => Closing::Ended,
            Parting::Reset => Closing::Reset,
            Parting::Unheard => Closing::Unheard,
            Parting::Evicted => Closing::Shed,
            Parting::Stop => Closing::Stop,
        };
        self.pairs.close_all(closing, books);
        if let Some(http2) = &mut self.http2 {
            http2.streams_mut().close_all(closing, books);
        }
        self.over = true;
    }

    fn take(&mut self, chunk: Chunk<'_>, books: &mut Books<'_>) {
        let direction = chunk.direction;
        match chunk.piece {
            Piece::Bytes(bytes) => self.bytes_came(direction, chunk.first, bytes, books),
            Piece::Skip(n) | Piece::Gap(n, GapReason::CopyLimit) => {
                self.missing(direction, n, None, books);
            }
            Piece::Gap(n, reason) => self.missing(direction, n, Some(reason.into()), books),
            Piece::Lost(reason) => self.lose(direction, reason.into(), books),
            Piece::End(good) => self.end(direction, good, books),
        }
    }

    const fn parser(&mut self, direction: Direction) -> &mut Parser {
        match direction {
            Direction::ToServer => &mut self.requests,
            Direction::ToClient => &mut self.responses,
        }
    }

    fn bytes_came(
        &mut self,
        direction: Direction,
        first: bool,
        bytes: &[u8],
        books: &mut Books<'_>,
    ) {
        books
            .counters
            .add(Counter::ProtocolBytes, bytes.len() as u64);
        if self.is_late_http2(first, bytes) {
            self.join_http2(books);
        }
        if self.http2.is_some() {
            return self.frames_came(direction, first, bytes, books);
        }
        if self.is_socket {
            return self.socket_came(direction, first, bytes, books);
        }
        if direction == Direction::ToClient {
            self.settle_hollow(books);
        }
        let limits = books.context.options.limits;
        let mut input = bytes;
        loop {
            let first = first && input.len() == bytes.len();
            let mut asked = Asked::Other;
            if direction == Direction::ToClient {
                asked = self.pairs.asked();
                if first && opening(input) == Opening::Response {
                    match self.pairs.overtaken() {
                        Overtaken::No => {}
                        Overtaken::Bare => self.responses.no_body(),
                        Overtaken::Partly => {
                            let step = self.responses.lose();
                            self.found(direction, step, None, books);
                        }
                    }
                }
            }
            self.note_beginning(direction, books.now, first);
            let step =
                self.parser(direction)
                    .step(&mut input, first, asked, &limits, books.counters);
            if step == Step::More {
                break;
            }
            self.found(direction, step, None, books);
            if self.http2.is_some() {
                return self.frames_came(direction, false, input, books);
            }
            if self.is_socket {
                return self.socket_came(direction, false, input, books);
            }
        }
        if !self.http {
            self.judge(direction, bytes.len());
        }
    }

    /// A message that begins with the bytes to come begins now.
    fn note_beginning(&mut self, direction: Direction, time: Ktime, first: bool) {
        match direction {
            Direction::ToServer if self.requests.is_between() => {
                self.request_began = time;
                self.request_first = first;
            }
            Direction::ToClient if self.responses.is_between() => self.response_began = time,
            _ => {}
        }
    }

    /// Bytes passed that are not there; without a reason they were left out on purpose.
    fn missing(
        &mut self,
        direction: Direction,
        n: u64,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        if let Some(http2) = &mut self.http2 {
            return http2.missing(direction, n, reason, &self.info, books);
        }
        if self.is_socket {
            return self.socket_missing(direction, Some(n), reason, books);
        }
        self.fill_hollow(direction);
        let mut left = n;
        loop {
            let before = left;
            let step = self.parser(direction).gap(&mut left);
            if step == Step::More {
                break;
            }
            let told = match &step {
                // What was left out hid where a message ends: then it is missed.
                Step::Lost { place, .. } => reason.or(Some(match place {
                    Place::Head => Reason::HeadLimit,
                    Place::Between | Place::Body => Reason::BodyLimit,
                })),
                _ => reason,
            };
            self.found(direction, step, told.map(|reason| (before, reason)), books);
        }
    }

    fn lose(&mut self, direction: Direction, reason: Reason, books: &mut Books<'_>) {
        if let Some(http2) = &mut self.http2 {
            return http2.lose(direction, reason, &self.info, books);
        }
        if self.is_socket {
            return self.socket_missing(direction, None, Some(reason), books);
        }
        self.fill_hollow(direction);
        let step = self.parser(direction).lose();
        if step != Step::More {
            self.found(direction, step, Some((0, reason)), books);
        }
    }

    /// What a parser found, or lost: then `lost` says how many bytes, and why.
    fn found(
        &mut self,
        direction: Direction,
        step: Step<'_>,
        lost: Option<(u64, Reason)>,
        books: &mut Books<'_>,
    ) {
        match step {
            Step::More => {}
            Step::Head(message) => self.head(direction, message, books),
            Step::Body(bytes) => self.pairs.body(direction, bytes),
            Step::Missing(n) => self
                .pairs
                .missing(direction, n, lost.map(|(_, reason)| reason)),
            Step::End {
                trailers,
                anomalies,
            } => {
                self.pairs.end(direction, trailers, anomalies, books);
            }
            Step::Lost { place, anomalies } => {
                books.counters.add(Counter::ProtocolLosses, 1);
                self.lost(direction, place, anomalies, lost, books);
            }
            Step::Http2 { taken } => {
                self.note_proxied();
                books.counters.add(Counter::ProtocolHttp2, 1);
                self.http2 = Some(Box::new(Http2::begun(taken, self.pairs.next)));
                self.late(books);
            }
        }
    }

    /// Who asked, if a proxy has just said so.
    fn note_proxied(&mut self) {
        if let Some(proxied) = self.requests.take_proxied() {
            Arc::make_mut(&mut self.info).proxied = Some(proxied);
        }
    }

    fn head(&mut self, direction: Direction, message: Message, books: &mut Books<'_>) {
        self.http = true;
        books.counters.add(Counter::ProtocolMessages, 1);
        if direction == Direction::ToServer {
            books.counters.add(Counter::ProtocolRequests, 1);
            self.note_proxied();
            self.responses.turn();
            let (began, first) = (self.request_began, self.request_first);
            self.pairs.request(message, began, first, &self.info, books);
            self.hollow = self.pairs.overtaken() == Overtaken::Bare && self.pairs.takes_turns();
            return;
        }
        if message.status < 200 && message.status != 101 {
            return books.counters.add(Counter::ProtocolInterims, 1);
        }
        if self.upgrades(&message, books) {
            return;
        }
        books.counters.add(Counter::ProtocolResponses, 1);
        self.requests.turn();
        let tunnel = message.framing == Framing::Tunnel;
        self.pairs
            .response(message, self.response_began, &self.info, books);
        if tunnel && !self.goes_over(books) {
            self.pairs.end(direction, None, Anomalies::NONE, books);
            self.pairs.close_all(Closing::Ended, books);
            self.requests.finish();
            self.over = true;
        }
    }

    /// The framing is lost.
    fn lost(
        &mut self,
        direction: Direction,
        place: Place,
        anomalies: Anomalies,
        lost: Option<(u64, Reason)>,
        books: &mut Books<'_>,
    ) {
        let (bytes, reason) = lost.map_or((0, None), |(bytes, reason)| (bytes, Some(reason)));
        match (direction, place) {
            (_, Place::Body) => {
                self.pairs
                    .body_lost(direction, bytes, reason, anomalies, books);
            }
            (Direction::ToServer, Place::Between) if reason.is_some() => {
                self.pairs.requests_lost(bytes, reason, books);
            }
            (Direction::ToServer, _) => {
                self.odd |= anomalies.has(Anomaly::InvalidHead);
                let gap = reason.is_some();
                let pairs = &mut self.pairs;
                let entry = pairs.unreadable_request(anomalies, gap, &self.info, books);
                if let (Some(request), true) = (entry, gap) {
                    request.hide(bytes, reason);
                }
            }
            (Direction::ToClient, place) => {
                let in_head = place == Place::Head;
                self.pairs
                    .responses_lost(bytes, reason, anomalies, in_head, books);
            }
        }
    }

    fn end(&mut self, direction: Direction, good: bool, books: &mut Books<'_>) {
        if let Some(http2) = &mut self.http2 {
            return http2.end(direction, good, books);
        }
        if self.is_socket {
            return self.socket_end(direction, good, books);
        }
        if direction == Direction::ToClient {
            self.settle_hollow(books);
        }
        let ending = self.parser(direction).end(good);
        match ending {
            Ending::Between => {}
            Ending::Completes => {
                self.tell_end(direction, books);
                self.parser(direction).finish();
            }
            Ending::Cuts(Place::Body) => {
                let reason = (!good).then_some(Reason::Reset);
                self.pairs.cut(direction, reason, books);
            }
            Ending::Cuts(_) if direction == Direction::ToServer => {
                let pairs = &mut self.pairs;
                let none = Anomalies::NONE;
                if let Some(request) = pairs.unreadable_request(none, false, &self.info, books) {
                    request.seen = Seen::Unfinished;
                }
            }
            Ending::Cuts(_) => {}
        }
        if direction == Direction::ToServer {
            // Its last position shows that nothing is missing.
            self.pairs.bear_out(books);
        }
    }

    /// A message ended without another byte.
    fn tell_end(&mut self, direction: Direction, books: &mut Books<'_>) {
        let limits = books.context.options.limits;
        let (parser, counters) = (self.parser(direction), &mut *books.counters);
        let step = parser.step(&mut &b""[..], false, Asked::Other, &limits, counters);
        self.found(direction, step, None, books);
    }
}
