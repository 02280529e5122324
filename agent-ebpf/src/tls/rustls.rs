//! rustls: plaintext where a connection takes it from the application, and where it has decrypted it.
//!
//! | program | at | arguments |
//! | --- | --- | --- |
//! | `rustls_message` | way into `CommonState::send_msg` | state |
//! | `rustls_write` | way into `CommonState::buffer_plaintext` (since 0.23) | state, the bytes: one row or several |
//! | `rustls_write_slice` | way into `CommonState::send_some_plaintext` (up to 0.22) | state, bytes, their count |
//! | `rustls_wrote` | ways out of both | how many it took |
//! | `rustls_read` | way into `CommonState::take_received_plaintext` | state, the bytes: a `Vec` or a row |
//! | `rustls_flush` | way into `ChunkVecBuffer::write_to` | queue of records (behind where the result goes, by older compilers) |
//! | `rustls_flushed` | ways out of it | |
//!
//! rustls works on memory, but hands its records on within `write_to`: the thread moves them on the socket
//! there, which ties the connection to it.
//!
//! A connection has no address: Rust moves it about, and hyper does so after the first bytes. But the
//! queue of its records, a `VecDeque`, has memory of its own, which stays where it is until it grows.
//! That memory's address names the connection. It grows within the calls that are probed, so its next
//! address is known too; where it grew elsewhere, the connection is heard again from its next `write_to` on.
//!
//! Where in the state that address lies no compiler promises, and each has it elsewhere. It is found as the
//! program runs: a thread calls `send_msg` with the state and then `write_to` with the queue, which
//! is known to be a part of that very state if it begins within the bytes that the state has for certain.
//! How many those are the agent reads off the code (the cookie, so since Linux 5.15). The word of the
//! queue that is its memory's address is the one behind which a TLS record is found.
//!
//! What no `write_to` has tied yet is not heard: of a session from before the first exchange, and
//! what is written before the handshake is done as early data.

mod layout;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use eaves_common::{DropReason, Flow, TlsLibrary};

use super::call::Call;
use super::tie::{self, CONTRADICTED, Session};
use crate::filter;
use crate::maps::{Counters, RUSTLS_CALLS, RUSTLS_NAMES, TLS_CALLS, TLS_CONNS};
use crate::read::{forget, user};
use crate::state::Dropped;
use crate::transfer::{Bytes, Transfer, hear_session};
use crate::turn::thread_row;
use layout::{ADDRESS_MIN, file, is_address, layout, layout_by, learn, saw};

pub(crate) use layout::{Layout, Seen};

/// A call that takes plaintext.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Write {
    /// Where the address lies that names the connection.
    name_at: u64,
    /// That address.
    name: u64,
    /// The session.
    session: u64,
    /// Address of the bytes, or of the addresses and lengths of `rows`.
    at: u64,
    /// How many; 0 if the bytes lie in one.
    rows: u64,
    /// Bytes of them that are passed over first.
    skip: u64,
    /// Bytes behind.
    bytes: u64,
    /// The stack pointer on the way in.
    stack: u64,
}

/// Most bytes in one record (RFC 8446 §5.1).
const RECORD_MAX_BYTES: u64 = 16 << 10;
/// Rows of one write that are heard: hyper gives 64 at most.
const ROWS_MAX: u64 = 64;
/// Most rows that are believed.
const ROWS_BELIEVED: u64 = 1 << 16;
/// What Rust has for a `Vec`'s capacity that is none: the bytes are another's.
const BORROWED: u64 = 1 << 63;
/// A message is queued.
#[uprobe]
pub(crate) fn rustls_message(ctx: ProbeContext) -> u32 {
    if let Some(state) = ctx.arg::<u64>(0) {
        let pid_tgid = bpf_get_current_pid_tgid();
        saw(file(&ctx, pid_tgid).0, state, pid_tgid);
    }
    0
}

/// The application writes: rows of bytes, in an `OutboundChunks`. Of one row it has 0, address and
/// length; of several the address of their addresses and lengths, their number, and where in all of
/// them the bytes begin and end.
#[uprobe]
pub(crate) fn rustls_write(ctx: ProbeContext) -> u32 {
    let (Some(state), Some(payload)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    let Some([rows, first, second, end]) = user::<[u64; 4]>(payload) else {
        return 0;
    };
    if rows == 0 {
        write(&ctx, state, (first, 0), (0, second));
    } else if first <= ROWS_BELIEVED && second <= end {
        write(&ctx, state, (rows, first), (second, end - second));
    }
    0
}

/// The application writes: one row of bytes.
#[uprobe]
pub(crate) fn rustls_write_slice(ctx: ProbeContext) -> u32 {
    if let (Some(state), Some(at), Some(bytes)) =
        (ctx.arg::<u64>(0), ctx.arg::<u64>(1), ctx.arg::<u64>(2))
    {
        write(&ctx, state, (at, 0), (0, bytes));
    }
    0
}

#[inline(always)]
fn write(ctx: &ProbeContext, state: u64, (at, rows): (u64, u64), (skip, bytes): (u64, u64)) {
    let pid_tgid = bpf_get_current_pid_tgid();
    if filter::is_own((pid_tgid >> 32) as u32) {
        return;
    }
    let (file, _) = file(ctx, pid_tgid);
    let Some(layout) = layout_by(file, state, pid_tgid) else {
        unknown(pid_tgid);
        return;
    };
    let name_at = state.wrapping_add(layout.in_state);
    let Some((name, session)) = named(name_at, pid_tgid) else {
        unknown(pid_tgid);
        return;
    };
    let call = Write {
        name_at,
        name,
        session,
        at,
        rows,
        skip,
        bytes,
        // SAFETY: the context is the task's registers.
        stack: unsafe { (*ctx.regs).rsp },
    };
    let _ = RUSTLS_CALLS.insert(pid_tgid, call, 0);
}

/// The name that lies at `name_at`, and the session of that name.
#[inline(always)]
fn named(name_at: u64, pid_tgid: u64) -> Option<(u64, u64)> {
    let name = user::<u64>(name_at)?;
    let session = RUSTLS_NAMES.get_ptr(Session::of(name, pid_tgid))?;
    // SAFETY: a value of the map.
    Some((name, unsafe { *session }))
}

/// Counts plaintext of a connection that is not known.
#[inline(always)]
fn unknown(pid_tgid: u64) {
    if let Some(counters) = super::counters(thread_row(pid_tgid)) {
        counters.alone(Err(DropReason::Undecided.into()));
    }
}

/// What the application wrote was taken.
#[uprobe]
pub(crate) fn rustls_wrote(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let Some(call) = RUSTLS_CALLS.get_ptr(pid_tgid) else {
        return 0;
    };
    // SAFETY: a value of the map, which this thread alone writes.
    let call = unsafe { *call };
    // SAFETY: the context is the task's registers.
    let (stack, taken) = unsafe { ((*ctx.regs).rsp, (*ctx.regs).rax) };
    if stack < call.stack {
        return 0;
    }
    let _ = RUSTLS_CALLS.remove(pid_tgid);
    if let Some(name) = user::<u64>(call.name_at)
        && name != call.name
    {
        // The queue grew: what it had before may become another's.
        let _ = RUSTLS_NAMES.remove(Session::of(call.name, pid_tgid));
        let _ = RUSTLS_NAMES.insert(Session::of(name, pid_tgid), call.session, 0);
    }
    if taken > call.bytes {
        return 0;
    }
    if call.rows == 0 {
        eaves_rustls_hear(call.session, call.at, taken, Flow::Sent as u64);
    } else {
        each_row(&call, taken);
    }
    0
}

#[inline(always)]
fn each_row(call: &Write, taken: u64) {
    let unknown = call.at;
    let (mut at, mut rows, mut skip) = (call.at, call.rows, call.skip);
    let mut left = taken;
    let mut count = 0;
    while count < ROWS_MAX {
        count += 1;
        if left == 0 || rows == 0 {
            break;
        }
        let Some([base, len]) = user::<[u64; 2]>(at) else {
            break;
        };
        at += 16;
        rows -= 1;
        if skip >= len {
            skip -= len;
        } else {
            let len = len - skip;
            let len = if len < left { len } else { left };
            eaves_rustls_hear(call.session, base + skip, len, Flow::Sent as u64);
            left -= len;
            skip = 0;
        }
        left = forget(left, unknown);
        rows = forget(rows, unknown);
        skip = forget(skip, unknown);
    }
    if left != 0 {
        eaves_rustls_hear(call.session, 0, left, Flow::Sent as u64);
    }
}

/// A record was decrypted. Its bytes are in a `Vec`, or named by address and length, with what is no
/// capacity in front. The `Vec`'s capacity lies in front of its address or behind, by compiler.
#[uprobe]
pub(crate) fn rustls_read(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let (Some(state), Some(payload)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    if filter::is_own((pid_tgid >> 32) as u32) {
        return 0;
    }
    let (file, _) = file(&ctx, pid_tgid);
    let session = eaves_rustls_session(file, state);
    if session == 0 {
        return 0;
    }
    let Some([first, second, bytes]) = user::<[u64; 3]>(payload) else {
        return 0;
    };
    let (at, capacity) = if second >= ADDRESS_MIN {
        (second, first)
    } else {
        (first, second)
    };
    let is_borrowed = capacity == 0 || capacity == BORROWED;
    if bytes <= RECORD_MAX_BYTES && (is_borrowed || bytes <= capacity) {
        eaves_rustls_hear(session, at, bytes, Flow::Received as u64);
    }
    0
}

/// The session whose state is at `state`; 0 if it is not known, which is counted.
///
/// In a function of its own it takes no room on the stack while bytes are heard.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_rustls_session(file: u64, state: u64) -> u64 {
    let pid_tgid = bpf_get_current_pid_tgid();
    if let Some(layout) = layout_by(file, state, pid_tgid)
        && let Some((_, session)) = named(state.wrapping_add(layout.in_state), pid_tgid)
    {
        return session;
    }
    unknown(pid_tgid);
    0
}

/// Hears `bytes` bytes at `at`, or somewhere if that is 0, of a session of the current process.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_rustls_hear(session: u64, at: u64, bytes: u64, flow: u64) -> u64 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let row = thread_row(pid_tgid);
    if let Some(counters) = super::counters(row) {
        let flow = if flow == Flow::Sent as u64 {
            Flow::Sent
        } else {
            Flow::Received
        };
        let transfer = Transfer {
            sk: session,
            flow,
            bytes,
            pid_tgid,
            row,
            doubtful: false,
        };
        counters.alone(hear(&transfer, at, counters));
    }
    0
}

#[inline(always)]
fn hear(transfer: &Transfer, at: u64, counters: Counters) -> Result<(), Dropped> {
    if transfer.bytes == 0 {
        return Err(DropReason::Nothing.into());
    }
    let session = Session::of(transfer.sk, transfer.pid_tgid);
    let state = TLS_CONNS
        .get_ptr_mut(session)
        .ok_or(DropReason::Undecided)?;
    // SAFETY: a value of the map.
    let (tied, renewed) = unsafe { ((*state).tied, (*state).renewed) };
    if tied == 0 || tied == CONTRADICTED {
        return Err(DropReason::Undecided.into());
    }
    let state = if renewed == 0 {
        state
    } else {
        tie::renew(session, counters).ok_or(DropReason::State)?
    };
    // SAFETY: a value of the map.
    let state = unsafe { &mut *state };
    let bytes = Bytes::buffer_or_beyond(at, transfer.bytes);
    hear_session(transfer, state, counters, TlsLibrary::Rustls as u32, bytes)
}

/// Records are handed on.
#[uprobe]
pub(crate) fn rustls_flush(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let (Some(first), Some(second)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    if filter::is_own((pid_tgid >> 32) as u32) {
        return 0;
    }
    let (file, bound) = file(&ctx, pid_tgid);
    learn(file, bound, [first, second], pid_tgid);
    let Some(layout) = layout(file) else {
        return 0;
    };
    let queue = if layout.argument == 0 { first } else { second };
    let Some(name) = user::<u64>(queue.wrapping_add(layout.in_queue)) else {
        return 0;
    };
    if !is_address(name) {
        return 0;
    }
    // SAFETY: the context is the task's registers.
    let stack = unsafe { (*ctx.regs).rsp };
    let call = Call::around(session_of(name, pid_tgid), stack, TlsLibrary::Rustls);
    let _ = TLS_CALLS.insert(pid_tgid, call, 0);
    0
}

/// The session of this name, which may be a new one. By the time it began: its name may come back, and it
/// may get another.
#[inline(always)]
fn session_of(name: u64, pid_tgid: u64) -> u64 {
    let named = Session::of(name, pid_tgid);
    if let Some(session) = RUSTLS_NAMES.get_ptr(named) {
        // SAFETY: a value of the map.
        return unsafe { *session };
    }
    // SAFETY: no arguments.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    let session = time << 8 | name >> 4 & 0xff;
    let _ = RUSTLS_NAMES.insert(named, session, 0);
    session
}

/// They were handed on, or not.
#[uprobe]
pub(crate) fn rustls_flushed(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    if let Some(call) = TLS_CALLS.get_ptr(pid_tgid) {
        // SAFETY: a value of the map, which this thread alone writes; the context is the task's registers.
        let is_over = unsafe { (*call).is_over(TlsLibrary::Rustls, (*ctx.regs).rsp) };
        if is_over {
            let _ = TLS_CALLS.remove(pid_tgid);
        }
    }
    0
}
