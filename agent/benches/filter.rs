//! What it costs to hold filters against the lines of a journal: lines and bytes a second on one
//! core, beside what serde_json takes to make trees of the same lines, and what finding their ends takes.
//!
//! `cargo bench -p eaves --bench all -- filter`. Two kinds of lines: small ones of about 600 bytes with two
//! header fields, and such with eighteen. Ratios are within this run; times are of this machine.

use std::hint::black_box;
use std::time::{Duration, Instant};

use eaves::filter::Filter;

/// Filters, and which way through the code they take.
const FILTERS: &[(&str, &str)] = &[
    ("one client in 10 000", "client == 10.0.7.77"),
    ("one status in 50, a class", "status == 5xx"),
    ("two fields", "status >= 500 and path ~ \"^/api/v1/users/\""),
    ("an expression, half match", "path ~ \"^/api/v[12]/\""),
    ("negated: every line is walked", "path !~ \"^/health\""),
    ("a header field", "header.x-request-id == 7b1f0d3e-1"),
    (
        "network, or duration",
        "client in 10.0.7.0/24 or duration > 2s",
    ),
];

const LINES: u64 = 20_000;

/// Set, lines are printed for `cargo xtask bench --base`, as `measure` does.
const FOR_XTASK: &str = "EAVES_BENCH_LINES";

fn line(n: u64, fields: usize) -> String {
    // Numbers that look random and are the same in every run (a multiplicative hash, Knuth).
    let random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let client = format!("10.0.{}.{}", random % 40, random / 40 % 250);
    let status = if random.is_multiple_of(50) { 503 } else { 200 };
    let version = 1 + random % 4;
    let mut asked = vec![
        "[\"host\",\"api.example.com\"]".to_owned(),
        format!("[\"x-request-id\",\"7b1f0d3e-{n}\"]"),
    ];
    for field in 2..fields {
        asked.push(format!(
            "[\"x-field-{field}\",\"value of field {field}, some {random} bytes\"]"
        ));
    }
    format!(
        "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"0193a1b2-{n:012}-7000\",\"time\":\"2026-11-21T06:02:11.{n:09}Z\",\"duration_ns\":{},\"time_to_first_byte_ns\":1201877,\"role\":\"server\",\"network\":{{\"transport\":\"tcp\",\"protocol\":{{\"name\":\"http\",\"version\":\"1.1\"}},\"connection\":\"0193a1b2-0000-7000\"}},\"client\":{{\"address\":\"{client}\",\"port\":51322}},\"server\":{{\"address\":\"10.0.0.5\",\"port\":8443}},\"url\":{{\"domain\":\"api.example.com\",\"path\":\"/api/v{version}/users/{n}\"}},\"http\":{{\"request\":{{\"method\":\"GET\",\"headers\":[{}],\"header_bytes\":412,\"body_bytes\":0}},\"response\":{{\"status_code\":{status},\"headers\":[[\"server\",\"nginx\"]],\"header_bytes\":180,\"body_bytes\":350}}}},\"process\":{{\"pid\":812,\"name\":\"nginx\"}},\"host\":{{\"name\":\"web-3\"}},\"completeness\":{{\"request\":\"whole\",\"response\":\"whole\",\"missing_bytes\":0}}}}\n",
        random % 2_001_000_000,
        asked.join(","),
    )
}

/// Seconds that one pass takes: the least of several.
fn cost(mut pass: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(400) {
        let start = Instant::now();
        pass();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

pub(crate) fn main() {
    for fields in [2, 18] {
        let text: String = (0..LINES).map(|n| line(n, fields)).collect();
        let lines = || text.as_bytes().split_inclusive(|byte| *byte == b'\n');
        println!(
            "{LINES} lines of {} bytes, one core",
            text.len() as u64 / LINES
        );
        let for_xtask = std::env::var_os(FOR_XTASK).is_some();
        let tell = |name: &str, seconds: f64, more: &str| {
            if for_xtask {
                let ns = seconds * 1e9 / LINES as f64;
                return println!("{name}, {fields} fields\t{ns:.3}\t0");
            }
            println!(
                "  {name:<32} {:>6.2} million lines/s  {:>6.2} GB/s  {more}",
                LINES as f64 / seconds / 1e6,
                text.len() as f64 / seconds / 1e9,
            );
        };
        let split = cost(|| {
            black_box(memchr::memchr_iter(b'\n', text.as_bytes()).count());
        });
        tell("line feeds found", split, "");
        let trees = cost(|| {
            for line in lines() {
                black_box(serde_json::from_slice::<serde_json::Value>(line).expect("JSON"));
            }
        });
        tell("trees of serde_json", trees, "");
        for (name, filter) in FILTERS {
            let filter = Filter::parse(filter).expect("a filter");
            let mut matched = 0;
            let seconds = cost(|| {
                matched = 0;
                let mut rest = text.as_bytes();
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    let (line, behind) = rest.split_at(end + 1);
                    matched += u64::from(filter.matches(black_box(line)));
                    rest = behind;
                }
            });
            let times = trees / seconds;
            tell(
                name,
                seconds,
                &format!("{times:>5.1} × serde_json, {matched} match"),
            );
        }
    }
}
