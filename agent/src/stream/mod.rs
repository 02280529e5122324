//! [`Record`](crate::capture::Record) → [`Chunk`]: the bytes of one direction, in order, gaps explicit.

use crate::clock::Ktime;

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
    /// Dropped by the agent to keep within its budget.
    Shed,
}

/// What is next in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes that follow on those before.
    Bytes(&'a [u8]),
    /// Bytes left out on purpose: the agent asked the kernel not to copy them.
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
    /// What.
    pub piece: Piece<'a>,
}
