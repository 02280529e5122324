//! What the agent uses, as the kernel counts it: processor time of its threads, but for the one that looks
//! for TLS libraries; memory of its own with that of its maps, programs and the ring in the kernel.
//!
//! That one works for a second or two at the start, and as programs start that were not seen before,
//! whatever is heard: shedding would not make it less.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Limits;
use super::governor::Used;
use crate::probe::{FINDER_THREAD, Held};

/// How often memory is looked at; reading it takes some 20 µs.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// How often that in the kernel is: it changes with what is attached, and reading takes half a millisecond.
const KERNEL_EVERY: Duration = Duration::from_secs(10);

/// Looks at which the thread that looks for TLS libraries is searched for: without TLS there is none.
const SEARCHES: u8 = 20;

/// Most thousandths of a limit that are told apart.
const MOST: u128 = 1_000_000;

/// Looks at what is used.
#[derive(Debug)]
pub(super) struct Meter {
    looked: Instant,
    cpu: Duration,
    finder: Finder,
    memory: Option<(Instant, u64)>,
    kernel: Option<(Instant, u64)>,
}

impl Meter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            looked: now,
            cpu: cpu(ClockId::ProcessCPUTime),
            finder: Finder::default(),
            memory: None,
            kernel: None,
        }
    }

    /// What was used since the last call, and how much of the room is taken where most waits.
    pub(super) fn used(&mut self, limits: &Limits, waiting: &[(u64, u64)], now: Instant) -> Used {
        let cpu = cpu(ClockId::ProcessCPUTime);
        let since = now.duration_since(std::mem::replace(&mut self.looked, now));
        let spent = cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu));
        let spent = spent.saturating_sub(self.finder.spent());
        let allowed = since.as_nanos() * u128::from(limits.cpu.thousandths()) / 1_000;
        Used {
            since_ms: u32::try_from(since.as_millis()).unwrap_or(u32::MAX),
            cpu: thousandths(spent.as_nanos(), allowed),
            memory: thousandths(self.memory(now).into(), limits.memory.bytes().into()),
            waiting: waiting.iter().copied().map(share).max().unwrap_or(0),
        }
    }

    /// Bytes of memory, at most a second old; 0 if they cannot be read.
    fn memory(&mut self, now: Instant) -> u64 {
        let kernel = fresh(&mut self.kernel, now, KERNEL_EVERY, || Held::now().bytes);
        let own = fresh(&mut self.memory, now, MEMORY_EVERY, own_bytes);
        own + kernel
    }
}

/// The thread that looks for TLS libraries.
#[derive(Debug, Default)]
struct Finder {
    /// Where the kernel tells of it, once it was found.
    file: Option<PathBuf>,
    searches: u8,
    cpu: Duration,
}

impl Finder {
    /// Processor time that it took since the last call.
    fn spent(&mut self) -> Duration {
        if self.file.is_none() && self.searches < SEARCHES {
            self.searches += 1;
            self.file = thread_named(FINDER_THREAD);
        }
        let text = self
            .file
            .as_ref()
            .and_then(|file| fs::read_to_string(file).ok());
        let cpu = text.and_then(|text| ran(&text)).unwrap_or(self.cpu);
        cpu.saturating_sub(std::mem::replace(&mut self.cpu, cpu))
    }
}

/// Where the kernel tells how long the thread of this name ran.
fn thread_named(name: &str) -> Option<PathBuf> {
    let mut threads = fs::read_dir("/proc/self/task").ok()?.flatten();
    let is_it = |path: &PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let path = threads.find_map(|thread| Some(thread.path()).filter(is_it))?;
    Some(path.join("schedstat"))
}

/// The time on a processor of a text of `/proc/PID/task/TID/schedstat`, whose first number is that, in ns.
fn ran(text: &str) -> Option<Duration> {
    let ns = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
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

fn share((part, whole): (u64, u64)) -> u32 {
    thousandths(part.into(), whole.into())
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
    fn the_time_of_one_thread_is_seen_by_its_name() {
        let (told, ready) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let work = move || {
            let clock = rustix::time::ClockId::ThreadCPUTime;
            while super::cpu(clock) < Duration::from_millis(20) {}
            told.send(()).unwrap();
            let _ = stopped.recv();
        };
        let thread = std::thread::Builder::new().name("eaves-of-a-test".into());
        let thread = thread.spawn(work).unwrap();
        ready.recv().unwrap();
        let mut finder = super::Finder {
            file: super::thread_named("eaves-of-a-test"),
            ..super::Finder::default()
        };
        let first = finder.spent();
        assert!(
            (Duration::from_millis(15)..Duration::from_secs(1)).contains(&first),
            "{first:?}"
        );
        assert!(finder.spent() < Duration::from_millis(10));
        drop(stop);
        thread.join().unwrap();
        assert_eq!(super::thread_named("nobody"), None);
        assert_eq!(
            super::ran("123456 7 8\n"),
            Some(Duration::from_nanos(123_456))
        );
        assert_eq!(super::ran(""), None);
    }

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
        let used = meter.used(&limits, &[(1, 4), (1, 2)], begin + Duration::from_secs(1));
        assert!(used.since_ms == 1_000 && used.cpu < 100_000, "{used:?}");
        assert!(used.memory > 500, "{used:?}");
        assert_eq!(used.waiting, 500, "the fullest");
    }
}
