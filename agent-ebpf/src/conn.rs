//! Conns are announced.

use core::mem::size_of;

use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_ktime_get_boot_ns};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_task};
use eaves_common::{
    Address, COMM_BYTES, ConnId, Counter, Family, OpenRecord, RecordHeader, RecordKind, Transport,
    UNIX_PATH_BYTES,
};

use crate::emit::{reserve, submit};
use crate::filter::{leader_comm, offset};
use crate::log::log;
use crate::maps::Counters;
use crate::process;
use crate::read::kernel;
use crate::sock;

/// In the flags that the taps give along, above those of the record: this end answers.
pub(crate) const SERVES_SHIFT: u32 = 32;

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
    let Some(counters) = Counters::of(row as u32) else {
        return 0;
    };
    let carrier = ConnId { sock: 0, inode: 0 };
    let conn = ConnId { sock, inode };
    announce(conn, carrier, sock, transport, flags, counters)
}

/// As [`eaves_announce`], of a conn that bears another name than its sock: `carrier` is the socket's; `sk`
/// is 0 where that is not known.
#[inline(always)]
pub(crate) fn announce(
    conn: ConnId,
    carrier: ConnId,
    sk: u64,
    transport: u64,
    flags: u64,
    counters: Counters,
) -> u64 {
    let pid_tgid = bpf_get_current_pid_tgid();
    if flags >> SERVES_SHIFT != 0 {
        process::serves((pid_tgid >> 32) as u32, process_start());
    }
    counters.add(Counter::Records, 1);
    let memory = reserve(size_of::<OpenRecord>() as u64);
    if memory.is_null() {
        counters.add(Counter::RecordsLost, 1);
        log!(lost(conn.inode, 0));
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
            conn,
        });
        (&raw mut (*record).process_start_ns).write(process_start());
        (&raw mut (*record).cgroup).write(bpf_get_current_cgroup_id());
        (&raw mut (*record).netns).write(if sk == 0 { 0 } else { sock::netns(sk) });
        (&raw mut (*record).tgid).write((pid_tgid >> 32) as u32);
        (&raw mut (*record).tid).write(pid_tgid as u32);
        (&raw mut (*record).transport).write(transport as u16);
        (&raw mut (*record).carrier).write(carrier);
        (&raw mut (*record).comm).write(leader_comm().unwrap_or([0; COMM_BYTES]));
        if transport == Transport::Unix as u64 {
            (&raw mut (*record).family).write(Family::Unix as u16);
            unix(sk, record);
        } else if sk != 0 {
            let family = sock::family(sk).unwrap_or(sock::AF_INET);
            (&raw mut (*record).family).write(family);
            let (local, remote): (*mut Address, *mut Address) =
                (&raw mut (*record).local, &raw mut (*record).remote);
            sock::addresses(sk, family, local, remote);
        }
    }
    counters.add(Counter::RecordsSent, 1);
    submit(memory, counters);
    log!(announced(conn.inode));
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
pub(crate) fn process_start() -> u64 {
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    kernel::<u64>(task + u64::from(offset!(task_group_leader)))
        .and_then(|leader| kernel(leader + u64::from(offset!(task_start_boottime))))
        .unwrap_or(0)
}
