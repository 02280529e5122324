//! [`Record`](crate::capture::Record) → [`Chunk`]: the bytes of one direction, in order, gaps explicit.
//!
//! In: decoded records of many conns, and the time. Out: to each conn's [`Consumer`] its chunks; to
//! the kernel a [`Word`] on what need not be copied. Which end a conn is, what it sends tells. It
//! reads no protocol beyond the first bytes, and never guesses an order: what does not fit is a gap.

mod conn;
mod handshakes;
mod order;
mod table;

pub use table::{Options, Table};

use eaves_common::{ConnId, Flow, Role};

use crate::capture::ConnOpen;
use crate::clock::Ktime;
use crate::telemetry::Counters;

/// One direction of a conn, by what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards the end that answers: requests.
    ToServer,
    /// Towards the end that asked: responses.
    ToClient,
}

/// Why bytes of a stream were never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GapReason {
    /// The ring had no room for them.
    RingFull,
    /// The process's memory could not be read.
    ReadFault,
    /// Moved by a call the tap does not see into.
    UnseenPath,
    /// Beyond the most that is copied of one call, and not asked to be skipped.
    CopyLimit,
    /// Given up by the agent, or its kernel programs, to keep within their budget.
    Shed,
}

/// What is next in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes that follow on those before.
    Bytes(&'a [u8]),
    /// Bytes left out on purpose: nobody needs them, by the agent's word or that of the call they are in.
    Skip(u64),
    /// Bytes that were never seen: how many.
    Gap(u64, GapReason),
    /// Bytes that were never seen, nobody knows how many.
    Lost(GapReason),
    /// The direction ended; true if in good order.
    End(bool),
}

/// A piece of one direction with the time at which it moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// When.
    pub time: Ktime,
    /// Which direction.
    pub direction: Direction,
    /// Whether it begins where a transfer began.
    pub first: bool,
    /// What.
    pub piece: Piece<'a>,
}

/// What the kernel is to be told about a conn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing is needed of this flow before position `until`.
    SkipTo {
        /// The conn.
        conn: ConnId,
        /// The flow.
        flow: Flow,
        /// Position of the first byte wanted again, as the records of this conn count; of TCP the
        /// low 32 bits.
        until: u64,
    },
    /// The conn is not HTTP, or no longer.
    NotHttp {
        /// The conn.
        conn: ConnId,
    },
    /// The conn is not known, or no longer: should it speak, it must be opened first.
    Unknown {
        /// The conn.
        conn: ConnId,
    },
}

/// Why a conn is taken from its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It ended.
    Ended,
    /// It was reset.
    Reset,
    /// It is gone, but nobody told how it ended.
    Unheard,
    /// It made room for another.
    Evicted,
    /// The agent stops.
    Stop,
}

/// What a consumer is given beside its input.
pub struct Books<'a, X> {
    /// The time of what happens.
    pub now: Ktime,
    /// What all consumers of a table share.
    pub context: &'a mut X,
    /// Counts.
    pub counters: &'a mut Counters,
}

/// What reads the chunks of one conn.
pub trait Consumer: Sized {
    /// What all consumers of a table share.
    type Context;

    /// A conn whose role is known: its first chunk follows.
    fn open(open: ConnOpen, role: Role) -> Self;
    /// It is a WebSocket that was open before anyone listened: what follows begins with frames. Said
    /// before the first chunk.
    fn is_websocket(&mut self, _: &mut Books<'_, Self::Context>) {}
    /// It speaks HTTP/2, and did so before anyone listened: what follows are its frames. Said before the
    /// first chunk.
    fn is_http2(&mut self, _: &mut Books<'_, Self::Context>) {}
    /// The conn is held by another process now.
    fn reopen(&mut self, open: ConnOpen);
    /// The conn as it was opened last.
    fn info(&self) -> ConnOpen;
    /// What comes next.
    fn chunk(&mut self, chunk: Chunk<'_>, books: &mut Books<'_, Self::Context>);
    /// Bytes that come next in `direction` and are not needed.
    fn unneeded(&self, direction: Direction, context: &Self::Context) -> u64;
    /// Whether it wants to hear no more of this conn.
    fn is_over(&self) -> bool;
    /// Whether a message was heard, so that the role is beyond doubt.
    fn is_certain(&self) -> bool;
    /// Whether something is under way.
    fn is_busy(&self) -> bool;
    /// When it wants [`Consumer::wake`], if at all.
    fn deadline(&self) -> Option<Ktime>;
    /// Its deadline has come.
    fn wake(&mut self, books: &mut Books<'_, Self::Context>);
    /// Nothing came for the idle time.
    fn expire(&mut self, books: &mut Books<'_, Self::Context>);
    /// It must give up what it holds.
    fn shed(&mut self, books: &mut Books<'_, Self::Context>);
    /// The conn is gone.
    fn close(&mut self, parting: Parting, books: &mut Books<'_, Self::Context>);
    /// Memory it holds beyond its own size, in bytes.
    fn bytes(&self) -> usize;
}

/// Where a table's consumers find what they share, and where words and counts go.
pub struct Env<'a, C: Consumer> {
    /// What the consumers share.
    pub context: &'a mut C::Context,
    /// Counts.
    pub counters: &'a mut Counters,
    /// Words for the kernel.
    pub words: &'a mut Vec<Word>,
}

impl<C: Consumer> Env<'_, C> {
    /// The books of what happens at `now`.
    const fn at(&mut self, now: Ktime) -> Books<'_, C::Context> {
        Books {
            now,
            context: self.context,
            counters: self.counters,
        }
    }
}
