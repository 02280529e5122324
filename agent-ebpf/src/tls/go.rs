//! Go's own TLS: plaintext where `crypto/tls` makes records of it, and where it copies it to its reader.
//!
//! | program | at | registers |
//! | --- | --- | --- |
//! | `go_write` | `(*Conn).Write`'s calls of `writeRecordLocked` | `rax` the `Conn`, `rbx` the kind of record, `rcx` and `rdi` the bytes |
//! | `go_read` | `(*Conn).Read`'s call of `memmove` | `rbx` and `rcx` the bytes, `rbp` + 16 where the `Conn` is |
//! | `go_begin` | way into `clientHandshake` and `serverHandshake` | `rax` the `Conn` |
//! | `go_close` | way into `(*Conn).Close` | the same |
//!
//! Goroutines go from thread to thread, and their stacks move; so nothing is kept from one probe to the
//! next, and the bytes are taken where they lie at that moment. What is written is heard before it is
//! encrypted: a write that fails is heard whole, and is the session's last.
//!
//! The socket is found by the `Conn` itself: its first field, an interface, holds a `*net.TCPConn` or
//! `*net.UnixConn`, which leads to the descriptor. That it is one its type says, by two hashes that the
//! compiler makes of the type's name and of what it points to; a wrapper of the application's has other
//! ones, and its sessions stay without addresses. A descriptor counts only if its owner has not begun to
//! close it before and after it is looked up: till then the number is no other's.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;
use eaves_common::{DropReason, EndReason, Flow, TlsLibrary};

use super::tie::{self, CONTRADICTED, Session};
use crate::filter;
use crate::maps::{Counters, TLS_CONNS, TLS_SOCKS};
use crate::read::user;
use crate::sock;
use crate::state::Dropped;
use crate::syscall::fd;
use crate::transfer::{Bytes, Transfer, hear_session};
use crate::turn::thread_row;

/// A socket, and the session whose ciphertext it carries.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Carrier {
    /// Inode number of the socket.
    pub(crate) inode: u64,
    /// The session.
    pub(crate) session: Session,
}

/// Kind of a record that carries what the application wrote (RFC 8446 §5.1).
const APPLICATION_DATA: u64 = 23;

/// Hashes of `*net.TCPConn` and `net.TCPConn`, then of `*net.UnixConn` and `net.UnixConn`, by the
/// compilers of Go 1.19 to 1.23, of 1.24, and since 1.25 (`types.TypeHash`; measured on each).
const fn of_elem(pointer: u32) -> Option<u32> {
    match pointer {
        0xbc02_0cb9 => Some(0x6517_38d4),
        0x35fd_9d63 => Some(0x1356_8469),
        0x425e_a6e6 => Some(0x4df3_9b39),
        0x34e8_b944 => Some(0xa140_b8e7),
        0x43fd_f3b9 => Some(0x9ae8_c7d4),
        0xca02_6263 => Some(0xeca9_7b69),
        _ => None,
    }
}

/// Offsets in `abi.ITab`, `abi.Type` and `abi.PtrType`, unchanged since Go 1.7: the type of an
/// interface's value, its hash, what it points to.
const ITAB_TYPE: u64 = 8;
const TYPE_HASH: u64 = 16;
const TYPE_ELEM: u64 = 48;
/// Offset in `poll.FD`, the first field of `netFD`: the descriptor behind its lock, unchanged since 1.9.
const FD_SYSFD: u64 = 16;
/// Bit of the lock's first word: it is being closed (internal/poll/fd_mutex.go).
const CLOSED: u64 = 1;

/// `(*Conn).Write`, with what it writes.
#[uprobe]
pub(crate) fn go_write(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the task's registers.
    let (conn, kind, buffer, bytes) = unsafe {
        let regs = &*ctx.regs;
        (regs.rax, regs.rbx, regs.rcx, regs.rdi)
    };
    if kind & 0xff == APPLICATION_DATA {
        moved(conn, buffer, bytes, Flow::Sent);
    }
    0
}

/// `(*Conn).Read`, with what it read.
#[uprobe]
pub(crate) fn go_read(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the task's registers.
    let (frame, buffer, bytes) = unsafe {
        let regs = &*ctx.regs;
        (regs.rbp, regs.rbx, regs.rcx)
    };
    if let Some(conn) = user::<u64>(frame.wrapping_add(16)) {
        moved(conn, buffer, bytes, Flow::Received);
    }
    0
}

#[inline(always)]
fn moved(conn: u64, buffer: u64, bytes: u64, flow: Flow) {
    let pid_tgid = bpf_get_current_pid_tgid();
    if filter::is_own((pid_tgid >> 32) as u32) {
        return;
    }
    let row = thread_row(pid_tgid);
    if let Some(counters) = super::counters(row) {
        let transfer = Transfer {
            sk: conn,
            flow,
            bytes,
            pid_tgid,
            row,
            doubtful: false,
        };
        counters.alone(hear(&transfer, buffer, counters));
    }
}

#[inline(always)]
fn hear(transfer: &Transfer, buffer: u64, counters: Counters) -> Result<(), Dropped> {
    if transfer.bytes == 0 || transfer.bytes >> 48 != 0 {
        return Err(DropReason::Nothing.into());
    }
    let session = Session::of(transfer.sk, transfer.pid_tgid);
    let is_tied = match TLS_CONNS.get_ptr(session) {
        // SAFETY: a value of the map.
        Some(state) => unsafe { (*state).tied != 0 },
        None => false,
    };
    if !is_tied && eaves_go_tie(transfer.sk, transfer.pid_tgid) == GONE {
        return Err(DropReason::Nothing.into());
    }
    let state = match TLS_CONNS.get_ptr_mut(session) {
        Some(state) => state,
        None => tie::begin(session).ok_or(DropReason::State)?,
    };
    // SAFETY: a value of the map.
    let state = unsafe { &mut *state };
    hear_session(
        transfer,
        state,
        counters,
        TlsLibrary::Go as u32,
        Bytes::buffer(buffer, transfer.bytes),
    )
}

/// A handshake: what was at that address before is over, if it is not the same that agrees anew.
#[uprobe]
pub(crate) fn go_begin(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    // SAFETY: the context is the task's registers.
    let conn = unsafe { (*ctx.regs).rax };
    if eaves_go_is_same(conn, pid_tgid) == 0 {
        over(conn, pid_tgid);
    }
    0
}

/// The application is done with it.
#[uprobe]
pub(crate) fn go_close(ctx: ProbeContext) -> u32 {
    // SAFETY: the context is the task's registers.
    let conn = unsafe { (*ctx.regs).rax };
    over(conn, bpf_get_current_pid_tgid());
    0
}

#[inline(always)]
fn over(conn: u64, pid_tgid: u64) {
    if let Some(counters) = super::counters(thread_row(pid_tgid)) {
        tie::end(
            Session::of(conn, pid_tgid),
            EndReason::Closed as u16,
            counters,
        );
    }
}

/// What is not found yet.
const NONE: fd::Socket = fd::Socket { sk: 0, inode: 0 };

/// Why a session's socket is not known.
enum Unknown {
    /// Its connection is of another type.
    Type,
    /// It is being closed.
    Closed,
    /// Memory was not at hand.
    Memory,
}

/// The socket behind the `Conn` at `conn` of the current process.
///
/// It is left in `found`: of a result the compiler moves what is not there, which the kernel refuses.
#[inline(always)]
fn socket(conn: u64, found: &mut fd::Socket) -> Result<(), Unknown> {
    let [itab, value] = user::<[u64; 2]>(conn).ok_or(Unknown::Memory)?;
    let kind = user::<u64>(itab.wrapping_add(ITAB_TYPE)).ok_or(Unknown::Memory)?;
    let hash = user::<u32>(kind.wrapping_add(TYPE_HASH)).ok_or(Unknown::Memory)?;
    let elem_hash = of_elem(hash).ok_or(Unknown::Type)?;
    let elem = user::<u64>(kind.wrapping_add(TYPE_ELEM)).ok_or(Unknown::Memory)?;
    if user::<u32>(elem.wrapping_add(TYPE_HASH)).ok_or(Unknown::Memory)? != elem_hash {
        return Err(Unknown::Type);
    }
    let owner = user::<u64>(value).ok_or(Unknown::Memory)?;
    let lock = user::<u64>(owner).ok_or(Unknown::Memory)?;
    let number = user::<u64>(owner.wrapping_add(FD_SYSFD)).ok_or(Unknown::Memory)?;
    if lock & CLOSED != 0 {
        return Err(Unknown::Closed);
    }
    if number >> 31 != 0 {
        return Err(Unknown::Type);
    }
    let Ok(socket) = fd::socket(number) else {
        return Err(Unknown::Memory);
    };
    *found = socket;
    let lock = user::<u64>(owner).ok_or(Unknown::Memory)?;
    if lock & CLOSED != 0 {
        return Err(Unknown::Closed);
    }
    Ok(())
}

/// What [`eaves_go_tie`] says of a session whose socket is being closed.
const GONE: u64 = 1;

/// Ties the session at `at` of the current process to its socket.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_go_tie(at: u64, pid_tgid: u64) -> u64 {
    let session = Session::of(at, pid_tgid);
    let mut found = NONE;
    let known = socket(at, &mut found);
    if let Err(Unknown::Closed) = known {
        return GONE;
    }
    let state = match TLS_CONNS.get_ptr_mut(session) {
        Some(state) => state,
        None => match tie::begin(session) {
            Some(state) => state,
            None => return 0,
        },
    };
    // SAFETY: a value of the map.
    let state = unsafe { &mut *state };
    match known {
        Ok(()) => {}
        Err(Unknown::Type) => {
            state.tied = CONTRADICTED;
            return 0;
        }
        Err(_) => return 0,
    }
    let Ok(Some(transport)) = sock::transport_of(found.sk) else {
        state.tied = CONTRADICTED;
        return 0;
    };
    // One thread reads while another writes: the other may have been first.
    if tie::is_tied(state, found.sk, found.inode) {
        return 0;
    }
    if tie::to(state, found.sk, found.inode, transport as u64) {
        let carrier = Carrier {
            inode: found.inode,
            session,
        };
        let _ = TLS_SOCKS.insert(found.sk, carrier, 0);
    }
    0
}

/// Whether the session at `at` of the current process is tied to the socket that it has now.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_go_is_same(at: u64, pid_tgid: u64) -> u64 {
    let Some(state) = TLS_CONNS.get_ptr(Session::of(at, pid_tgid)) else {
        return 1;
    };
    // SAFETY: a value of the map.
    let (tied, inode) = unsafe { ((*state).tied, (*state).tied_inode) };
    let mut found = NONE;
    let known = socket(at, &mut found).is_ok();
    u64::from(known && tied == found.sk && inode == found.inode)
}

/// The session that the socket of this sock and inode carries, if it is of the current process; or 0.
#[inline(always)]
pub(super) fn carried(sk: u64, inode: u64, pid_tgid: u64) -> u64 {
    let Some(carrier) = TLS_SOCKS.get_ptr(sk) else {
        return 0;
    };
    // SAFETY: a value of the map.
    let carrier = unsafe { *carrier };
    let own = Session::of(carrier.session.at, pid_tgid);
    if carrier.inode == inode && carrier.session.process == own.process {
        own.at
    } else {
        0
    }
}
