//! Transfers of several buffers, or of several records: gathered into one record, or tiled.
//!
//! The numbers they are worked on with lie in a map, where the verifier keeps no account of them:
//! on the stack each path through the loops would count. And each round of a loop is a function
//! with a name of its own and numbers alone for arguments: such a one it looks at once (Linux
//! 5.6), not again for each way to it.

use eaves_common::{Counter, Missing, VECTORS_MAX};

use crate::emit::{self, HEAD, HUGE, Moved, Part, nudge};
use crate::filter::setting;
use crate::log::log;
use crate::maps::{Counters, WORK};
use crate::read::{anew, clamp, mask, user_bytes};
use crate::vectors::{IOVEC_BYTES, STEPS, Vectors};

/// Most bytes of a transfer of several buffers that are gathered into one record: what servers
/// write of small answers, head and body apart.
const GATHER: u64 = 4096;
/// Vectors read at a time.
const GROUP: u64 = 4;

/// What a transfer of several buffers or records is worked on in. Each program has one of its own on
/// each processor, and the kernel runs none there twice at once.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// The transfer.
    moved: Moved,
    /// Where its bytes lie.
    vectors: Vectors,
    /// The piece at hand.
    part: Part,
    /// Bytes at its front that are only named.
    skip: u64,
    /// Where in the transfer the next piece begins.
    offset: u64,
    /// Bytes that may still be copied.
    budget: u64,
    /// Records that the ring took.
    sent: u64,
    /// A [`Missing`] as its number: why the rest is not copied.
    why: u64,
    /// Vectors that were read at once; on the stack, they would be too much for older kernels, which
    /// count that of all functions under way.
    row: [[u64; 2]; GROUP as usize],
    /// A record in the making. An offset below [`GATHER`] and a length up to it are bounds that
    /// the verifier can keep apart, their sum is not: so there is twice the room.
    record: [u8; (HEAD + 2 * GATHER) as usize],
}

/// Sends a transfer that does not lie in one place, or does not go in one record, as far as it is
/// not to be passed over, in the program's own `row`. How many records the ring took, and the flags
/// of the next one.
#[inline(always)]
pub(crate) fn transfer(
    moved: &Moved,
    vectors: &Vectors,
    (skip, copied_whole): (u64, bool),
    row: u32,
) -> (u64, u64) {
    let row = u64::from(row);
    let Some(work) = at(row) else {
        return (0, moved.flags);
    };
    moved.copy_to(&mut work.moved);
    vectors.copy_to(&mut work.vectors);
    work.skip = skip;
    work.offset = 0;
    work.sent = 0;
    work.why = Missing::Vectors as u64;
    work.budget = u64::from(setting!(copy_bytes));
    let sent = if copied_whole && vectors.is_plain() && moved.bytes <= GATHER {
        eaves_gather(row)
    } else {
        eaves_tile(row)
    };
    (sent, work.moved.flags)
}

/// What is worked on in `row`.
#[inline(always)]
fn at<'a>(row: u64) -> Option<&'a mut Work> {
    // SAFETY: a map's value, which is this program's alone until it is done.
    WORK.get_ptr_mut(row as u32)
        .map(|work| unsafe { &mut *work })
}

/// Sends the transfer in `row`, at most [`GATHER`] bytes in small vectors, in one record.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_gather(row: u64) -> u64 {
    let (Some(work), Some(counters)) = (at(row), Counters::of(row as u32)) else {
        return 0;
    };
    let mut step = 0;
    while step < VECTORS_MAX as u64 / GROUP {
        step += 1;
        if eaves_group(row) == 0 {
            break;
        }
    }
    let bytes = anew(&work.moved.bytes);
    let filled = clamp::<GATHER>(anew(&work.offset));
    work.part.offset = 0;
    work.part.span = bytes;
    let missing = if filled < bytes {
        anew(&work.why)
    } else {
        Missing::None as u64
    };
    counters.add(Counter::Records, 1);
    let record = work.record.as_mut_ptr();
    // SAFETY: the record has room for its head and twice what was gathered at most.
    let taken = unsafe {
        emit::head(record, &work.moved, &work.part, filled, missing);
        emit::output(record, HEAD + filled, counters)
    };
    if taken {
        emit::count(&mut work.moved, counters, bytes, filled);
        1
    } else {
        emit::lose(&mut work.moved, counters, bytes);
        0
    }
}

/// Gathers the next vectors of the transfer in `row`; 0 if there is no more to be had.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_group(row: u64) -> u64 {
    let Some(work) = at(row) else {
        return 0;
    };
    let left = work.vectors.left;
    let count = if left < GROUP { left } else { GROUP };
    let len = clamp::<{ GROUP * IOVEC_BYTES }>(count * IOVEC_BYTES);
    // SAFETY: the row has room for as many.
    if count == 0 || !unsafe { user_bytes(work.row.as_mut_ptr().cast(), len, work.vectors.next) } {
        if count != 0 {
            work.why = Missing::Fault as u64;
        }
        return 0;
    }
    work.vectors.next += len;
    work.vectors.left = left - count;
    let mut at = 0;
    while at < count {
        // SAFETY: `count` is at most `GROUP`.
        let [base, len] = unsafe { *work.row.as_ptr().add(mask::<{ GROUP - 1 }>(at) as usize) };
        if gather(work, base, len) == 0 {
            return 0;
        }
        at += 1;
    }
    1
}

/// Gathers one vector; 0 if there is nothing left to gather, or it cannot be read.
#[inline(always)]
fn gather(work: &mut Work, base: u64, len: u64) -> u64 {
    let filled = anew(&work.offset);
    let bytes = anew(&work.moved.bytes);
    if filled >= bytes {
        return 0;
    }
    let rest = bytes - filled;
    work.budget = if len < rest { len } else { rest };
    let len = clamp::<GATHER>(anew(&work.budget));
    let to = HEAD + mask::<{ GATHER - 1 }>(filled);
    // SAFETY: `to` is below the head and `GATHER`, `len` at most `GATHER`: there is room for both.
    let copied =
        len == 0 || unsafe { user_bytes(work.record.as_mut_ptr().add(to as usize), len, base) };
    if !copied {
        log!(fault(work.moved.conn.inode, work.budget));
        work.why = Missing::Fault as u64;
        return 0;
    }
    work.offset = filled + anew(&work.budget);
    1
}

/// Sends the transfer in `row` piece by piece: what lies before `skip` is only named, up to
/// `settings.copy_bytes` are copied, and what is left over is named.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_tile(row: u64) -> u64 {
    let (Some(work), Some(counters)) = (at(row), Counters::of(row as u32)) else {
        return 0;
    };
    if work.skip > 0 {
        name(work, counters, 0, anew(&work.skip), Missing::Skipped as u64);
    }
    let mut step = 0;
    while step < STEPS {
        step += 1;
        if eaves_piece(row) == 0 {
            break;
        }
    }
    if work.offset < work.skip {
        work.offset = work.skip;
    }
    let (offset, bytes) = (anew(&work.offset), anew(&work.moved.bytes));
    if offset < bytes {
        let why = if work.vectors.fault != 0 {
            Missing::Fault as u64
        } else {
            work.why
        };
        name(work, counters, offset, bytes - offset, why);
    }
    nudge(counters);
    anew(&work.sent)
}

/// Names `span` bytes from `offset` on, which are not copied for the reason `missing`.
#[inline(never)]
fn name(work: &mut Work, counters: Counters, offset: u64, span: u64, missing: u64) {
    work.part = Part {
        offset,
        span,
        copy: 0,
        from: 0,
        missing,
    };
    work.sent += emit::send(&mut work.moved, counters, &work.part, 1);
}

/// Passes over or sends the next piece of the transfer in `row`; 0 if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_piece(row: u64) -> u64 {
    let (Some(work), Some(counters)) = (at(row), Counters::of(row as u32)) else {
        return 0;
    };
    let (offset, bytes, budget) = (work.offset, work.moved.bytes, work.budget);
    if offset >= bytes {
        return 0;
    }
    if budget == 0 {
        work.why = Missing::Limit as u64;
        return 0;
    }
    if work.vectors.len == 0 && work.vectors.advance() == 0 {
        return 0;
    }
    let skipped = offset < work.skip;
    let rest = if skipped {
        work.skip - offset
    } else {
        bytes - offset
    };
    let most = if skipped {
        rest
    } else if budget < HUGE {
        budget
    } else {
        HUGE
    };
    let len = work.vectors.len;
    let len = if len < rest { len } else { rest };
    work.part.span = if len < most { len } else { most };
    work.part.offset = offset;
    work.part.from = work.vectors.base;
    work.part.missing = Missing::None as u64;
    let moves = anew(&work.part.span);
    work.part.copy = moves;
    work.offset += moves;
    work.vectors.base += moves;
    work.vectors.len -= moves;
    if !skipped && moves > 0 {
        work.budget -= moves;
        work.sent += emit::send(&mut work.moved, counters, &work.part, 1);
    }
    1
}
