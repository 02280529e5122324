//! How much of a call is needed that moved more than the setting `near_bytes` says, where the agent has
//! not said so yet: in one call it has no time to.

use eaves_common::{Front, STATUS, WORD_BYTES, chunk_line, extent, head_line, next_line};

use crate::filter::setting;
use crate::read::{clamp, forget, user_bytes};
use crate::state::{CERTAIN, FRAMED, STREAMS};
use crate::transfer::{REQUESTS, VERDICT, eaves_guess};

/// What of a call is copied.
pub(crate) struct Need {
    /// Where the bytes begin that are only named.
    pub(crate) skip: u64,
    /// Where they end.
    pub(crate) skip_end: u64,
    /// Bytes that may be copied.
    pub(crate) budget: u64,
}

impl Need {
    /// Of a call of `bytes` bytes whose first `len` lie at `from`.
    ///
    /// Of a body, and of what is all one message or chunk of HTTP/1 by what it says itself, so much as
    /// is kept, and what is behind it. Of anything else as much as is ever copied.
    #[inline(always)]
    pub(crate) fn of(bytes: u64, from: u64, len: u64) -> Self {
        let near = u64::from(setting!(near_bytes));
        let mut need = Self {
            skip: 0,
            skip_end: 0,
            budget: u64::from(setting!(copy_bytes)),
        };
        let seen = eaves_guess(from, len, bytes);
        let verdict = (seen & VERDICT) as u32;
        if verdict == FRAMED || verdict == STREAMS {
            return need;
        }
        // Of words that only look like a request's first ones, text is full.
        let front = if verdict < CERTAIN {
            Front::Other
        } else if seen & REQUESTS != 0 {
            Front::Request
        } else {
            Front::Response
        };
        let end = eaves_extent(from, len, front as u64);
        if end > near {
            need.skip = near;
            need.skip_end = if end < bytes { end } else { bytes };
        } else if end == 0 {
            // The middle of a body, as far as is known.
            need.budget = near;
        }
        need
    }
}

/// Whether of a call of `bytes` bytes so much may be left out that it is worth a look.
#[inline(always)]
pub(crate) fn is_in_question(bytes: u64) -> bool {
    bytes > u64::from(setting!(near_bytes))
}

/// Where the first message or chunk of a call ends by what it says itself, of the `len` bytes at `from`
/// in the process's memory that begin with a [`Front`] of this number; 0 if it does not say.
///
/// A function with a name of its own, and numbers alone for arguments, the verifier looks at once
/// (Linux 5.6), not again for each way to it. So are those below.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_extent(from: u64, len: u64, front: u64) -> u64 {
    extent(
        front,
        || word(from + STATUS, len.wrapping_sub(STATUS)),
        |at| eaves_next_line(from, at, len),
        |at| eaves_field(from + at, len - at),
        |at| eaves_chunk(from + at, len - at),
    )
}

/// Where the line ends that begins `at` bytes behind `from`; 0 if it is too long, or not within `len`.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_next_line(from: u64, at: u64, len: u64) -> u64 {
    next_line(
        at,
        len,
        |at| word(from + at, len - at),
        |at| forget(at + WORD_BYTES, from),
    )
}

/// What the line of a head is that begins at `at`, if there are `len` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_field(at: u64, len: u64) -> u64 {
    let mut words = [0; 5];
    // SAFETY: there is room for as many.
    unsafe {
        user_bytes(
            words.as_mut_ptr().cast(),
            clamp::<{ 5 * WORD_BYTES }>(len),
            at,
        )
    };
    head_line(words)
}

/// Where the chunk ends whose line begins at `at`, if there are `len` bytes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_chunk(at: u64, len: u64) -> u64 {
    let mut words = [0; 2];
    // SAFETY: there is room for as many.
    unsafe {
        user_bytes(
            words.as_mut_ptr().cast(),
            clamp::<{ 2 * WORD_BYTES }>(len),
            at,
        )
    };
    chunk_line(words)
}

/// The word at `at`, zero where there is nothing: that says nothing either.
#[inline(always)]
fn word(at: u64, len: u64) -> u64 {
    let mut word = 0_u64;
    // SAFETY: there is room for as many.
    unsafe { user_bytes((&raw mut word).cast(), clamp::<WORD_BYTES>(len), at) };
    forget(word, at)
}
