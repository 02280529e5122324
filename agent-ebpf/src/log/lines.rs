//! The lines, each written by a global function of numbers alone: the verifier looks at it once
//! (Linux 5.6), not again for each way to it. A conn goes by the inode number of its socket, as in
//! `/proc/PID/fd`; the sock's address is a pointer, which a global function may not be given. The
//! process is the current one, asked for here: each number that a caller keeps for a line costs it
//! stack, of which it has little.
//!
//! A line finds its way into aya-log's ring or is lost: nothing waits, nothing counts it.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_log_ebpf::{debug, trace, warn};
use eaves_common::{Counter, DropReason, EndReason};

use crate::read::clamp;

/// Bytes of a name. All have as many, padded: of a length that varies the verifier would follow
/// each.
const NAME_BYTES: usize = 20;

type Name = [u8; NAME_BYTES];

/// [`DropReason`]s by number.
#[expect(
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses an index beyond the end"
)]
static DROPS: [Name; DropReason::ALL.len()] = {
    let mut names = [[b' '; NAME_BYTES]; DropReason::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = padded(DropReason::ALL[at].name());
        at += 1;
    }
    names
};

/// [`EndReason`]s by number; there is none with 0.
static ENDS: [Name; ENDS_MAX as usize + 1] = [
    padded("for no known reason"),
    padded("it sends no more"),
    padded("it has read all"),
    padded("closed"),
    padded("reset"),
    padded("its peer is gone"),
    padded("its peer is silent"),
];
const ENDS_MAX: u64 = EndReason::PeerFinished as u64;
const DROPS_MAX: u64 = DropReason::COUNT as u64 - 1;

#[expect(
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses an index beyond the end"
)]
const fn padded(name: &str) -> Name {
    let mut padded = [b' '; NAME_BYTES];
    let name = name.as_bytes();
    let mut at = 0;
    while at < name.len() {
        padded[at] = name[at];
        at += 1;
    }
    padded
}

/// Name `number` of a table whose last is `LAST`.
#[inline(always)]
fn name<const LAST: u64>(table: *const Name, number: u64) -> &'static str {
    let number = clamp::<LAST>(number);
    // SAFETY: both tables have `LAST + 1` names, of ASCII.
    unsafe { core::str::from_utf8_unchecked(&*table.add(number as usize)) }
}

/// The agent was told of a conn, and of the process that moves bytes on it.
#[inline(always)]
pub(crate) fn announced(inode: u64) {
    eaves_log_announced(inode);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_announced(inode: u64) -> u64 {
    let tgid = bpf_get_current_pid_tgid() >> 32;
    debug!((), "socket:[{}] announced, of process {}", inode, tgid);
    0
}

/// A conn is heard no more, for this [`DropReason`].
#[inline(always)]
pub(crate) fn dropped(inode: u64, reason: DropReason) {
    eaves_log_dropped(inode, reason as u64);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_dropped(inode: u64, reason: u64) -> u64 {
    let reason = name::<DROPS_MAX>(DROPS.as_ptr(), reason);
    debug!((), "socket:[{}] not heard: {}", inode, reason);
    0
}

/// A transfer was not sent; `slot` is that of its [`DropReason`]. The agent's own are passed over
/// in silence: each line it writes would make another.
#[inline(always)]
pub(crate) fn passed_over(slot: u32) {
    if slot != DropReason::Own.slot() {
        eaves_log_passed_over(u64::from(slot));
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_passed_over(slot: u64) -> u64 {
    let tgid = bpf_get_current_pid_tgid() >> 32;
    let reason = slot.wrapping_sub(u64::from(Counter::COUNT));
    let reason = name::<DROPS_MAX>(DROPS.as_ptr(), reason);
    trace!((), "process {}: transfer not sent: {}", tgid, reason);
    0
}

/// The agent was told of an end, for this [`EndReason`] as its number.
#[inline(always)]
pub(crate) fn ended(inode: u64, reason: u16) {
    eaves_log_ended(inode, u64::from(reason));
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_ended(inode: u64, reason: u64) -> u64 {
    let reason = name::<ENDS_MAX>(ENDS.as_ptr(), reason);
    debug!((), "socket:[{}] end told: {}", inode, reason);
    0
}

/// A record that stands for so many bytes found the ring full.
#[inline(always)]
pub(crate) fn lost(inode: u64, span_bytes: u64) {
    eaves_log_lost(inode, span_bytes);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_lost(inode: u64, span_bytes: u64) -> u64 {
    warn!(
        (),
        "socket:[{}] record of {} bytes lost: the ring is full", inode, span_bytes
    );
    0
}

/// Bytes of the process could not be read.
#[inline(always)]
pub(crate) fn fault(inode: u64, bytes: u64) {
    eaves_log_fault(inode, bytes);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn eaves_log_fault(inode: u64, bytes: u64) -> u64 {
    let tgid = bpf_get_current_pid_tgid() >> 32;
    debug!(
        (),
        "socket:[{}] fault: {} bytes of process {} cannot be read", inode, bytes, tgid
    );
    0
}
