//! What a response answers after a loss, and how that is borne out or taken back.
//!
//! A gap among the responses may hide the response to a request whose successor was lost as well,
//! which only the position of the next request's bytes shows. So a pair made after such a gap is
//! kept until that is known, and reported as two halves if requests turn out to be missing.

use super::body::{Arrival, Progress};
use super::conn::Books;
use super::expiry::{Closing, close};
use super::pair::{Loss, Open, Pairs};
use super::{Half, Reason, Seen};
use crate::protocol::Anomaly;
use crate::stream::Direction;

/// A pair that the next bytes to the server bear out or take back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tentative {
    /// What was lost before the response.
    loss: Loss,
    /// Bytes were missing.
    gap: bool,
}

impl Pairs {
    /// Where a message ends is not known: others may have passed unseen.
    pub(super) fn lost_place(&mut self, direction: Direction, gap: bool, books: &mut Books<'_>) {
        self.gap |= gap;
        match direction {
            Direction::ToServer => {
                self.take_back(books);
                self.requests_lost_at.get_or_insert(self.next);
                self.requests_adrift = true;
            }
            Direction::ToClient => self.responses_were_lost = true,
        }
    }

    pub(super) const fn is_uncertain(&self) -> bool {
        self.requests_lost_at.is_some() || self.responses_were_lost
    }

    /// Which open exchange the next response answers, as far as that can be told.
    pub(super) fn pick(&self) -> Option<usize> {
        let waits = |open: &Open| open.response.progress == Progress::Waiting;
        let front = self.open.iter().position(waits)?;
        let lost_at = self.requests_lost_at.unwrap_or(u64::MAX);
        let before_loss = self.open.get(front)?.exchange.ordinal < lost_at;
        if !self.responses_were_lost && before_loss {
            return Some(front);
        }
        if self.requests_adrift {
            // Others may be passing right now.
            return None;
        }
        let newest = self.open.iter().rposition(waits)?;
        let only = newest == front && self.requests_lost_at.is_none();
        (only || self.turns.hold()).then_some(newest)
    }

    /// The next response answers the exchange at `at`: its ordinal.
    pub(super) fn answer(&mut self, at: usize, books: &mut Books<'_>) -> Option<u64> {
        let ordinal = self.open.get(at)?.exchange.ordinal;
        let lost_at = self.requests_lost_at.unwrap_or(u64::MAX);
        if !self.responses_were_lost && ordinal < lost_at {
            return Some(ordinal);
        }
        let loss = self.close_answered_unseen(ordinal, None, books);
        let gap = std::mem::take(&mut self.gap);
        let tentative = std::mem::take(&mut self.responses_were_lost);
        self.requests_lost_at = None;
        let open = self.by_ordinal(ordinal)?;
        if tentative {
            open.tentative = Some(Tentative { loss, gap });
        } else if gap {
            open.response.anomalies.add(Anomaly::PairedAfterGap);
        }
        Some(ordinal)
    }

    /// Requests before the one of `ordinal` that wait were answered, unseen: what is left of the
    /// loss that hid the responses. Where none is known yet, `cause` is why requests were lost: a
    /// ring that was full then was full for their responses too.
    pub(super) fn close_answered_unseen(
        &mut self,
        ordinal: u64,
        cause: Option<Reason>,
        books: &mut Books<'_>,
    ) -> Loss {
        let mut loss = std::mem::take(&mut self.response_loss);
        let hidden = |open: &Open| {
            open.response.progress == Progress::Waiting && open.exchange.ordinal < ordinal
        };
        while let Some(at) = self.open.iter().position(hidden) {
            let Some(mut open) = self.open.remove(at) else {
                break;
            };
            self.gave(open.bytes);
            self.forget_ordinal(open.exchange.ordinal);
            if loss.reason.is_none() && cause.is_some() {
                open.response.hide(0, cause);
            }
            loss.hide(&mut open.response);
            close(open, Closing::Hidden, books);
        }
        loss
    }

    /// Bytes to the server followed on those before: pairs made after a gap hold.
    pub(super) fn bear_out(&mut self, books: &mut Books<'_>) {
        if !self.open.iter().any(|open| open.tentative.is_some()) {
            return;
        }
        let mut done = Vec::new();
        for open in &mut self.open {
            if let Some(tentative) = open.tentative.take() {
                if tentative.gap {
                    open.response.anomalies.add(Anomaly::PairedAfterGap);
                }
                done.push(open.exchange.ordinal);
            }
        }
        for ordinal in done {
            self.report_if_done(ordinal, books);
        }
    }

    /// Requests are missing, or nobody will know: pairs made after a gap are two halves.
    pub(super) fn take_back(&mut self, books: &mut Books<'_>) {
        while let Some(at) = self.open.iter().position(|open| open.tentative.is_some()) {
            let Some(open) = self.open.get_mut(at) else {
                return;
            };
            let Some(Tentative { mut loss, .. }) = open.tentative.take() else {
                return;
            };
            let ordinal = open.exchange.ordinal;
            let mut half = open.exchange.response.take();
            if open.method() == Some(b"HEAD") {
                // It was framed without a body on that word alone.
                open.response.degrade(Seen::Gap, loss.reason);
                if let Some(half) = &mut half {
                    half.body.total_bytes = None;
                }
            }
            let arrival = std::mem::replace(&mut open.response, Arrival::NEVER);
            let bytes = half.as_ref().map_or(0, Half::bytes);
            open.bytes = open.bytes.saturating_sub(bytes);
            loss.hide(&mut open.response);
            let info = std::sync::Arc::clone(&open.exchange.conn);
            let alone = self.push(&info, books);
            if self.responding == Some(ordinal) {
                self.responding = Some(alone);
            }
            if let Some(open) = self.by_ordinal(alone) {
                open.request = Arrival::NEVER;
                open.response = arrival;
                open.exchange.response = half;
                open.bytes = bytes;
            }
            self.report_if_done(ordinal, books);
            self.report_if_done(alone, books);
        }
    }
}
