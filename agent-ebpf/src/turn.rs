//! Copies of a program, one behind the other at the same tracepoint: one works where those before
//! it were passed over.
//!
//! Up to Linux 6.x a program at a tracepoint runs to its end before another task comes. Since 7.0
//! the tracepoint is guarded by SRCU-fast instead: the task may be preempted within the program,
//! and until it goes on, the kernel passes that program over for every other task on the processor
//! (it counts them in the program's `recursion_misses`). A copy is another program to the kernel,
//! passed over only while it was itself preempted. On other kernels one copy is loaded, and
//! `settings.copies` of 1 takes all of this out of the taps.
//!
//! Each copy has a word on each processor: the task that it works for, with [`DONE`] once that is
//! done; and one more for the task before that. One behind it that finds its own task there, done, has nothing to do. What else it may
//! find:
//!
//! - another task, at work: it was preempted there, and those before were passed over. Sure, unless
//!   our task's work was done there just before: each copy keeps whose it did last, beside the task
//!   that it works for. Without that a task that was preempted between two copies, while another came to
//!   the first and was preempted in it, would be heard twice.
//! - nothing, or another task, done: either that task was preempted on the few instructions between
//!   the kernel's own mark and ours; or our task was preempted, or moved to another processor,
//!   between two copies, and the work is done. TCP's positions tell which; a transfer of another
//!   conn that is heard is left out. What stays in doubt is not counted as stood in for, so that
//!   `missed` is never too small.
//!
//! A copy could not call the first's code instead (by a tail call): since Linux 6.13 the kernel
//! gives a program one stack for each processor, trusting that it is active there once.
//!
//! The words need no care of their own: a program is active once at a time on a processor, and no
//! task leaves the processor within it.

use aya_ebpf::helpers::bpf_get_current_task;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use eaves_common::{COPIES_MAX, POINTS, THREAD_ROW, THREAD_ROWS};

use crate::filter::setting;

#[map]
static TURNS: PerCpuArray<[[u64; 2]; COPIES_MAX as usize]> =
    PerCpuArray::with_max_entries(POINTS, 0);

/// In a word: the work is done. The address of a task is even.
const DONE: u64 = 1;

/// What the copies of one program share.
#[derive(Clone, Copy)]
pub(crate) enum Point {
    /// What is sent; all system calls.
    Send = 0,
    /// What is received.
    Receive = 1,
    /// Changes of state, in a task or in an interrupt.
    State = 2,
    /// The end of socks, in either too.
    Destroy = 3,
}

/// Row of what is interrupted by its like: see [`Turn::take`].
const NESTED: u32 = POINTS * COPIES_MAX;
const _: () = assert!(NESTED + 1 == THREAD_ROW);

/// Row of a program that hangs on a function, and may be preempted there: the thread's.
#[inline(always)]
pub(crate) const fn thread_row(pid_tgid: u64) -> u32 {
    THREAD_ROW + (pid_tgid as u32 & (THREAD_ROWS - 1))
}

/// A copy's turn to work.
pub(crate) struct Turn {
    /// The copy's own row in `COUNTERS` and `WORK`: nobody else writes there meanwhile.
    pub(crate) row: u32,
    /// Whether the work may have been done already.
    pub(crate) doubtful: bool,
}

impl Turn {
    /// The turn of copy `COPY` at `point`; `None` if one before it has done the work.
    ///
    /// Before Linux 6.2 the kernel does not keep a raw tracepoint's program from interrupting
    /// itself, as changes of state do that a packet brings. One that finds itself at work counts
    /// in another row.
    #[inline(always)]
    pub(crate) fn take<const COPY: u32>(point: Point) -> Option<Self> {
        let mut turn = Self {
            row: COPY * POINTS + point as u32,
            doubtful: false,
        };
        if is_alone(point) {
            return Some(turn);
        }
        let words: *mut u64 = TURNS.get_ptr_mut(point as u32)?.cast();
        // SAFETY: no arguments.
        let task = unsafe { bpf_get_current_task() };
        let mut before = 0;
        while before < COPY {
            // SAFETY: `before` is below `COPIES_MAX`; another program may have written the words.
            let (word, last) = unsafe { words_of(words, before) };
            // SAFETY: as above.
            let (at, done) = unsafe { (word.read_volatile(), last.read_volatile()) };
            if at == task | DONE || done == task | DONE {
                if COPY + 1 == COPIES_MAX {
                    // Of no use any more, and wrong at this task's next transfer.
                    let old = if at == task | DONE { word } else { last };
                    // SAFETY: as above.
                    unsafe { old.write_volatile(0) };
                }
                return None;
            }
            turn.doubtful |= at == 0 || at & DONE != 0;
            before += 1;
        }
        // SAFETY: `COPY` is below `COPIES_MAX`.
        let (word, last) = unsafe { words_of(words, COPY) };
        // SAFETY: as above; this copy alone writes a task there.
        let at = unsafe { word.read_volatile() };
        if point as u32 >= Point::State as u32 && at != 0 && at & DONE == 0 {
            turn.row = NESTED;
        }
        // SAFETY: as above.
        unsafe {
            last.write_volatile(at);
            word.write_volatile(task);
        }
        Some(turn)
    }

    /// Says that the work of copy `COPY` at `point` is done.
    ///
    /// It finds its word anew: kept, the address would need room on the stack, of which older
    /// kernels leave a tap no more than it has.
    #[inline(always)]
    pub(crate) fn end<const COPY: u32>(point: Point) {
        if is_alone(point) {
            return;
        }
        if let Some(words) = TURNS.get_ptr_mut(point as u32) {
            // SAFETY: `COPY` is below `COPIES_MAX`; this copy alone writes there now.
            unsafe {
                let (word, _) = words_of(words.cast(), COPY);
                word.write_volatile(word.read_volatile() | DONE);
            }
        }
    }
}

/// The words of a copy: the task that it works for, and the one before that.
///
/// # Safety
/// `copy` is below `COPIES_MAX`, and `words` are all of a point's.
#[inline(always)]
unsafe fn words_of(words: *mut u64, copy: u32) -> (*mut u64, *mut u64) {
    let at = 2 * copy as usize;
    // SAFETY: as said.
    unsafe { (words.add(at), words.add(at + 1)) }
}

/// Whether nothing stands behind the programs at `point`, nor within them.
#[inline(always)]
fn is_alone(point: Point) -> bool {
    (point as u32) < Point::State as u32 && setting!(copies) < 2
}
