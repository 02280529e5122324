//! x86-64: where a call's arguments lie, and the numbers of the calls that move bytes.
//!
//! The numbers are those of arch/x86/entry/syscalls/syscall_64.tbl, the registers those of
//! arch/x86/include/uapi/asm/ptrace.h; both are part of the system call interface.

use eaves_common::Flow;

/// Offsets in `struct pt_regs`.
pub(crate) mod reg {
    /// Fourth argument.
    pub(crate) const R10: u32 = 56;
    /// Fifth argument.
    pub(crate) const R8: u32 = 72;
    /// Result; -ENOSYS as long as the call runs (arch/x86/entry/entry_64.S).
    pub(crate) const RAX: u32 = 80;
    /// Third argument.
    pub(crate) const RDX: u32 = 96;
    /// Second argument.
    pub(crate) const RSI: u32 = 104;
    /// First argument.
    pub(crate) const RDI: u32 = 112;
    /// Number of the call.
    pub(crate) const ORIG_RAX: u32 = 120;
}

/// -ENOSYS.
pub(crate) const IN_CALL: u64 = -38_i64 as u64;

/// Bit of a number that says x32.
pub(crate) const X32: u64 = 0x4000_0000;

/// Bit of `thread_info.status` in a 32-bit call (`TS_COMPAT`, asm/thread_info.h).
pub(crate) const TS_COMPAT: u32 = 2;

/// How a call says where its bytes lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A buffer and its length.
    Buffer,
    /// A vector of buffers and its length.
    Vectors,
    /// A message header.
    Message,
    /// A vector of message headers and its length.
    Messages,
    /// In no buffer of the process.
    Unseen,
    /// shutdown.
    Shutdown,
    /// Opens a file, whose path is the first argument, or the second.
    Open,
    /// Moves no bytes.
    Other,
}

/// A call's shape, and which way it moves bytes.
#[inline(always)]
pub(crate) fn shape(number: u64) -> (Shape, Flow) {
    match number {
        0 | 45 => (Shape::Buffer, Flow::Received), // read, recvfrom
        1 | 44 => (Shape::Buffer, Flow::Sent),     // write, sendto
        19 | 327 => (Shape::Vectors, Flow::Received), // readv, preadv2
        20 | 328 => (Shape::Vectors, Flow::Sent),  // writev, pwritev2
        47 => (Shape::Message, Flow::Received),    // recvmsg
        46 => (Shape::Message, Flow::Sent),        // sendmsg
        299 => (Shape::Messages, Flow::Received),  // recvmmsg
        307 => (Shape::Messages, Flow::Sent),      // sendmmsg
        40 => (Shape::Unseen, Flow::Sent),         // sendfile
        275 => (Shape::Unseen, Flow::Sent),        // splice: either way
        48 => (Shape::Shutdown, Flow::Sent),
        2 | 257 | 437 => (Shape::Open, Flow::Sent), // open, openat, openat2
        _ => (Shape::Other, Flow::Sent),
    }
}

/// open, whose path is the first argument; that of the others the second.
pub(crate) const OPEN: u64 = 2;

/// splice, which moves bytes between its first and its third argument.
pub(crate) const SPLICE: u64 = 275;

/// Where a call has its flags, as an offset in `struct pt_regs`; `None` if it has none.
#[inline(always)]
pub(crate) const fn flags(number: u64) -> Option<u32> {
    match number {
        44 | 45 | 299 | 307 => Some(reg::R10), // sendto, recvfrom, recvmmsg, sendmmsg
        46 | 47 => Some(reg::RDX),             // sendmsg, recvmsg
        _ => None,
    }
}
