//! A response whose request nobody saw, which may have answered HEAD.

use std::mem;

use super::{Books, Conn};
use crate::stream::Direction;

impl Conn {
    /// Nothing is missing behind the head of a response that was overtaken: it had no body.
    pub(super) fn settle_hollow(&mut self, books: &mut Books<'_>) {
        if mem::take(&mut self.hollow) {
            self.responses.no_body();
            self.tell_end(Direction::ToClient, books);
        }
    }

    /// Bytes towards the client are missing, which a body may have been among.
    pub(super) fn fill_hollow(&mut self, direction: Direction) {
        self.hollow &= direction != Direction::ToClient;
    }
}
