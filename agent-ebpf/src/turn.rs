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
//! done. One behind it that finds its own task there, done, has nothing to do. What else it may
//! find:
//!
//! - another task, at work: it was preempted there, and those before were passed over. Sure.
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
static TURNS: PerCpuArray<[u64; COPIES_MAX as usize]> = PerCpuArray::with_max_entries(POINTS, 0);

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
            // SAFETY: `before` is below `COPIES_MAX`; another program may have written the word.
            let word = unsafe { words.add(before as usize) };
            // SAFETY: as above.
            let at = unsafe { word.read_volatile() };
            if at == task | DONE {
                if COPY + 1 == COPIES_MAX {
                    // Of no use any more, and wrong at this task's next transfer.
                    // SAFETY: as above.
                    unsafe { word.write_volatile(0) };
                }
                return None;
            }
            turn.doubtful |= at == 0 || at & DONE != 0;
            before += 1;
        }
        // SAFETY: `COPY` is below `COPIES_MAX`.
        let word = unsafe { words.add(COPY as usize) };
        // SAFETY: as above; this copy alone writes a task there.
        let last = unsafe { word.read_volatile() };
        if point as u32 >= Point::State as u32 && last != 0 && last & DONE == 0 {
            turn.row = NESTED;
        }
        // SAFETY: as above.
        unsafe { word.write_volatile(task) };
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
                let word = words.cast::<u64>().add(COPY as usize);
                word.write_volatile(word.read_volatile() | DONE);
            }
        }
    }
}

/// Whether nothing stands behind the programs at `point`, nor within them.
#[inline(always)]
fn is_alone(point: Point) -> bool {
    (point as u32) < Point::State as u32 && setting!(copies) < 2
}
