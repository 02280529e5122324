//! A conn as the room before knows it: what is asked of it, and what it is told.

use std::sync::Arc;

use eaves_common::Role;

use super::early::Early;
use super::unplaced::Unplaced;
use super::{Books, Conn, ConnInfo, Context};
use crate::capture::ConnOpen;
use crate::clock::Ktime;
use crate::event::Handshake;
use crate::exchange::pair::Pairs;
use crate::protocol::http1::{Parser, Side};
use crate::stream::{Chunk, Consumer, Direction, Parting};

impl Consumer for Conn {
    type Context = Context;

    fn open(open: ConnOpen, role: Role) -> Self {
        Self {
            names_bytes: names_bytes(&open),
            unplaced: Unplaced::of(&open),
            info: Arc::new(ConnInfo {
                open,
                role,
                proxied: None,
            }),
            requests: Parser::new(Side::Request),
            responses: Parser::new(Side::Response),
            pairs: Pairs::default(),
            http2: None,
            is_socket: false,
            request_began: Ktime::default(),
            request_first: true,
            response_began: Ktime::default(),
            early: Early::default(),
            unheard: 0,
            http: false,
            odd: false,
            hollow: false,
            over: false,
        }
    }

    fn reopen(&mut self, open: ConnOpen) {
        let ConnInfo { role, proxied, .. } = *self.info;
        self.names_bytes = names_bytes(&open);
        self.info = Arc::new(ConnInfo {
            open,
            role,
            proxied,
        });
    }

    fn info(&self) -> ConnOpen {
        self.info.open.clone()
    }

    fn chunk(&mut self, chunk: Chunk<'_>, books: &mut Books<'_>) {
        self.placing(books, |conn, books| conn.came(chunk, books));
    }

    fn is_websocket(&mut self, books: &mut Books<'_>) {
        self.placing(books, Self::join_socket);
    }

    fn is_http2(&mut self, books: &mut Books<'_>) {
        self.placing(books, Self::join_http2);
    }

    fn unneeded(&self, direction: Direction, _: &Context) -> u64 {
        if self.http2.is_some() {
            // Frames are shorter than what is worth a word to the kernel.
            return 0;
        }
        if self.is_socket {
            return self.pairs.socket_unneeded(direction);
        }
        let parser = match direction {
            Direction::ToServer => &self.requests,
            Direction::ToClient => &self.responses,
        };
        match parser.body_left() {
            0 => 0,
            _ if self.pairs.is_keeping(direction) => 0,
            left => left,
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn is_certain(&self) -> bool {
        self.http || self.http2.as_ref().is_some_and(|http2| http2.is_certain())
    }

    fn is_busy(&self) -> bool {
        let streams = self.http2.as_ref().map(|http2| http2.streams());
        streams.is_some_and(|streams| !streams.is_empty())
            || !self.pairs.open.is_empty()
            || self.requests.in_head()
            || !self.early.chunks.is_empty()
            || self.unplaced.as_ref().is_some_and(|one| one.bytes > 0)
    }

    fn deadline(&self) -> Option<Ktime> {
        let http2 = self.http2.as_ref().and_then(|http2| http2.deadline());
        let place = self.unplaced.as_ref().and_then(|one| one.deadline);
        let deadlines = [self.early.deadline, self.pairs.deadline(), http2, place];
        deadlines.into_iter().flatten().min()
    }

    fn wake(&mut self, books: &mut Books<'_>) {
        self.wake_place(books.now);
        self.placing(books, Self::woken);
    }

    fn expire(&mut self, books: &mut Books<'_>) {
        self.give_up_place();
        self.placing(books, Self::expired);
    }

    fn shed(&mut self, books: &mut Books<'_>) {
        self.give_up_place();
        self.placing(books, Self::shed_what_it_can);
    }

    fn close(&mut self, parting: Parting, books: &mut Books<'_>) {
        self.give_up_place();
        self.placing(books, |conn, books| conn.closed(parting, books));
    }

    fn bytes(&self) -> usize {
        let http2 = self.http2.as_ref().map_or(0, |http2| http2.bytes());
        let parsers = self.requests.bytes() + self.responses.bytes() + http2;
        let waiting = self.unplaced.as_ref().map_or(0, |one| one.bytes) + self.early.bytes;
        size_of::<ConnInfo>() + self.names_bytes + parsers + self.pairs.bytes() + waiting
    }
}

/// Memory that names take.
fn names_bytes(open: &ConnOpen) -> usize {
    let handshake = open.handshake.as_ref();
    let said = handshake.map_or(0, |said| size_of::<Handshake>() + said.bytes());
    open.path.capacity() + open.comm.capacity() + said
}
