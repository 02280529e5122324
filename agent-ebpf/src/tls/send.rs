//! Plaintext into records. It lies in one buffer, and has no work area of its own in a map: a probe
//! in a process may be preempted within.

use eaves_common::{CAPTURE_MAX_BYTES, Missing};

use crate::emit::{self, HUGE, Moved, Part, nudge};
use crate::filter::setting;
use crate::maps::Counters;
use crate::read::forget;

/// Records that hold bytes of one call at most.
const PIECES: u64 = CAPTURE_MAX_BYTES as u64 / HUGE;

/// Sends a transfer of more bytes than go in one record from `from` on: what is copied of it piece
/// by piece, the rest by name. How many records the ring took.
#[inline(never)]
pub(crate) fn pieces(moved: &mut Moved, counters: Counters, from: u64) -> u64 {
    let most = u64::from(setting!(copy_bytes));
    let budget = if moved.bytes < most {
        moved.bytes
    } else {
        most
    };
    let mut part = Part {
        offset: 0,
        span: 0,
        copy: 0,
        from,
        missing: Missing::None as u64,
    };
    let mut sent = 0;
    let mut piece = 0;
    while piece < PIECES {
        piece += 1;
        let left = forget(budget.wrapping_sub(part.offset), moved.time);
        if left == 0 || left > budget {
            break;
        }
        part.span = if left < HUGE { left } else { HUGE };
        part.copy = part.span;
        sent += emit::send(moved, counters, &part, 1);
        part.offset += part.copy;
        part.from += part.copy;
    }
    let left = moved.bytes.wrapping_sub(part.offset);
    if left != 0 && left <= moved.bytes {
        part.span = left;
        part.copy = 0;
        part.missing = Missing::Limit as u64;
        sent += emit::send(moved, counters, &part, 1);
    }
    nudge(counters);
    sent
}
