//! What appending and sealing costs beside zstd alone over the same lines, how many bytes an event
//! takes, and what reading costs beside decompressing alone.
//!
//! `cargo bench -p eaves --bench journal`. Ratios are within this run; rates are of this machine.

#![expect(clippy::expect_used, reason = "a bench, run by hand")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use eaves::clock::{Moment, WallTime};
use eaves::journal::{
    Cursor, FRAME_BYTES, Journal, Key, KeyPlace, Keys, Options, Reader, RealDisk, Record,
    RecordKind, Worth,
};

/// Events of one round.
const EVENTS: usize = 100_000;

/// Rounds, of which the best counts.
const ROUNDS: usize = 5;

/// Clients, of which one is looked for.
const CLIENTS: u64 = 10_000;

/// Events of a connection.
const KEPT: u64 = 40;

/// Small random numbers (xorshift64, Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    /// Like a UUIDv7 of one second: 74 random bits.
    fn id(&mut self) -> String {
        let (a, b) = (self.next(1 << 12), self.next(1 << 62));
        let back = format!("{:016x}", b | 1 << 63);
        let (front, back) = back.split_at(4);
        format!("019aa2f1-{:04x}-7{a:03x}-{front}-{back}", self.next(1000))
    }
}

/// An event of about 600 bytes, without bodies and header fields.
struct Event {
    line: String,
    client: String,
    route: &'static str,
    status: u16,
}

fn events() -> Vec<Event> {
    let random = &mut Random(0x5eed);
    let routes = [
        "/users/{id}",
        "/orders/{id}",
        "/login",
        "/search",
        "/cart/{id}/items",
    ];
    let mut connection = String::new();
    let (mut client, mut port) = (String::new(), 0);
    let mut event = |n: u64| {
        if n.is_multiple_of(KEPT) {
            connection = random.id();
            let one = random.next(CLIENTS);
            client = format!("203.{}.{}.{}", one / 2500, one / 50 % 50, one % 50);
            port = 30_000 + random.next(30_000);
        }
        let route = routes
            .get(random.next(5) as usize)
            .copied()
            .unwrap_or_default();
        let path = route.replace("{id}", &random.next(100_000).to_string());
        let status = if random.next(20) == 0 { 404 } else { 200 };
        let (id, ns) = (random.id(), random.next(1_000_000_000));
        let (duration, first) = (
            500_000 + random.next(4_000_000),
            300_000 + random.next(200_000),
        );
        let (request, response, body) = (
            380 + random.next(60),
            170 + random.next(9),
            random.next(2000),
        );
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{id}\",\"time\":\"2026-11-21T06:02:11.{ns:09}Z\",\
             \"duration_ns\":{duration},\"time_to_first_byte_ns\":{first},\"role\":\"server\",\"network\":\
             {{\"transport\":\"tcp\",\"protocol\":{{\"name\":\"http\",\"version\":\"1.1\"}},\"connection\":\
             \"{connection}\"}},\"client\":{{\"address\":\"{client}\",\"port\":{port}}},\"server\":\
             {{\"address\":\"10.0.0.5\",\"port\":8080}},\"url\":{{\"scheme\":\"http\",\"domain\":\
             \"api.example.com\",\"path\":\"{path}\"}},\"http\":{{\"route\":\"{route}\",\"request\":\
             {{\"method\":\"GET\",\"header_bytes\":{request},\"body_bytes\":0}},\"response\":{{\"status_code\":\
             {status},\"header_bytes\":{response},\"body_bytes\":{body}}}}},\"process\":{{\"pid\":812,\"name\":\
             \"nginx\"}},\"host\":{{\"name\":\"web-3\"}},\"completeness\":{{\"request\":\"whole\",\
             \"response\":\"whole\"}}}}\n"
        );
        Event {
            line,
            client: client.clone(),
            route,
            status,
        }
    };
    (0..EVENTS as u64).map(&mut event).collect()
}

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

fn options(dir: &Path) -> Options {
    let key = KeyPlace {
        credential: None,
        file: dir.join("journal.key"),
    };
    let mut options = Options::new(dir.join("journal"), key);
    options.min_free = 0;
    options
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
            let record = Record {
                kind: RecordKind::Exchange,
                worth: Worth::default(),
                severity: None,
                time: WallTime(now.date.0),
                line: event.line.as_bytes(),
                keys: Keys {
                    host: b"api.example.com",
                    route: event.route.as_bytes(),
                    client: event.client.as_bytes(),
                    user: b"",
                    status: Some(event.status),
                },
            };
            journal.append(&record, now);
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

fn main() {
    let events = events();
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
