//! WebSocket inside an exchange: both ends' messages from the handshake to the close, which are told
//! with each report of it.

use std::sync::Arc;

use super::body::{Arrival, Progress};
use super::conn::Books;
use super::known::{GrpcMessages, WebSocket};
use super::pair::{Open, Pairs};
use super::{ConnInfo, Exchange, Options, Reason, Seen};
use crate::protocol::Anomalies;
use crate::protocol::websocket::{Extensions, Reader, Samples, To, accepts};
use crate::stream::Direction;

/// What both ends say.
#[derive(Debug)]
pub(super) struct Socket {
    to_server: Reader,
    to_client: Reader,
    samples: Samples,
    /// What the end gave that closed first.
    close_code: Option<u16>,
    /// Memory it was last counted with.
    counted: usize,
}

/// What an act on a socket changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changed {
    /// Memory it took, and gave back.
    pub(super) took: usize,
    pub(super) gave: usize,
    /// The sender has closed.
    pub(super) closed: bool,
    /// How many messages there were is not known.
    pub(super) lost: bool,
}

impl Socket {
    fn new(extensions: Extensions, options: &Options) -> Self {
        Self {
            to_server: Reader::new(To::Server, extensions),
            to_client: Reader::new(To::Client, extensions),
            samples: Samples::new(options.request_body_bytes, options.response_body_bytes),
            close_code: None,
            counted: 0,
        }
    }

    /// One that was open before anyone listened.
    fn late(options: &Options) -> Self {
        Self {
            to_server: Reader::late(To::Server),
            to_client: Reader::late(To::Client),
            ..Self::new(Extensions::default(), options)
        }
    }

    const fn side(&mut self, direction: Direction) -> (&mut Reader, &mut Samples) {
        let reader = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        (reader, &mut self.samples)
    }

    /// Bytes to come in `direction` that nobody needs.
    fn unneeded(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.to_server.unneeded(),
            Direction::ToClient => self.to_client.unneeded(),
        }
    }

    fn bytes(&self) -> usize {
        let readers = self.to_server.held_bytes() + self.to_client.held_bytes();
        size_of::<Self>() + readers + self.samples.bytes()
    }

    /// Says on `exchange` what both ends said since the last report, and how much from the start.
    pub(super) fn fill(&mut self, exchange: &mut Exchange, arrivals: [&mut Arrival; 2]) {
        let [request, response] = arrivals;
        request.anomalies.absorb(self.to_server.anomalies());
        response.anomalies.absorb(self.to_client.anomalies());
        let counts = |reader: &Reader| GrpcMessages {
            count: reader.messages(),
            bytes: reader.bytes(),
        };
        exchange.known.spoken.websocket = Some(Box::new(WebSocket {
            to_server: counts(&self.to_server),
            to_client: counts(&self.to_client),
            close_code: self.close_code,
            samples: self.samples.take(),
        }));
    }

    /// Nothing more comes: messages that are not whole are told as they are.
    pub(super) fn end(&mut self) {
        self.to_server.end(&mut self.samples);
        self.to_client.end(&mut self.samples);
    }
}

impl Open {
    /// Goes over to WebSocket if the response says so; whether it did.
    pub(super) fn go_over(&mut self, options: &Options) -> bool {
        let Some(response) = &self.exchange.response else {
            return false;
        };
        let request = self.exchange.request.as_ref().map(|half| &half.head);
        if !accepts(request, &response.head, response.status) {
            return false;
        }
        let extensions = Extensions::of(&response.head);
        self.socket = Some(Box::new(Socket::new(extensions, options)));
        if response.status == 101 {
            // The request was over; now its direction goes on.
            self.request.progress = Progress::Arriving;
        }
        true
    }

    /// It is one that was open before anyone listened.
    pub(super) fn join_socket(&mut self, books: &Books<'_>) {
        self.socket = Some(Box::new(Socket::late(&books.context.options)));
        self.may_last(Direction::ToClient, books.now);
    }

    /// Does something with what goes in `direction`.
    pub(super) fn with_socket(
        &mut self,
        direction: Direction,
        act: impl FnOnce(&mut Reader, &mut Samples),
    ) -> Changed {
        let Some(socket) = &mut self.socket else {
            return Changed::default();
        };
        let (reader, samples) = socket.side(direction);
        act(reader, samples);
        let (code, lost) = (reader.close_code(), reader.messages().is_none());
        socket.close_code = socket.close_code.or(code);
        let (before, now) = (socket.counted, socket.bytes());
        socket.counted = now;
        let changed = Changed {
            took: now.saturating_sub(before),
            gave: before.saturating_sub(now),
            closed: code.is_some(),
            lost,
        };
        self.bytes = (self.bytes + changed.took).saturating_sub(changed.gave);
        changed
    }

    /// Bytes of it passed in `direction` that are not there: `None` if nobody knows how many.
    pub(super) fn socket_missing(
        &mut self,
        direction: Direction,
        n: Option<u64>,
        reason: Option<Reason>,
    ) -> Changed {
        let changed = self.with_socket(direction, |reader, samples| match n {
            Some(n) => reader.gap(n, samples),
            None => reader.lose(samples),
        });
        let (arrival, _) = self.side(direction);
        match reason {
            Some(_) => arrival.hide(n.unwrap_or(0), reason),
            None if changed.lost => arrival.degrade(Seen::Gap, Some(Reason::BodyLimit)),
            None => arrival.degrade(Seen::Truncated, Some(Reason::BodyLimit)),
        }
        changed
    }

    /// Gives up what its socket keeps; how many bytes of memory that frees.
    pub(super) fn shed_socket(&mut self) -> usize {
        if self.socket.is_none() {
            return 0;
        }
        let mut freed = 0;
        for direction in [Direction::ToServer, Direction::ToClient] {
            let changed = self.with_socket(direction, |reader, samples| {
                reader.shed();
                samples.shed();
            });
            freed += changed.gave;
            let (arrival, _) = self.side(direction);
            if changed.gave > 0 && arrival.progress == Progress::Arriving {
                arrival.degrade(Seen::Truncated, Some(Reason::Shed));
            }
        }
        freed
    }
}

impl Pairs {
    /// Goes over to WebSocket if the response that has just come says so; whether it did.
    pub(super) fn go_over(&mut self, books: &mut Books<'_>) -> bool {
        self.bear_out(books);
        let Some(ordinal) = self.responding else {
            return false;
        };
        let options = &books.context.options;
        let goes = self
            .by_ordinal(ordinal)
            .is_some_and(|open| open.go_over(options));
        if goes {
            self.requesting = Some(ordinal);
        }
        goes
    }

    /// It is one WebSocket that was open before anyone listened: an exchange whose heads nobody saw.
    pub(super) fn join_socket(&mut self, info: &Arc<ConnInfo>, books: &mut Books<'_>) {
        let ordinal = self.push(info, books);
        self.requesting = Some(ordinal);
        self.responding = Some(ordinal);
        if let Some(open) = self.by_ordinal(ordinal) {
            open.request = Arrival::JOINED_LATE;
            open.response = Arrival::JOINED_LATE;
            open.join_socket(books);
        }
    }

    /// Does something with what goes in `direction` of the exchange that went over.
    pub(super) fn with_socket(
        &mut self,
        direction: Direction,
        books: &mut Books<'_>,
        act: impl FnOnce(&mut Open) -> Changed,
    ) {
        let Some(open) = self.arriving(direction) else {
            return;
        };
        let changed = act(open);
        self.took(changed.took);
        self.gave(changed.gave);
        if changed.closed {
            self.end(direction, None, Anomalies::NONE, books);
        }
    }

    /// Bytes to come in `direction` that nobody needs.
    pub(super) fn socket_unneeded(&self, direction: Direction) -> u64 {
        let socket = self
            .arriving_now(direction)
            .and_then(|open| open.socket.as_ref());
        socket.map_or(0, |socket| socket.unneeded(direction))
    }
}
