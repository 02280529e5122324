//! A conn that went over from HTTP/1 to WebSocket.

use super::{Books, Conn};
use crate::exchange::Reason;
use crate::stream::Direction;
use crate::telemetry::Counter;

impl Conn {
    /// Goes over if the response that has just come says so; whether it did.
    pub(super) fn goes_over(&mut self, books: &mut Books<'_>) -> bool {
        self.is_socket = self.pairs.go_over(books);
        if self.is_socket {
            self.requests.finish();
            self.responses.finish();
        }
        self.is_socket
    }

    /// It is one that was open before anyone listened.
    pub(super) fn join_socket(&mut self, books: &mut Books<'_>) {
        self.requests.finish();
        self.responses.finish();
        if !books.context.options.wants(self.info.role) {
            self.over = true;
            return;
        }
        self.http = true;
        self.is_socket = true;
        self.pairs.join_socket(&self.info, books);
    }

    /// Bytes came.
    pub(super) fn socket_came(
        &mut self,
        direction: Direction,
        first: bool,
        bytes: &[u8],
        books: &mut Books<'_>,
    ) {
        let counter = if self.pairs.arriving_now(direction).is_some() {
            Counter::ProtocolBytesBody
        } else {
            Counter::ProtocolBytesPassed
        };
        books.counters.add(counter, bytes.len() as u64);
        self.pairs.with_socket(direction, books, |open| {
            open.with_socket(direction, |reader, samples| {
                reader.push(bytes, first, samples);
            })
        });
        self.over |= self.pairs.open.is_empty();
    }

    /// Bytes passed that are not there; nobody knows how many if `n` is absent, and without a reason
    /// they were left out on purpose.
    pub(super) fn socket_missing(
        &mut self,
        direction: Direction,
        n: Option<u64>,
        reason: Option<Reason>,
        books: &mut Books<'_>,
    ) {
        self.pairs.with_socket(direction, books, |open| {
            open.socket_missing(direction, n, reason)
        });
    }

    /// A direction ended: in good order only if the sender had closed before.
    pub(super) fn socket_end(&mut self, direction: Direction, good: bool, books: &mut Books<'_>) {
        self.pairs.with_socket(direction, books, |open| {
            open.with_socket(direction, |reader, samples| reader.end(samples))
        });
        let reason = (!good).then_some(Reason::Reset);
        self.pairs.cut(direction, reason, books);
    }
}
