//! Time and allocations of a step, as ratios against a baseline of the same run.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts what is allocated.
pub(crate) struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: all calls go on to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above; `block` came from `alloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations there were so far.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// What one pass of a step cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Nanoseconds, the least of all passes.
    pub(crate) ns: f64,
    /// Allocations.
    pub(crate) allocations: f64,
}

impl Cost {
    /// No time, no allocation.
    pub(crate) const NOTHING: Self = Self {
        ns: 0.0,
        allocations: 0.0,
    };

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            ns: self.ns + other.ns,
            allocations: self.allocations + other.allocations,
        }
    }
}

/// Runs `step`, which does `items` things, for a while: the cost of one of them.
pub(crate) fn cost<T>(items: u64, mut step: impl FnMut() -> T) -> Cost {
    let mut best = f64::INFINITY;
    let mut allocated = 0.0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        let before = allocations();
        let start = Instant::now();
        black_box(step());
        let ns = start.elapsed().as_nanos() as f64 / items as f64;
        best = best.min(ns);
        allocated = (allocations() - before) as f64 / items as f64;
    }
    Cost {
        ns: best,
        allocations: allocated,
    }
}

/// Set, lines are printed for `cargo xtask bench --base`: name, nanoseconds and allocations, by
/// tabs.
const LINES: &str = "EAVES_BENCH_LINES";

/// What was asked for, and what steps are held against.
pub(crate) struct Bench {
    baseline: Cost,
    /// Parts of names on the command line; all steps are run without any.
    words: Vec<String>,
    lines: bool,
}

impl Bench {
    /// Holds steps against `baseline`, which bears `name`.
    pub(crate) fn against(name: &str, baseline: Cost) -> Self {
        let (_, words) = crate::asked();
        let bench = Self {
            baseline,
            words,
            lines: std::env::var_os(LINES).is_some(),
        };
        bench.tell(name, baseline);
        bench
    }

    /// Runs a step if it is asked for, and prints a line of it.
    pub(crate) fn step(&self, name: &str, measure: impl FnOnce() -> Cost) {
        if self.words.is_empty() || self.words.iter().any(|word| name.contains(word.as_str())) {
            self.tell(name, measure());
        }
    }

    fn tell(&self, name: &str, Cost { ns, allocations }: Cost) {
        if self.lines {
            println!("{name}\t{ns:.3}\t{allocations:.4}");
            return;
        }
        let ratio = ns / self.baseline.ns;
        println!(
            "{name:<50} {ns:>9.1} ns  {ratio:>7.2} x baseline  {allocations:>6.2} allocations"
        );
    }
}
