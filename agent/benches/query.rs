//! What it costs to search a journal that no index helps with, beside what `zstdcat` takes to
//! decompress it and `zstdcat | grep` and `zstdcat | jq` take to search it; and which part of the
//! bytes is read to find one client in 10 000.
//!
//! `cargo bench -p eaves --bench all -- query`. The journal has events of about 600 bytes without bodies, in
//! a folder of its own below the temporary one. A query is one thread, as `zstdcat` is. Ratios are
//! within this run; times are of this machine.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eaves::filter::{Fields, Filter};
use eaves::query::{Question, Scan, Scanned, Step, Tally};

use crate::events::{Events, address};
use crate::kept::write;

const EVENTS: u64 = 300_000;
const CLIENTS: u64 = 10_000;
const ROUNDS: usize = 7;

/// What nothing but reading every line can answer.
const PATH: &str = "path ~ \"^/users/12[0-9]+7$\"";

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

pub(crate) fn main() {
    let dir = std::env::temp_dir().join(format!("eaves-bench-query-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    // No two events in a row are of one client: the index has all the more to tell apart.
    write(&dir, Events::new(CLIENTS, 1).take(EVENTS as usize));
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
            "zstdcat \"$@\" | grep -E '\"path\":\"/users/12[0-9]+7\"'",
        ),
        (
            "zstdcat | jq, a tenth of it",
            "zstdcat \"$@\" | head -n 30000 | jq -c 'select(.url.path | test(\"^/users/12[0-9]+7$\"))'",
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
    let client = format!("client == {}", address(777));
    for (name, filter) in [
        ("no index helps: a path", PATH),
        ("no index helps: negated, all match", "path !~ \"^/health\""),
        ("one status in 50", "status == 5xx"),
        ("one client in 10 000", &client),
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
