//! What the taps remember of a conn: the value of `STORAGE` and of `CONNS`. Zero at first.
//!
//! Threads that move bytes on one socket at once may write it at once. Each field is a word, so
//! the worst is a count that is short by one transfer: what the agent then sees is a gap.

use eaves_common::{DropReason, Flow};

use crate::log::log;

/// A counter slot that is not a sent transfer's: why a transfer was dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dropped(pub(crate) u32);

impl Dropped {
    /// Not for any reason: another copy of the program heard it.
    pub(crate) const HEARD: Self = Self(u32::MAX);
}

impl From<DropReason> for Dropped {
    #[inline(always)]
    fn from(reason: DropReason) -> Self {
        Self(reason.slot())
    }
}

/// Not known to be HTTP.
pub(crate) const UNDECIDED: u32 = 0;
/// Began like HTTP, but with too few bytes to tell whose they are: heard.
pub(crate) const OPEN: u32 = 1;
/// A frame of HTTP/2 or WebSocket could have begun, also where a conn goes on: heard, and the agent
/// looks further.
pub(crate) const FRAMED: u32 = 2;
/// Looks like HTTP: heard, and the agent asked at each transfer whether it is.
pub(crate) const LIKELY: u32 = 3;
/// A head that nothing else begins with: heard.
pub(crate) const CERTAIN: u32 = 4;
/// HTTP/2, told by its preface: heard, and a call moves frames of many streams.
pub(crate) const STREAMS: u32 = 5;

/// One end of a conn.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ConnState {
    /// Inode number of its socket; with the sock's address its name.
    pub(crate) inode: u64,
    /// Address of the sock, once the conn was announced.
    pub(crate) sock: u64,
    /// Bytes sent since it was first seen, its position where the kernel counts none; else the
    /// kernel's position after the last.
    pub(crate) sent: u64,
    /// The same of what is received.
    pub(crate) received: u64,
    /// Bytes moved one way since the last change of direction.
    pub(crate) run: u64,
    /// A `Transport` as its number; 0 as long as nothing else is known either.
    pub(crate) transport: u32,
    /// Slot of the reason for which the conn is not heard; 0 if it is, or may be.
    pub(crate) dropped: u32,
    /// Slot of the reason for which the process in `checked` is not heard; 0 if it is.
    pub(crate) process_dropped: u32,
    /// Process that was last asked about.
    pub(crate) checked: u32,
    /// Process that was last announced on this conn; 0 for none.
    pub(crate) announced: u32,
    /// Transfers so far.
    pub(crate) transfers: u32,
    /// Looks without a hit.
    pub(crate) looks: u32,
    /// What the looks say: `UNDECIDED` to `STREAMS`.
    pub(crate) verdict: u32,
    /// The last transfer's [`Flow`] as its number plus 1; 0 before the first.
    pub(crate) flow: u32,
    /// Bits by flow: records found the ring full.
    pub(crate) lost: u32,
    /// Not 0 if positions are TCP's own.
    pub(crate) sequence: u32,
    /// Bits by flow: its end was told; and [`GONE`].
    pub(crate) ended: u32,
    /// The conn is gone, but its process holds it yet: the `EndReason` to be told when it lets go,
    /// or has read all; 0 if not.
    pub(crate) parting: u32,
    /// What `news` gave when the agent's word was last asked for.
    pub(crate) news: u32,
    /// Of a session: not 0 if it goes on over another socket than the one that is gone.
    pub(crate) renewed: u32,
    /// Not 0 if it is the end that answers.
    pub(crate) serves: u32,
    /// Of a socket: address of the TLS session whose ciphertext it carries, in the process in
    /// `announced`; 0 for none. Of a session: address of the sock that carries it, or 0.
    pub(crate) tied: u64,
    /// Of a session: inode number of that sock's socket.
    pub(crate) tied_inode: u64,
    /// Of a socket that no session is tied to: what was seen of ciphertext (`cipher.rs`). Of a session:
    /// not 0 if its socket alone ends it.
    pub(crate) cipher: u64,
}

impl ConnState {
    /// A conn of which nothing is known.
    pub(crate) const NEW: Self = Self {
        inode: 0,
        sock: 0,
        sent: 0,
        received: 0,
        run: 0,
        transport: 0,
        dropped: 0,
        process_dropped: 0,
        checked: 0,
        announced: 0,
        transfers: 0,
        looks: 0,
        verdict: UNDECIDED,
        flow: 0,
        lost: 0,
        sequence: 0,
        ended: 0,
        parting: 0,
        news: 0,
        renewed: 0,
        serves: 0,
        tied: 0,
        tied_inode: 0,
        cipher: 0,
    };

    /// Whether whatever a call moves on it may be frames.
    #[inline(always)]
    pub(crate) fn has_frames(&self) -> bool {
        self.verdict == STREAMS || self.verdict == FRAMED
    }

    /// Hears it no more.
    #[inline(always)]
    pub(crate) fn drop_for(&mut self, reason: DropReason) -> Dropped {
        let dropped = Dropped::from(reason);
        self.dropped = dropped.0;
        log!(dropped(self.inode, reason));
        dropped
    }
}

/// In [`ConnState::ended`]: the end of the conn was told.
pub(crate) const GONE: u32 = 4;

/// The bit of `flow` in [`ConnState::lost`] and [`ConnState::ended`].
#[inline(always)]
pub(crate) const fn bit(flow: Flow) -> u32 {
    1 << flow as u32
}
