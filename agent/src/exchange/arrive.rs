//! What comes for the halves under way: body, holes, ends.

use super::body::{Arrival, Progress, degrade, give_reason};
use super::conn::Books;
use super::pair::{Open, Pairs};
use super::{Half, Options, Reason, Seen};
use crate::protocol::http1::Place;
use crate::protocol::{Anomalies, Anomaly, Head};
use crate::stream::Direction;

/// One half of an open exchange.
struct Side<'a> {
    arrival: &'a mut Arrival,
    half: Option<&'a mut Half>,
    seen: &'a mut Seen,
    reasons: &'a mut Vec<Reason>,
    missing_bytes: &'a mut u64,
    anomalies: &'a mut Anomalies,
    bytes: &'a mut usize,
}

impl Open {
    fn side(&mut self, direction: Direction) -> Side<'_> {
        let exchange = &mut self.exchange;
        let (arrival, half, seen) = match direction {
            Direction::ToServer => (
                &mut self.request,
                &mut exchange.request,
                &mut exchange.request_seen,
            ),
            Direction::ToClient => (
                &mut self.response,
                &mut exchange.response,
                &mut exchange.response_seen,
            ),
        };
        Side {
            arrival,
            half: half.as_mut(),
            seen,
            reasons: &mut exchange.reasons,
            missing_bytes: &mut exchange.missing_bytes,
            anomalies: &mut self.anomalies,
            bytes: &mut self.bytes,
        }
    }
}

impl Side<'_> {
    /// Marks what of a head or trailers was not kept.
    fn mark_head(&mut self) {
        let cut = [
            Anomaly::HeadTooLong,
            Anomaly::TooManyFields,
            Anomaly::TrailersTooLong,
        ];
        if cut.iter().any(|anomaly| self.anomalies.has(*anomaly)) {
            degrade(self.seen, Seen::Truncated);
            give_reason(self.reasons, Reason::HeadLimit);
        }
    }
}

/// Bytes kept of the bodies of a direction.
const fn limit(direction: Direction, options: &Options) -> usize {
    match direction {
        Direction::ToServer => options.request_body_bytes,
        Direction::ToClient => options.response_body_bytes,
    }
}

impl Pairs {
    fn arriving(&mut self, direction: Direction) -> Option<&mut Open> {
        match direction {
            Direction::ToServer => self.requesting(),
            Direction::ToClient => self.responding(),
        }
    }

    fn over(&mut self, direction: Direction, books: &mut Books<'_>) {
        match direction {
            Direction::ToServer => self.request_over(books),
            Direction::ToClient => self.response_over(books),
        }
    }

    /// Bytes of a body came.
    pub(super) fn body(&mut self, direction: Direction, bytes: &[u8], options: &Options) {
        let Some(open) = self.arriving(direction) else {
            return;
        };
        let side = open.side(direction);
        let Some(half) = side.half else {
            return;
        };
        let took = side
            .arrival
            .body(half, bytes, limit(direction, options), side.seen);
        if *side.seen == Seen::Truncated && !side.reasons.contains(&Reason::HeadLimit) {
            give_reason(side.reasons, Reason::BodyLimit);
        }
        *side.bytes += took;
        self.took(took);
    }

    /// Bytes of a body passed that are not there; without a reason they were left out on purpose.
    pub(super) fn missing(&mut self, direction: Direction, n: u64, reason: Option<Reason>) {
        let Some(open) = self.arriving(direction) else {
            return;
        };
        let side = open.side(direction);
        side.arrival.missing(n);
        if let Some(reason) = reason {
            *side.missing_bytes = side.missing_bytes.saturating_add(n);
            degrade(side.seen, Seen::Gap);
            give_reason(side.reasons, reason);
        } else {
            degrade(side.seen, Seen::Truncated);
            give_reason(side.reasons, Reason::BodyLimit);
        }
    }

    /// The message under way is whole.
    pub(super) fn end(
        &mut self,
        direction: Direction,
        trailers: Option<Box<Head>>,
        anomalies: Anomalies,
        books: &mut Books<'_>,
    ) {
        if let Some(open) = self.arriving(direction) {
            let mut side = open.side(direction);
            side.anomalies.absorb(anomalies);
            side.mark_head();
            if let Some(half) = &mut side.half {
                half.trailers = trailers;
            }
            side.arrival.end(side.half, true, books.now);
        }
        self.over(direction, books);
    }

    /// The message under way cannot be finished: where it ends is not known.
    pub(super) fn body_lost(
        &mut self,
        direction: Direction,
        (bytes, reason): (u64, Option<Reason>),
        anomalies: Anomalies,
        books: &mut Books<'_>,
    ) {
        if let Some(open) = self.arriving(direction) {
            let mut side = open.side(direction);
            side.anomalies.absorb(anomalies);
            side.mark_head();
            if let Some(reason) = reason {
                *side.missing_bytes = side.missing_bytes.saturating_add(bytes);
                degrade(side.seen, Seen::Gap);
                give_reason(side.reasons, reason);
            } else {
                degrade(side.seen, Seen::Unfinished);
            }
            side.arrival.end(side.half, false, books.now);
        }
        self.lost_place(direction, reason.is_some());
        self.over(direction, books);
    }

    /// The direction ended inside a message.
    pub(super) fn cut(
        &mut self,
        direction: Direction,
        place: Place,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        if place != Place::Body {
            return;
        }
        if let Some(open) = self.arriving(direction) {
            let mut side = open.side(direction);
            side.mark_head();
            degrade(side.seen, Seen::Unfinished);
            if let Some(reason) = reason {
                give_reason(side.reasons, reason);
            }
            side.arrival.end(side.half, true, books.now);
        }
        self.over(direction, books);
    }

    /// Whether more of the body under way would be kept.
    pub(super) fn is_keeping(&self, direction: Direction, options: &Options) -> bool {
        let Some(open) = self.arriving_now(direction) else {
            return false;
        };
        let (arrival, half) = match direction {
            Direction::ToServer => (&open.request, &open.exchange.request),
            Direction::ToClient => (&open.response, &open.exchange.response),
        };
        let half = half.as_ref();
        half.is_some_and(|half| arrival.is_keeping(half, limit(direction, options)))
    }

    /// Gives up the bodies kept so far.
    pub(super) fn shed_bodies(&mut self) {
        let mut freed = 0;
        for open in &mut self.open {
            for direction in [Direction::ToServer, Direction::ToClient] {
                let side = open.side(direction);
                let Some(half) = side.half else {
                    continue;
                };
                let kept = half.body.content.capacity();
                if side.arrival.progress == Progress::Arriving {
                    side.arrival.stop();
                }
                if kept == 0 {
                    continue;
                }
                half.body.content = Vec::new();
                *side.bytes = side.bytes.saturating_sub(kept);
                freed += kept;
                degrade(side.seen, Seen::Truncated);
                give_reason(side.reasons, Reason::Shed);
            }
        }
        self.gave(freed);
    }
}
