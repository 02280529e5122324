//! Which socket carries which session: what a thread does on a socket while it is in a call into
//! the library says it, or the records themselves (`wire.rs`), nothing else.

use core::mem::size_of;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use eaves_common::{ConnId, DropReason, EndReason, Flow, TlsLibrary, Transport};

use crate::conn;
use crate::end::{End, end as tell};
use crate::filter;
use crate::maps::{Counters, TLS_CALLS, TLS_CONNS};
use crate::read::anew;
use crate::sock;
use crate::state::{CERTAIN, ConnState, UNDECIDED, bit};
use crate::tls::go;
use crate::tls::wire::eaves_wire;

/// Names a session: its address in its process.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Session {
    /// Address.
    pub(crate) at: u64,
    /// Process, with [`ConnId::SESSION`].
    pub(crate) process: u64,
}

const _: () = assert!(size_of::<Session>() == 16);

impl Session {
    /// The session at `at` of the current process.
    #[inline(always)]
    pub(crate) const fn of(at: u64, pid_tgid: u64) -> Self {
        Self {
            at,
            process: ConnId::SESSION | pid_tgid >> 32,
        }
    }
}

/// A state of which nothing is known, in read-only memory: on the stack there is no room for it.
static NEW: ConnState = ConnState::NEW;

/// A new state for `session`, or that which another thread has made meanwhile.
#[inline(always)]
pub(crate) fn begin(session: Session) -> Option<*mut ConnState> {
    let new: &ConnState = &NEW;
    let is_new = TLS_CONNS.insert(session, new, NO_EXIST).is_ok();
    let state = TLS_CONNS.get_ptr_mut(session)?;
    if !is_new {
        return Some(state);
    }
    // Addresses come back, within one process too: the time tells sessions apart.
    // SAFETY: no arguments.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    // SAFETY: a value of the map.
    unsafe { (*state).inode = ConnId::SESSION | time ^ (session.process & 0xffff) << 46 };
    Some(state)
}

/// `BPF_NOEXIST`: what is there stays.
const NO_EXIST: u64 = 1;

/// Of so many transfers of a conn that is not HTTP one is asked about; a power of two.
const LOOK_EVERY: u32 = 16;

/// Sees whether a transfer of a known socket is a TLS session's ciphertext: then the socket is
/// dropped as heard elsewhere.
///
/// A conn that is HTTP in clear is not asked about, and one that is not HTTP now and then only,
/// since each asking costs a look-up. Nor is a socket's first transfer: a handshake takes more.
///
/// True if it is none that the thread is in a call of: then what was sent is to be given to
/// [`carried`].
#[inline(always)]
pub(crate) fn carries(sk: u64, state: &mut ConnState, pid_tgid: u64) -> bool {
    if filter::setting!(tls) == 0 || state.dropped == 0 && state.verdict >= CERTAIN {
        return false;
    }
    // Where the sock is typed, its address becomes a number on the way through the map.
    state.sock = sk;
    look(state, pid_tgid) == OUTSIDE
}

/// What [`look`] says of a transfer outside of any call.
const OUTSIDE: u64 = 1;

/// Sees by what was sent, `bytes` bytes at `buffer`, whether a session wrote it that works on memory.
#[inline(always)]
pub(crate) fn carried(state: &mut ConnState, buffer: u64, bytes: u64) -> u64 {
    let at = eaves_wire(
        anew(&state.sock),
        state.inode,
        u64::from(state.transport),
        buffer,
        bytes,
    );
    if at != 0 && state.tied == 0 {
        state.dropped = DropReason::HeardElsewhere.slot();
        state.tied = at;
        state.announced = (bpf_get_current_pid_tgid() >> 32) as u32;
    }
    at
}

#[inline(never)]
fn look(state: &mut ConnState, pid_tgid: u64) -> u64 {
    if state.dropped == DropReason::NotHttp.slot() {
        state.transfers = state.transfers.wrapping_add(1);
        if state.transfers & (LOOK_EVERY - 1) != 0 {
            return 0;
        }
    } else if state.dropped != 0 && state.dropped != DropReason::HeardElsewhere.slot() {
        return 0;
    }
    let at = eaves_tie(
        anew(&state.sock),
        state.inode,
        u64::from(state.transport),
        pid_tgid,
    );
    if at != 0 {
        state.dropped = DropReason::HeardElsewhere.slot();
        state.tied = at;
        state.announced = (pid_tgid >> 32) as u32;
        return 0;
    }
    OUTSIDE
}

/// Ties the session of the call that the current thread is in to the socket it moves bytes on; the
/// session's address, or 0 if it is in none. What Go's sessions are tied to is known by the sock.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_tie(sk: u64, inode: u64, transport: u64, pid_tgid: u64) -> u64 {
    let Some(call) = TLS_CALLS.get_ptr(pid_tgid) else {
        return go::carried(sk, inode, pid_tgid);
    };
    // SAFETY: a value of the map, which this thread alone writes.
    let (at, library) = unsafe { ((*call).session, (*call).library) };
    let session = Session::of(at, pid_tgid);
    let state = match TLS_CONNS.get_ptr_mut(session) {
        Some(state) => state,
        None => match begin(session) {
            Some(state) => state,
            None => return 0,
        },
    };
    // SAFETY: a value of the map.
    let state = unsafe { &mut *state };
    if library == TlsLibrary::Rustls as u32 {
        state.cipher = ALONE;
        if state.tied != 0 && !is_tied(state, sk, inode) && state.parting == 0 {
            // Its name is another connection's by now.
            state.parting = EndReason::Closed as u32;
        }
    }
    if is_tied(state, sk, inode) || to(state, sk, inode, transport) {
        at
    } else {
        0
    }
}

/// Whether a session is tied to this socket.
#[inline(always)]
pub(super) const fn is_tied(state: &ConnState, sk: u64, inode: u64) -> bool {
    state.tied == sk && state.tied_inode == inode
}

/// Ties a session to a socket that it is not tied to; false where nothing is to be tied: the kernel
/// itself speaks TLS on it.
#[inline(always)]
pub(super) fn to(state: &mut ConnState, sk: u64, inode: u64, transport: u64) -> bool {
    if state.parting != 0 {
        // It goes on over another socket: the call that is under way begins another conn.
        state.renewed = 1;
        state.tied = 0;
    }
    if state.tied != 0 {
        // One session, two sockets: neither is believed. The second is not heard in clear either.
        untie(state);
    }
    if state.tied == 0 {
        // The kernel itself speaks TLS here: the socket's bytes are plaintext already.
        if transport == Transport::Tcp as u64 && sock::has_sequence(sk, transport as u32) == 0 {
            state.drop_for(DropReason::HeardElsewhere);
            return false;
        }
        if transport != Transport::Unix as u64
            && let Ok((local, remote)) = sock::ports(sk)
            && let Err(reason) = filter::ports(local, remote)
        {
            state.drop_for(reason);
        }
        // The sock last: by it others see that all is known.
        state.tied_inode = inode;
        state.transport = transport as u32;
        state.tied = sk;
    }
    // What was announced without addresses is announced again, with them.
    if state.announced != 0 {
        state.announced = AGAIN;
    }
    true
}

/// Ties a session to no socket any more.
#[inline(always)]
pub(super) fn untie(state: &mut ConnState) {
    state.tied = CONTRADICTED;
    state.transport = 0;
    if state.announced != 0 {
        state.announced = AGAIN;
    }
}

/// Tells the agent of the session at `at` of the current process, with its socket's addresses if
/// that is known, counting in `row`; 0 if the ring had no room.
#[inline(always)]
pub(crate) fn announce(at: u64, pid_tgid: u64, flags: u64, row: u64) -> u64 {
    eaves_announce_session(at, pid_tgid, flags, row)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_announce_session(at: u64, pid_tgid: u64, flags: u64, row: u64) -> u64 {
    let session = Session::of(at, pid_tgid);
    let (Some(counters), Some(state)) = (Counters::of(row as u32), TLS_CONNS.get_ptr(session))
    else {
        return 0;
    };
    // SAFETY: a value of the map.
    let (tied, tied_inode, transport, inode) = unsafe {
        (
            (*state).tied,
            (*state).tied_inode,
            u64::from((*state).transport),
            (*state).inode,
        )
    };
    let carrier = if tied == CONTRADICTED || tied == 0 {
        ConnId { sock: 0, inode: 0 }
    } else {
        ConnId {
            sock: tied,
            inode: tied_inode,
        }
    };
    let conn = ConnId { sock: at, inode };
    conn::announce(conn, carrier, carrier.sock, transport, flags, counters)
}

/// In [`ConnState::tied`] of a session: its socket is not known, and is not asked for any more.
pub(crate) const CONTRADICTED: u64 = 1;

/// In [`ConnState::cipher`] of a session: no call of the library ends it, but its socket alone does.
/// It reads nothing later than it receives it.
const ALONE: u64 = 1;

/// In [`ConnState::announced`]: no process, but not for the first time.
const AGAIN: u32 = u32::MAX;

/// The socket that carries a session ended, or one of its directions did.
///
/// The library may still hold plaintext that it read before: so the end of a session whose socket
/// is gone is told when the library has no more to give, or with the session.
#[inline(always)]
pub(crate) fn ended(state: &ConnState, reason: u16, counters: Counters) {
    if state.tied == 0 {
        return;
    }
    let session = Session::of(state.tied, u64::from(state.announced) << 32);
    let Some(of) = TLS_CONNS.get_ptr_mut(session) else {
        return;
    };
    // SAFETY: a value of the map.
    let of = unsafe { &mut *of };
    // A session that was freed before its socket was closed may have left its address to another.
    if of.tied != state.sock || of.tied_inode != state.inode {
        return;
    }
    let is_gone = reason == EndReason::Closed as u16 || reason == EndReason::Reset as u16;
    if is_gone && of.cipher != ALONE {
        of.parting = u32::from(reason);
        return;
    }
    tell_end(session, of, reason, counters);
    if is_gone {
        let _ = TLS_CONNS.remove(session);
    }
}

/// Ends the conn of a session that goes on over another socket, and begins the next one.
#[inline(never)]
pub(crate) fn renew(session: Session, counters: Counters) -> Option<*mut ConnState> {
    let state = TLS_CONNS.get_ptr(session)?;
    // SAFETY: a value of the map.
    let (tied, tied_inode, transport) =
        unsafe { ((*state).tied, (*state).tied_inode, (*state).transport) };
    // SAFETY: a value of the map.
    let cipher = unsafe { (*state).cipher };
    end(session, EndReason::Closed as u16, counters);
    let state = begin(session)?;
    // SAFETY: a value of the map.
    unsafe {
        (*state).cipher = cipher;
        (*state).tied = tied;
        (*state).tied_inode = tied_inode;
        (*state).transport = transport;
    }
    Some(state)
}

/// A call into the library moved nothing: if the session's socket is gone, so is the session.
#[inline(always)]
pub(crate) fn nothing(session: Session, counters: Counters) {
    if let Some(state) = TLS_CONNS.get_ptr(session) {
        // SAFETY: a value of the map.
        let parting = unsafe { (*state).parting };
        if parting != 0 {
            end(session, parting as u16, counters);
        }
    }
}

/// Ends a session and forgets it; with `reason`, if not its socket had another.
#[inline(always)]
pub(crate) fn end(session: Session, reason: u16, counters: Counters) {
    if let Some(state) = TLS_CONNS.get_ptr_mut(session) {
        // SAFETY: a value of the map.
        let state = unsafe { &mut *state };
        let reason = if state.parting != 0 {
            state.parting as u16
        } else {
            reason
        };
        tell_end(session, state, reason, counters);
        let _ = TLS_CONNS.remove(session);
    }
}

#[inline(always)]
fn tell_end(session: Session, state: &mut ConnState, reason: u16, counters: Counters) {
    if state.announced == 0 || state.dropped != 0 || state.verdict == UNDECIDED {
        return;
    }
    let told = End {
        conn: ConnId {
            sock: session.at,
            inode: state.inode,
        },
        sent: state.sent,
        received: state.received,
        reason,
        flags: ((state.lost & 3) << 2) as u16,
    };
    if !tell(&told, counters) {
        state.lost |= bit(Flow::Sent) | bit(Flow::Received);
    }
}
