//! First messages of handshakes of TLS, on sockets that began with one: what client and server say of
//! the session in clear.
//!
//! Of each flow its first bytes are told, up to [`CLIENT_HELLO_BYTES`] or [`SERVER_HELLO_BYTES`], until
//! application data flows in it: where the conn is looked at anyway, and where its session is tied to it
//! by a handshake that a library makes within its read or write. The agent puts them together. What it
//! misses: a handshake behind other bytes, as of the PROXY protocol; what lies in another buffer than a
//! call's first, or in a message once the session is tied; and what io_uring moves.

use core::mem::size_of;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use eaves_common::{
    CLIENT_HELLO_BYTES, ConnId, Counter, Flow, HELLO_CLASSES, HelloRecord, RecordHeader,
    RecordKind, Role, SERVER_HELLO_BYTES,
};

use crate::cipher::{APPLICATION, CLIENT, HELLO, RECEIVED, SENT};
use crate::emit::{reserve, submit};
use crate::filter::{self, setting};
use crate::log::log;
use crate::maps::Counters;
use crate::read::{anew, clamp, user_bytes};
use crate::state::ConnState;
use crate::transfer::{Transfer, eaves_guess};
use crate::vectors::{Vectors, first_filled};

/// Bytes of a record before its payload.
const HEAD: u64 = size_of::<HelloRecord>() as u64;

/// Where in the last argument of [`eaves_hello`] stand, from its first bit on, the offset in the flow;
/// the bytes that are wanted; the flow; whether the place is a row of vectors; the row of counters.
const WANTED_SHIFT: u32 = 16;
const FLOW_SHIFT: u32 = 32;
const VECTORS_SHIFT: u32 = 33;
const ROW_SHIFT: u32 = 40;

/// Transfers of a conn that are looked at for it.
const TRANSFERS_MAX: u32 = 16;

/// Notes that the conn begins with a handshake, if its first transfer does.
#[inline(always)]
pub(crate) fn begin(state: &mut ConnState, seen: u64) {
    if setting!(tls) != 0 && state.transfers == 1 && seen & APPLICATION == 0 {
        state.cipher |= HELLO;
    }
}

/// Tells the agent of what a transfer moved of the handshake, if it is of its first messages.
#[inline(always)]
pub(crate) fn tell(transfer: &Transfer, state: &mut ConnState, vectors: &Vectors) {
    // Where the sock is typed, its address becomes a number on the way through the map.
    state.sock = transfer.sk;
    let (at, count, is_row) = vectors.front();
    let side = Side::of(transfer.flow, transfer.row).0 | u64::from(is_row) << VECTORS_SHIFT;
    told(state, at, count, transfer.bytes, Side(side));
}

/// A flow of a conn, the row of counters of the program that hears it, and whether its bytes lie in a row of
/// vectors: bits of `place` in [`eaves_hello`].
#[derive(Clone, Copy)]
pub(crate) struct Side(u64);

impl Side {
    /// This flow, heard by the program of this row.
    #[inline(always)]
    pub(crate) fn of(flow: Flow, row: u32) -> Self {
        let sends = flow as u32 == Flow::Sent as u32;
        Self(u64::from(sends) << FLOW_SHIFT | u64::from(row) << ROW_SHIFT)
    }

    #[inline(always)]
    const fn sends(self) -> bool {
        self.0 >> FLOW_SHIFT & 1 != 0
    }
}

/// Hears what a transfer of `bytes` bytes, of which `count` lie at `at`, moved on a socket that is tied to
/// its session and began with a handshake; for the last time if that is over.
#[inline(never)]
pub(crate) fn within(state: &mut ConnState, at: u64, count: u64, bytes: u64, side: Side) -> u64 {
    let (stand, application) = if side.sends() {
        (&mut state.sent, SENT)
    } else {
        (&mut state.received, RECEIVED)
    };
    *stand += bytes;
    state.transfers += 1;
    if eaves_guess(at, count, bytes) & APPLICATION != 0 {
        state.cipher |= application;
    }
    told(state, at, count, bytes, side);
    let both = SENT | RECEIVED;
    if state.cipher & both == both || state.transfers > TRANSFERS_MAX {
        state.cipher &= !HELLO;
    }
    0
}

/// Tells of a transfer of `bytes` bytes, by which its flow now stands where `state` says: of the `count` in
/// the buffer at `at`, or of the row of so many there.
#[inline(never)]
fn told(state: &ConnState, at: u64, count: u64, bytes: u64, side: Side) -> u64 {
    let is_client = state.cipher & CLIENT != 0;
    let (end, application) = if side.sends() {
        (state.sent, SENT)
    } else {
        (state.received, RECEIVED)
    };
    let most = if is_client == side.sends() {
        u64::from(CLIENT_HELLO_BYTES)
    } else {
        u64::from(SERVER_HELLO_BYTES)
    };
    let role = if is_client {
        Role::Client
    } else {
        Role::Server
    };
    let offset = end - bytes;
    if state.cipher & application != 0 || offset >= most || !filter::is_wanted(role) {
        return 0;
    }
    let left = most - offset;
    let wanted = if bytes < left { bytes } else { left };
    let place = side.0 | offset | wanted << WANTED_SHIFT;
    eaves_hello(anew(&state.sock), state.inode, at, count, place)
}

/// Tells the agent of the first bytes of a flow on this sock and inode: of those at `at`, `count` of them,
/// or of what `count` vectors there name, by what `place` says.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_hello(
    sock: u64,
    inode: u64,
    at: u64,
    count: u64,
    place: u64,
) -> u64 {
    let Some(counters) = Counters::of((place >> ROW_SHIFT) as u32) else {
        return 0;
    };
    let [from, there] = if place >> VECTORS_SHIFT & 1 == 0 {
        [at, count]
    } else {
        first_filled(at, count)
    };
    let wanted = place >> WANTED_SHIFT & 0xffff;
    let len = if there < wanted { there } else { wanted };
    let told = Told {
        conn: ConnId { sock, inode },
        place,
        from,
        len,
    };
    const { assert!(HELLO_CLASSES.len() == 3) };
    if len == 0 {
        0
    } else if len <= HELLO_CLASSES[0] as u64 {
        send::<{ HELLO_CLASSES[0] as u64 }>(&told, counters)
    } else if len <= HELLO_CLASSES[1] as u64 {
        send::<{ HELLO_CLASSES[1] as u64 }>(&told, counters)
    } else {
        send::<{ HELLO_CLASSES[2] as u64 }>(&told, counters)
    }
}

/// What a record holds.
struct Told {
    conn: ConnId,
    place: u64,
    from: u64,
    len: u64,
}

/// Sends one record of at most `N` bytes; 0 if the ring had no room.
#[inline(always)]
fn send<const N: u64>(told: &Told, counters: Counters) -> u64 {
    counters.add(Counter::Records, 1);
    let memory = reserve(HEAD + N);
    if memory.is_null() {
        counters.add(Counter::RecordsLost, 1);
        log!(lost(told.conn.inode, 0));
        return 0;
    }
    let len = clamp::<N>(told.len);
    // SAFETY: the record has room for `N` bytes behind its head.
    let copied = unsafe { user_bytes(memory.add(HEAD as usize), len, told.from) };
    let captured = if copied { len } else { 0 };
    let sends = told.place >> FLOW_SHIFT & 1 != 0;
    let flow = if sends { Flow::Sent } else { Flow::Received };
    let record: *mut HelloRecord = memory.cast();
    // SAFETY: ring memory of the record's size and alignment, ours until it is submitted.
    unsafe {
        (&raw mut (*record).header).write(RecordHeader {
            kind: RecordKind::Hello as u16,
            flags: 0,
            size_bytes: (HEAD + captured) as u32,
            ktime_ns: bpf_ktime_get_boot_ns(),
            conn: told.conn,
        });
        (&raw mut (*record).offset_bytes).write((told.place & 0xffff) as u32);
        (&raw mut (*record).captured_bytes).write(captured as u32);
        (&raw mut (*record).flow).write(flow as u16);
        (&raw mut (*record).reserved).write(0);
        (&raw mut (*record).tgid).write((bpf_get_current_pid_tgid() >> 32) as u32);
    }
    counters.add(Counter::RecordsSent, 1);
    submit(memory, counters);
    1
}
