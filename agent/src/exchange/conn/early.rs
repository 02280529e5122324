//! Bytes to a client that came before the request they answer: it may read on one thread before its
//! write on another has told.

use std::mem;

use eaves_common::Role;

use super::{Books, Conn, Context};
use crate::clock::Ktime;
use crate::stream::{Chunk, Direction, Piece};

#[derive(Debug, Default)]
pub(super) struct Early {
    pub(super) chunks: Vec<(Ktime, bool, Vec<u8>)>,
    pub(super) bytes: usize,
    pub(super) deadline: Option<Ktime>,
}

impl Conn {
    /// Sets bytes to the client aside if no request is there that they could answer; whether it did.
    pub(super) fn comes_early(&mut self, chunk: &Chunk<'_>, context: &Context) -> bool {
        let Piece::Bytes(bytes) = chunk.piece else {
            return false;
        };
        let waits = !self.early.chunks.is_empty();
        let early = self.info.role == Role::Client
            && self.http2.is_none()
            && !self.is_socket
            && (waits
                || (self.responses.is_between()
                    && !self.responses.is_lost()
                    && !self.pairs.expects_response()));
        if !early || self.early.bytes + bytes.len() > context.options.early_bytes {
            return false;
        }
        self.early.bytes += bytes.len();
        self.early
            .chunks
            .push((chunk.time, chunk.first, bytes.to_vec()));
        let deadline = chunk.time.plus(context.options.early_ns);
        self.early.deadline.get_or_insert(deadline);
        true
    }

    /// Takes what was set aside.
    pub(super) fn late(&mut self, books: &mut Books<'_>) {
        if self.early.chunks.is_empty() {
            return;
        }
        let now = books.now;
        let early = mem::take(&mut self.early);
        for (time, first, bytes) in early.chunks {
            books.now = time;
            self.bytes_came(Direction::ToClient, first, &bytes, books);
        }
        books.now = now;
    }
}
