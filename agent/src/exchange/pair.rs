//! Which response answers which request: by order, and after a loss only where it is certain.
//!
//! A loss may hide whole messages. Requests from before it still get their responses in order. For
//! the others it helps that hardly any client sends a request before the response to the one before
//! is whole: as long as a conn has shown nothing else ([`super::turns`]), a new request means that
//! all older ones were answered, and a response answers the newest. Else nobody can tell, and halves
//! are reported alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::{Arrival, Progress, give_reason};
use super::conn::Books;
use super::expiry::{Closing, close};
use super::turns::{Arriving, Turns};
use super::{ConnInfo, Exchange, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::http1::{Asked, Message};
use crate::protocol::{Anomalies, Anomaly};
use crate::stream::Direction;
use crate::telemetry::Counter;

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) exchange: Exchange,
    pub(super) request: Arrival,
    pub(super) response: Arrival,
    pub(super) anomalies: Anomalies,
    /// Memory it takes beyond its own size, in bytes.
    pub(super) bytes: usize,
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
}

/// The exchanges of one conn that are under way, in the order of their requests.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    pub(super) open: VecDeque<Open>,
    /// Ordinal of the one whose request is arriving.
    requesting: Option<u64>,
    /// Ordinal of the one whose response is arriving.
    responding: Option<u64>,
    next: u64,
    /// Requests may have passed unseen before the one of this ordinal.
    requests_lost_at: Option<u64>,
    /// Responses may have passed unseen.
    responses_were_lost: bool,
    /// Bytes were missing when order was lost.
    gap: bool,
    turns: Turns,
    /// A request was seen on this conn.
    requests_seen: bool,
    request_loss: Loss,
    response_loss: Loss,
    /// Memory the open exchanges take.
    bytes: usize,
}

impl Pairs {
    /// Memory the open exchanges take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.open.capacity() * size_of::<Open>()
    }

    /// The exchange whose request is arriving.
    pub(super) fn requesting(&mut self) -> Option<&mut Open> {
        self.by_ordinal(self.requesting?)
    }

    /// The exchange whose response is arriving.
    pub(super) fn responding(&mut self) -> Option<&mut Open> {
        self.by_ordinal(self.responding?)
    }

    /// The exchange whose message of `direction` is arriving.
    pub(super) fn arriving_now(&self, direction: Direction) -> Option<&Open> {
        let ordinal = match direction {
            Direction::ToServer => self.requesting?,
            Direction::ToClient => self.responding?,
        };
        self.open
            .iter()
            .find(|open| open.exchange.ordinal == ordinal)
    }

    /// Counts memory that an open exchange took in addition.
    pub(super) const fn took(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// Counts memory that open exchanges gave back.
    pub(super) const fn gave(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Where a message ends is not known: others may have passed unseen.
    pub(super) const fn lost_place(&mut self, direction: Direction, gap: bool) {
        self.gap |= gap;
        match direction {
            Direction::ToServer => self.requests_lost_at = Some(self.next),
            Direction::ToClient => self.responses_were_lost = true,
        }
    }

    /// Whether a request waits for its response.
    pub(super) fn expects_response(&self) -> bool {
        self.pick().is_some()
    }

    /// What the next response answers.
    pub(super) fn asked(&self) -> Asked {
        let picked = self.pick().and_then(|at| self.open.get(at));
        let request = picked.and_then(|open| open.exchange.request.as_ref());
        match request.map(|half| half.head.get(half.head.word)) {
            Some(b"HEAD") => Asked::Head,
            Some(b"CONNECT") => Asked::Connect,
            _ => Asked::Other,
        }
    }

    /// Whether a request came after the one whose response is arriving, which itself nobody saw.
    pub(super) fn is_overtaken(&self) -> bool {
        let Some(ordinal) = self.responding else {
            return false;
        };
        let alone = |open: &&Open| open.exchange.ordinal == ordinal;
        let unseen = self
            .open
            .iter()
            .find(alone)
            .is_some_and(|open| open.exchange.request.is_none() && open.response.is_bare());
        unseen
            && self
                .open
                .back()
                .is_some_and(|open| open.exchange.ordinal > ordinal)
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
        let unanswered = |open: &Open| open.response.progress != Progress::Done;
        let unanswered = self.open.iter().any(unanswered);
        let uncertain = self.is_uncertain();
        self.turns.request(Arriving {
            first,
            unanswered,
            uncertain,
        });
        if uncertain && self.turns.hold() {
            self.close_answered_unseen(self.next, books);
        }
        self.requests_seen = true;
        self.request_loss = Loss::default();
        let anomalies = message.anomalies;
        let limit = books.context.options.request_body_bytes;
        let (arrival, half) = Arrival::begin(message, began, books.now, limit);
        let bytes = half.head.bytes() + half.body.content.capacity();
        let ordinal = self.push(info, books);
        self.requesting = Some(ordinal);
        self.took(bytes);
        if let Some(open) = self.open.back_mut() {
            open.request = arrival;
            open.exchange.request = Some(half);
            open.exchange.request_seen = Seen::Whole;
            open.anomalies = anomalies;
            open.bytes = bytes;
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
        let mut anomalies = message.anomalies;
        let answered = match self.pick() {
            Some(at) => self.answer(at, &mut anomalies, books),
            None => None,
        };
        let limit = books.context.options.response_body_bytes;
        let (arrival, half) = Arrival::begin(message, began, books.now, limit);
        let bytes = half.head.bytes() + half.body.content.capacity();
        let ordinal = answered.unwrap_or_else(|| self.unasked(info, books));
        self.took(bytes);
        self.responding = Some(ordinal);
        let Some(open) = self.by_ordinal(ordinal) else {
            return;
        };
        open.response = arrival;
        open.exchange.response = Some(half);
        open.exchange.response_seen = match open.exchange.response_seen {
            Seen::Gap => Seen::Gap,
            _ => Seen::Whole,
        };
        open.anomalies.absorb(anomalies);
        open.bytes += bytes;
    }

    /// The request under way is over.
    pub(super) fn request_over(&mut self, books: &mut Books<'_>) {
        if let Some(ordinal) = self.requesting.take() {
            self.report_if_done(ordinal, books);
        }
    }

    /// The response under way is over.
    pub(super) fn response_over(&mut self, books: &mut Books<'_>) {
        if let Some(ordinal) = self.responding.take() {
            let later = self
                .open
                .back()
                .is_some_and(|open| open.exchange.ordinal > ordinal);
            let unbroken = |open: &&Open| {
                open.exchange.ordinal == ordinal && open.exchange.response_seen != Seen::Gap
            };
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
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) -> Option<&mut Open> {
        self.push(info, books);
        self.requests_lost_at = Some(self.next);
        let open = self.open.back_mut()?;
        open.request.progress = Progress::Done;
        open.anomalies = anomalies;
        Some(open)
    }

    /// Requests may have passed unseen.
    pub(super) fn requests_lost(&mut self, bytes: u64, reason: Option<Reason>) {
        self.lost_place(Direction::ToServer, reason.is_some());
        self.request_loss.add(bytes, reason);
    }

    /// Responses may have passed unseen; `in_head` if one was certainly under way.
    pub(super) fn responses_lost(
        &mut self,
        bytes: u64,
        reason: Option<Reason>,
        anomalies: Anomalies,
        in_head: bool,
    ) {
        let picked = self.pick();
        self.lost_place(Direction::ToClient, reason.is_some());
        if let Some(open) = picked.and_then(|at| self.open.get_mut(at))
            && (in_head || anomalies != Anomalies::NONE)
        {
            open.anomalies.absorb(anomalies);
            if let Some(reason) = reason {
                open.exchange.response_seen = Seen::Gap;
                open.exchange.missing_bytes = open.exchange.missing_bytes.saturating_add(bytes);
                give_reason(&mut open.exchange.reasons, reason);
            }
            return;
        }
        self.response_loss.add(bytes, reason);
    }

    /// Reports everything that is open.
    pub(super) fn close_all(&mut self, closing: Closing, books: &mut Books<'_>) {
        self.requesting = None;
        self.responding = None;
        self.bytes = 0;
        let mut loss = std::mem::take(&mut self.response_loss);
        for mut open in std::mem::take(&mut self.open) {
            if open.response.progress == Progress::Waiting {
                hide(&mut open, &mut loss);
            }
            close(open, closing, books);
        }
    }

    const fn is_uncertain(&self) -> bool {
        self.requests_lost_at.is_some() || self.responses_were_lost
    }

    /// Which open exchange the next response answers, if that is certain.
    fn pick(&self) -> Option<usize> {
        let waits = |open: &Open| open.response.progress == Progress::Waiting;
        let front = self.open.iter().position(waits)?;
        let lost_at = self.requests_lost_at.unwrap_or(u64::MAX);
        let before_loss = self.open.get(front)?.exchange.ordinal < lost_at;
        if !self.responses_were_lost && before_loss {
            return Some(front);
        }
        let newest = self.open.iter().rposition(waits)?;
        let only = newest == front && self.requests_lost_at.is_none();
        (only || self.turns.hold()).then_some(newest)
    }

    /// Settles that the next response answers the exchange at `at`: its ordinal.
    fn answer(
        &mut self,
        at: usize,
        anomalies: &mut Anomalies,
        books: &mut Books<'_>,
    ) -> Option<u64> {
        let ordinal = self.open.get(at)?.exchange.ordinal;
        let before_loss = self
            .requests_lost_at
            .is_none_or(|lost_at| ordinal < lost_at);
        if self.is_uncertain() && (self.responses_were_lost || !before_loss) {
            if self.gap {
                anomalies.add(Anomaly::PairedAfterGap);
            }
            self.close_answered_unseen(ordinal, books);
            self.gap = false;
            self.responses_were_lost = false;
            if !before_loss || self.open.back()?.exchange.ordinal == ordinal {
                self.requests_lost_at = None;
            }
        }
        self.response_loss = Loss::default();
        Some(ordinal)
    }

    /// Requests before the one of `ordinal` that wait were answered, unseen.
    fn close_answered_unseen(&mut self, ordinal: u64, books: &mut Books<'_>) {
        let mut loss = std::mem::take(&mut self.response_loss);
        let hidden = |open: &Open| {
            open.response.progress == Progress::Waiting && open.exchange.ordinal < ordinal
        };
        while let Some(at) = self.open.iter().position(hidden) {
            let Some(mut open) = self.open.remove(at) else {
                return;
            };
            self.gave(open.bytes);
            if self.requesting == Some(open.exchange.ordinal) {
                self.requesting = None;
            }
            hide(&mut open, &mut loss);
            close(open, Closing::Hidden, books);
        }
    }

    /// An exchange for a response to a request that nobody saw.
    fn unasked(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) -> u64 {
        let loss = std::mem::take(&mut self.request_loss);
        let ordinal = self.push(info, books);
        let joined_late = !self.requests_seen && self.requests_lost_at.is_none();
        if let Some(open) = self.open.back_mut() {
            open.request.progress = Progress::Done;
            if let Some(reason) = loss.reason {
                open.exchange.request_seen = Seen::Gap;
                open.exchange.missing_bytes = loss.bytes;
                give_reason(&mut open.exchange.reasons, reason);
            } else if joined_late {
                open.exchange.request_seen = Seen::JoinedLate;
            }
        }
        ordinal
    }

    fn push(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) -> u64 {
        books.counters.add(Counter::ExchangesBegun, 1);
        let ordinal = self.next;
        self.next += 1;
        if self.open.capacity() == 0 {
            self.open.reserve_exact(1);
        }
        self.open.push_back(Open {
            exchange: Exchange {
                conn: Arc::clone(info),
                ordinal,
                request: None,
                response: None,
                request_seen: Seen::None,
                response_seen: Seen::None,
                missing_bytes: 0,
                reasons: Vec::new(),
                anomalies: Vec::new(),
            },
            request: Arrival::WAITING,
            response: Arrival::WAITING,
            anomalies: Anomalies::NONE,
            bytes: 0,
        });
        ordinal
    }

    fn by_ordinal(&mut self, ordinal: u64) -> Option<&mut Open> {
        self.open
            .iter_mut()
            .find(|open| open.exchange.ordinal == ordinal)
    }

    fn report_if_done(&mut self, ordinal: u64, books: &mut Books<'_>) {
        let done = |arrival: &Arrival| arrival.progress == Progress::Done;
        let Some(at) = self
            .open
            .iter()
            .position(|open| open.exchange.ordinal == ordinal)
        else {
            return;
        };
        let both = self
            .open
            .get(at)
            .is_some_and(|open| done(&open.request) && done(&open.response));
        if both && let Some(open) = self.open.remove(at) {
            self.gave(open.bytes);
            close(open, Closing::Done, books);
        }
    }
}

/// A response that was lost, with what is known of the loss; its bytes count once.
fn hide(open: &mut Open, loss: &mut Loss) {
    if let Some(reason) = loss.reason {
        open.exchange.response_seen = Seen::Gap;
        let bytes = std::mem::take(&mut loss.bytes);
        open.exchange.missing_bytes = open.exchange.missing_bytes.saturating_add(bytes);
        give_reason(&mut open.exchange.reasons, reason);
    }
}
