//! What comes for the halves under way: body, holes, ends.

use super::body::Arrival;
use super::conn::Books;
use super::pair::{Open, Pairs};
use super::{Half, Reason, Seen};
use crate::protocol::{Anomalies, Head};
use crate::stream::Direction;

impl Open {
    /// One half.
    pub(super) const fn side(&mut self, direction: Direction) -> (&mut Arrival, Option<&mut Half>) {
        match direction {
            Direction::ToServer => (&mut self.request, self.exchange.request.as_mut()),
            Direction::ToClient => (&mut self.response, self.exchange.response.as_mut()),
        }
    }
}

impl Pairs {
    /// Bytes of a body came.
    pub(super) fn body(&mut self, direction: Direction, bytes: &[u8]) {
        let Some(open) = self.arriving(direction) else {
            return;
        };
        open.inside(direction, bytes);
        let (arrival, half) = open.side(direction);
        let Some(half) = half else {
            return;
        };
        let took = arrival.body(half, bytes);
        open.bytes += took;
        self.took(took);
    }

    /// Bytes of a body passed that are not there; without a reason they were left out on purpose.
    pub(super) fn missing(&mut self, direction: Direction, n: u64, reason: Option<Reason>) {
        if let Some(open) = self.arriving(direction) {
            open.inside_missing(direction, n);
            open.side(direction).0.missing(n, reason);
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
            let (arrival, mut half) = open.side(direction);
            arrival.anomalies.absorb(anomalies);
            if let Some(half) = &mut half {
                half.trailers = trailers;
            }
            arrival.end(half, true, books.now);
        }
        self.over(direction, books);
    }

    /// The message under way cannot be finished: where it ends is not known.
    pub(super) fn body_lost(
        &mut self,
        direction: Direction,
        bytes: u64,
        reason: Option<Reason>,
        anomalies: Anomalies,
        books: &mut Books<'_>,
    ) {
        if let Some(open) = self.arriving(direction) {
            let (arrival, half) = open.side(direction);
            arrival.anomalies.absorb(anomalies);
            match reason {
                Some(_) => arrival.hide(bytes, reason),
                None => arrival.degrade(Seen::Unfinished, None),
            }
            arrival.end(half, false, books.now);
        }
        self.lost_place(direction, reason.is_some(), books);
        self.over(direction, books);
    }

    /// The direction ended inside a body.
    pub(super) fn cut(
        &mut self,
        direction: Direction,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        if let Some(open) = self.arriving(direction) {
            let (arrival, half) = open.side(direction);
            arrival.break_off(half, reason, books.now);
        }
        self.over(direction, books);
    }

    /// Whether more of the body under way would be kept.
    pub(super) fn is_keeping(&self, direction: Direction) -> bool {
        let Some(open) = self.arriving_now(direction) else {
            return false;
        };
        let (arrival, half) = match direction {
            Direction::ToServer => (&open.request, &open.exchange.request),
            Direction::ToClient => (&open.response, &open.exchange.response),
        };
        let half = half.as_ref();
        half.is_some_and(|half| arrival.is_keeping(half))
    }

    /// Gives up the bodies kept so far.
    pub(super) fn shed_bodies(&mut self) {
        let mut freed = 0;
        for open in &mut self.open {
            freed += open.shed_socket();
            for direction in [Direction::ToServer, Direction::ToClient] {
                let (arrival, half) = open.side(direction);
                let bytes = half.map_or(0, |half| arrival.shed(half));
                open.bytes = open.bytes.saturating_sub(bytes);
                freed += bytes;
            }
        }
        self.gave(freed);
    }
}
