//! One transfer, whichever tap it came from: is it heard, where does it lie, and off it goes.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use eaves_common::{
    Counter, DropReason, Flow, Missing, REACH_MAX_BYTES, ReachKey, ReachValue, Role, SNIFF_BYTES,
    Sniff, data_flag, is_masked_frame, names_path, open_flag, sniff,
};

use crate::cipher;
use crate::conn::{SERVES_SHIFT, eaves_announce};
use crate::emit::{self, Moved, Place};
use crate::filter::{self, setting};
use crate::hello;
use crate::maps::{Counters, REACH, news};
use crate::read::{anew, clamp, forget, user_bytes};
use crate::sock;
use crate::state::{CERTAIN, ConnState, Dropped, FRAMED, LIKELY, OPEN, STREAMS, UNDECIDED, bit};
use crate::tls;
use crate::vectors::Vectors;

/// Transfers of a conn that are all looked at; later ones only where messages begin.
const LOOKED_AT_TRANSFERS: u32 = 16;
/// Looks without a hit after which a conn is not HTTP.
const LOOKS_MAX: u32 = 64;
/// Of so many transfers one asks the agent's word even where nothing else does; a power of two.
const ASK_EVERY: u32 = 64;

/// Where a transfer's bytes lie.
///
/// All of it is set, whichever way they lie: of an enum the compiler copies the parts that a variant
/// does not have along, out of registers that nothing was put in, and the verifier refuses.
pub(crate) struct Bytes {
    /// A [`Missing`] as its number: why the tap cannot read them.
    missing: u64,
    /// The buffers; of no meaning if they are missing.
    vectors: Vectors,
}

impl Bytes {
    /// In one buffer of so many bytes, at this address.
    #[inline(always)]
    pub(crate) const fn buffer(at: u64, bytes: u64) -> Self {
        Self::vectors(Vectors::buffer(at, bytes))
    }

    /// In one buffer at this address, or where the tap does not look if that is 0.
    #[inline(always)]
    pub(crate) const fn buffer_or_beyond(at: u64, bytes: u64) -> Self {
        Self {
            missing: if at == 0 {
                Missing::Vectors as u64
            } else {
                Missing::None as u64
            },
            vectors: Vectors::buffer(at, bytes),
        }
    }

    /// In several.
    #[inline(always)]
    pub(crate) const fn vectors(vectors: Vectors) -> Self {
        Self {
            missing: Missing::None as u64,
            vectors,
        }
    }

    /// Where the tap cannot read them.
    #[inline(always)]
    pub(crate) const fn missing(why: Missing) -> Self {
        Self {
            missing: why as u64,
            vectors: Vectors::NONE,
        }
    }
}

/// What a tap knows of a transfer.
pub(crate) struct Transfer {
    /// The sock's address.
    pub(crate) sk: u64,
    /// Which way.
    pub(crate) flow: Flow,
    /// How many bytes, at least 1.
    pub(crate) bytes: u64,
    /// Who, as the kernel packs it.
    pub(crate) pid_tgid: u64,
    /// The program's own row of `WORK`.
    pub(crate) row: u32,
    /// Whether another copy of the program may have heard it: see [`Turn`](crate::turn::Turn).
    pub(crate) doubtful: bool,
}

/// Hears one transfer.
///
/// # Errors
/// Why it was not sent.
#[inline(always)]
pub(crate) fn hear(
    transfer: &Transfer,
    state: &mut ConnState,
    counters: Counters,
    locate: impl FnOnce() -> Bytes,
) -> Result<(), Dropped> {
    if transfer.doubtful && state.announced != 0 && was_heard(transfer, state) {
        return Err(Dropped::HEARD);
    }
    let flow = transfer.flow as u32 + 1;
    let turned = state.flow != flow;
    if turned {
        state.flow = flow;
        state.run = 0;
    }
    state.run += transfer.bytes;
    state.transfers = state.transfers.wrapping_add(1);
    *stand(transfer.flow, state) += transfer.bytes;

    if state.dropped != 0 {
        return Err(Dropped(state.dropped));
    }
    if filter::looks_at_processes() {
        process(transfer, state)?;
    }
    if state.verdict == UNDECIDED && !turned && state.transfers > LOOKED_AT_TRANSFERS {
        return Err(DropReason::Undecided.into());
    }
    let bytes = locate();
    if state.verdict < LIKELY {
        look::<false>(transfer, state, &bytes)?;
    }
    let mut skip = 0;
    let end = if state.sequence != 0 {
        let end = u64::from(sock::sequence(transfer.sk, transfer.flow)?);
        *stand(transfer.flow, state) = end;
        end
    } else {
        *stand(transfer.flow, state)
    };
    let news = news();
    if state.verdict < CERTAIN
        || state.news != news
        || state.run > u64::from(setting!(reach_after_bytes))
        || state.transfers & (ASK_EVERY - 1) == 0
    {
        state.news = news;
        skip = ask(transfer, state, end)?;
    }
    counters.add(Counter::Bytes, transfer.bytes);
    let tgid = (transfer.pid_tgid >> 32) as u32;
    if state.announced != tgid {
        let (inode, transport) = (state.inode, u64::from(state.transport));
        // Where the sock is typed, its address becomes a number on the way through the map.
        state.sock = transfer.sk;
        let sock = anew(&state.sock);
        let flags = if state.announced == 0 {
            state.ended = 0;
            u64::from(open_flag::AFRESH)
        } else {
            0
        };
        let flags = flags | u64::from(state.serves) << SERVES_SHIFT;
        let row = u64::from(transfer.row);
        if eaves_announce(sock, inode, transport, flags, row) == 0 {
            counters.add(Counter::BytesLost, transfer.bytes);
            state.lost |= bit(transfer.flow);
            return Err(DropReason::RingFull.into());
        }
        state.announced = tgid;
    }
    send::<false>(transfer, state, counters, bytes, end, skip)
}

/// Hears what a call into a TLS library moved: the conn is its session, its bytes plaintext.
///
/// It opens as [`hear`] does. In a function of both, the opening would cost `hear` 16 bytes of a
/// stack that older kernels leave it no more of.
///
/// # Errors
/// Why it was not sent.
#[inline(always)]
pub(crate) fn hear_session(
    transfer: &Transfer,
    state: &mut ConnState,
    counters: Counters,
    library: u32,
    bytes: Bytes,
) -> Result<(), Dropped> {
    let flow = transfer.flow as u32 + 1;
    let turned = state.flow != flow;
    if turned {
        state.flow = flow;
        state.run = 0;
    }
    state.run += transfer.bytes;
    state.transfers = state.transfers.wrapping_add(1);
    *stand(transfer.flow, state) += transfer.bytes;
    if state.dropped != 0 {
        return Err(Dropped(state.dropped));
    }
    if filter::looks_at_processes() {
        process(transfer, state)?;
    }
    if state.verdict == UNDECIDED && !turned && state.transfers > LOOKED_AT_TRANSFERS {
        return Err(DropReason::Undecided.into());
    }
    if state.verdict < LIKELY {
        look::<true>(transfer, state, &bytes)?;
    }
    let end = *stand(transfer.flow, state);
    let mut skip = 0;
    let news = news();
    if state.verdict < CERTAIN
        || state.news != news
        || state.run > u64::from(setting!(reach_after_bytes))
        || state.transfers & (ASK_EVERY - 1) == 0
    {
        state.news = news;
        skip = ask(transfer, state, end)?;
    }
    counters.add(Counter::Bytes, transfer.bytes);
    let tgid = (transfer.pid_tgid >> 32) as u32;
    if state.announced != tgid {
        let first = if state.announced == 0 {
            u64::from(open_flag::AFRESH)
        } else {
            0
        };
        let flags = first
            | u64::from(library) << open_flag::LIBRARY_SHIFT
            | u64::from(state.serves) << SERVES_SHIFT;
        if tls::announce(
            transfer.sk,
            transfer.pid_tgid,
            flags,
            u64::from(transfer.row),
        ) == 0
        {
            counters.add(Counter::BytesLost, transfer.bytes);
            state.lost |= bit(transfer.flow);
            return Err(DropReason::RingFull.into());
        }
        state.announced = tgid;
    }
    send::<true>(transfer, state, counters, bytes, end, skip)
}

/// Where the stream of a flow stands.
#[inline(always)]
fn stand(flow: Flow, state: &mut ConnState) -> &mut u64 {
    match flow {
        Flow::Sent => &mut state.sent,
        Flow::Received => &mut state.received,
    }
}

/// Whether a transfer on a conn that is heard may have been heard before: where TCP counts, its
/// position tells; elsewhere a gap does less harm than bytes that came twice.
#[inline(always)]
fn was_heard(transfer: &Transfer, state: &mut ConnState) -> bool {
    state.sequence == 0
        || sock::sequence(transfer.sk, transfer.flow)
            .is_ok_and(|end| u64::from(end) == *stand(transfer.flow, state))
}

/// Asks whether the process is excluded, once in a row.
#[inline(always)]
fn process(transfer: &Transfer, state: &mut ConnState) -> Result<(), Dropped> {
    let tgid = (transfer.pid_tgid >> 32) as u32;
    if state.checked != tgid {
        state.process_dropped = match filter::process() {
            Ok(()) => 0,
            Err(reason) => reason.slot(),
        };
        state.checked = tgid;
    }
    if state.process_dropped == 0 {
        Ok(())
    } else {
        Err(Dropped(state.process_dropped))
    }
}

/// Looks at the first bytes of a conn that is not known to be HTTP, and whose end it is.
#[inline(always)]
fn look<const SESSION: bool>(
    transfer: &Transfer,
    state: &mut ConnState,
    bytes: &Bytes,
) -> Result<(), Dropped> {
    if state.verdict == FRAMED && state.transfers > LOOKED_AT_TRANSFERS {
        return Ok(());
    }
    let seen = if bytes.missing == Missing::None as u64 {
        if bytes.vectors.len == 0 {
            bytes.vectors.guess(transfer.bytes)
        } else {
            eaves_guess(bytes.vectors.base, transfer.bytes, transfer.bytes)
        }
    } else if state.verdict != UNDECIDED {
        return Ok(());
    } else if bytes.missing == Missing::Compat as u64 {
        return Err(DropReason::Compat.into());
    } else {
        return Err(DropReason::Undecided.into());
    };
    if state.verdict == FRAMED && seen & PREFACE == 0 {
        // What looks like a message between frames is a part of a body, and must not turn the ends.
        return Ok(());
    }
    let sends = transfer.flow as u32 == Flow::Sent as u32;
    let requests = seen & REQUESTS != 0;
    let verdict = (seen & VERDICT) as u32;
    let verdict = if verdict == OPEN && state.transfers > 1 {
        UNDECIDED
    } else {
        verdict
    };
    if verdict == UNDECIDED {
        if state.verdict == OPEN {
            return Ok(());
        }
        if !SESSION && seen & cipher::RECORD != 0 {
            // Where the sock is typed, its address becomes a number on the way through the map.
            state.sock = transfer.sk;
            let sock = anew(&state.sock);
            state.cipher = cipher::eaves_cipher(sock, state.cipher, seen, u64::from(sends));
            hello::begin(state, seen);
        }
        if !SESSION && state.cipher & cipher::HELLO != 0 {
            hello::tell(transfer, state, &bytes.vectors);
        }
        state.looks += 1;
        return Err(if state.looks >= LOOKS_MAX {
            state.drop_for(DropReason::NotHttp)
        } else {
            DropReason::Undecided.into()
        });
    }
    if !SESSION && state.verdict == UNDECIDED {
        state.sequence = sock::has_sequence(transfer.sk, state.transport);
    }
    state.verdict = verdict;
    if verdict >= LIKELY {
        let role = if requests == sends {
            Role::Client
        } else {
            Role::Server
        };
        state.serves = u32::from(role as u32 == Role::Server as u32);
        if !filter::is_wanted(role) {
            return Err(state.drop_for(DropReason::Role));
        }
    }
    Ok(())
}

/// Bits of what [`guess`] says: a verdict, and whether these are the bytes of the end that asks.
pub(crate) const VERDICT: u64 = 7;
/// See [`VERDICT`].
pub(crate) const REQUESTS: u64 = 8;
/// HTTP/2 begins here.
const PREFACE: u64 = 16;

/// Guesses from the `len` bytes at `at` in the process's memory, the first of a transfer of `bytes`.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_guess(at: u64, len: u64, bytes: u64) -> u64 {
    let len = clamp::<{ SNIFF_BYTES as u64 }>(len);
    let mut words = MaybeUninit::<[u64; SNIFF_BYTES / 8]>::uninit();
    // One by one and in plain sight of the compiler: it would else call a function that makes bytes
    // zero, for which the stack has no room (512 bytes with all callers).
    for place in 0..SNIFF_BYTES / 8 {
        // SAFETY: within `words`.
        unsafe {
            words
                .as_mut_ptr()
                .cast::<u64>()
                .add(place)
                .write_volatile(0)
        };
    }
    // SAFETY: `words` has room for `len` bytes.
    if !unsafe { user_bytes(words.as_mut_ptr().cast(), len, at) } {
        return u64::from(UNDECIDED);
    }
    // SAFETY: written above; of one size, and any bytes are a value of either.
    let head: [u8; SNIFF_BYTES] = unsafe { words.as_ptr().cast::<[u8; SNIFF_BYTES]>().read() };
    let certain = names_path(&head, len as usize);
    match sniff(&head, len as usize) {
        Sniff::Request if certain => u64::from(CERTAIN) | REQUESTS,
        Sniff::Request => u64::from(LIKELY) | REQUESTS,
        Sniff::Http2 => u64::from(STREAMS) | REQUESTS | PREFACE,
        Sniff::Proxy => u64::from(LIKELY) | REQUESTS,
        Sniff::Frames => u64::from(FRAMED),
        Sniff::Response => u64::from(CERTAIN),
        Sniff::Open => u64::from(OPEN),
        // A WebSocket whose handshake is long over.
        Sniff::Other if is_masked_frame(&head, bytes) => u64::from(FRAMED),
        Sniff::Other => u64::from(UNDECIDED) | cipher::guess(&head, len as usize),
    }
}

/// Asks the agent's word on the conn: how many bytes at the front of the transfer to pass over.
#[inline(always)]
fn ask(transfer: &Transfer, state: &mut ConnState, end: u64) -> Result<u64, Dropped> {
    let mut key = ReachKey {
        conn: sock::id(transfer.sk, state),
        flow: ReachKey::BOTH,
    };
    if let Some(reach) = REACH.get_ptr(key) {
        // SAFETY: a value of the map.
        match unsafe { (*reach).until } {
            ReachValue::NOT_HTTP => return Err(state.drop_for(DropReason::NotHttp)),
            ReachValue::UNKNOWN => {
                state.announced = 0;
                let _ = REACH.remove(key);
            }
            _ => {}
        }
    }
    key.flow = transfer.flow as u64;
    let Some(reach) = REACH.get_ptr(key) else {
        return Ok(0);
    };
    // SAFETY: a value of the map.
    let until = unsafe { (*reach).until };
    let start = end.wrapping_sub(transfer.bytes);
    let ahead = if state.sequence != 0 {
        u64::from((until as u32).wrapping_sub(start as u32))
    } else {
        until.wrapping_sub(start)
    };
    if ahead > REACH_MAX_BYTES {
        // Behind, that is.
        return Ok(0);
    }
    Ok(if ahead < transfer.bytes {
        ahead
    } else {
        transfer.bytes
    })
}

/// Sends what a transfer moved.
#[inline(always)]
fn send<const SESSION: bool>(
    transfer: &Transfer,
    state: &mut ConnState,
    counters: Counters,
    bytes: Bytes,
    end: u64,
    skip: u64,
) -> Result<(), Dropped> {
    let mut flags = data_flag::FIRST;
    if state.sequence != 0 {
        flags |= data_flag::SEQUENCE;
    }
    if state.lost & bit(transfer.flow) != 0 {
        flags |= data_flag::AFTER_LOSS;
    }
    // SAFETY: no arguments.
    let time = unsafe { bpf_ktime_get_boot_ns() };
    let mut moved = Moved {
        conn: sock::id(transfer.sk, state),
        time,
        end: forget(end, time),
        bytes: forget(transfer.bytes, time),
        pid_tgid: transfer.pid_tgid,
        flow: transfer.flow as u64,
        flags: forget(u64::from(flags), time),
    };
    let Bytes { missing, vectors } = bytes;
    let missing = if missing == Missing::None as u64 && skip >= transfer.bytes {
        Missing::Skipped as u64
    } else {
        missing
    };
    let missing = forget(missing, time);
    let skip = forget(skip, time);
    let place = if SESSION {
        Place::Session
    } else {
        Place::Row(transfer.row)
    };
    let sent = emit::transfer(
        &mut moved,
        state,
        counters,
        &vectors,
        (missing, skip),
        place,
    );
    if sent == 0 {
        Err(DropReason::RingFull.into())
    } else {
        Ok(())
    }
}
