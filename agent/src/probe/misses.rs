//! How often the kernel passed the taps' programs over: its own count, which it shows of a program.

use std::fs;
use std::os::fd::{AsRawFd as _, OwnedFd};

use eaves_common::Counter;

use crate::capture::KernelCounters;

/// Readings in a row at which a task must be missing before it is missed: one that was passed over
/// may itself be preempted before it comes to the copy that stands in.
pub(super) const READINGS: usize = 4;

/// The line of `/proc/self/fdinfo/FD` that says it; since Linux 5.12. Before, and where it cannot
/// be read, there are none.
const FIELD: &str = "recursion_misses:";

/// The first program at each point. Their descriptors outlive the programs' attachment, so that
/// the last count can be read when all is over.
#[derive(Debug)]
pub(super) struct Misses {
    programs: Vec<(OwnedFd, u64)>,
    /// What nobody had stood in for at the last readings, the latest last.
    lately: [u64; READINGS],
    missed: u64,
}

impl Misses {
    /// Of these programs.
    pub(super) fn of(programs: Vec<OwnedFd>) -> Self {
        Self {
            programs: programs.into_iter().map(|fd| (fd, 0)).collect(),
            lately: [0; READINGS],
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

    /// Fills in what no program can count. `misses` were read before `counters`.
    pub(super) fn fill(&mut self, misses: u64, counters: &mut KernelCounters) {
        let stood_in = counters.get(Counter::StoodIn);
        self.lately.rotate_left(1);
        self.lately[READINGS - 1] = misses.saturating_sub(stood_in);
        let sure = self.lately.iter().min().copied().unwrap_or(0);
        self.missed = sure.max(self.missed);
        counters.set(Counter::RecursionMisses.slot(), misses);
        counters.set(Counter::Missed.slot(), self.missed);
    }

    /// Whether all that was missing at the last reading is told.
    pub(super) const fn settled(&self) -> bool {
        self.lately[READINGS - 1] <= self.missed
    }
}

fn count(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(FIELD)?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Misses, READINGS, count};
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
    fn what_nobody_stands_in_for_is_missed() {
        check(&[(0, 0)], 0);
        check(&[(10, 10); 9], 0);
        check(&[(10, 7); READINGS], 3);
    }

    #[test]
    fn one_who_is_on_the_way_is_not_missed() {
        check(&[(10, 7); READINGS - 1], 0);
        check(&[(40, 39), (79, 79), (80, 79), (81, 80), (81, 81)], 0);
        let later = [(10, 7), (11, 7), (12, 9), (13, 10)];
        check(&later, 3);
    }

    #[test]
    fn what_was_missed_stays_so() {
        let mut rounds = vec![(10, 7); READINGS];
        rounds.push((10, 9));
        check(&rounds, 3);
        rounds.push((12, 8));
        check(&rounds, 3);
    }

    #[test]
    fn readings_settle_what_is_missing() {
        let mut misses = Misses::of(Vec::new());
        let mut counters = KernelCounters::default();
        for settled in [false, false, false, true] {
            misses.fill(3, &mut counters);
            assert_eq!(misses.settled(), settled);
        }
        misses.fill(2, &mut counters);
        assert!(misses.settled());
    }
}
