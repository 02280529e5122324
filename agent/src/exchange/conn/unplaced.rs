//! What is over of a TLS session whose socket is not known: most show theirs soon.
//!
//! A server that found its first requests in what it read with the handshake has no need of the
//! socket for them, and may hand on what it encrypts of its answers later (Apache does both).

use std::sync::Arc;

use super::{Books, Conn};
use crate::capture::ConnOpen;
use crate::clock::Ktime;
use crate::exchange::Exchange;

/// Nanoseconds for which it waits. Of a library that works on memory no socket ever shows: what it
/// tells comes so much later once a session.
const WAIT_NS: u64 = 200_000_000;
/// Most bytes of a conn that wait: some dozen answers of a hundred streams.
const WAIT_BYTES: usize = 256 * 1024;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Unplaced {
    held: Vec<Exchange>,
    /// Memory it takes.
    pub(super) bytes: usize,
    /// Until when.
    pub(super) deadline: Option<Ktime>,
    /// Nothing waits any more.
    given_up: bool,
}

impl Unplaced {
    /// For a conn that begins so; `None` for one whose ends are known.
    pub(super) fn of(open: &ConnOpen) -> Option<Box<Self>> {
        let unplaced = open.library.is_some() && open.transport.is_none();
        unplaced.then(Box::default)
    }
}

impl Conn {
    /// Does `act`; what is over by that waits if the conn's ends are not known yet.
    pub(super) fn placing(
        &mut self,
        books: &mut Books<'_>,
        act: impl FnOnce(&mut Self, &mut Books<'_>),
    ) {
        let before = books.context.out.len();
        act(self, books);
        if self.unplaced.is_some() {
            self.place(before, books);
        }
    }

    /// Waits no more, whatever comes.
    pub(super) fn give_up_place(&mut self) {
        if let Some(unplaced) = &mut self.unplaced {
            unplaced.given_up = true;
        }
    }

    /// Waits no more if it is time.
    pub(super) fn wake_place(&mut self, now: Ktime) {
        let deadline = self.unplaced.as_ref().and_then(|one| one.deadline);
        if deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up_place();
        }
    }

    fn place(&mut self, before: usize, books: &mut Books<'_>) {
        let Some(unplaced) = &mut self.unplaced else {
            return;
        };
        let out = &mut books.context.out;
        let new = out.split_off(before.min(out.len()));
        unplaced.bytes += new.iter().map(Exchange::held_bytes).sum::<usize>();
        unplaced.held.extend(new);
        let placed = self.info.open.transport.is_some();
        let full = unplaced.bytes > WAIT_BYTES;
        unplaced.given_up |= placed || full || self.over;
        if !unplaced.given_up {
            if !unplaced.held.is_empty() {
                let deadline = books.now.plus(WAIT_NS);
                unplaced.deadline.get_or_insert(deadline);
            }
            return;
        }
        for mut exchange in unplaced.held.drain(..) {
            if placed && exchange.conn.open.transport.is_none() {
                exchange.conn = Arc::clone(&self.info);
            }
            out.push(exchange);
        }
        unplaced.held.shrink_to_fit();
        (unplaced.bytes, unplaced.deadline) = (0, None);
    }
}
