//! Which socket carries a session whose library works on memory buffers: the application moves the
//! ciphertext between buffer and socket itself, outside the library's calls.
//!
//! What a session puts into its buffer is told again when it is sent on a socket. Of each record
//! (RFC 8446 §5.1) that a call of a session writes, 16 bytes that nobody else's record has are kept:
//! ciphertext, or the random and the keys of a handshake. The socket that sends the same carries that
//! session. Lengths are not compared, since they are equal on conns that do the same; nor is what is
//! received, since anybody can send on one conn what he sends on another.
//!
//! Two records sent on one socket tie the session to it, and nothing ties one whose records went out on two.
//! What is not sent from a record's first byte on is not looked at, nor is what io_uring sends, or
//! sendmmsg: such a session stays without addresses.

use core::mem::size_of;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::uprobe;
use aya_ebpf::programs::ProbeContext;

use super::tie::{self, CONTRADICTED, Session};
use crate::maps::{TLS_CALLS, TLS_CONNS, TLS_WIRE};
use crate::read::user;
use crate::state::ConnState;

/// Bytes of a record by which it is known.
pub(crate) type Mark = [u64; 2];
const MARK_BYTES: u64 = size_of::<Mark>() as u64;
/// Bytes of a record's header.
const HEADER_BYTES: u64 = 5;
/// Records of one write that are looked at.
const RECORDS_MAX: u32 = 4;
/// Longest record: 2^14 bytes and what encryption adds in TLS 1.2 (RFC 5246 §6.2.3).
const RECORD_MAX_BYTES: u64 = (16 << 10) + 2048;
/// Content types (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// The random of a HelloRetryRequest, the same in all (RFC 8446 §4.1.3): its first bytes.
const RETRY: Mark = [0x1161_9ae5_74ad_21cf, 0x91b8_651e_028c_1dbe];

/// A record that a session wrote.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    /// The session; its address is [`CONTRADICTED`] if more than one wrote it.
    session: Session,
    /// Address of the sock that sent it; 0 for none yet.
    sk: u64,
    /// Inode number of its socket.
    inode: u64,
}

/// A record in a process's memory.
struct Record {
    mark: Mark,
    /// Whether the mark is one.
    known: bool,
    /// All its bytes.
    bytes: u64,
}

/// The record at `at`, of which `left` bytes are there; `None` if that is none.
#[inline(always)]
fn record(at: u64, left: u64) -> Option<Record> {
    let [kind, major, minor, high, low, message, _, _, _, curve] = user::<[u8; 10]>(at)?;
    let len = u64::from(high) << 8 | u64::from(low);
    if !(20..=23).contains(&kind) || major != 3 || minor > 4 || len > RECORD_MAX_BYTES {
        return None;
    }
    let bytes = HEADER_BYTES + len;
    // Where nobody else has the same: ciphertext; behind type, length and version the random of a
    // ClientHello and a ServerHello; the keys of ServerKeyExchange, of a named curve, and
    // ClientKeyExchange (RFC 5246 §7.4, RFC 8422 §5).
    let from = match (kind, message) {
        (APPLICATION_DATA, _) => HEADER_BYTES,
        (HANDSHAKE, 1 | 2) => 11,
        (HANDSHAKE, 12) if curve == 3 => 13,
        (HANDSHAKE, 16) => 10,
        _ => 0,
    };
    let end = from + MARK_BYTES;
    let mut record = Record {
        mark: [0; 2],
        known: from != 0 && end <= bytes && end <= left,
        bytes,
    };
    if record.known {
        record.mark = user::<Mark>(at + from)?;
        record.known = record.mark != RETRY;
    }
    Some(record)
}

/// Gives the marks of the records in the `left` bytes at `at`.
#[inline(always)]
fn each_mark(mut at: u64, mut left: u64, mut visit: impl FnMut(Mark)) {
    let mut count = 0;
    while count < RECORDS_MAX {
        count += 1;
        let Some(record) = record(at, left) else {
            break;
        };
        if record.known {
            visit(record.mark);
        }
        if left <= record.bytes {
            break;
        }
        at += record.bytes;
        left -= record.bytes;
    }
}

/// `BIO_write`, in a call of a session.
#[uprobe]
pub(crate) fn tls_bio(ctx: ProbeContext) -> u32 {
    let pid_tgid = bpf_get_current_pid_tgid();
    let (Some(buffer), Some(bytes)) = (ctx.arg::<u64>(1), ctx.arg::<u64>(2)) else {
        return 0;
    };
    let Some(call) = TLS_CALLS.get_ptr(pid_tgid) else {
        return 0;
    };
    // SAFETY: a value of the map, which this thread alone writes.
    let session = Session::of(unsafe { (*call).session }, pid_tgid);
    if let Some(state) = TLS_CONNS.get_ptr(session) {
        // SAFETY: a value of the map.
        let (tied, sock) = unsafe { ((*state).tied, (*state).sock) };
        // Known by what its thread does within, or not believed any more.
        if tied == CONTRADICTED || sock == CONTRADICTED || tied != 0 && sock == 0 {
            return 0;
        }
    }
    // An `int`.
    let bytes = u64::from(bytes as u32);
    each_mark(buffer, bytes, |mark| keep(mark, session));
    0
}

#[inline(always)]
fn keep(mark: Mark, session: Session) {
    let Some(old) = TLS_WIRE.get_ptr_mut(mark) else {
        let new = Wire {
            session,
            sk: 0,
            inode: 0,
        };
        let _ = TLS_WIRE.insert(mark, new, 0);
        return;
    };
    // SAFETY: a value of the map.
    let old = unsafe { &mut *old };
    if old.session.at != session.at || old.session.process != session.process {
        old.session.at = CONTRADICTED;
    }
}

/// The first of a call's buffers, whose addresses and lengths stand at `vectors`, of `bytes` bytes in all.
#[inline(always)]
pub(crate) fn first(vectors: u64, bytes: u64) -> (u64, u64) {
    match user::<[u64; 2]>(vectors) {
        Some([at, len]) if len < bytes => (at, len),
        Some([at, _]) => (at, bytes),
        None => (0, 0),
    }
}

/// The current process sent `bytes` bytes, at `buffer`, on a socket: ties the session whose records
/// these are. Gives the session that the socket carries, if that is certain now, or 0.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_wire(
    sk: u64,
    inode: u64,
    transport: u64,
    buffer: u64,
    bytes: u64,
) -> u64 {
    let own = Session::of(0, bpf_get_current_pid_tgid()).process;
    let mut tied = 0;
    each_mark(buffer, bytes, |mark| {
        let by = Sender {
            sk,
            inode,
            transport,
        };
        tied |= sent(mark, own, by);
    });
    tied
}

/// A socket that sends.
struct Sender {
    sk: u64,
    inode: u64,
    transport: u64,
}

/// The record of this mark was sent by `process`: the session that wrote it, if it is tied to that
/// socket, or 0. As long as a session is tied to none, `sock` and `tied_inode` of its state name the
/// socket of its first record.
#[inline(always)]
fn sent(mark: Mark, process: u64, by: Sender) -> u64 {
    let Some(wire) = TLS_WIRE.get_ptr_mut(mark) else {
        return 0;
    };
    // SAFETY: a value of the map.
    let wire = unsafe { &mut *wire };
    let session = wire.session;
    if session.at == CONTRADICTED || session.process != process {
        return 0;
    }
    let once = wire.sk == 0 || wire.sk == by.sk && wire.inode == by.inode;
    if wire.sk == 0 {
        wire.sk = by.sk;
        wire.inode = by.inode;
    }
    let state = match TLS_CONNS.get_ptr_mut(session) {
        Some(state) => state,
        None => match tie::begin(session) {
            Some(state) => state,
            None => return 0,
        },
    };
    // SAFETY: a value of the map.
    let state: &mut ConnState = unsafe { &mut *state };
    if state.tied == CONTRADICTED || state.sock == CONTRADICTED {
        return 0;
    }
    let same = state.sock == by.sk && state.tied_inode == by.inode;
    if !once || state.sock != 0 && !same && state.parting == 0 {
        // One session, two sockets: neither is believed, whichever record comes next.
        state.sock = CONTRADICTED;
        if state.tied != 0 {
            tie::untie(state);
        }
        return 0;
    }
    if state.sock == 0 || !same {
        state.sock = by.sk;
        state.tied_inode = by.inode;
        return 0;
    }
    let tied = state.tied == by.sk || tie::to(state, by.sk, by.inode, by.transport);
    if tied && state.tied == by.sk {
        session.at
    } else {
        0
    }
}
