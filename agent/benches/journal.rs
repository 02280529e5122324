//! What appending and sealing costs beside zstd alone over the same lines, how many bytes an event
//! takes, and what reading costs beside decompressing alone.
//!
//! `cargo bench -p eaves --bench all -- journal`. Ratios are within this run; rates are of this machine.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use eaves::clock::Moment;
use eaves::journal::{Cursor, FRAME_BYTES, Journal, Key, Reader, RealDisk};

use crate::events::{Event, Events, options};

/// Events of one round.
const EVENTS: usize = 100_000;

/// Rounds, of which the best counts.
const ROUNDS: usize = 5;

/// Clients, of which one is looked for.
const CLIENTS: u64 = 10_000;

/// Events of a connection.
const KEPT: u64 = 40;

/// Seconds that the best of all rounds took.
fn best(mut round: impl FnMut()) -> f64 {
    let times = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        round();
        begun.elapsed().as_secs_f64()
    });
    times.fold(f64::MAX, f64::min)
}

/// Lines in frames, as zstd alone packs them: seconds and bytes.
fn packed(events: &[Event], level: i32) -> (f64, usize) {
    let mut bytes = 0;
    let mut packer = zstd::bulk::Compressor::new(level).expect("zstd");
    let mut lines = Vec::with_capacity(2 * FRAME_BYTES);
    let mut out = vec![0; zstd::zstd_safe::compress_bound(2 * FRAME_BYTES)];
    let seconds = best(|| {
        bytes = 0;
        for event in events {
            lines.extend_from_slice(event.line.as_bytes());
            if lines.len() >= FRAME_BYTES {
                bytes += packer
                    .compress_to_buffer(&lines, &mut out[..])
                    .expect("zstd");
                lines.clear();
            }
        }
        bytes += packer
            .compress_to_buffer(&lines, &mut out[..])
            .expect("zstd");
        lines.clear();
    });
    (seconds, bytes)
}

/// The same lines into a journal: seconds.
fn appended(events: &[Event], dir: &Path) -> f64 {
    best(|| {
        let _ = fs::remove_dir_all(dir);
        let mut journal =
            Journal::open(options(dir), Arc::new(RealDisk), Moment::now()).expect("a journal");
        let mut now = Moment::now();
        for (n, event) in events.iter().enumerate() {
            if n.is_multiple_of(64) {
                now = Moment::now();
                journal.tick(now);
            }
            journal.append(&event.record(), now);
        }
        journal.close(Moment::now());
    })
}

fn segments(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(dir.join("journal")).expect("a folder");
    let paths = files.map(|file| file.expect("a file").path());
    let mut segments: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "zst"))
        .collect();
    segments.sort();
    segments
}

/// All segments through zstd's own reader: seconds and bytes of lines.
fn unpacked(dir: &Path) -> (f64, usize) {
    let mut bytes = 0;
    let mut piece = vec![0; 1 << 17];
    let seconds = best(|| {
        bytes = 0;
        for segment in segments(dir) {
            let file = File::open(segment).expect("a segment");
            let mut reader = zstd::stream::read::Decoder::new(file).expect("zstd");
            while let Ok(some @ 1..) = reader.read(&mut piece) {
                bytes += some;
            }
        }
    });
    (seconds, bytes)
}

/// All records of a journal, or those that may be of one client: seconds, records, bytes read.
fn read(dir: &Path, client: Option<&str>) -> (f64, usize, u64) {
    let (mut records, mut bytes) = (0, 0);
    let seconds = best(|| {
        records = 0;
        let mut reader =
            Reader::forward(&dir.join("journal"), Cursor::default()).expect("a journal");
        let wants = |index: &eaves::journal::Index<'_>| {
            client.is_none_or(|client| index.may_contain(Key::Client, client.as_bytes()))
        };
        while let Some(frame) = reader.next(wants).expect("it is whole") {
            records += frame.records().map(black_box).count();
        }
        bytes = reader.bytes_read();
    });
    (seconds, records, bytes)
}

pub(crate) fn main() {
    let events: Vec<Event> = Events::new(CLIENTS, KEPT).take(EVENTS).collect();
    let raw: usize = events.iter().map(|event| event.line.len()).sum();
    let count = events.len() as f64;
    let dir = std::env::temp_dir().join(format!("eaves-bench-journal-{}", std::process::id()));
    let out = &mut std::io::stdout();
    let mut say = |text: String| writeln!(out, "{text}").expect("standard output");
    say(format!(
        "{} events of {:.0} bytes",
        events.len(),
        raw as f64 / count
    ));
    for level in [-3, -1, 1, 2, 3] {
        let (seconds, bytes) = packed(&events, level);
        let (rate, each) = (count / seconds, bytes as f64 / count);
        say(format!(
            "zstd alone, level {level:>2}        {rate:>9.0} events/s {each:>6.1} bytes an event"
        ));
    }
    let (alone, _) = packed(&events, 1);
    let seconds = appended(&events, &dir);
    let bytes: u64 = segments(&dir)
        .iter()
        .map(|path| path.metadata().expect("a file").len())
        .sum();
    say(format!(
        "append and seal           {:>9.0} events/s {:>6.1} bytes an event, {:.2} of the speed of zstd alone",
        count / seconds,
        bytes as f64 / count,
        alone / seconds,
    ));
    let (alone, lines) = unpacked(&dir);
    assert_eq!(lines, raw, "all lines are there");
    let (seconds, records, _) = read(&dir, None);
    assert_eq!(records, events.len(), "all records are there");
    say(format!(
        "read all                  {:>9.0} events/s, {:.2} of the speed of zstd alone",
        count / seconds,
        alone / seconds,
    ));
    let client = events.last().map_or("", |event| event.client.as_str());
    let (_, _, looked_at) = read(&dir, Some(client));
    say(format!(
        "one client of {CLIENTS}       {:.1} % of the bytes are read",
        100.0 * looked_at as f64 / bytes as f64
    ));
    fs::remove_dir_all(&dir).expect("the folder of the bench");
}
