//! Where the code of a file has what names a connection: found as a process runs, for each process anew,
//! since one may have been led astray, and looked at again with each handshake.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::generated::bpf_get_attach_cookie;
use aya_ebpf::programs::ProbeContext;

use crate::maps::{RUSTLS_LAYOUTS, RUSTLS_SEEN};
use crate::read::user;

/// Lowest address that is one.
pub(super) const ADDRESS_MIN: u64 = 1 << 16;
/// Words of a `ChunkVecBuffer`: a limit and whether there is one, a `VecDeque`, and what is used of its
/// first element.
const QUEUE_WORDS: u64 = 7;
const WORD_BYTES: u64 = 8;
/// Bytes of a `Vec`.
const ELEMENT_BYTES: u64 = 24;
/// Longest record: 2^14 bytes and what encryption adds in TLS 1.2 (RFC 5246 §6.2.3).
const RECORD_MAX_BYTES: u64 = (16 << 10) + 2048;

/// Where the code of a file has the address that names a connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    /// In the state, bytes.
    pub(super) in_state: u64,
    /// In the queue, bytes.
    pub(super) in_queue: u64,
    /// Which argument of `write_to` the queue is.
    pub(super) argument: u64,
}

/// A state that a thread was seen with last.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    /// The file whose code it was, in its process.
    file: u64,
    /// Its address.
    state: u64,
}

/// The file whose code it is, in its process, and how many bytes a connection's state has there for
/// certain: the agent says the file's number and these.
#[inline(always)]
pub(super) fn file(ctx: &ProbeContext, pid_tgid: u64) -> (u64, u64) {
    // SAFETY: the context is the program's own.
    let cookie = unsafe { bpf_get_attach_cookie(ctx.as_ptr()) };
    (cookie >> 16 << 32 | pid_tgid >> 32, cookie & 0xffff)
}

#[inline(always)]
pub(super) fn layout(file: u64) -> Option<Layout> {
    // SAFETY: a value of the map, which changes as a whole.
    RUSTLS_LAYOUTS
        .get_ptr(file)
        .map(|layout| unsafe { *layout })
}

/// Notes a state, by which the layout becomes known, or is seen to be another.
#[inline(always)]
pub(super) fn saw(file: u64, state: u64, pid_tgid: u64) {
    let _ = RUSTLS_SEEN.insert(pid_tgid, Seen { file, state }, 0);
}

/// The layout of a file, or notes the state by which it may become known.
#[inline(always)]
pub(super) fn layout_by(file: u64, state: u64, pid_tgid: u64) -> Option<Layout> {
    let known = layout(file);
    if known.is_none() {
        saw(file, state, pid_tgid);
    }
    known
}

/// Finds out by the last state that the thread was seen with how the file is laid out whose `write_to` it
/// calls with these arguments.
#[inline(always)]
pub(super) fn learn(file: u64, bound: u64, arguments: [u64; 2], pid_tgid: u64) {
    let Some(seen) = RUSTLS_SEEN.get_ptr(pid_tgid) else {
        return;
    };
    // SAFETY: a value of the map, which this thread alone writes.
    let seen = unsafe { *seen };
    if seen.file != file {
        return;
    }
    let [first, second] = arguments;
    let known = layout(file);
    let is_it = known.is_some_and(|known| {
        let queue = if known.argument == 0 { first } else { second };
        queue.wrapping_sub(seen.state).wrapping_add(known.in_queue) == known.in_state
    });
    let is_known = is_it
        || eaves_rustls_learn(file, seen.state, first, bound, 0) != 0
        || eaves_rustls_learn(file, seen.state, second, bound, 1) != 0;
    if is_known || known.is_some() {
        let _ = RUSTLS_SEEN.remove(pid_tgid);
    }
}

pub(super) const fn is_address(word: u64) -> bool {
    word >= ADDRESS_MIN && word >> 47 == 0 && word & 7 == 0
}

/// Finds out how a file lays out a connection, whose state is at `state` and of `bound` bytes at
/// least, if the queue at `queue` is a part of it; 0 if it is none, or shows no record.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_rustls_learn(
    file: u64,
    state: u64,
    queue: u64,
    bound: u64,
    argument: u64,
) -> u64 {
    let offset = queue.wrapping_sub(state);
    if offset.saturating_add(QUEUE_WORDS * WORD_BYTES) > bound {
        return 0;
    }
    let mut in_queue = 0;
    while in_queue < QUEUE_WORDS * WORD_BYTES {
        if let Some(word) = user::<u64>(queue + in_queue)
            && is_address(word)
            && eaves_rustls_records(queue, word) != 0
        {
            let layout = Layout {
                in_state: offset + in_queue,
                in_queue,
                argument,
            };
            let _ = RUSTLS_LAYOUTS.insert(file, layout, 0);
            return 1;
        }
        in_queue += WORD_BYTES;
    }
    0
}

/// Whether `word` is the address of the elements of the queue at `queue`: one of its other words says which
/// is the first, a `Vec`, and that holds a TLS record.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_rustls_records(queue: u64, word: u64) -> u64 {
    let mut at = 0;
    while at < QUEUE_WORDS * WORD_BYTES {
        let first = user::<u64>(queue + at).unwrap_or(u64::MAX);
        at += WORD_BYTES;
        if first >= ADDRESS_MIN {
            continue;
        }
        let mut place = 0;
        while place < ELEMENT_BYTES {
            let bytes = user::<u64>(word + first * ELEMENT_BYTES + place).unwrap_or(0);
            place += WORD_BYTES;
            if bytes >= ADDRESS_MIN
                && let Some([kind, major, minor, high, _]) = user::<[u8; 5]>(bytes)
                && (20..=23).contains(&kind)
                && major == 3
                && minor <= 4
                && u64::from(high) << 8 <= RECORD_MAX_BYTES
            {
                return 1;
            }
        }
    }
    0
}
