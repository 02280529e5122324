//! Records into the ring: classes, splitting, and the count of what was sent, named and lost.

use core::ffi::c_void;
use core::mem::size_of;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_ringbuf_discard, bpf_ringbuf_query, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use eaves_common::{
    ConnId, Counter, DataRecord, Missing, PAYLOAD_CLASSES, RecordHeader, RecordKind, VECTORS_MAX,
    data_flag,
};

use crate::filter::setting;
use crate::maps::{Counters, READER, RECORDS, WORK};
use crate::read::{clamp, forget, mask, user, user_bytes};
use crate::state::ConnState;
use crate::vectors::{IOVEC_BYTES, STEPS, Vectors};

const HEAD: u64 = size_of::<DataRecord>() as u64;
const _: () = assert!(HEAD == 80);

const SMALL: u64 = PAYLOAD_CLASSES[0] as u64;
const MEDIUM: u64 = PAYLOAD_CLASSES[1] as u64;
const LARGE: u64 = PAYLOAD_CLASSES[2] as u64;
/// Most payload of one record.
pub(crate) const HUGE: u64 = PAYLOAD_CLASSES[3] as u64;

/// A transfer on its way into records, with what all of them bear.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Moved {
    /// Its conn.
    pub(crate) conn: ConnId,
    /// Now, nanoseconds since boot.
    pub(crate) time: u64,
    /// Position right after it.
    pub(crate) end: u64,
    /// Bytes it moved.
    pub(crate) bytes: u64,
    /// Who moved them, as the kernel packs it.
    pub(crate) pid_tgid: u64,
    /// A [`Flow`] as its number.
    pub(crate) flow: u64,
    /// [`data_flag`]s of the next record.
    pub(crate) flags: u64,
}

/// What one record holds of a transfer.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// Where in the transfer it begins.
    pub(crate) offset: u64,
    /// Bytes it accounts for.
    pub(crate) span: u64,
    /// Bytes to copy, at most [`HUGE`].
    pub(crate) copy: u64,
    /// Where from.
    pub(crate) from: u64,
    /// A [`Missing`] as its number: why `copy` is less than `span`.
    pub(crate) missing: u64,
}

/// What a transfer of several buffers or records is worked on in. It lies in a map, where the
/// verifier keeps no account of numbers: on the stack each path through the loops would count.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// Not 0 while it is in use on this CPU.
    busy: u64,
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
}

/// Asks for ring memory; null if there is none.
#[inline(always)]
pub(crate) fn reserve(bytes: u64) -> *mut u8 {
    let ring: *mut c_void = (&raw const RECORDS).cast_mut().cast();
    // SAFETY: the ring is a ring; the verifier checks what is done with the memory.
    unsafe { bpf_ringbuf_reserve(ring, bytes, 0) }.cast()
}

/// Hands a record over, and wakes the reader if it waits for this one.
#[inline(always)]
pub(crate) fn submit(record: *mut u8, counters: Counters) {
    let flags = wake_up(counters);
    // SAFETY: `record` came from `reserve` and is not used again.
    unsafe { bpf_ringbuf_submit(record.cast(), flags) }
}

/// A wake-up costs more than a record: one after quiet, one when much is pending, else none.
#[inline(always)]
fn wake_up(counters: Counters) -> u64 {
    let quiet = u64::from(BPF_RB_NO_WAKEUP);
    let Some(reader) = READER.get_ptr_mut(0) else {
        return quiet;
    };
    // SAFETY: a map's value, two words that the agent writes at any time.
    let (asleep, armed) = unsafe {
        (
            (&raw mut (*reader).asleep).read_volatile(),
            (&raw mut (*reader).armed).read_volatile(),
        )
    };
    if asleep == 0 {
        if armed == 0 {
            return quiet;
        }
        let ring: *mut c_void = (&raw const RECORDS).cast_mut().cast();
        // SAFETY: the ring is a ring.
        let pending = unsafe { bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)) };
        if pending < u64::from(setting!(wake_bytes)) {
            return quiet;
        }
    }
    // SAFETY: as above.
    unsafe {
        (&raw mut (*reader).asleep).write_volatile(0);
        (&raw mut (*reader).armed).write_volatile(0);
    }
    counters.add(Counter::Wakeups, 1);
    u64::from(BPF_RB_FORCE_WAKEUP)
}

/// Writes the head of a data record.
///
/// # Safety
/// `record` is ring memory of at least [`HEAD`] bytes.
#[inline(always)]
unsafe fn head(record: *mut u8, moved: &Moved, part: &Part, captured: u64, missing: u64) {
    let data = DataRecord {
        header: RecordHeader {
            kind: RecordKind::Data as u16,
            flags: moved.flags as u16,
            size_bytes: (HEAD + captured) as u32,
            ktime_ns: moved.time,
            conn: moved.conn,
        },
        end: moved.end,
        transfer_bytes: moved.bytes,
        offset_bytes: part.offset,
        span_bytes: part.span,
        captured_bytes: captured as u32,
        flow: moved.flow as u16,
        missing: missing as u16,
        tgid: (moved.pid_tgid >> 32) as u32,
        tid: moved.pid_tgid as u32,
    };
    // SAFETY: the caller vouches for `record`; ring memory is aligned to 8.
    unsafe { record.cast::<DataRecord>().write(data) }
}

/// Counts a record that went, or that found no room.
#[inline(always)]
fn count(moved: &mut Moved, state: &mut ConnState, counters: Counters, part: &Part, captured: u64) {
    counters.add(Counter::RecordsSent, 1);
    counters.add(Counter::BytesCopied, captured);
    counters.add(Counter::BytesNamed, part.span - captured);
    const { assert!(data_flag::AFTER_LOSS == 1) };
    let told = (moved.flags & 1) << (moved.flow & 1);
    state.lost &= !(told as u32);
    moved.flags = forget(moved.flags & u64::from(data_flag::SEQUENCE), moved.time);
}

/// Counts a record that found no room.
#[inline(always)]
fn lose(moved: &mut Moved, state: &mut ConnState, counters: Counters, span: u64) {
    counters.add(Counter::RecordsLost, 1);
    counters.add(Counter::BytesLost, span);
    state.lost |= 1 << (moved.flow & 1);
    moved.flags = forget(moved.flags | u64::from(data_flag::AFTER_LOSS), moved.time);
}

/// Fills one record whose payload lies in one place and is at most `N` bytes.
#[inline(always)]
fn fill<const N: u64>(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    part: &Part,
) -> Option<*mut u8> {
    counters.add(Counter::Records, 1);
    let record = reserve(HEAD + N);
    if record.is_null() {
        lose(moved, state, counters, part.span);
        return None;
    }
    let len = clamp::<N>(forget(part.copy, moved.time));
    // SAFETY: the record has room for `N` bytes behind its head.
    let copied = len == 0 || unsafe { user_bytes(record.add(HEAD as usize), len, part.from) };
    let (captured, missing) = if copied {
        (part.copy, part.missing)
    } else {
        (0, Missing::Fault as u64)
    };
    let captured = forget(captured, moved.time);
    let missing = forget(missing, moved.time);
    // SAFETY: as above.
    unsafe { head(record, moved, part, captured, missing) };
    count(moved, state, counters, part, captured);
    Some(record)
}

/// Sends one record whose payload lies in one place and is at most `N` bytes.
#[inline(always)]
fn send_class<const N: u64>(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    part: &Part,
) -> u64 {
    fill::<N>(moved, state, counters, part).map_or(0, |record| {
        submit(record, counters);
        1
    })
}

/// Sends one record, in the smallest class that fits; 1 if the ring took it.
///
/// Functions that are not inlined give a number that is used: without one, what is left in the
/// result's register may be a pointer, which the verifier does not let out.
#[inline(never)]
fn send(moved: &mut Moved, state: &mut ConnState, counters: Counters, part: &Part) -> u64 {
    let copy = forget(part.copy, moved.time);
    if copy <= SMALL {
        send_class::<SMALL>(moved, state, counters, part)
    } else if copy <= MEDIUM {
        send_class::<MEDIUM>(moved, state, counters, part)
    } else if copy <= LARGE {
        send_class::<LARGE>(moved, state, counters, part)
    } else {
        send_class::<HUGE>(moved, state, counters, part)
    }
}

/// Sends a transfer: named only if `missing` says why, else in as few records as it fits. How many
/// of them the ring took.
#[inline(always)]
pub(crate) fn transfer(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    vectors: &Vectors,
    missing: u64,
    skip: u64,
) -> u64 {
    let named = missing != Missing::None as u64;
    let copied_whole = skip == 0 && moved.bytes <= u64::from(setting!(copy_bytes));
    if named || (copied_whole && vectors.len >= moved.bytes && moved.bytes <= HUGE) {
        return in_one(moved, state, counters, vectors.base, missing);
    }
    let Some(work) = WORK.get_ptr_mut(0) else {
        return 0;
    };
    // SAFETY: a map's value.
    let work = unsafe { &mut *work };
    if work.busy != 0 {
        // Another program on this CPU was interrupted in the middle of its work.
        return in_one(moved, state, counters, 0, Missing::UnseenPath as u64);
    }
    work.busy = 1;
    work.moved = *moved;
    work.vectors = *vectors;
    work.skip = skip;
    work.offset = 0;
    work.sent = 0;
    work.why = Missing::Vectors as u64;
    work.budget = u64::from(setting!(copy_bytes));
    let sent = if copied_whole && vectors.is_plain() && moved.bytes <= LARGE {
        if moved.bytes <= SMALL {
            gather_small(work, state, counters)
        } else if moved.bytes <= MEDIUM {
            gather_medium(work, state, counters)
        } else {
            gather_large(work, state, counters)
        }
    } else {
        tile(work, state, counters)
    };
    work.busy = 0;
    sent
}

/// Sends a transfer in one record: all of it from `from`, or none if `missing` says why.
#[inline(always)]
fn in_one(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    from: u64,
    missing: u64,
) -> u64 {
    let whole = missing == Missing::None as u64;
    let part = Part {
        offset: 0,
        span: moved.bytes,
        copy: if whole { moved.bytes } else { 0 },
        from,
        missing,
    };
    send(moved, state, counters, &part)
}

/// A number that lies in a map, read anew: what the verifier may have known of it, it has forgotten.
#[inline(always)]
fn anew(number: &u64) -> u64 {
    // SAFETY: a reference.
    unsafe { (number as *const u64).read_volatile() }
}

/// Sends a transfer of several small vectors, at most `N` bytes in all, in one record.
///
/// Its room is twice `N`: an offset below `N` and a length up to `N` are bounds that the verifier
/// can keep apart, their sum is not.
#[inline(always)]
fn gather_class<const N: u64, const MASK: u64>(
    work: &mut Work,
    state: &mut ConnState,
    counters: Counters,
) -> u64 {
    const { assert!(MASK == N - 1 && N & MASK == 0) };
    counters.add(Counter::Records, 1);
    let record = reserve(HEAD + 2 * N);
    if record.is_null() {
        let span = work.moved.bytes;
        lose(&mut work.moved, state, counters, span);
        return 0;
    }
    let mut step = 0;
    while step < VECTORS_MAX as u64 {
        step += 1;
        let filled = anew(&work.offset);
        let bytes = anew(&work.moved.bytes);
        if filled >= bytes || work.vectors.left == 0 {
            break;
        }
        let Some([base, len]) = user::<[u64; 2]>(anew(&work.vectors.next)) else {
            work.why = Missing::Fault as u64;
            break;
        };
        work.budget = bytes - filled;
        work.skip = len;
        let rest = anew(&work.budget);
        let len = anew(&work.skip);
        work.skip = if len < rest { len } else { rest };
        let len = clamp::<N>(anew(&work.skip));
        let to = mask::<MASK>(filled);
        // SAFETY: `to` is below `N`, `len` at most `N`, the room twice that.
        let copied = len == 0
            || unsafe { user_bytes(record.add(HEAD as usize).add(to as usize), len, base) };
        if !copied {
            work.why = Missing::Fault as u64;
            break;
        }
        work.offset = filled + anew(&work.skip);
        work.vectors.next += IOVEC_BYTES;
        work.vectors.left -= 1;
    }
    let filled = anew(&work.offset);
    let part = Part {
        offset: 0,
        span: work.moved.bytes,
        copy: filled,
        from: 0,
        missing: if filled < work.moved.bytes {
            work.why
        } else {
            Missing::None as u64
        },
    };
    // SAFETY: as above.
    unsafe { head(record, &work.moved, &part, filled, part.missing) };
    count(&mut work.moved, state, counters, &part, filled);
    submit(record, counters);
    1
}

#[inline(never)]
fn gather_small(work: &mut Work, state: &mut ConnState, counters: Counters) -> u64 {
    gather_class::<SMALL, { SMALL - 1 }>(work, state, counters)
}

#[inline(never)]
fn gather_medium(work: &mut Work, state: &mut ConnState, counters: Counters) -> u64 {
    gather_class::<MEDIUM, { MEDIUM - 1 }>(work, state, counters)
}

#[inline(never)]
fn gather_large(work: &mut Work, state: &mut ConnState, counters: Counters) -> u64 {
    gather_class::<LARGE, { LARGE - 1 }>(work, state, counters)
}

/// Sends a transfer piece by piece: what lies before `skip` is only named, up to
/// `settings.copy_bytes` are copied, and what is left over is named.
#[inline(never)]
fn tile(work: &mut Work, state: &mut ConnState, counters: Counters) -> u64 {
    if work.skip > 0 {
        let part = Part {
            offset: 0,
            span: work.skip,
            copy: 0,
            from: 0,
            missing: Missing::Skipped as u64,
        };
        work.sent = send(&mut work.moved, state, counters, &part);
    }
    let mut step = 0;
    while step < STEPS {
        step += 1;
        if piece(work, state, counters) == 0 {
            break;
        }
    }
    if work.offset < work.skip {
        work.offset = work.skip;
    }
    let (offset, bytes) = (anew(&work.offset), anew(&work.moved.bytes));
    if offset < bytes {
        let part = Part {
            offset,
            span: bytes - offset,
            copy: 0,
            from: 0,
            missing: if work.vectors.fault != 0 {
                Missing::Fault as u64
            } else {
                work.why
            },
        };
        work.sent += send(&mut work.moved, state, counters, &part);
    } else {
        nudge(counters);
    }
    anew(&work.sent)
}

/// Passes over or sends the next piece of a tiled transfer; 0 if there is none.
#[inline(never)]
fn piece(work: &mut Work, state: &mut ConnState, counters: Counters) -> u64 {
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
        let sent = if moves <= LARGE {
            piece_class::<LARGE>(&mut work.moved, state, counters, &work.part)
        } else {
            piece_class::<HUGE>(&mut work.moved, state, counters, &work.part)
        };
        work.sent += sent;
    }
    1
}

/// As [`send_class`], but wakes nobody.
#[inline(always)]
fn piece_class<const N: u64>(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    part: &Part,
) -> u64 {
    fill::<N>(moved, state, counters, part).map_or(0, |record| {
        // SAFETY: `record` came from `reserve` and is not used again.
        unsafe { bpf_ringbuf_submit(record.cast(), u64::from(BPF_RB_NO_WAKEUP)) }
        1
    })
}

/// Wakes the reader if it waits for what was submitted without.
#[inline(always)]
fn nudge(counters: Counters) {
    let flags = wake_up(counters);
    if flags == u64::from(BPF_RB_FORCE_WAKEUP) {
        let nothing = reserve(8);
        if !nothing.is_null() {
            // SAFETY: it came from `reserve` and is not used again.
            unsafe { bpf_ringbuf_discard(nothing.cast(), flags) }
        }
    }
}
