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

/// Prints a line: what, and against what.
pub(crate) fn tell(name: &str, cost: Cost, baseline: Cost) {
    let Cost { ns, allocations } = cost;
    let ratio = ns / baseline.ns;
    println!("{name:<44} {ns:>9.1} ns  {ratio:>6.2} x baseline  {allocations:>6.2} allocations");
}

/// A GET with ten fields.
pub(crate) const REQUEST: &[u8] = b"GET /api/v1/users/42?verbose=1 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nAuthorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\nCache-Control: no-cache\r\nCookie: session=0123456789abcdef0123456789abcdef\r\nReferer: https://app.example.com/users\r\nConnection: keep-alive\r\n\r\n";

/// 350 bytes of JSON back.
pub(crate) fn response() -> Vec<u8> {
    let body = vec![b'j'; 350];
    let mut response = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 350\r\nConnection: keep-alive\r\n\r\n".to_vec();
    response.extend(body);
    response
}

/// Both heads by httparse alone, and the bytes copied once: what no passive parser can do without.
pub(crate) fn baseline(response: &[u8]) -> Cost {
    let mut kept = Vec::with_capacity(4096);
    cost(1000, || {
        let mut fields = 0;
        for _ in 0..1000 {
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            black_box(request.parse(black_box(REQUEST)).is_ok());
            fields += request.headers.len();
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut answer = httparse::Response::new(&mut headers);
            black_box(answer.parse(black_box(response)).is_ok());
            fields += answer.headers.len();
            kept.clear();
            kept.extend_from_slice(REQUEST);
            kept.extend_from_slice(response);
            black_box(&kept);
        }
        fields
    })
}
