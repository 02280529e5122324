//! The ends of conns and of their flows are told. Never makes a state: what no tap heard has none.
//!
//! A TCP conn is over when its process lets go of it: a reset that comes while a call is under way
//! closes the sock before the tap is told of the bytes that the call moved, and what lies in the
//! queue can still be read. So a sock that is closed under its process is only marked, and the end
//! told when a receive finds that nothing is left, or when the sock is freed.

use core::mem::size_of;

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use eaves_common::{
    ConnId, Counter, DropReason, EndReason, EndRecord, Flow, RecordHeader, RecordKind, Transport,
    end_flag,
};

use crate::emit::{reserve, submit};
use crate::filter::offset;
use crate::log::log;
use crate::maps::{CONNS, Counters, ENDS, storage};
use crate::process::connects;
use crate::read::kernel;
use crate::sock::{self, tcp};
use crate::state::{ConnState, GONE, bit};
use crate::tls;
use crate::turn::{Point, Turn};

/// What an end record says.
pub(crate) struct End {
    /// The conn.
    pub(crate) conn: ConnId,
    /// Where the sent stream stands.
    pub(crate) sent: u64,
    /// Where the received stream stands.
    pub(crate) received: u64,
    /// An [`EndReason`] as its number.
    pub(crate) reason: u16,
    /// Bits of [`end_flag`].
    pub(crate) flags: u16,
}

/// Tells the agent of an end; false if neither the ring nor the queue beside it had room.
#[inline(always)]
pub(crate) fn end(end: &End, counters: Counters) -> bool {
    counters.add(Counter::Records, 1);
    let memory = reserve(size_of::<EndRecord>() as u64);
    let record = EndRecord {
        header: RecordHeader {
            kind: RecordKind::End as u16,
            flags: end.flags,
            size_bytes: size_of::<EndRecord>() as u32,
            // SAFETY: no arguments.
            ktime_ns: unsafe { bpf_ktime_get_boot_ns() },
            conn: end.conn,
        },
        sent_end: end.sent,
        received_end: end.received,
        reason: end.reason,
        reserved: [0; 3],
    };
    if memory.is_null() {
        // Nothing will come to tell it again: without it the agent would wait for more.
        let queued = ENDS.push(record, 0).is_ok();
        counters.add(
            if queued {
                Counter::RecordsSent
            } else {
                Counter::RecordsLost
            },
            1,
        );
        log!(lost(end.conn.inode, 0));
        return queued;
    }
    // SAFETY: ring memory of the record's size and alignment.
    unsafe { memory.cast::<EndRecord>().write(record) };
    counters.add(Counter::RecordsSent, 1);
    submit(memory, counters);
    log!(ended(end.conn.inode, end.reason));
    true
}

/// An end of `state`'s conn, at its present positions.
#[inline(always)]
pub(crate) fn end_now(sk: u64, state: &ConnState, reason: u16) -> End {
    let (sent, received, flags) = if state.sequence != 0 {
        (
            u64::from(kernel::<u32>(sk + u64::from(offset!(tcp_write_seq))).unwrap_or(0)),
            u64::from(kernel::<u32>(sk + u64::from(offset!(tcp_copied_seq))).unwrap_or(0)),
            end_flag::SEQUENCE,
        )
    } else {
        (state.sent, state.received, 0)
    };
    const {
        assert!(end_flag::SENT_LOST == 4 << Flow::Sent as u16);
        assert!(end_flag::RECEIVED_LOST == 4 << Flow::Received as u16);
    };
    let lost = (state.lost & 3) << 2;
    End {
        conn: sock::id(sk, state),
        sent,
        received,
        reason,
        flags: flags | lost as u16,
    }
}

/// A read moved nothing: tells what has ended with that.
///
/// They are called from here, not one by the other: older kernels count the stack of all
/// functions under way, and leave the tap of all calls no room for more.
#[inline(always)]
pub(crate) fn received_nothing(sk: u64, state: &mut ConnState, counters: Counters) {
    if state.parting == 0 {
        if received_all(sk, state, counters) != 0 && state.transport == Transport::Unix as u32 {
            left(sk, counters);
        }
    } else if sock::receives_no_more(sk) {
        parted(sk, state, counters);
    }
}

/// A read found the end of the other's stream: tells it once. 0 if it was told, or there is no end.
#[inline(never)]
fn received_all(sk: u64, state: &mut ConnState, counters: Counters) -> u32 {
    let heard = state.announced != 0;
    let is_unix = state.transport == Transport::Unix as u32;
    let passed_over = is_unix && state.dropped == DropReason::Role.slot();
    if (!heard && !passed_over)
        || state.ended & bit(Flow::Received) != 0
        || !sock::receives_no_more(sk)
    {
        return 0;
    }
    tls::ended(state, EndReason::ReceivedFinished as u16, counters);
    if heard && state.dropped == 0 {
        let told = end_now(sk, state, EndReason::ReceivedFinished as u16);
        if !end(&told, counters) {
            state.lost |= bit(Flow::Received);
            return 0;
        }
    }
    state.ended |= bit(Flow::Received);
    1
}

/// Tells that the other end of a Unix socket is gone or sends no more, if it is so. The socket tap has no
/// hook for either.
#[inline(never)]
fn left(sk: u64, counters: Counters) -> u32 {
    let peer = sock::unix_peer(sk);
    let reason = if peer == 0 {
        return 0;
    } else if sock::unix_is_closed(peer) {
        EndReason::PeerGone as u16
    } else if sock::sends_no_more(peer) {
        EndReason::PeerFinished as u16
    } else {
        return 0;
    };
    let told = End {
        conn: ConnId {
            sock: peer,
            inode: 0,
        },
        sent: 0,
        received: 0,
        reason,
        flags: 0,
    };
    u32::from(end(&told, counters))
}

/// Nothing will move any more on a conn: tells its end, unless it was told.
#[inline(never)]
pub(crate) fn parted(sk: u64, state: &mut ConnState, counters: Counters) -> u32 {
    if state.announced == 0 || state.dropped != 0 || state.ended & GONE != 0 {
        return 0;
    }
    let reason = if state.parting == 0 {
        EndReason::Closed as u32
    } else {
        state.parting
    };
    let told = end_now(sk, state, reason as u16);
    state.parting = 0;
    state.ended |= bit(Flow::Received) | GONE;
    u32::from(end(&told, counters))
}

/// TCP and MPTCP conns as they end, whichever call, signal or packet ends them. tp_btf: the sock
/// is typed, its storage at hand.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn sock_state(ctx: BtfTracePointContext) -> i32 {
    typed::<0>(&ctx);
    0
}

/// Stands in for [`sock_state`].
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn sock_state_2(ctx: BtfTracePointContext) -> i32 {
    typed::<1>(&ctx);
    0
}

/// Stands in for both.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn sock_state_3(ctx: BtfTracePointContext) -> i32 {
    typed::<2>(&ctx);
    0
}

#[inline(always)]
fn typed<const COPY: u32>(ctx: &BtfTracePointContext) {
    let Some(turn) = Turn::take::<COPY>(Point::State) else {
        return;
    };
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let sk: *mut core::ffi::c_void = ctx.arg(0);
    if let Some(counters) = counted::<COPY>(&turn, new as u32) {
        if new as u32 == tcp::SYN_SENT {
            connects(sk as u64, u64::from(turn.row));
        }
        let state = storage(sk, false);
        // SAFETY: null or a value of the storage.
        if let Some(state) = unsafe { state.as_mut() } {
            changed(sk as u64, state, old as u32, new as u32, counters);
        }
    }
    Turn::end::<COPY>(Point::State);
}

/// As [`sock_state`], for the syscall tap: a raw tracepoint, since Linux 4.16.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn sys_state(ctx: RawTracePointContext) -> i32 {
    raw::<0>(&ctx);
    0
}

/// Stands in for [`sys_state`].
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn sys_state_2(ctx: RawTracePointContext) -> i32 {
    raw::<1>(&ctx);
    0
}

/// Stands in for both.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(crate) fn sys_state_3(ctx: RawTracePointContext) -> i32 {
    raw::<2>(&ctx);
    0
}

#[inline(always)]
fn raw<const COPY: u32>(ctx: &RawTracePointContext) {
    let Some(turn) = Turn::take::<COPY>(Point::State) else {
        return;
    };
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    let sk: u64 = ctx.arg(0);
    let Some(counters) = counted::<COPY>(&turn, new as u32) else {
        return Turn::end::<COPY>(Point::State);
    };
    if new as u32 == tcp::SYN_SENT {
        connects(sk, u64::from(turn.row));
    }
    if let Some(state) = CONNS.get_ptr_mut(sk) {
        // SAFETY: a value of the map.
        let state = unsafe { &mut *state };
        changed(sk, state, old as u32, new as u32, counters);
        if new as u32 == tcp::CLOSE && state.transport != Transport::Tcp as u32 {
            // Of a TCP sock it is told when it is freed.
            let _ = CONNS.remove(sk);
        }
    }
    Turn::end::<COPY>(Point::State);
}

/// A TCP sock that is no process's any more, as it is freed. What was gone before its process let
/// go of it ends here: a call that was under way when the other end's reset came moves bytes after
/// that, and what lies in the queue can still be read. Since Linux 4.16.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub(crate) fn sock_destroy(ctx: BtfTracePointContext) -> i32 {
    typed_gone::<0>(&ctx);
    0
}

/// Stands in for [`sock_destroy`].
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub(crate) fn sock_destroy_2(ctx: BtfTracePointContext) -> i32 {
    typed_gone::<1>(&ctx);
    0
}

/// Stands in for both.
#[btf_tracepoint(function = "tcp_destroy_sock")]
pub(crate) fn sock_destroy_3(ctx: BtfTracePointContext) -> i32 {
    typed_gone::<2>(&ctx);
    0
}

#[inline(always)]
fn typed_gone<const COPY: u32>(ctx: &BtfTracePointContext) {
    let Some(turn) = Turn::take::<COPY>(Point::Destroy) else {
        return;
    };
    let sk: *mut core::ffi::c_void = ctx.arg(0);
    if let Some(counters) = stood_in::<COPY>(&turn) {
        let state = storage(sk, false);
        // SAFETY: null or a value of the storage.
        if let Some(state) = unsafe { state.as_mut() } {
            parted(sk as u64, state, counters);
        }
    }
    Turn::end::<COPY>(Point::Destroy);
}

/// As [`sock_destroy`], for the syscall tap.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub(crate) fn sys_destroy(ctx: RawTracePointContext) -> i32 {
    raw_gone::<0>(&ctx);
    0
}

/// Stands in for [`sys_destroy`].
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub(crate) fn sys_destroy_2(ctx: RawTracePointContext) -> i32 {
    raw_gone::<1>(&ctx);
    0
}

/// Stands in for both.
#[raw_tracepoint(tracepoint = "tcp_destroy_sock")]
pub(crate) fn sys_destroy_3(ctx: RawTracePointContext) -> i32 {
    raw_gone::<2>(&ctx);
    0
}

#[inline(always)]
fn raw_gone<const COPY: u32>(ctx: &RawTracePointContext) {
    let Some(turn) = Turn::take::<COPY>(Point::Destroy) else {
        return;
    };
    let sk: u64 = ctx.arg(0);
    if let Some(counters) = stood_in::<COPY>(&turn)
        && let Some(state) = CONNS.get_ptr_mut(sk)
    {
        // SAFETY: a value of the map.
        let state = unsafe { &mut *state };
        parted(sk, state, counters);
        // The address may come back as another conn's before the inode differs.
        let _ = CONNS.remove(sk);
    }
    Turn::end::<COPY>(Point::Destroy);
}

/// The counters; counts that copy `COPY` stood in.
#[inline(always)]
fn stood_in<const COPY: u32>(turn: &Turn) -> Option<Counters> {
    let counters = Counters::of(turn.row)?;
    if COPY > 0 && !turn.doubtful {
        counters.add(Counter::StoodIn, 1);
    }
    Some(counters)
}

/// The counters, if `new` says that something ended; and that copy `COPY` stood in.
#[inline(always)]
fn counted<const COPY: u32>(turn: &Turn, new: u32) -> Option<Counters> {
    if COPY == 0 && !is_end(new) {
        return None;
    }
    let counters = stood_in::<COPY>(turn)?;
    is_end(new).then_some(counters)
}

#[inline(always)]
const fn is_end(new: u32) -> bool {
    matches!(
        new,
        tcp::SYN_SENT | tcp::FIN_WAIT1 | tcp::LAST_ACK | tcp::CLOSE
    )
}

#[inline(always)]
fn changed(sk: u64, state: &mut ConnState, old: u32, new: u32, counters: Counters) {
    if new == tcp::SYN_SENT {
        // The process connects a sock anew that it had disconnected (connect(2), AF_UNSPEC).
        parted(sk, state, counters);
        *state = ConnState::NEW;
        return;
    }
    if state.tied != 0 && new != tcp::CLOSE {
        tls::ended(state, EndReason::SentFinished as u16, counters);
        return;
    }
    if state.dropped != 0 && state.tied == 0 {
        return;
    }
    if new == tcp::CLOSE {
        let error: u32 = kernel(sk + u64::from(offset!(sock_sk_err))).unwrap_or(0);
        // Whoever closes in good order goes through a FIN of its own.
        let abrupt = old == tcp::ESTABLISHED || old == tcp::CLOSE_WAIT;
        let reason = if error != 0 || abrupt {
            EndReason::Reset
        } else {
            EndReason::Closed
        };
        if state.tied != 0 {
            tls::ended(state, reason as u16, counters);
            return;
        }
        state.parting = reason as u32;
        // Without an error it is the process itself that lets go, abruptly: no call of its own is
        // under way, and the kernel is about to set the positions anew.
        let own = error == 0 && abrupt;
        if own || state.transport != Transport::Tcp as u32 || !sock::is_held(sk) {
            parted(sk, state, counters);
        }
        return;
    }
    // A close after a shutdown comes here again, from the same state.
    if state.announced == 0 || state.ended & bit(Flow::Sent) != 0 {
        return;
    }
    if end(
        &end_now(sk, state, EndReason::SentFinished as u16),
        counters,
    ) {
        state.ended |= bit(Flow::Sent);
    }
}
