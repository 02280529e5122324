//! A conn that goes over from HTTP/1 to something else, or never was it.

use super::{Books, Conn, NO_MESSAGE_BYTES};
use crate::exchange::http2::Http2;
use crate::protocol::http1::Message;
use crate::protocol::{Opening, opening};
use crate::stream::Direction;
use crate::telemetry::Counter;

impl Conn {
    /// Whether a conn of which nothing was heard yet speaks HTTP/2, which began before it was joined.
    pub(super) fn is_late_http2(&self, first: bool, bytes: &[u8]) -> bool {
        let frames = |opening| matches!(opening, Opening::FramesToServer | Opening::FramesToClient);
        first && !self.http && self.http2.is_none() && frames(opening(bytes))
    }

    /// It speaks HTTP/2, and did so before it was joined.
    pub(super) fn join_http2(&mut self, books: &mut Books<'_>) {
        books.counters.add(Counter::ProtocolHttp2, 1);
        self.http2 = Some(Box::new(Http2::late()));
    }

    /// Bytes of HTTP/2 came.
    pub(super) fn frames_came(
        &mut self,
        direction: Direction,
        first: bool,
        bytes: &[u8],
        books: &mut Books<'_>,
    ) {
        let Some(http2) = &mut self.http2 else {
            return;
        };
        http2.bytes_came(direction, first, bytes, &self.info, books);
        self.over |= http2.unheard() > NO_MESSAGE_BYTES;
    }

    /// Goes over to HTTP/2 if this response says so (RFC 7540 §3.2): then the request is answered on
    /// the first stream.
    pub(super) fn upgrades(&mut self, message: &Message, books: &mut Books<'_>) -> bool {
        let upgrade = message.head.field("upgrade").unwrap_or_default();
        if message.status != 101 || !upgrade.eq_ignore_ascii_case(b"h2c") {
            return false;
        }
        let Some(open) = self.pairs.take_asked() else {
            return false;
        };
        books.counters.add(Counter::ProtocolInterims, 1);
        books.counters.add(Counter::ProtocolHttp2, 1);
        let mut http2 = Http2::begun(0, self.pairs.next);
        http2.streams_mut().adopt(1, open);
        self.http2 = Some(Box::new(http2));
        true
    }

    /// Whether this is HTTP at all, while no message was heard.
    pub(super) fn judge(&mut self, direction: Direction, bytes: usize) {
        self.unheard += bytes as u64;
        let answered = direction == Direction::ToClient && self.responses.is_between();
        if self.unheard > NO_MESSAGE_BYTES
            || ((self.odd || self.requests.has_refused()) && answered)
        {
            self.over = true;
        }
    }
}
