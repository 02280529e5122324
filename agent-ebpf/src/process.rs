//! What processes that serve HTTP do, and their descendants: programs that run, connects, files that
//! are opened. Told to the agent, which holds them against what requests ask for.
//!
//! A process serves once a tap has heard it answer. Of all others a program here asks one map and is
//! done: at the few places where a program runs, a socket connects or a file is opened, never at
//! every call. What one process does to one target again within [`AGAIN_NS`] is told once.

use core::mem::size_of;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::{
    bpf_get_current_task, bpf_ktime_get_boot_ns, bpf_probe_read_kernel_str,
    bpf_probe_read_user_str, bpf_ringbuf_discard,
};
use aya_ebpf::macros::{btf_tracepoint, fexit};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext};
use eaves_common::{
    ARGUMENTS_BYTES, ActKind, ActRecord, Address, ConnId, Counter, FILE_BYTES, GENERATIONS_MAX,
    RecordHeader, RecordKind,
};

use crate::conn::process_start;
use crate::emit::{reserve, submit};
use crate::filter::offset;
use crate::maps::{ACTS, Counters, SERVERS};
use crate::read::{clamp, kernel, user_bytes};
use crate::sock;
use crate::turn::thread_row;

/// Within so long the same act is not told again.
const AGAIN_NS: u64 = 1_000_000_000;

/// Bytes of a record without arguments.
const HEAD: u64 = ActRecord::HEAD_BYTES as u64;

/// Words of a record before its arguments, and where its file begins.
const WORDS: usize = ActRecord::HEAD_BYTES / 8;
const FILE_WORD: usize = WORDS - FILE_BYTES / 8;

/// Remembers that a process serves; `start` is when it started.
#[inline(always)]
pub(crate) fn serves(tgid: u32, start: u64) {
    if let Some(known) = SERVERS.get_ptr(tgid) {
        // SAFETY: a value of the map.
        if unsafe { *known } == start {
            return;
        }
    }
    // Without room its acts are not told, and nothing is proven by them.
    let _ = SERVERS.insert(tgid, start, 0);
}

/// The process that serves of which the current one is a descendant, at most `generations` away, or
/// which it is itself; 0 if there is none.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_server(generations: u64) -> u64 {
    // SAFETY: no arguments.
    let mut task = unsafe { bpf_get_current_task() };
    let mut generation = 0;
    while generation <= u64::from(GENERATIONS_MAX) {
        if generation > generations {
            return 0;
        }
        let Ok(tgid) = kernel::<u32>(task + u64::from(offset!(task_tgid))) else {
            return 0;
        };
        if tgid <= 1 {
            return 0;
        }
        if let Some(start) = SERVERS.get_ptr(tgid) {
            // SAFETY: a value of the map.
            let start = unsafe { *start };
            let leader = kernel::<u64>(task + u64::from(offset!(task_group_leader))).unwrap_or(0);
            if kernel::<u64>(leader + u64::from(offset!(task_start_boottime))) == Ok(start) {
                return u64::from(tgid);
            }
        }
        let Ok(parent) = kernel::<u64>(task + u64::from(offset!(task_real_parent))) else {
            return 0;
        };
        task = parent;
        generation += 1;
    }
    0
}

/// Programs as they begin to run. tp_btf: fired when nothing can fail any more, with the new
/// program's arguments in its memory. Since Linux 5.5. Sees no fork that runs nothing.
#[btf_tracepoint(function = "sched_process_exec")]
pub(crate) fn act_exec(ctx: BtfTracePointContext) -> i32 {
    let server = eaves_server(u64::from(GENERATIONS_MAX));
    if server != 0 {
        let program: u64 = ctx.arg(2);
        executes(server, program);
    }
    0
}

#[inline(always)]
fn executes(server: u64, program: u64) -> u64 {
    let Some((record, counters)) = begin::<{ size_of::<ActRecord>() as u64 }>(
        ActKind::Exec,
        server,
        thread_row(bpf_get_current_pid_tgid()),
    ) else {
        return 0;
    };
    let name = kernel::<u64>(program + u64::from(offset!(binprm_filename))).unwrap_or(0);
    // SAFETY: no arguments.
    let task = unsafe { bpf_get_current_task() };
    let memory = kernel::<u64>(task + u64::from(offset!(task_mm))).unwrap_or(0);
    let start = kernel::<u64>(memory + u64::from(offset!(mm_arg_start))).unwrap_or(0);
    let end = kernel::<u64>(memory + u64::from(offset!(mm_arg_end))).unwrap_or(0);
    // SAFETY: ring memory, ours until it is submitted.
    unsafe {
        file(record, name, true);
        let len = clamp::<{ ARGUMENTS_BYTES as u64 }>(end.wrapping_sub(start));
        let to: *mut u8 = (&raw mut (*record).arguments).cast();
        if len != 0 && user_bytes(to, len, start) {
            (&raw mut (*record).arguments_bytes).write(len as u16);
            (&raw mut (*record).header.size_bytes).write((HEAD + len) as u32);
        }
    }
    finish(record, counters)
}

/// Files as processes open them: exit of `do_filp_open`, since Linux 7.0 `do_file_open`, which every call
/// that opens by path comes through, io_uring's too. Since Linux 5.5.
#[fexit(function = "do_filp_open")]
pub(crate) fn act_open(ctx: FExitContext) -> i32 {
    /// Arguments of the function; its result, a file or an error, stands behind.
    const ARGUMENTS: usize = 3;
    let path: u64 = ctx.arg(1);
    let result: u64 = ctx.arg(ARGUMENTS);
    if !is_error(result) {
        let name = kernel::<u64>(path + u64::from(offset!(filename_name))).unwrap_or(0);
        eaves_opened(name, 1, u64::from(thread_row(bpf_get_current_pid_tgid())));
    }
    0
}

/// Whether a result is an error's number (include/linux/err.h).
#[inline(always)]
pub(crate) const fn is_error(result: u64) -> bool {
    result > u64::MAX - 4095
}

/// The current process has opened the file whose path is at `path`, in the kernel's memory if
/// `inside` is not 0, else in its own. Counts in `row`.
///
/// See [`eaves_server`] for why it has a name.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_opened(path: u64, inside: u64, row: u64) -> u64 {
    let tgid = bpf_get_current_pid_tgid() >> 32;
    let Some(start) = SERVERS.get_ptr(tgid as u32) else {
        return 0;
    };
    // SAFETY: a value of the map.
    if unsafe { *start } != process_start() {
        return 0;
    }
    let Some((record, counters)) = begin::<HEAD>(ActKind::Open, tgid, row as u32) else {
        return 0;
    };
    // SAFETY: ring memory, ours until it is submitted.
    unsafe { file(record, path, inside != 0) };
    finish(record, counters)
}

/// The current process, or one of which it is a descendant, serves and connects the sock at `sk`,
/// whose other end the kernel has just set. Counts in `row`.
///
/// A typed sock is no number yet, so this has no name of its own as [`eaves_server`] has.
#[inline(never)]
pub(crate) fn connects(sk: u64, row: u64) -> u64 {
    let server = eaves_server(u64::from(GENERATIONS_MAX));
    if server == 0 {
        return 0;
    }
    let Some((record, counters)) = begin::<HEAD>(ActKind::Connect, server, row as u32) else {
        return 0;
    };
    let family = sock::family(sk).unwrap_or(sock::AF_INET);
    // SAFETY: ring memory that is zero; of an `Address` each, one of which nobody reads: what lies
    // in the name is made zero again.
    unsafe {
        let remote: *mut Address = &raw mut (*record).remote;
        let local: *mut Address = (&raw mut (*record).file).cast();
        sock::addresses(sk, family, local, remote);
        local.write(Address {
            bytes: [0; 16],
            port: 0,
            reserved: [0; 3],
        });
        if family == sock::AF_INET {
            // IPv4 in IPv6 (RFC 4291 §2.5.5.2), so that one family stands for both.
            let words: *mut u32 = remote.cast();
            let address = words.read_volatile();
            words.write_volatile(0);
            words.add(2).write_volatile(0xffff_0000_u32);
            words.add(3).write_volatile(address);
        }
    }
    finish(record, counters)
}

/// Reserves a record of `N` bytes of which all before the arguments is zero but its head.
#[inline(always)]
fn begin<const N: u64>(kind: ActKind, server: u64, row: u32) -> Option<(*mut ActRecord, Counters)> {
    let counters = Counters::of(row)?;
    let memory = reserve(N);
    if memory.is_null() {
        counters.add(Counter::Records, 1);
        counters.add(Counter::RecordsLost, 1);
        return None;
    }
    let pid_tgid = bpf_get_current_pid_tgid();
    let words: *mut u64 = memory.cast();
    let mut at = 0;
    while at < WORDS {
        // SAFETY: within the record; volatile, or it would become a call.
        unsafe { words.add(at).write_volatile(0) };
        at += 1;
    }
    let record: *mut ActRecord = memory.cast();
    // SAFETY: ring memory of at least the head's size and alignment.
    unsafe {
        (&raw mut (*record).header).write(RecordHeader {
            kind: RecordKind::Act as u16,
            flags: kind as u16,
            size_bytes: HEAD as u32,
            ktime_ns: bpf_ktime_get_boot_ns(),
            conn: ConnId { sock: 0, inode: 0 },
        });
        (&raw mut (*record).server).write(server as u32);
        (&raw mut (*record).tgid).write((pid_tgid >> 32) as u32);
        (&raw mut (*record).tid).write(pid_tgid as u32);
    }
    Some((record, counters))
}

/// Copies the text at `from`, in the kernel's memory if `inside`, into the record's file.
///
/// # Safety
/// `record` is ring memory.
#[inline(always)]
unsafe fn file(record: *mut ActRecord, from: u64, inside: bool) {
    // SAFETY: the caller vouches; the helpers check `from`, and fill at most the file.
    let len = unsafe {
        let to = (&raw mut (*record).file).cast();
        let from = from as *const core::ffi::c_void;
        if inside {
            bpf_probe_read_kernel_str(to, FILE_BYTES as u32, from)
        } else {
            bpf_probe_read_user_str(to, FILE_BYTES as u32, from)
        }
    };
    // What the helper counts includes the NUL.
    let len = if len > 0 { len as u64 - 1 } else { 0 };
    // SAFETY: as above.
    unsafe { (&raw mut (*record).file_bytes).write(len as u16) };
}

/// Hands a record over, unless the same act was told a moment ago.
#[inline(always)]
fn finish(record: *mut ActRecord, counters: Counters) -> u64 {
    let words: *const u64 = record.cast();
    // SAFETY: within the record's head.
    let (kind, time, server) = unsafe {
        (
            u64::from((&raw const (*record).header.flags).read_volatile()),
            (&raw const (*record).header.ktime_ns).read_volatile(),
            u64::from((&raw const (*record).server).read_volatile()),
        )
    };
    if kind != ActKind::Exec as u64 {
        // FNV-1a over words: what collides is told a second later, if it is done again.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ (server << 8 | kind);
        let mut at = FILE_WORD - size_of::<Address>() / 8;
        while at < WORDS {
            // SAFETY: within the record.
            let word = unsafe { words.add(at).read_volatile() };
            hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
            hash ^= hash >> 29;
            at += 1;
        }
        if let Some(told) = ACTS.get_ptr(hash)
            // SAFETY: a value of the map.
            && time.wrapping_sub(unsafe { *told }) < AGAIN_NS
        {
            // SAFETY: it came from `reserve` and is not used again.
            unsafe {
                bpf_ringbuf_discard(
                    record.cast(),
                    u64::from(aya_ebpf::bindings::BPF_RB_NO_WAKEUP),
                );
            }
            return 0;
        }
        let _ = ACTS.insert(hash, time, 0);
    }
    counters.add(Counter::Records, 1);
    counters.add(Counter::RecordsSent, 1);
    submit(record.cast(), counters);
    1
}
