//! What the agent uses, as the kernel counts it: processor time of all its threads; memory of its own
//! with that of its maps, programs and the ring in the kernel.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Limits;
use super::governor::Used;
use crate::probe::Held;

/// How often memory is looked at; reading it takes some 20 µs.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// How often that in the kernel is: it changes with what is attached, and reading takes half a millisecond.
const KERNEL_EVERY: Duration = Duration::from_secs(10);

/// Most thousandths of a limit that are told apart.
const MOST: u128 = 1_000_000;

/// Looks at what is used.
#[derive(Debug)]
pub(super) struct Meter {
    looked: Instant,
    cpu: Duration,
    memory: Option<(Instant, u64)>,
    kernel: Option<(Instant, u64)>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            cpu: cpu(ClockId::ProcessCPUTime),
            memory: None,
            kernel: None,
        }
    }

    /// What was used since the last call.
    pub(super) fn used(&mut self, limits: &Limits, now: Instant) -> Used {
        let cpu = cpu(ClockId::ProcessCPUTime);
        let since = now.duration_since(std::mem::replace(&mut self.looked, now));
        let spent = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        let allowed = since.as_nanos() * u128::from(limits.cpu.thousandths()) / 1_000;
        Used {
            since_ms: u32::try_from(since.as_millis()).unwrap_or(u32::MAX),
            cpu: thousandths(spent.as_nanos(), allowed),
            memory: thousandths(self.memory(now).into(), limits.memory.bytes().into()),
        }
    }

    /// Bytes of memory, at most a second old; 0 if they cannot be read.
    fn memory(&mut self, now: Instant) -> u64 {
        let kernel = fresh(&mut self.kernel, now, KERNEL_EVERY, || Held::now().bytes);
        let own = fresh(&mut self.memory, now, MEMORY_EVERY, own_bytes);
        own + kernel
    }
}

/// What was read no longer than `every` ago, or else is read now.
fn fresh(
    held: &mut Option<(Instant, u64)>,
    now: Instant,
    every: Duration,
    read: impl FnOnce() -> u64,
) -> u64 {
    match held {
        Some((at, value)) if now.duration_since(*at) < every => *value,
        _ => held.insert((now, read())).1,
    }
}

fn thousandths(part: u128, whole: u128) -> u32 {
    let share = (part * 1_000).checked_div(whole).unwrap_or(MOST);
    u32::try_from(share.min(MOST)).unwrap_or(u32::MAX)
}

/// Processor time by `clock`.
pub(super) fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let ns = |part: i64| u64::try_from(part).unwrap_or(0);
    Duration::from_secs(ns(time.tv_sec)) + Duration::from_nanos(ns(time.tv_nsec))
}

/// Memory of this process that is no file's, bytes.
pub(super) fn own_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let kib = number.and_then(|kib| kib.parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Meter, own_bytes, thousandths};
    use crate::pipeline::budget::Limits;
    use crate::units::{Cores, Size};

    #[test]
    fn shares_are_bounded() {
        assert_eq!(thousandths(1, 2), 500);
        assert_eq!(thousandths(u128::from(u64::MAX), 1), 1_000_000);
        assert_eq!(thousandths(1, 0), 1_000_000);
    }

    #[test]
    fn work_and_memory_of_this_process_are_seen() {
        let limits = Limits {
            cpu: Cores(1000),
            memory: Size(own_bytes()),
        };
        let begin = Instant::now();
        let mut meter = Meter::new(begin);
        // Until the clock of processor time has moved, however long that takes here.
        let work = super::cpu(rustix::time::ClockId::ProcessCPUTime);
        while super::cpu(rustix::time::ClockId::ProcessCPUTime) == work {}
        let used = meter.used(&limits, begin + Duration::from_secs(1));
        assert!(used.since_ms == 1_000 && used.cpu < 100_000, "{used:?}");
        assert!(used.memory > 500, "{used:?}");
    }
}
