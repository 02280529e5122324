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
use crate::need::{self, Need};
use crate::read::{anew, clamp, mask, user_bytes};
use crate::vectors::{IOVEC_BYTES, STEPS, Vectors};

/// Most bytes of several buffers that are gathered into one record: what servers write of small
/// answers, head and body apart.
const GATHER: u64 = 4096;
/// Largest buffer of a larger transfer that is gathered with those beside it: of a thousand that are
/// shorter than the head of a record, each in its own would cost more than the call.
const SMALL: u64 = 512;
/// Vectors read at a time.
const GROUP: u64 = 4;
/// Steps of a walk in one round: the verifier compares each with all before it.
const ROUND: u64 = 64;

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
    /// Where the bytes begin that are only named.
    skip: u64,
    /// Where they end.
    skip_end: u64,
    /// Not 0 until a record has named them.
    unnamed: u64,
    /// Bytes in `record` that are yet to be sent, the last ones before `offset`.
    gathered: u64,
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
    (skip, copied_whole, frames): (u64, bool, bool),
    row: u32,
) -> (u64, u64) {
    let row = u64::from(row);
    let Some(work) = at(row) else {
        return (0, moved.flags);
    };
    moved.copy_to(&mut work.moved);
    vectors.copy_to(&mut work.vectors);
    work.skip = 0;
    work.skip_end = skip;
    work.gathered = 0;
    work.offset = 0;
    work.sent = 0;
    work.why = Missing::Vectors as u64;
    work.budget = u64::from(setting!(copy_bytes));
    if !frames && need::is_in_question(moved.bytes) {
        // Not on the way to a piece, where older kernels have no stack left for it.
        eaves_need(row);
    }
    let sent = if copied_whole && vectors.is_plain() && moved.bytes <= GATHER {
        eaves_gather(row)
    } else {
        tile(work, row)
    };
    (sent, work.moved.flags)
}

/// Sends the transfer in `row` piece by piece: what is not needed is only named, of the rest up to
/// `settings.copy_bytes` are copied, and what is left over is named.
#[inline(always)]
fn tile(work: &mut Work, row: u64) -> u64 {
    work.unnamed = anew(&work.skip_end);
    let mut round = 0;
    while round < STEPS / ROUND {
        round += 1;
        if eaves_pieces(row) == 0 {
            break;
        }
    }
    eaves_rest(row)
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
    let missing = if filled < bytes {
        anew(&work.why)
    } else {
        Missing::None as u64
    };
    let part = Part {
        offset: 0,
        span: bytes,
        copy: filled,
        from: 0,
        missing,
    };
    emit_gathered(work, counters, &part, filled, missing, false)
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

/// Passes over or sends the next pieces of the transfer in `row`; 0 if there is none behind them.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_pieces(row: u64) -> u64 {
    let mut step = 0;
    while step < ROUND {
        step += 1;
        if eaves_piece(row) == 0 {
            return 0;
        }
    }
    1
}

/// Sends what is yet to be sent of the transfer in `row`, and names the rest. How many records the ring
/// took of all of it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_rest(row: u64) -> u64 {
    let (Some(work), Some(counters)) = (at(row), Counters::of(row as u32)) else {
        return 0;
    };
    let bytes = anew(&work.moved.bytes);
    eaves_flush(row);
    let (mut offset, end) = (anew(&work.offset), anew(&work.skip_end));
    if offset < end && offset >= work.skip && work.unnamed == 0 {
        offset = end;
    }
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

/// Finds out what of the large transfer in `row` is needed.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_need(row: u64) -> u64 {
    let Some(work) = at(row) else {
        return 0;
    };
    if work.skip_end != 0 {
        // The agent has said it of what comes first, and what is behind that is not looked for.
        work.budget = u64::from(setting!(near_bytes));
        return 0;
    }
    if work.vectors.len == 0 {
        work.vectors.advance();
    }
    let need = Need::of(
        anew(&work.moved.bytes),
        anew(&work.vectors.base),
        anew(&work.vectors.len),
    );
    work.skip = need.skip;
    work.skip_end = need.skip_end;
    work.budget = need.budget;
    0
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

/// Passes over, names or sends the next piece of the transfer in `row`; 0 if there is none.
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
    let skipped = offset >= work.skip && offset < work.skip_end;
    if !skipped && budget == 0 {
        work.why = Missing::Limit as u64;
        return 0;
    }
    work.part.offset = offset;
    let mut passes = 0;
    let mut sends = 1;
    if skipped && work.unnamed != 0 {
        work.unnamed = 0;
        work.part.span = work.skip_end - offset;
        work.part.copy = 0;
        work.part.missing = Missing::Skipped as u64;
    } else {
        if work.vectors.len == 0 && work.vectors.advance() == 0 {
            return 0;
        }
        // Read again: kept over the call they would lie on the stack.
        let (bytes, budget) = (anew(&work.moved.bytes), anew(&work.budget));
        let rest = if skipped {
            work.skip_end - offset
        } else if offset < work.skip {
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
        work.part.from = work.vectors.base;
        work.part.missing = Missing::None as u64;
        passes = anew(&work.part.span);
        work.part.copy = passes;
        work.vectors.base += passes;
        work.vectors.len -= passes;
        if skipped || passes == 0 {
            sends = 0;
        } else {
            work.budget -= passes;
            if passes <= SMALL && eaves_keep(row) != 0 {
                sends = 0;
            }
        }
    }
    if sends != 0 {
        eaves_flush(row);
        work.sent += emit::send(&mut work.moved, counters, &work.part, 1);
    }
    work.offset += passes;
    1
}

/// Keeps the small piece at hand of the transfer in `row` with those before it; 0 if it cannot be read.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_keep(row: u64) -> u64 {
    let Some(work) = at(row) else {
        return 0;
    };
    let span = anew(&work.part.span);
    if anew(&work.gathered) + span > GATHER {
        eaves_flush(row);
    }
    let gathered = anew(&work.gathered);
    let to = HEAD + mask::<{ GATHER - 1 }>(gathered);
    let len = clamp::<SMALL>(span);
    // SAFETY: `to` is below the head and `GATHER`, `len` at most `SMALL`: there is room for both.
    if !unsafe {
        user_bytes(
            work.record.as_mut_ptr().add(to as usize),
            len,
            work.part.from,
        )
    } {
        return 0;
    }
    work.gathered = gathered + span;
    1
}

/// Sends what was kept of the transfer in `row`, if anything was.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_flush(row: u64) -> u64 {
    let (Some(work), Some(counters)) = (at(row), Counters::of(row as u32)) else {
        return 0;
    };
    let len = clamp::<GATHER>(anew(&work.gathered));
    if len == 0 {
        return 0;
    }
    work.gathered = 0;
    let part = Part {
        offset: work.offset - len,
        span: len,
        copy: len,
        from: 0,
        missing: Missing::None as u64,
    };
    work.sent += emit_gathered(work, counters, &part, len, Missing::None as u64, true);
    0
}

/// Sends the first `len` bytes gathered of the transfer, as a record that accounts for `part`. How
/// many the ring took: one or none.
#[inline(always)]
fn emit_gathered(
    work: &mut Work,
    counters: Counters,
    part: &Part,
    len: u64,
    missing: u64,
    quietly: bool,
) -> u64 {
    counters.add(Counter::Records, 1);
    let record = work.record.as_mut_ptr();
    // SAFETY: the record has room for its head and twice what was gathered at most.
    let taken = unsafe {
        emit::head(record, &work.moved, part, len, missing);
        emit::output(record, HEAD + len, counters, quietly)
    };
    if taken {
        emit::count(&mut work.moved, counters, part.span, len);
        1
    } else {
        emit::lose(&mut work.moved, counters, part.span);
        0
    }
}
