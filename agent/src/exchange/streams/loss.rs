//! What a loss leaves of the streams: halves given up, requests that were not seen, responses that
//! may be on their way.

use super::Streams;
use crate::clock::Ktime;
use crate::exchange::body::{Arrival, Progress};
use crate::exchange::conn::Books;
use crate::exchange::expiry::Closing;
use crate::exchange::pair::Open;
use crate::exchange::{Reason, Seen};
use crate::protocol::Anomalies;
use crate::stream::Direction;

/// How long a response waits that a loss may have hidden: longer than servers let requests take.
const DOUBT_NS: u64 = 60_000_000_000;

/// What is missing: why, or else what was wrong.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Hole {
    pub(in super::super) reason: Option<Reason>,
    pub(in super::super) anomalies: Anomalies,
}

/// Responses up to the stream `newest` may have passed unseen: `until` when they may still come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    pub(super) newest: u32,
    until: Ktime,
    pub(super) hole: Hole,
}

impl Streams {
    /// Frames of a direction may have passed unseen.
    pub(in super::super) fn lost(
        &mut self,
        direction: Direction,
        hole: Hole,
        books: &mut Books<'_>,
    ) {
        self.seek_lost(direction);
        let arriving = |open: &mut Open| open.side(direction).0.progress == Progress::Arriving;
        let ids: Vec<u32> = self
            .open
            .iter_mut()
            .filter_map(|(id, open)| arriving(open).then_some(*id))
            .collect();
        for stream in ids {
            let Some(open) = self.open.get_mut(&stream) else {
                continue;
            };
            let changed = open.with_socket(direction, |reader, samples| reader.lose(samples));
            self.bytes = (self.bytes + changed.took).saturating_sub(changed.gave);
            let (arrival, half) = open.side(direction);
            arrival.anomalies.absorb(hole.anomalies);
            arrival.hide(0, hole.reason);
            arrival.end(half, false, books.now);
            self.report_if_done(stream, books);
        }
        match direction {
            Direction::ToServer => {
                let from = self.unseen.map_or(self.newest + 1, |(from, _)| from);
                self.unseen = Some((from, u32::MAX));
                self.unseen_hole = Some(hole);
            }
            Direction::ToClient => {
                let waits = |open: &Open| open.response.progress == Progress::Waiting;
                if self.open.values().any(|open| waits(open)) {
                    let doubt = Doubt {
                        newest: self.newest,
                        until: books.now.plus(DOUBT_NS),
                        hole,
                    };
                    match self.doubt {
                        None => self.doubt = Some(doubt),
                        Some(_) => self.doubt_again = Some(doubt),
                    }
                }
            }
        }
    }

    /// When [`Streams::wake`] has something to do.
    pub(in super::super) fn deadline(&self) -> Option<Ktime> {
        let doubt = self.doubt.map(|doubt| doubt.until);
        doubt.into_iter().chain(self.due).min()
    }

    /// Reports exchanges under way that are due, and gives up responses that a loss has hidden.
    pub(in super::super) fn wake(&mut self, books: &mut Books<'_>) {
        if self.due.is_some_and(|due| due <= books.now) {
            for open in self.open.values_mut() {
                open.tell_if_due(books);
            }
            self.due = self.open.values().filter_map(|open| open.due).min();
        }
        let Some(doubt) = self.doubt.filter(|doubt| doubt.until <= books.now) else {
            return;
        };
        self.doubt = self.doubt_again.take();
        let waits = |open: &Open| open.response.progress == Progress::Waiting;
        let ids: Vec<u32> = self
            .open
            .range(..=doubt.newest)
            .filter_map(|(id, open)| waits(open).then_some(*id))
            .collect();
        for stream in ids {
            if let Some(open) = self.open.get_mut(&stream) {
                open.response.hide(0, doubt.hole.reason);
            }
            self.close_one(stream, Closing::Hidden, books);
        }
    }

    /// Whether a response on a stream that is not open answers a request that was not seen.
    pub(super) fn can_answer(&self, stream: u32) -> bool {
        if stream > self.newest && stream % 2 == 1 {
            return true;
        }
        let unseen = self.unseen.is_some_and(|(from, until)| {
            // Streams of promises have ids of their own, of which none is known to be over.
            stream % 2 == 1 && (from..until).contains(&stream)
        });
        unseen && !self.resets.contains(&stream)
    }

    /// The request of `stream` has begun: no older one is to come.
    pub(super) fn asked(&mut self, stream: u32, books: &mut Books<'_>) {
        if let Some((from, u32::MAX)) = self.unseen {
            self.unseen = Some((from, stream));
        }
        self.settle_unasked(stream, books);
        self.newest = self.newest.max(stream);
    }

    /// Requests before `stream` that have not come were not seen.
    pub(super) fn settle_unasked(&mut self, stream: u32, books: &mut Books<'_>) {
        if self.newest.saturating_add(2) >= stream {
            return;
        }
        let waits = |open: &Open| open.request.progress == Progress::Waiting;
        let ids: Vec<u32> = self
            .open
            .range(..stream)
            .filter_map(|(id, open)| waits(open).then_some(*id))
            .collect();
        for id in ids {
            if let Some(open) = self.open.get_mut(&id) {
                open.request = never(self.unseen.is_some(), self.unseen_hole);
            }
            self.report_if_done(id, books);
        }
    }

    /// A response came on `stream`, whose request was not seen: it may still come if it is newer than
    /// all that were.
    pub(super) fn unasked(&mut self, stream: u32) {
        if stream <= self.newest
            && let Some(open) = self.open.get_mut(&stream)
        {
            open.request = never(self.unseen.is_some(), self.unseen_hole);
        }
    }
}

/// A request that was not seen: lost, if some were, or from before the conn was joined.
fn never(unseen: bool, hole: Option<Hole>) -> Arrival {
    let mut request = Arrival::NEVER;
    match hole {
        Some(hole) => request.hide(0, hole.reason),
        None if unseen => request.seen = Seen::JoinedLate,
        None => {}
    }
    request
}
