//! The user's buffers of one call: a bounded walk, for both taps.

use eaves_common::{CAPTURE_MAX_BYTES, PAYLOAD_CLASSES, VECTORS_MAX};

use crate::read::user;
use crate::transfer::eaves_guess;

/// Bytes of `struct iovec`: address, length.
pub(crate) const IOVEC_BYTES: u64 = 16;
/// Bytes of `struct mmsghdr`: a `struct msghdr`, the length it moved, and padding.
pub(crate) const MMSGHDR_BYTES: u64 = 64;
/// Offset of `msg_iov` and `msg_iovlen` in `struct msghdr`.
const MSG_IOV: u64 = 16;
/// Offset of `msg_len` in `struct mmsghdr`.
const MSG_LEN: u64 = 56;

/// Most steps of a walk: each vector once, each message without any, and once more each where a piece
/// ends within, or what is only named begins or ends.
pub(crate) const STEPS: u64 =
    2 * VECTORS_MAX as u64 + CAPTURE_MAX_BYTES as u64 / PAYLOAD_CLASSES[6] as u64 + 128;

/// Most empty vectors passed over to find a message's first bytes.
const FIRST_STEPS: u64 = 8;

/// A place in the buffers of one call, or of several messages one after the other.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Vectors {
    /// Address of the next `struct iovec`.
    pub(crate) next: u64,
    /// How many there are in this message, at most [`VECTORS_MAX`].
    pub(crate) left: u64,
    /// The rest of the present buffer: its address.
    pub(crate) base: u64,
    /// Its length.
    pub(crate) len: u64,
    /// Address of the next `struct mmsghdr`.
    message: u64,
    /// How many follow.
    messages: u64,
    /// Bytes of the present message in buffers not yet reached; where there are no messages, any.
    message_bytes: u64,
    /// Vectors that may still be looked at.
    budget: u64,
    /// Not 0: the process's memory could not be read.
    pub(crate) fault: u64,
}

impl Vectors {
    /// No buffer.
    pub(crate) const NONE: Self = Self::buffer(0, 0);

    /// One buffer.
    #[inline(always)]
    pub(crate) const fn buffer(base: u64, len: u64) -> Self {
        Self {
            next: 0,
            left: 0,
            base,
            len,
            message: 0,
            messages: 0,
            message_bytes: u64::MAX,
            budget: VECTORS_MAX as u64,
            fault: 0,
        }
    }

    /// `count` vectors from `next` on.
    #[inline(always)]
    pub(crate) const fn row(next: u64, count: u64) -> Self {
        let mut all = Self::buffer(0, 0);
        all.next = next;
        all.left = count;
        all
    }

    /// The vectors of the `struct msghdr` at `message`.
    #[inline(always)]
    pub(crate) fn message(message: u64) -> Self {
        match user::<[u64; 2]>(message + MSG_IOV) {
            Some([next, count]) => Self::row(next, count),
            None => {
                let mut none = Self::buffer(0, 0);
                none.fault = 1;
                none
            }
        }
    }

    /// The first vector of the `struct msghdr` at `message`: its address, or 0 if that cannot be read.
    #[inline(always)]
    pub(crate) fn first_of(message: u64) -> u64 {
        user::<u64>(message + MSG_IOV).unwrap_or(0)
    }

    /// The vectors of `count` messages from `message` on, each as far as it moved bytes.
    #[inline(always)]
    pub(crate) const fn messages(message: u64, count: u64) -> Self {
        let mut all = Self::buffer(0, 0);
        all.message = message;
        all.messages = count;
        all.message_bytes = 0;
        all
    }

    /// Copies it word by word: what copies it at once may become a call that goes by bytes.
    #[inline(always)]
    pub(crate) const fn copy_to(&self, to: &mut Self) {
        to.next = self.next;
        to.left = self.left;
        to.base = self.base;
        to.len = self.len;
        to.message = self.message;
        to.messages = self.messages;
        to.message_bytes = self.message_bytes;
        to.budget = self.budget;
        to.fault = self.fault;
    }

    /// Whether the vectors lie in one row, none of them begun.
    #[inline(always)]
    pub(crate) const fn is_plain(&self) -> bool {
        self.messages == 0 && self.len == 0 && self.fault == 0
    }

    /// Goes on to the next buffer, which may be empty; 0 if there is none, or none that may be
    /// looked at.
    #[inline(never)]
    pub(crate) fn advance(&mut self) -> u64 {
        if self.budget == 0 {
            return 0;
        }
        if (self.left == 0 || self.message_bytes == 0) && self.advance_message() == 0 {
            return 0;
        }
        if self.left == 0 {
            // A message without vectors: the next step looks at the one after.
            return 1;
        }
        let Some([base, len]) = user::<[u64; 2]>(self.next) else {
            self.fault = 1;
            return 0;
        };
        self.next += IOVEC_BYTES;
        self.left -= 1;
        self.budget -= 1;
        self.base = base;
        self.len = if len < self.message_bytes {
            len
        } else {
            self.message_bytes
        };
        if self.message_bytes != u64::MAX {
            self.message_bytes -= self.len;
        }
        1
    }

    /// Goes on to the next message.
    #[inline(always)]
    fn advance_message(&mut self) -> u64 {
        if self.messages == 0 {
            return 0;
        }
        let (Some([next, count]), Some(bytes)) = (
            user::<[u64; 2]>(self.message + MSG_IOV),
            user::<u32>(self.message + MSG_LEN),
        ) else {
            self.fault = 1;
            return 0;
        };
        self.message += MMSGHDR_BYTES;
        self.messages -= 1;
        self.next = next;
        self.left = count;
        self.message_bytes = u64::from(bytes);
        1
    }

    /// The buffer at hand; or, if there is none, the row of those to come: place, length or count, and
    /// whether it is a row. Of messages nothing.
    #[inline(always)]
    pub(crate) const fn front(&self) -> (u64, u64, bool) {
        if self.len != 0 {
            (self.base, self.len, false)
        } else if self.messages == 0 {
            (self.next, self.left, true)
        } else {
            (0, 0, false)
        }
    }

    /// Guesses from the first buffer that is not empty, if it is among the first few; `bytes` in all
    /// were moved.
    #[inline(always)]
    pub(crate) fn guess(&self, bytes: u64) -> u64 {
        if self.messages != 0 {
            return match user::<[u64; 2]>(self.message + MSG_IOV) {
                Some([next, left]) => eaves_guess_first(next, left, bytes),
                None => 0,
            };
        }
        eaves_guess_first(self.next, self.left, bytes)
    }
}

/// Guesses from the first of the `left` vectors at `next` that is not empty, if it is among the
/// first few; else nothing. `bytes` in all were moved: a frame's header may lie in a buffer of its own.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn eaves_guess_first(next: u64, left: u64, bytes: u64) -> u64 {
    let [base, len] = first_filled(next, left);
    if len == 0 {
        return 0;
    }
    eaves_guess(base, if len < bytes { len } else { bytes }, bytes)
}

/// Address and length of the first of the `left` vectors at `next` that is not empty, if it is among
/// the first few; else of none.
#[inline(always)]
pub(crate) fn first_filled(next: u64, left: u64) -> [u64; 2] {
    let (mut next, mut left) = (next, left);
    let mut step = 0;
    while step < FIRST_STEPS {
        if left == 0 {
            break;
        }
        let Some([base, len]) = user::<[u64; 2]>(next) else {
            break;
        };
        if len != 0 {
            return [base, len];
        }
        next += IOVEC_BYTES;
        left -= 1;
        step += 1;
    }
    [0, 0]
}

/// Bytes that the message of the `struct mmsghdr` at `message` moved.
#[inline(always)]
pub(crate) fn message_bytes(message: u64) -> Option<u32> {
    user(message + MSG_LEN)
}
