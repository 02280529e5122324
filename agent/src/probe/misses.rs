//! How often the kernel passed the taps' programs over: its own count, which it shows of a program.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};

use eaves_common::Counter;

use crate::capture::KernelCounters;

/// The line of `/proc/self/fdinfo/FD` that says it; since Linux 5.12. Before, and where it cannot
/// be read, there are none.
const FIELD: &str = "recursion_misses:";

/// The first program at each point. Their descriptors outlive the programs' attachment, so that
/// the last count can be read when all is over.
#[derive(Debug)]
pub(super) struct Misses {
    programs: Vec<(OwnedFd, u64)>,
    missed: u64,
}

impl Misses {
    /// Of these programs.
    pub(super) fn of(programs: Vec<OwnedFd>) -> Self {
        Self {
            programs: programs.into_iter().map(|fd| (fd, 0)).collect(),
            missed: 0,
        }
    }

    /// How many there were so far.
    pub(super) fn read(&mut self) -> u64 {
        let mut sum = 0;
        for (fd, last) in &mut self.programs {
            let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
            if let Ok(text) = fs::read_to_string(path) {
                *last = count(&text).max(*last);
            }
            sum += *last;
        }
        sum
    }

    /// Fills in what no program can count. `misses` were read before `counters`, so that what was
    /// stood in for meanwhile makes the difference too small for a moment, never too large.
    pub(super) fn fill(&mut self, misses: u64, counters: &mut KernelCounters) {
        let stood_in = counters.get(Counter::StoodIn);
        self.missed = misses.saturating_sub(stood_in).max(self.missed);
        counters.set(Counter::RecursionMisses.slot(), misses);
        counters.set(Counter::Missed.slot(), self.missed);
    }
}

fn count(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(FIELD)?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Misses, count};
    use crate::capture::KernelCounters;
    use eaves_common::Counter;

    #[track_caller]
    fn check(rounds: &[(u64, u64)], expected: u64) {
        let mut misses = Misses::of(Vec::new());
        let mut counters = KernelCounters::default();
        for (missed, stood_in) in rounds {
            counters.set(Counter::StoodIn.slot(), *stood_in);
            misses.fill(*missed, &mut counters);
            assert_eq!(counters.get(Counter::RecursionMisses), *missed);
        }
        assert_eq!(counters.get(Counter::Missed), expected);
    }

    #[test]
    fn the_kernel_s_line_is_found() {
        let text = "pos:\t0\nprog_type:\t17\nrun_cnt:\t3\nrecursion_misses:\t120\n";
        assert_eq!(count(text), 120);
        assert_eq!(count("pos:\t0\n"), 0);
        assert_eq!(count("recursion_misses:\tmany\n"), 0);
    }

    #[test]
    fn what_nobody_stood_in_for_is_missed() {
        check(&[(0, 0)], 0);
        check(&[(10, 10)], 0);
        check(&[(10, 7)], 3);
    }

    #[test]
    fn what_was_missed_stays_so() {
        check(&[(10, 7), (10, 9)], 3);
        check(&[(10, 11), (12, 11)], 1);
    }
}
