//! Plaintext into records. It lies in one buffer, and has no work area of its own in a map: a probe
//! in a process may be preempted within.

use eaves_common::{CAPTURE_MAX_BYTES, Missing, NEAR_BYTES};

use crate::emit::{self, HUGE, Moved, Part, nudge};
use crate::filter::setting;
use crate::maps::Counters;
use crate::need::{self, Need};
use crate::read::forget;

/// Records that hold bytes of one call at most: a mebibyte and its head. Of more the verifier has no end.
const PIECES: u64 = (CAPTURE_MAX_BYTES / 2 + NEAR_BYTES) as u64 / HUGE;
/// Bytes of these.
const MOST: u64 = PIECES * HUGE;

/// Sends a transfer of more bytes than go in one record from `from` on: what is needed of it piece
/// by piece, the rest by name. How many records the ring took. Whatever it moves may be frames if
/// `frames` is not 0.
#[inline(never)]
pub(crate) fn pieces(moved: &mut Moved, counters: Counters, from: u64, frames: u64) -> u64 {
    let mut need = Need {
        skip: 0,
        skip_end: 0,
        budget: u64::from(setting!(copy_bytes)),
    };
    if frames == 0 && need::is_in_question(moved.bytes) {
        need = Need::of(moved.bytes, from, moved.bytes);
    }
    if need.budget > MOST {
        need.budget = MOST;
    }
    if need.skip > need.budget {
        need.skip_end = 0;
    }
    need.skip = forget(need.skip, moved.time);
    need.skip_end = forget(need.skip_end, moved.time);
    let mut part = Part {
        offset: 0,
        span: 0,
        copy: 0,
        from,
        missing: Missing::None as u64,
    };
    let mut sent = 0;
    let mut budget = forget(need.budget, moved.time);
    if need.skip_end != 0 {
        sent += full(moved, counters, &mut part, need.skip);
        sent += rest(moved, counters, &mut part, need.skip);
        budget -= need.skip;
        let span = forget(need.skip_end - need.skip, moved.time);
        sent += name(moved, counters, &mut part, span, Missing::Skipped);
    }
    let left = forget(moved.bytes.wrapping_sub(part.offset), moved.time);
    let copied = if left < budget { left } else { budget };
    let copied = forget(copied, moved.time);
    let until = forget(part.offset + copied, moved.time);
    sent += full(moved, counters, &mut part, copied);
    sent += rest(moved, counters, &mut part, until);
    let left = forget(left - copied, moved.time);
    if left != 0 {
        sent += name(moved, counters, &mut part, left, Missing::Limit);
    }
    nudge(counters);
    sent
}

/// Sends the next `bytes` bytes, as many records full as leave some over.
///
/// What is left it leaves to its caller: one more function below, and the stack is too much for older
/// kernels.
#[inline(never)]
fn full(moved: &mut Moved, counters: Counters, part: &mut Part, bytes: u64) -> u64 {
    part.missing = Missing::None as u64;
    let mut left = bytes;
    let mut sent = 0;
    let mut piece = 0;
    // To its end in any case: what comes behind it the verifier would follow from each way out.
    while piece < PIECES {
        piece += 1;
        if left > HUGE {
            part.span = HUGE;
            part.copy = HUGE;
            sent += emit::send_huge(moved, counters, part);
            part.offset += HUGE;
            part.from += HUGE;
            left -= HUGE;
        }
        left = forget(left, moved.time);
        sent = forget(sent, moved.time);
        part.offset = forget(part.offset, moved.time);
        part.from = forget(part.from, moved.time);
    }
    sent
}

/// Sends what is left up to `until`, no more than goes into one record.
#[inline(always)]
fn rest(moved: &mut Moved, counters: Counters, part: &mut Part, until: u64) -> u64 {
    let left = until.wrapping_sub(part.offset);
    if left == 0 || left > HUGE {
        return 0;
    }
    part.span = left;
    part.copy = left;
    let sent = emit::send(moved, counters, part, 1);
    part.offset += left;
    part.from += left;
    sent
}

/// Names the next `span` bytes.
#[inline(always)]
fn name(
    moved: &mut Moved,
    counters: Counters,
    part: &mut Part,
    span: u64,
    missing: Missing,
) -> u64 {
    part.span = span;
    part.copy = 0;
    part.missing = missing as u64;
    let sent = emit::send(moved, counters, part, 1);
    part.offset += span;
    part.from += span;
    sent
}
