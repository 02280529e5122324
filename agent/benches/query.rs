//! What it costs to search a journal that no index helps with, beside what `zstdcat` takes to
//! decompress it and `zstdcat | grep` and `zstdcat | jq` take to search it; and which part of the
//! bytes is read to find one client in 10 000.
//!
//! `cargo bench -p eaves --bench query`. The journal has events of about 600 bytes without bodies, in
//! a folder of its own below the temporary one. A query is one thread, as `zstdcat` is. Ratios are
//! within this run; times are of this machine.

#![expect(clippy::expect_used, reason = "a bench, run by hand")]

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eaves::clock::{Ktime, Moment, WallTime};
use eaves::event::stamp;
use eaves::filter::{Fields, Filter};
use eaves::journal::{Journal, KeyPlace, Keys, Options, RealDisk, Record, RecordKind, Worth};
use eaves::query::{Question, Scan, Scanned, Step, Tally};

const EVENTS: u64 = 300_000;
const CLIENTS: u64 = 10_000;
const ROUNDS: usize = 3;

/// What nothing but reading every line can answer.
const PATH: &str = "path ~ \"^/api/v1/users/12[0-9]+7$\"";

/// Numbers that look random and are the same in every run (SplitMix64: Steele, Lea, Flood, "Fast
/// Splittable Pseudorandom Number Generators", 2014).
fn random(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 20
}

fn write(dir: &Path) {
    let key = KeyPlace {
        credential: None,
        file: dir.join("key"),
    };
    let options = Options::new(dir.join("journal"), key);
    let begun = Moment::now();
    let mut journal = Journal::open(options, Arc::new(RealDisk), begun).expect("a journal");
    for number in 0..EVENTS {
        let random = random(number);
        let now = Moment {
            steady: Ktime(begun.steady.0 + number * 50_000),
            date: WallTime(begun.date.0 + number * 50_000),
        };
        let date = stamp(now.date);
        let date = str::from_utf8(&date).expect("ASCII");
        let client = random % CLIENTS;
        let client = format!("10.0.{}.{}", client / 250, client % 250);
        let status = if random.is_multiple_of(50) { 503 } else { 200 };
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"0193a1b2-{:04x}-7{:03x}-8{:03x}-{:012x}\",\"time\":\"{date}\",\"duration_ns\":{},\"time_to_first_byte_ns\":{},\"role\":\"server\",\"network\":{{\"transport\":\"tcp\",\"protocol\":{{\"name\":\"http\",\"version\":\"1.1\"}},\"connection\":\"0193a1b2-0000-7000-8000-{:012x}\"}},\"client\":{{\"address\":\"{client}\",\"port\":{}}},\"server\":{{\"address\":\"10.0.0.5\",\"port\":8443}},\"url\":{{\"domain\":\"api.example.com\",\"path\":\"/api/v{}/users/{}\"}},\"http\":{{\"request\":{{\"method\":\"GET\",\"headers\":[[\"host\",\"api.example.com\"]],\"header_bytes\":412,\"body_bytes\":0}},\"response\":{{\"status_code\":{status},\"headers\":[[\"server\",\"nginx\"]],\"header_bytes\":180,\"body_bytes\":{}}}}},\"process\":{{\"pid\":812,\"name\":\"nginx\"}},\"host\":{{\"name\":\"web-3\"}},\"completeness\":{{\"request\":\"whole\",\"response\":\"whole\",\"missing_bytes\":0}}}}\n",
            number >> 8 & 0xffff,
            random & 0xfff,
            random >> 12 & 0xfff,
            random >> 3,
            random % 2_001_000,
            random % 1_001_000,
            random % 4096,
            1024 + random % 60_000,
            1 + random % 4,
            random % 100_000,
            random % 2000,
        );
        let record = Record {
            kind: RecordKind::Exchange,
            worth: Worth::default(),
            severity: None,
            time: now.date,
            line: line.as_bytes(),
            keys: Keys {
                host: b"api.example.com",
                client: client.as_bytes(),
                status: Some(status),
                ..Keys::default()
            },
        };
        journal.append(&record, now);
        if number.is_multiple_of(1000) {
            journal.tick(now);
        }
    }
    journal.close(Moment::now());
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir).expect("the journal");
    let mut files: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "zst"))
        .collect();
    files.sort();
    files
}

/// The least of several rounds.
fn least(mut round: impl FnMut()) -> Duration {
    let each = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    each.min().unwrap_or_default()
}

fn ask(dir: &Path, filter: &str, mut take: impl FnMut(&[u8])) -> Scanned {
    let filter = Some(Filter::parse(filter).expect("a filter"));
    let question = Question {
        filter,
        ..Question::default()
    };
    let mut scan = Scan::new(dir, question).expect("the journal");
    loop {
        let step = scan.step(|line| {
            take(line);
            ControlFlow::Continue(())
        });
        if step.expect("a journal that is whole") == Step::End {
            return scan.scanned();
        }
    }
}

/// Runs a line of the shell; nothing if a program of it is not there.
fn shell(line: &str, files: &[PathBuf]) -> Option<Duration> {
    let run = || {
        let mut command = Command::new("sh");
        command
            .args(["-c", line, "sh"])
            .args(files)
            .stdout(Stdio::null());
        // 1 is grep that found nothing.
        command
            .status()
            .is_ok_and(|status| matches!(status.code(), Some(0 | 1)))
    };
    run().then(|| {
        least(|| {
            run();
        })
    })
}

fn main() {
    let dir = std::env::temp_dir().join(format!("eaves-bench-query-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    write(&dir);
    let journal = dir.join("journal");
    let files = segments(&journal);
    let size = |path: &PathBuf| path.metadata().expect("a segment").len();
    let bytes: u64 = files.iter().map(size).sum();
    println!(
        "{EVENTS} events in {} segments, {bytes} bytes, {} a event",
        files.len(),
        bytes / EVENTS
    );
    let tell = |name: &str, took: Duration, against: Duration, more: &str| {
        println!(
            "  {name:<40} {:>6.2} million events/s  {:>5.2} of zstdcat's speed  {more}",
            EVENTS as f64 / took.as_secs_f64() / 1e6,
            against.as_secs_f64() / took.as_secs_f64(),
        );
    };
    let Some(zstdcat) = shell("zstdcat \"$@\"", &files) else {
        println!("  zstdcat is not there: nothing to compare with");
        return;
    };
    tell("zstdcat", zstdcat, zstdcat, "");
    for (name, line) in [
        (
            "zstdcat | grep",
            "zstdcat \"$@\" | grep -E '\"path\":\"/api/v1/users/12[0-9]+7\"'",
        ),
        (
            "zstdcat | jq, a tenth of it",
            "zstdcat \"$@\" | head -n 30000 | jq -c 'select(.url.path | test(\"^/api/v1/users/12[0-9]+7$\"))'",
        ),
    ] {
        if let Some(took) = shell(line, &files) {
            let whole = if name.contains("tenth") {
                took * 10
            } else {
                took
            };
            tell(name, whole, zstdcat, "");
        }
    }
    for (name, filter) in [
        ("no index helps: a path", PATH),
        ("no index helps: negated, all match", "path !~ \"^/health\""),
        ("one status in 50", "status == 5xx"),
        ("one client in 10 000", "client == 10.0.7.77"),
    ] {
        let mut scanned = Scanned::default();
        let took = least(|| {
            scanned = ask(&journal, filter, |line| {
                black_box(line);
            })
        });
        let more = format!(
            "{} match, {:.1} % of the bytes read",
            scanned.matched,
            scanned.bytes as f64 * 100.0 / bytes as f64
        );
        tell(name, took, zstdcat, &more);
    }
    let took = least(|| {
        let mut tally = Tally::new(Fields::parse("client").expect("a field"));
        ask(&journal, "method == GET", |line| tally.add(line));
        black_box(tally.rows(10));
    });
    tell("counted by client", took, zstdcat, "");
    std::fs::remove_dir_all(dir).expect("the folder");
}
