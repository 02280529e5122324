//! Conns are announced, and their ends told. Never makes a state: what no tap heard has none.

use core::mem::size_of;

use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_ktime_get_boot_ns};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task};
use aya_ebpf::macros::{btf_tracepoint, raw_tracepoint};
use aya_ebpf::programs::{BtfTracePointContext, RawTracePointContext};
use eaves_common::{
    Address, COMM_BYTES, ConnId, Counter, DropReason, EndReason, EndRecord, Family, Flow,
    OpenRecord, RecordHeader, RecordKind, Transport, UNIX_PATH_BYTES, end_flag,
};

use crate::emit::{reserve, submit};
use crate::filter::{leader_comm, offset};
use crate::log::log;
use crate::maps::{CONNS, Counters, storage};
use crate::read::kernel;
use crate::sock::{self, tcp};
use crate::state::{ConnState, bit};
use crate::turn::{Point, Turn};

/// Tells the agent of the conn of this sock, inode and transport, and of the current process,
/// counting in `row`; 0 if the ring had no room.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_announce(
    sock: u64,
    inode: u64,
    transport: u64,
    flags: u64,
    row: u64,
) -> u64 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let Some(counters) = Counters::of(row as u32) else {
        return 0;
    };
    counters.add(Counter::Records, 1);
    let memory = reserve(size_of::<OpenRecord>() as u64);
    if memory.is_null() {
        counters.add(Counter::RecordsLost, 1);
        log!(lost(inode, 0));
        return 0;
    }
    let record: *mut OpenRecord = memory.cast();
    // SAFETY: ring memory of the record's size and alignment, ours until it is submitted.
    unsafe {
        zero(memory);
        (&raw mut (*record).header).write(RecordHeader {
            kind: RecordKind::Open as u16,
            flags: flags as u16,
            size_bytes: size_of::<OpenRecord>() as u32,
            ktime_ns: bpf_ktime_get_boot_ns(),
            conn: ConnId { sock, inode },
        });
        (&raw mut (*record).process_start_ns).write(process_start());
        (&raw mut (*record).cgroup).write(bpf_get_current_cgroup_id());
        (&raw mut (*record).netns).write(sock::netns(sock));
        (&raw mut (*record).tgid).write((pid_tgid >> 32) as u32);
        (&raw mut (*record).tid).write(pid_tgid as u32);
        (&raw mut (*record).transport).write(transport as u16);
        (&raw mut (*record).comm).write(leader_comm().unwrap_or([0; COMM_BYTES]));
        if transport == Transport::Unix as u64 {
            (&raw mut (*record).family).write(Family::Unix as u16);
            unix(sock, record);
        } else {
            let family = sock::family(sock).unwrap_or(sock::AF_INET);
            (&raw mut (*record).family).write(family);
            let (local, remote): (*mut Address, *mut Address) =
                (&raw mut (*record).local, &raw mut (*record).remote);
            sock::addresses(sock, family, local, remote);
        }
    }
    counters.add(Counter::RecordsSent, 1);
    submit(memory, counters);
    log!(announced(inode));
    1
}

/// Makes an open record zero, so that nothing of what lay in the ring before is in it.
///
/// # Safety
/// `record` is ring memory of an [`OpenRecord`]'s size.
#[inline(always)]
unsafe fn zero(record: *mut u8) {
    const WORDS: usize = size_of::<OpenRecord>() / 8;
    let words: *mut u64 = record.cast();
    let mut at = 0;
    while at < WORDS {
        // SAFETY: within the record; volatile, or it would become a call.
        unsafe { words.add(at).write_volatile(0) };
        at += 1;
    }
}

/// A Unix socket's name, or the other end's, and who that is.
///
/// # Safety
/// `record` is ring memory.
#[inline(always)]
unsafe fn unix(sk: u64, record: *mut OpenRecord) {
    let peer = sock::unix_peer(sk);
    // SAFETY: the caller vouches for the memory.
    unsafe {
        (&raw mut (*record).peer_sock).write(peer);
        let path: *mut u8 = (&raw mut (*record).path).cast();
        const { assert!(size_of::<[u8; UNIX_PATH_BYTES]>() == UNIX_PATH_BYTES) };
        let mut of = 1;
        let mut bytes = sock::unix_path(sk, path);
        if bytes == 0 && peer != 0 {
            of = 2;
            bytes = sock::unix_path(peer, path);
        }
        if bytes != 0 {
            (&raw mut (*record).path_bytes).write(bytes);
            (&raw mut (*record).path_of).write(of);
        }
    }
}

/// When the current process started, nanoseconds since boot.
#[inline(always)]
fn process_start() -> u64 {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    kernel::<u64>(task + u64::from(offset!(task_group_leader)))
        .and_then(|leader| kernel(leader + u64::from(offset!(task_start_boottime))))
        .unwrap_or(0)
}

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

/// Tells the agent of an end; false if the ring had no room.
#[inline(always)]
pub(crate) fn end(end: &End, counters: Counters) -> bool {
    counters.add(Counter::Records, 1);
    let memory = reserve(size_of::<EndRecord>() as u64);
    if memory.is_null() {
        counters.add(Counter::RecordsLost, 1);
        log!(lost(end.conn.inode, 0));
        return false;
    }
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

/// A read found the end of the other's stream: tells it once, and for a Unix socket that the
/// other end is gone or sends no more. The socket tap has no hook for either.
#[inline(never)]
pub(crate) fn received_all(sk: u64, state: &mut ConnState, counters: Counters) -> u32 {
    let heard = state.announced != 0;
    let is_unix = state.transport == Transport::Unix as u32;
    let passed_over = is_unix && state.dropped == DropReason::Role.slot();
    if (!heard && !passed_over)
        || state.ended & bit(Flow::Received) != 0
        || !sock::receives_no_more(sk)
    {
        return 0;
    }
    if state.parting != 0 {
        return parted(sk, state, counters);
    }
    if heard && state.dropped == 0 {
        let told = end_now(sk, state, EndReason::ReceivedFinished as u16);
        if !end(&told, counters) {
            state.lost |= bit(Flow::Received);
            return 0;
        }
    }
    state.ended |= bit(Flow::Received);
    if is_unix {
        let peer = sock::unix_peer(sk);
        let reason = if peer == 0 {
            0
        } else if sock::unix_is_closed(peer) {
            EndReason::PeerGone as u16
        } else if sock::sends_no_more(peer) {
            EndReason::PeerFinished as u16
        } else {
            0
        };
        if reason != 0 {
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
            end(&told, counters);
        }
    }
    1
}

/// What waited to be read when the conn ended has been read, or never will: tells the end.
#[inline(never)]
pub(crate) fn parted(sk: u64, state: &mut ConnState, counters: Counters) -> u32 {
    let told = end_now(sk, state, state.parting as u16);
    state.parting = 0;
    state.ended |= bit(Flow::Received);
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
    if let Some(counters) = counted::<COPY>(&turn, new as u32)
        && let Some(state) = CONNS.get_ptr_mut(sk)
    {
        // SAFETY: a value of the map.
        let state = unsafe { &mut *state };
        changed(sk, state, old as u32, new as u32, counters);
        if new as u32 == tcp::CLOSE && state.parting == 0 {
            // The address may come back as another conn's before the inode differs.
            let _ = CONNS.remove(sk);
        }
    }
    Turn::end::<COPY>(Point::State);
}

/// The counters, if `new` says that something ended; and that copy `COPY` stood in.
#[inline(always)]
fn counted<const COPY: u32>(turn: &Turn, new: u32) -> Option<Counters> {
    if COPY == 0 && !is_end(new) {
        return None;
    }
    let counters = Counters::of(turn.row)?;
    if COPY > 0 && !turn.doubtful {
        counters.add(Counter::StoodIn, 1);
    }
    is_end(new).then_some(counters)
}

#[inline(always)]
const fn is_end(new: u32) -> bool {
    new == tcp::FIN_WAIT1 || new == tcp::LAST_ACK || new == tcp::CLOSE
}

#[inline(always)]
fn changed(sk: u64, state: &mut ConnState, old: u32, new: u32, counters: Counters) {
    if state.announced == 0 || state.dropped != 0 {
        return;
    }
    let reason = if new == tcp::CLOSE {
        let error: u32 = kernel(sk + u64::from(offset!(sock_sk_err))).unwrap_or(0);
        // Whoever closes in good order goes through a FIN of its own.
        let reason = if error != 0 || old == tcp::ESTABLISHED || old == tcp::CLOSE_WAIT {
            EndReason::Reset as u16
        } else {
            EndReason::Closed as u16
        };
        if sock::has_unread(sk, state, error) {
            state.parting = u32::from(reason);
            return;
        }
        reason
    } else {
        EndReason::SentFinished as u16
    };
    let told = end_now(sk, state, reason);
    if !end(&told, counters) {
        state.lost |= bit(Flow::Sent) | bit(Flow::Received);
    }
}
