//! Records into the ring: their sizes, and the count of what was sent, named and lost.

use core::ffi::c_void;
use core::mem::size_of;

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{
    bpf_ringbuf_discard, bpf_ringbuf_output, bpf_ringbuf_query, bpf_ringbuf_reserve,
    bpf_ringbuf_submit,
};
use eaves_common::{
    ConnId, Counter, DataRecord, Missing, PAYLOAD_CLASSES, RecordHeader, RecordKind, data_flag,
};

use crate::filter::setting;
use crate::log::log;
use crate::maps::{Counters, READER, RECORDS};
use crate::read::{clamp, forget, user_bytes};
use crate::state::ConnState;
use crate::tls;
use crate::vectors::Vectors;
use crate::work;

/// Bytes of a data record before its payload.
pub(crate) const HEAD: u64 = size_of::<DataRecord>() as u64;
const _: () = assert!(HEAD == 80);

/// Most payload of one record.
pub(crate) const HUGE: u64 = PAYLOAD_CLASSES[6] as u64;

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

impl Moved {
    /// Copies it word by word: what copies it at once may become a call that goes by bytes.
    #[inline(always)]
    pub(crate) const fn copy_to(&self, to: &mut Self) {
        to.conn.sock = self.conn.sock;
        to.conn.inode = self.conn.inode;
        to.time = self.time;
        to.end = self.end;
        to.bytes = self.bytes;
        to.pid_tgid = self.pid_tgid;
        to.flow = self.flow;
        to.flags = self.flags;
    }
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
    submit_with(record, wake_up(counters));
}

#[inline(always)]
fn submit_with(record: *mut u8, flags: u64) {
    // SAFETY: `record` came from `reserve` and is not used again.
    unsafe { bpf_ringbuf_submit(record.cast(), flags) }
}

/// Copies a whole record of `len` bytes into the ring, and unless `quietly` wakes the reader if it
/// waits for this one; false if there is no room.
///
/// # Safety
/// `record` has `len` bytes, and the verifier can see it.
#[inline(always)]
pub(crate) unsafe fn output(record: *mut u8, len: u64, counters: Counters, quietly: bool) -> bool {
    let ring: *mut c_void = (&raw const RECORDS).cast_mut().cast();
    let flags = if quietly {
        u64::from(BPF_RB_NO_WAKEUP)
    } else {
        wake_up(counters)
    };
    // SAFETY: the ring is a ring; the caller vouches for the record.
    unsafe { bpf_ringbuf_output(ring, record.cast(), len, flags) == 0 }
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

/// Wakes the reader if it waits for what was submitted without.
#[inline(always)]
pub(crate) fn nudge(counters: Counters) {
    let flags = wake_up(counters);
    if flags == u64::from(BPF_RB_FORCE_WAKEUP) {
        let nothing = reserve(8);
        if !nothing.is_null() {
            // SAFETY: it came from `reserve` and is not used again.
            unsafe { bpf_ringbuf_discard(nothing.cast(), flags) }
        }
    }
}

/// Writes the head of a data record.
///
/// # Safety
/// `record` has at least [`HEAD`] bytes.
#[inline(always)]
pub(crate) unsafe fn head(
    record: *mut u8,
    moved: &Moved,
    part: &Part,
    captured: u64,
    missing: u64,
) {
    let data = record.cast::<DataRecord>();
    // One after the other: all at once they would lie on the stack, of which there is little here.
    // SAFETY: the caller vouches for `record`; ring and map memory is aligned to 8.
    unsafe {
        (&raw mut (*data).header).write(RecordHeader {
            kind: RecordKind::Data as u16,
            flags: moved.flags as u16,
            size_bytes: (HEAD + captured) as u32,
            ktime_ns: moved.time,
            conn: moved.conn,
        });
        (&raw mut (*data).end).write(moved.end);
        (&raw mut (*data).transfer_bytes).write(moved.bytes);
        (&raw mut (*data).offset_bytes).write(part.offset);
        (&raw mut (*data).span_bytes).write(part.span);
        (&raw mut (*data).captured_bytes).write(captured as u32);
        (&raw mut (*data).flow).write(moved.flow as u16);
        (&raw mut (*data).missing).write(missing as u16);
        (&raw mut (*data).tgid).write((moved.pid_tgid >> 32) as u32);
        (&raw mut (*data).tid).write(moved.pid_tgid as u32);
    }
}

/// Counts a record that went.
#[inline(always)]
pub(crate) fn count(moved: &mut Moved, counters: Counters, span: u64, captured: u64) {
    counters.add(Counter::RecordsSent, 1);
    counters.add(Counter::BytesCopied, captured);
    counters.add(Counter::BytesNamed, span - captured);
    moved.flags = forget(moved.flags & u64::from(data_flag::SEQUENCE), moved.time);
}

/// Counts a record that found no room.
#[inline(always)]
pub(crate) fn lose(moved: &mut Moved, counters: Counters, span: u64) {
    counters.add(Counter::RecordsLost, 1);
    counters.add(Counter::BytesLost, span);
    log!(lost(moved.conn.inode, span));
    moved.flags = forget(moved.flags | u64::from(data_flag::AFTER_LOSS), moved.time);
}

/// Sends one record whose payload lies in one place and is at most `N` bytes; just as many if `FULL`.
#[inline(always)]
fn send_class<const N: u64, const FULL: bool>(
    moved: &mut Moved,
    counters: Counters,
    part: &Part,
    quietly: u64,
) -> u64 {
    counters.add(Counter::Records, 1);
    let record = reserve(HEAD + N);
    if record.is_null() {
        lose(moved, counters, part.span);
        return 0;
    }
    let len = if FULL {
        N
    } else {
        clamp::<N>(forget(part.copy, moved.time))
    };
    // SAFETY: the record has room for `N` bytes behind its head.
    let copied = len == 0 || unsafe { user_bytes(record.add(HEAD as usize), len, part.from) };
    let (captured, missing) = if copied {
        (part.copy, part.missing)
    } else {
        log!(fault(moved.conn.inode, part.copy));
        (0, Missing::Fault as u64)
    };
    let captured = forget(captured, moved.time);
    let missing = forget(missing, moved.time);
    // SAFETY: as above.
    unsafe { head(record, moved, part, captured, missing) };
    count(moved, counters, part.span, captured);
    if quietly == 0 {
        submit(record, counters);
    } else {
        submit_with(record, u64::from(BPF_RB_NO_WAKEUP));
    }
    1
}

/// Sends one record whose payload lies in one place, in the smallest size that fits; wakes nobody
/// if `quietly` is not 0. How many the ring took: one or none.
#[inline(never)]
pub(crate) fn send(moved: &mut Moved, counters: Counters, part: &Part, quietly: u64) -> u64 {
    const { assert!(PAYLOAD_CLASSES.len() == 7) };
    let copy = forget(part.copy, moved.time);
    if copy <= PAYLOAD_CLASSES[0] as u64 {
        send_class::<{ PAYLOAD_CLASSES[0] as u64 }, false>(moved, counters, part, quietly)
    } else if copy <= PAYLOAD_CLASSES[1] as u64 {
        send_class::<{ PAYLOAD_CLASSES[1] as u64 }, false>(moved, counters, part, quietly)
    } else if copy <= PAYLOAD_CLASSES[2] as u64 {
        send_class::<{ PAYLOAD_CLASSES[2] as u64 }, false>(moved, counters, part, quietly)
    } else if copy <= PAYLOAD_CLASSES[3] as u64 {
        send_class::<{ PAYLOAD_CLASSES[3] as u64 }, false>(moved, counters, part, quietly)
    } else if copy <= PAYLOAD_CLASSES[4] as u64 {
        send_class::<{ PAYLOAD_CLASSES[4] as u64 }, false>(moved, counters, part, quietly)
    } else if copy <= PAYLOAD_CLASSES[5] as u64 {
        send_class::<{ PAYLOAD_CLASSES[5] as u64 }, false>(moved, counters, part, quietly)
    } else {
        send_class::<{ PAYLOAD_CLASSES[6] as u64 }, false>(moved, counters, part, quietly)
    }
}

/// Sends one record whose payload lies in one place and is the most that goes into one; wakes nobody.
/// How many the ring took: one or none.
#[inline(always)]
pub(crate) fn send_huge(moved: &mut Moved, counters: Counters, part: &Part) -> u64 {
    send_class::<HUGE, true>(moved, counters, part, 1)
}

/// Where a transfer that does not go in one record is worked on.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// In this row of `WORK`.
    Row(u32),
    /// On the stack: one buffer of a TLS session.
    Session,
}

/// Sends a transfer: named only if `missing` says why, else in as few records as it fits. How many
/// of them the ring took.
#[inline(always)]
pub(crate) fn transfer(
    moved: &mut Moved,
    state: &mut ConnState,
    counters: Counters,
    vectors: &Vectors,
    (missing, skip): (u64, u64),
    place: Place,
) -> u64 {
    let named = missing != Missing::None as u64;
    let copied_whole = skip == 0 && moved.bytes <= u64::from(setting!(copy_bytes));
    let in_one = named || (copied_whole && vectors.len >= moved.bytes && moved.bytes <= HUGE);
    let (sent, flags) = if in_one {
        let sent = in_one_record(moved, counters, vectors.base, missing);
        (sent, moved.flags)
    } else {
        match place {
            Place::Row(row) => work::transfer(
                moved,
                vectors,
                (skip, copied_whole, state.has_frames()),
                row,
            ),
            Place::Session => {
                let frames = u64::from(state.has_frames());
                let sent = tls::pieces(moved, counters, vectors.base, frames);
                (sent, moved.flags)
            }
        }
    };
    const { assert!(data_flag::AFTER_LOSS == 1) };
    let flow = moved.flow & 1;
    state.lost = state.lost & !(1 << flow) | ((flags & 1) << flow) as u32;
    sent
}

/// Sends a transfer in one record: all of it from `from`, or none if `missing` says why.
#[inline(always)]
fn in_one_record(moved: &mut Moved, counters: Counters, from: u64, missing: u64) -> u64 {
    let whole = missing == Missing::None as u64;
    let part = Part {
        offset: 0,
        span: moved.bytes,
        copy: if whole { moved.bytes } else { 0 },
        from,
        missing,
    };
    send(moved, counters, &part, 0)
}
