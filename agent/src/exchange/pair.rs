//! Which response answers which request: by order, and after a loss only where it is certain.
//!
//! A loss may hide whole messages. Requests from before it still get their responses in order. For
//! the others it helps that hardly any client sends a request before the response to the one before
//! is whole: as long as a conn has shown nothing else ([`super::turns`]), a new request means that
//! all older ones were answered, and a response answers the newest. Else nobody can tell, and halves
//! are reported alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::{Arrival, Progress};
use super::conn::Books;
use super::expiry::{Closing, close};
use super::inside::Calls;
use super::settle::Tentative;
use super::turns::{Arriving, Turns};
use super::websocket::Socket;
use super::{ConnInfo, Exchange, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::Anomalies;
use crate::protocol::http1::{Asked, Message};
use crate::stream::Direction;
use crate::telemetry::Counter;

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Open {
    /// Heads and bodies; what is said of them stands in the arrivals until it is reported.
    pub(super) exchange: Exchange,
    pub(super) request: Arrival,
    pub(super) response: Arrival,
    pub(super) tentative: Option<Tentative>,
    /// Memory it takes beyond its own size, in bytes.
    pub(super) bytes: usize,
    /// Messages of gRPC, if it is a call.
    pub(super) calls: Option<Box<Calls>>,
    /// What both ends say, if it went over to WebSocket.
    pub(super) socket: Option<Box<Socket>>,
    /// When it is to be reported, should it not be over.
    pub(super) due: Option<Ktime>,
    /// How often it was.
    pub(super) reports: u32,
}

/// Whether the response under way, to a request that nobody saw, must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overtaken {
    No,
    /// No byte of its body came: it answered HEAD.
    Bare,
    /// What was taken for its body is something else.
    Partly,
}

impl Open {
    /// One that begins.
    pub(super) fn new(info: &Arc<ConnInfo>, ordinal: u64) -> Self {
        Self {
            exchange: Exchange {
                ordinal,
                ..Exchange::of(Arc::clone(info))
            },
            request: Arrival::WAITING,
            response: Arrival::WAITING,
            tentative: None,
            bytes: 0,
            calls: None,
            socket: None,
            due: None,
            reports: 0,
        }
    }

    /// The request's method, if its head was seen.
    pub(super) fn method(&self) -> Option<&[u8]> {
        let half = self.exchange.request.as_ref()?;
        Some(half.head.get(half.head.word))
    }
}

/// Bytes of a direction that were lost where no message was under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    pub(super) bytes: u64,
    pub(super) reason: Option<Reason>,
}

impl Loss {
    fn add(&mut self, bytes: u64, reason: Option<Reason>) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.reason = self.reason.or(reason);
    }

    /// Says of a half that it was lost here; the bytes count once.
    pub(super) fn hide(&mut self, arrival: &mut Arrival) {
        if self.reason.is_some() {
            arrival.hide(std::mem::take(&mut self.bytes), self.reason);
        }
    }
}

/// The exchanges of one conn that are under way, in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) open: VecDeque<Open>,
    /// Ordinal of the one whose request is arriving.
    pub(super) requesting: Option<u64>,
    /// Ordinal of the one whose response is arriving.
    pub(super) responding: Option<u64>,
    /// Ordinal of the next.
    pub(super) next: u64,
    /// Requests may have passed unseen before the one of this ordinal.
    pub(super) requests_lost_at: Option<u64>,
    /// Since then no request's head was found.
    pub(super) requests_adrift: bool,
    /// Responses may have passed unseen.
    pub(super) responses_were_lost: bool,
    /// Bytes were missing when order was lost.
    pub(super) gap: bool,
    pub(super) turns: Turns,
    /// A request was seen on this conn.
    requests_seen: bool,
    request_loss: Loss,
    pub(super) response_loss: Loss,
    /// Memory the open exchanges take.
    bytes: usize,
}

impl Pairs {
    /// Memory the open exchanges take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.open.capacity() * size_of::<Open>()
    }

    /// The exchange whose message of `direction` is arriving.
    pub(super) fn arriving_now(&self, direction: Direction) -> Option<&Open> {
        let ordinal = self.ordinal_of(direction)?;
        let mut open = self.open.iter();
        open.find(|open| open.exchange.ordinal == ordinal)
    }

    /// The same, to be changed.
    pub(super) fn arriving(&mut self, direction: Direction) -> Option<&mut Open> {
        self.by_ordinal(self.ordinal_of(direction)?)
    }

    const fn ordinal_of(&self, direction: Direction) -> Option<u64> {
        match direction {
            Direction::ToServer => self.requesting,
            Direction::ToClient => self.responding,
        }
    }

    /// The message of `direction` that was under way is over.
    pub(super) fn over(&mut self, direction: Direction, books: &mut Books<'_>) {
        match direction {
            Direction::ToServer => {
                if let Some(ordinal) = self.requesting.take() {
                    self.report_if_done(ordinal, books);
                }
            }
            Direction::ToClient => self.response_over(books),
        }
    }

    /// Counts memory that an open exchange took in addition.
    pub(super) const fn took(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Counts memory that open exchanges gave back.
    pub(super) const fn gave(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// When an exchange under way is to be reported.
    pub(super) fn deadline(&self) -> Option<Ktime> {
        self.open.iter().filter_map(|open| open.due).min()
    }

    /// Reports exchanges under way that are due.
    pub(super) fn wake(&mut self, books: &mut Books<'_>) {
        for open in &mut self.open {
            open.tell_if_due(books);
        }
    }

    /// Whether a request waits for its response.
    pub(super) fn expects_response(&self) -> bool {
        self.pick().is_some()
    }

    /// What the next response answers.
    pub(super) fn asked(&self) -> Asked {
        let picked = self.pick().and_then(|at| self.open.get(at));
        match picked.and_then(Open::method) {
            Some(b"HEAD") => Asked::Head,
            Some(b"CONNECT") => Asked::Connect,
            _ => Asked::Other,
        }
    }

    /// Whether a request came after the one whose response is arriving, which itself nobody saw:
    /// then what begins like a response is the next one.
    pub(super) fn overtaken(&self) -> Overtaken {
        let Some(open) = self.arriving_now(Direction::ToClient) else {
            return Overtaken::No;
        };
        let newest = self.open.back().map(|newest| newest.exchange.ordinal);
        if open.exchange.request.is_some() || newest <= Some(open.exchange.ordinal) {
            return Overtaken::No;
        }
        match (open.response.is_bare(), self.turns.hold()) {
            (true, _) => Overtaken::Bare,
            (false, true) => Overtaken::Partly,
            (false, false) => Overtaken::No,
        }
    }

    /// Whether this client is believed to wait for each response.
    pub(super) const fn takes_turns(&self) -> bool {
        self.turns.hold()
    }

    /// Takes out the exchange that the next response answers.
    pub(super) fn take_asked(&mut self) -> Option<Open> {
        let open = self.pick().and_then(|at| self.open.remove(at))?;
        self.gave(open.bytes);
        self.forget_ordinal(open.exchange.ordinal);
        Some(open)
    }

    /// A request's head came. `first`: it began where a transfer began.
    pub(super) fn request(
        &mut self,
        message: Message,
        began: Ktime,
        first: bool,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        self.bear_out(books);
        let unanswered = |open: &Open| open.response.progress != Progress::Done;
        let unanswered = self.open.iter().any(unanswered);
        let uncertain = self.is_uncertain();
        self.turns.request(Arriving {
            first,
            unanswered,
            uncertain,
        });
        if uncertain && self.turns.hold() {
            let cause = self.request_loss.reason;
            self.response_loss = self.close_answered_unseen(self.next, cause, books);
        }
        self.requests_seen = true;
        self.requests_adrift = false;
        self.request_loss = Loss::default();
        let keep = books.context.keeps_request(&message.head);
        let ordinal = self.push(info, books);
        self.requesting = Some(ordinal);
        if let Some(open) = self.open.back_mut() {
            let half = open.request.begin(message, began, books.now, keep);
            let bytes = half.bytes();
            open.bytes = bytes;
            open.exchange.request = Some(half);
            open.look_inside();
            open.may_last(Direction::ToServer, books.now);
            self.took(bytes);
        }
    }

    /// A final response's head came.
    pub(super) fn response(
        &mut self,
        message: Message,
        began: Ktime,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) {
        self.turns.response();
        let answered = match self.pick() {
            Some(at) => self.answer(at, books),
            None => None,
        };
        let ordinal = answered.unwrap_or_else(|| self.unasked(info, books));
        self.responding = Some(ordinal);
        if let Some(open) = self.by_ordinal(ordinal) {
            let asked = open.exchange.request.as_ref();
            let keep = books.context.keeps_response(message.status, asked);
            let half = open.response.begin(message, began, books.now, keep);
            let bytes = half.bytes();
            open.bytes += bytes;
            if open.exchange.conn.open.transport.is_none() {
                // The socket of a TLS session may be known by now.
                open.exchange.conn = Arc::clone(info);
            }
            open.exchange.response = Some(half);
            open.look_inside();
            open.may_last(Direction::ToClient, books.now);
            self.took(bytes);
        }
    }

    /// The response under way is over.
    fn response_over(&mut self, books: &mut Books<'_>) {
        if let Some(ordinal) = self.responding.take() {
            let later = self
                .open
                .back()
                .is_some_and(|open| open.exchange.ordinal > ordinal);
            let unbroken =
                |open: &&Open| open.exchange.ordinal == ordinal && open.response.seen != Seen::Gap;
            if later && !self.is_uncertain() && self.open.iter().find(unbroken).is_some() {
                // The next request had come before this response was whole.
                self.turns.pipelined();
            }
            self.report_if_done(ordinal, books);
        }
    }

    /// A request that could not be read stands here: it may still get its response.
    pub(super) fn unreadable_request(
        &mut self,
        anomalies: Anomalies,
        gap: bool,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) -> Option<&mut Arrival> {
        self.push(info, books);
        self.lost_place(Direction::ToServer, gap, books);
        let open = self.open.back_mut()?;
        open.request = Arrival::NEVER;
        open.request.anomalies = anomalies;
        Some(&mut open.request)
    }

    /// Requests may have passed unseen.
    pub(super) fn requests_lost(
        &mut self,
        bytes: u64,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        self.lost_place(Direction::ToServer, reason.is_some(), books);
        self.request_loss.add(bytes, reason);
    }

    /// Responses may have passed unseen; `in_head` if one was certainly under way.
    pub(super) fn responses_lost(
        &mut self,
        bytes: u64,
        reason: Option<Reason>,
        anomalies: Anomalies,
        in_head: bool,
        books: &mut Books<'_>,
    ) {
        let picked = self.pick();
        self.lost_place(Direction::ToClient, reason.is_some(), books);
        if let Some(open) = picked.and_then(|at| self.open.get_mut(at))
            && (in_head || anomalies != Anomalies::NONE)
        {
            open.response.anomalies.absorb(anomalies);
            if reason.is_some() {
                open.response.hide(bytes, reason);
            }
            return;
        }
        self.response_loss.add(bytes, reason);
    }

    /// Reports everything that is open.
    pub(super) fn close_all(&mut self, closing: Closing, books: &mut Books<'_>) {
        self.take_back(books);
        self.requesting = None;
        self.responding = None;
        self.bytes = 0;
        let mut loss = std::mem::take(&mut self.response_loss);
        for mut open in std::mem::take(&mut self.open) {
            if open.response.progress == Progress::Waiting {
                loss.hide(&mut open.response);
            }
            close(open, closing, books);
        }
    }

    /// An exchange for a response to a request that nobody saw.
    fn unasked(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) -> u64 {
        let mut loss = std::mem::take(&mut self.request_loss);
        let ordinal = self.push(info, books);
        let joined_late = !self.requests_seen && self.requests_lost_at.is_none();
        if let Some(open) = self.open.back_mut() {
            open.request = Arrival::NEVER;
            loss.hide(&mut open.request);
            if joined_late && loss.reason.is_none() {
                open.request.seen = Seen::JoinedLate;
            }
        }
        ordinal
    }

    pub(super) fn push(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) -> u64 {
        books.counters.add(Counter::ExchangesBegun, 1);
        let ordinal = self.next;
        self.next += 1;
        if self.open.capacity() == 0 {
            self.open.reserve_exact(1);
        }
        self.open.push_back(Open::new(info, ordinal));
        ordinal
    }

    /// The request of this ordinal, if it is arriving, is nobody's any more.
    pub(super) fn forget_ordinal(&mut self, ordinal: u64) {
        if self.requesting == Some(ordinal) {
            self.requesting = None;
        }
    }

    pub(super) fn by_ordinal(&mut self, ordinal: u64) -> Option<&mut Open> {
        self.open
            .iter_mut()
            .find(|open| open.exchange.ordinal == ordinal)
    }

    pub(super) fn report_if_done(&mut self, ordinal: u64, books: &mut Books<'_>) {
        let done = |arrival: &Arrival| arrival.progress == Progress::Done;
        let Some(at) = self
            .open
            .iter()
            .position(|open| open.exchange.ordinal == ordinal)
        else {
            return;
        };
        let both = self.open.get(at).is_some_and(|open| {
            done(&open.request) && done(&open.response) && open.tentative.is_none()
        });
        if !both {
            return;
        }
        let open = match at {
            0 => self.open.pop_front(),
            _ => self.open.remove(at),
        };
        if let Some(open) = open {
            self.gave(open.bytes);
            close(open, Closing::Done, books);
        }
    }
}
