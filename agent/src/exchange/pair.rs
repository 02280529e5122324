//! Which response answers which request: by order, and after a loss only where it is certain.
//!
//! A loss may hide whole messages. What helps then is that hardly any client sends a request before
//! the response to the one before is whole: as long as a conn has shown no pipelining, a new request
//! means that all older ones were answered, and a response answers the newest. On a conn that does
//! pipeline nobody can tell, and halves are reported alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::{Arrival, Progress, give_reason};
use super::expiry::{Closing, close};
use super::{ConnInfo, Context, Exchange, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::http1::{Asked, Message};
use crate::protocol::{Anomalies, Anomaly};
use crate::stream::Direction;
use crate::telemetry::{Counter, Counters};

/// Requests in a row, each sent after the response before it was whole, after which a conn is no
/// longer thought to pipeline.
const CLEAN_ENOUGH: u32 = 32;

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
    /// A loss may have hidden messages, and nothing since has made the order certain again.
    uncertain: bool,
    /// Requests still to come in good order before the conn is no longer thought to pipeline.
    pipelining: u32,
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
    pub(super) const fn lost_place(&mut self) {
        self.uncertain = true;
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
    #[expect(
        clippy::too_many_arguments,
        reason = "a message, when and where it came, and the books"
    )]
    pub(super) fn request(
        &mut self,
        message: Message,
        began: Ktime,
        now: Ktime,
        first: bool,
        info: &Arc<ConnInfo>,
        context: &mut Context,
        counters: &mut Counters,
    ) {
        self.note_order(first);
        if self.uncertain && self.pipelining == 0 {
            self.close_answered_unseen(now, context, counters);
        }
        self.requests_seen = true;
        self.request_loss = Loss::default();
        let anomalies = message.anomalies;
        let limit = context.options.request_body_bytes;
        let (arrival, half) = Arrival::begin(message, began, now, limit);
        let bytes = half.head.bytes() + half.body.content.capacity();
        let ordinal = self.push(info, counters);
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
        now: Ktime,
        info: &Arc<ConnInfo>,
        context: &Context,
        counters: &mut Counters,
    ) {
        let picked = self.pick();
        let mut anomalies = message.anomalies;
        if self.uncertain && picked.is_some() {
            anomalies.add(Anomaly::PairedAfterGap);
            self.uncertain = false;
        }
        self.response_loss = Loss::default();
        let limit = context.options.response_body_bytes;
        let (arrival, half) = Arrival::begin(message, began, now, limit);
        let bytes = half.head.bytes() + half.body.content.capacity();
        let at = picked.unwrap_or_else(|| self.unasked(info, counters));
        self.took(bytes);
        let Some(open) = self.open.get_mut(at) else {
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
        self.responding = Some(open.exchange.ordinal);
    }

    /// The request under way is over.
    pub(super) fn request_over(&mut self, context: &mut Context, counters: &mut Counters) {
        if let Some(ordinal) = self.requesting.take() {
            self.report_if_done(ordinal, context, counters);
        }
    }

    /// The response under way is over.
    pub(super) fn response_over(&mut self, context: &mut Context, counters: &mut Counters) {
        if let Some(ordinal) = self.responding.take() {
            self.report_if_done(ordinal, context, counters);
        }
    }

    /// A request that could not be read stands here: it may still get its response.
    pub(super) fn unreadable_request(
        &mut self,
        anomalies: Anomalies,
        info: &Arc<ConnInfo>,
        counters: &mut Counters,
    ) -> Option<&mut Open> {
        self.uncertain = true;
        self.push(info, counters);
        let open = self.open.back_mut()?;
        open.request.progress = Progress::Done;
        open.anomalies = anomalies;
        Some(open)
    }

    /// Requests may have passed unseen.
    pub(super) fn requests_lost(&mut self, bytes: u64, reason: Option<Reason>) {
        self.uncertain = true;
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
        self.uncertain = true;
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
    pub(super) fn close_all(
        &mut self,
        closing: Closing,
        now: Ktime,
        context: &mut Context,
        counters: &mut Counters,
    ) {
        self.requesting = None;
        self.responding = None;
        self.bytes = 0;
        let loss = std::mem::take(&mut self.response_loss);
        for mut open in std::mem::take(&mut self.open) {
            if open.response.progress == Progress::Waiting {
                hide(&mut open, loss);
            }
            close(open, closing, now, context, counters);
        }
    }

    /// Which open exchange the next response answers, if that is certain.
    fn pick(&self) -> Option<usize> {
        let waiting = |open: &Open| open.response.progress == Progress::Waiting;
        match (self.uncertain, self.pipelining) {
            (false, _) => self.open.iter().position(waiting),
            (true, 0) => self.open.iter().rposition(waiting),
            (true, _) => None,
        }
    }

    /// Learns from a new request whether this client waits for responses.
    fn note_order(&mut self, first: bool) {
        let unanswered = self
            .open
            .iter()
            .any(|open| open.response.progress != Progress::Done);
        if !unanswered {
            self.pipelining = self.pipelining.saturating_sub(1);
        } else if !first || !self.uncertain {
            self.pipelining = CLEAN_ENOUGH;
        }
    }

    /// A new request on a conn that does not pipeline: what is older was answered, unseen.
    fn close_answered_unseen(
        &mut self,
        now: Ktime,
        context: &mut Context,
        counters: &mut Counters,
    ) {
        let loss = std::mem::take(&mut self.response_loss);
        while let Some(at) = self
            .open
            .iter()
            .position(|open| open.response.progress == Progress::Waiting)
        {
            let Some(mut open) = self.open.remove(at) else {
                return;
            };
            self.bytes = self.bytes.saturating_sub(open.bytes);
            if self.requesting == Some(open.exchange.ordinal) {
                self.requesting = None;
            }
            hide(&mut open, loss);
            close(open, Closing::Hidden, now, context, counters);
        }
    }

    /// An exchange for a response to a request that nobody saw.
    fn unasked(&mut self, info: &Arc<ConnInfo>, counters: &mut Counters) -> usize {
        let loss = std::mem::take(&mut self.request_loss);
        self.push(info, counters);
        let joined_late = !self.requests_seen && !self.uncertain;
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
        self.open.len() - 1
    }

    fn push(&mut self, info: &Arc<ConnInfo>, counters: &mut Counters) -> u64 {
        counters.add(Counter::ExchangesBegun, 1);
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

    fn report_if_done(&mut self, ordinal: u64, context: &mut Context, counters: &mut Counters) {
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
            close(open, Closing::Done, Ktime::default(), context, counters);
        }
    }
}

/// A response that was lost, with what is known of the loss.
fn hide(open: &mut Open, loss: Loss) {
    if let Some(reason) = loss.reason {
        open.exchange.response_seen = Seen::Gap;
        open.exchange.missing_bytes = open.exchange.missing_bytes.saturating_add(loss.bytes);
        give_reason(&mut open.exchange.reasons, reason);
    }
}
