//! WebSockets within streams, and those of them of which nobody saw how they began: the connection was
//! joined late, or the head was lost.

use std::sync::Arc;

use super::Streams;
use crate::exchange::body::{Arrival, Progress};
use crate::exchange::conn::Books;
use crate::exchange::expiry::Closing;
use crate::exchange::pair::Open;
use crate::exchange::websocket::Changed;
use crate::exchange::{ConnInfo, Half, Seen};
use crate::protocol::websocket::{Found, Within};
use crate::stream::Direction;

/// The directions in the order in which a search numbers them.
const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

const fn number(direction: Direction) -> usize {
    match direction {
        Direction::ToServer => 0,
        Direction::ToClient => 1,
    }
}

/// Bytes of a stream.
#[derive(Clone, Copy)]
pub(in super::super) struct Piece<'a> {
    pub(in super::super) direction: Direction,
    pub(in super::super) stream: u32,
    /// A frame of DATA begins with them.
    pub(in super::super) first: bool,
    pub(in super::super) bytes: &'a [u8],
}

impl Streams {
    /// Looks for frames of WebSocket in bytes of a stream whose request nobody saw, or whose method is
    /// not known; whether they prove one.
    pub(super) fn seek(
        &mut self,
        piece: Piece<'_>,
        info: &Arc<ConnInfo>,
        books: &mut Books<'_>,
    ) -> bool {
        let Piece {
            direction,
            stream,
            first,
            bytes,
        } = piece;
        let may_be = match self.open.get(&stream) {
            Some(open) => may_be_socket(open),
            None => self.may_have_begun_unseen(stream),
        };
        if !may_be {
            return false;
        }
        let searches = self.searches.get_or_insert_default();
        let found = searches.push(stream, number(direction), first, bytes);
        // One whose server masks is none.
        let found = found.filter(|found| found.to_server == number(Direction::ToServer));
        let Some(found) = found else {
            return false;
        };
        self.join(stream, found, info, books);
        true
    }

    /// Bytes of a stream that is searched never came.
    pub(super) fn seek_missing(&mut self, direction: Direction, stream: u32, n: Option<u64>) {
        if let Some(searches) = &mut self.searches {
            searches.gap(stream, number(direction), n);
        }
    }

    /// Frames of a direction may have passed unseen.
    pub(super) fn seek_lost(&mut self, direction: Direction) {
        if let Some(searches) = &mut self.searches {
            searches.lose(number(direction));
        }
    }

    /// A stream is over.
    pub(super) fn seek_no_more(&mut self, stream: u32) {
        if let Some(searches) = &mut self.searches {
            searches.end(stream);
        }
    }

    /// Memory that searches take, in bytes.
    pub(super) fn searches_bytes(&self) -> usize {
        self.searches.as_ref().map_or(0, |one| Within::bytes(one))
    }

    /// A stream is a WebSocket: an exchange, from the frames on that are kept.
    fn join(&mut self, stream: u32, found: Found, info: &Arc<ConnInfo>, books: &mut Books<'_>) {
        self.push(stream, info, books);
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        for direction in DIRECTIONS {
            let (arrival, half) = open.side(direction);
            let freed = join_half(arrival, half);
            open.bytes = open.bytes.saturating_sub(freed);
            self.bytes = self.bytes.saturating_sub(freed);
        }
        open.calls = None;
        open.join_socket(books);
        self.due = super::earlier(self.due, open.due);
        for (direction, kept) in DIRECTIONS.into_iter().zip(&found.kept) {
            self.socket(direction, stream, books, |open| {
                open.with_socket(direction, |reader, samples| reader.push_kept(kept, samples))
            });
        }
    }

    /// Nothing came for too long: reports everything but WebSockets, on which nothing may come for
    /// hours, and whose end is told.
    pub(in super::super) fn expire(&mut self, books: &mut Books<'_>) {
        let sockets: Vec<(u32, Box<Open>)> = self
            .open
            .extract_if(.., |_, open| open.socket.is_some())
            .collect();
        self.close_all(Closing::Timeout, books);
        self.bytes = sockets.iter().map(|(_, open)| open.bytes).sum();
        self.due = sockets.iter().filter_map(|(_, open)| open.due).min();
        self.open.extend(sockets);
    }

    /// Does something with the socket of a stream that went over to WebSocket.
    pub(super) fn socket(
        &mut self,
        direction: Direction,
        stream: u32,
        books: &mut Books<'_>,
        act: impl FnOnce(&mut Open) -> Changed,
    ) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.side(direction).0.progress != Progress::Arriving {
            return;
        }
        let changed = act(open);
        self.bytes = (self.bytes + changed.took).saturating_sub(changed.gave);
        if changed.closed {
            self.end(direction, stream, books);
        }
    }

    /// Whether a stream of which no head was seen may be under way.
    fn may_have_begun_unseen(&self, stream: u32) -> bool {
        let unseen = self
            .unseen
            .is_some_and(|(from, until)| (from..until).contains(&stream));
        unseen && stream % 2 == 1 && !self.resets.contains(&stream)
    }
}

/// Whether an exchange may be a WebSocket whose head did not say so: that of the request was not seen, or
/// its method is not known, and it was not refused.
fn may_be_socket(open: &Open) -> bool {
    let hides = match &open.exchange.request {
        Some(half) => half.head.get(half.head.word).is_empty(),
        None => true,
    };
    let status = open
        .exchange
        .response
        .as_ref()
        .map_or(0, |half| half.status);
    hides && open.socket.is_none() && matches!(status, 0 | 200)
}

/// Says of a half that it went over before anyone listened; how much memory that frees: what was taken
/// for its body is none.
fn join_half(arrival: &mut Arrival, half: Option<&mut Half>) -> usize {
    let Some(half) = half else {
        let before = *arrival;
        *arrival = Arrival::JOINED_LATE;
        arrival.missing_bytes = before.missing_bytes;
        arrival.reasons = before.reasons;
        arrival.anomalies = before.anomalies;
        return 0;
    };
    arrival.begin_anew();
    arrival.progress = Progress::Arriving;
    arrival.degrade(Seen::JoinedLate, None);
    let content = std::mem::take(&mut half.body.content);
    content.capacity()
}
