//! No secret leaves: planted ones, in any place, coding and nesting, compressed, cut by the limit, split
//! over records and chunks, are in no byte of what the agent writes: lines for machines and for
//! people, findings, the journal's files and what is learnt beside it, the formats of sinks, the log.
//! (What a panic says is `telemetry`'s.)

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use super::Lines;
use crate::capture::{ConnBuilder, Origin, Source};
use crate::clock::Moment;
use crate::config;
use crate::detect;
use crate::enrich::{Enrich, Identity};
use crate::event::{ApiEvent, Finding, Notice};
use crate::exchange;
use crate::journal::{Cursor, Journal, Reader, RealDisk};
use crate::keyed::HashKey;
use crate::pipeline::{self, Detect, Host, Keep, Output, Requests, ShardOptions};
use crate::redact::SealContext;
use crate::sink::Format;
use crate::telemetry::Counters;
use eaves_common::{EndReason, Flow};

/// Bytes of a secret that nothing written has in a row.
const WINDOW: usize = 10;

const NAMES: [&str; 6] = [
    "password",
    "api_key",
    "access_token",
    "client_secret",
    "sessionid",
    "passwd",
];

/// Places in which a secret is planted.
const PLACES: usize = 25;

/// Of them, the one of a telephone number with spaces, in a path: no shape that templates know.
const PHONE: usize = 20;

/// Most bytes that are kept of a body: all of it, and so few that many are cut.
const LIMITS: [usize; 2] = [16 * 1024, 90];

/// What lies over a body.
const CODINGS: [&str; 4] = ["identity", "gzip", "zstd", "br"];

/// One secret, and where it goes.
#[derive(Clone, Debug)]
struct Plant {
    secret: String,
    name: &'static str,
    place: usize,
    coding: usize,
    /// Of the bodies, one of [`CODINGS`].
    packing: usize,
    /// The value is an attack too, so that a finding shows where it stood.
    attacks: bool,
    /// Bytes of a record, and of a chunk of a body.
    piece: usize,
    chunked: bool,
    /// The target is there.
    found: bool,
}

fn plants() -> impl Strategy<Value = Vec<Plant>> {
    let one = (
        "[A-Za-z][A-Za-z0-9]{23}",
        proptest::sample::select(&NAMES[..]),
        0..PLACES,
        0..4_usize,
        0..CODINGS.len(),
        any::<bool>(),
        1..200_usize,
        any::<bool>(),
        any::<bool>(),
    );
    let plant = one.prop_map(
        |(secret, name, place, coding, packing, attacks, piece, chunked, found)| Plant {
            secret: if place == PHONE {
                phone(&secret)
            } else {
                secret
            },
            name,
            place,
            coding,
            packing,
            attacks,
            piece,
            chunked,
            found,
        },
    );
    proptest::collection::vec(plant, 70)
}

/// A telephone number as it stands in a path, of what `seed` says.
fn phone(seed: &str) -> String {
    let digits = seed
        .bytes()
        .take(8)
        .map(|byte| char::from(b'0' + byte % 10));
    format!("49%20151%20{}", digits.collect::<String>())
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02x}");
        out
    })
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "\\u{byte:04x}");
        out
    })
}

/// `text` as the coding of this number has it.
fn packed(text: &str, packing: usize) -> Vec<u8> {
    let bytes = text.as_bytes();
    match CODINGS[packing] {
        "gzip" => {
            let level = flate2::Compression::default();
            let mut coder = flate2::write::GzEncoder::new(Vec::new(), level);
            coder.write_all(bytes).unwrap();
            coder.finish().unwrap()
        }
        "zstd" => zstd::bulk::compress(bytes, 3).unwrap(),
        "br" => {
            // A window of 64 KiB, one meta-block that is not compressed (RFC 7932 §9.2), and the
            // last, empty one: nobody here compresses with it.
            let head = (bytes.len() as u32 - 1) << 4 | 1 << 20;
            let mut out = head.to_le_bytes()[..3].to_vec();
            out.extend_from_slice(bytes);
            out.push(3);
            out
        }
        _ => bytes.to_vec(),
    }
}

impl Plant {
    /// The request and the response, as they go over the wire.
    fn messages(&self) -> (Vec<u8>, Vec<u8>) {
        let name = self.name;
        let attack = if self.attacks { "' OR '1'='1' -- " } else { "" };
        let value = format!("{}{attack}", self.secret);
        let (coded, in_json) = (self.coded(&value), self.in_json(&value));
        let json = format!(r#"{{"a":[1,{{"{name}":"{in_json}"}}],"b":"c"}}"#);
        let quoted = json.replace('\\', "\\\\").replace('"', "\\\"");
        let (secret, form) = (&self.secret, "application/x-www-form-urlencoded");
        let (mut target, mut fields) = ("/orders/17?q=x".to_owned(), String::new());
        let mut host = "a".to_owned();
        let (mut kind, mut body) = ("application/json", String::new());
        let (mut reply_fields, mut reply) = (String::new(), "{}".to_owned());
        match self.place {
            0 => fields = format!("Authorization: Bearer {secret}\r\n"),
            1 => fields = format!("Cookie: x=1; {name}={secret}\r\n"),
            2 => target = format!("/p?x=1&{name}={coded}&y"),
            3 => target = format!("/p;{name}={secret}/x"),
            4 => body = json,
            5 => body = format!(r#"{{"x":"{quoted}"}}"#),
            6 => (kind, body) = (form, format!("x=1&{name}={coded}&z")),
            7 => (kind, body) = (form, format!("x={}", percent(&json))),
            8 => fields = format!("Referer: https://h/?{name}={coded}\r\n"),
            9 => reply_fields = format!("Location: https://h/#{name}={secret}\r\n"),
            10 => reply_fields = format!("Set-Cookie: {name}={secret}; Path=/\r\n"),
            11 => {
                kind = "multipart/form-data; boundary=B";
                body = format!(
                    "--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--B--"
                );
            }
            12 => {
                let beside = format!("<b>{attack}</b>");
                body = format!("<a><{name}>{secret}</{name}>{beside}</a>");
                kind = "text/xml";
            }
            13 => {
                kind = "text/plain";
                body = format!("it says {name}={secret} here{attack}");
            }
            14 => reply = json,
            15 => reply = format!(r#"{{"x":"https://h/?{name}={secret}"}}"#),
            // Of known shape, under no name.
            16 => reply = format!(r#"{{"note":"it is ghp_{secret}abcdef, is it?"}}"#),
            17 => fields = format!("X-Note: ghp_{secret}abcdef\r\n"),
            18 => target = format!("/p/ghp_{secret}abcdef/x"),
            PHONE => target = format!("/p/%2B{secret}/x"),
            // A key as the name of a user; and in what the request names as its host.
            21 => {
                let pair = crate::base64::encode(format!("ghp_{secret}abcdef:").as_bytes());
                fields = format!("Authorization: Basic {pair}\r\n");
            }
            22 => host = format!("ghp_{secret}abcdef.example"),
            // In the place of names.
            23 => target = format!("/p?ghp_{secret}abcdef=1{}", attack.replace(' ', "+")),
            24 => body = format!(r#"{{"ghp_{secret}abcdef":{{"x":"1{attack}"}}}}"#),
            _ => {
                let query = "mutation M($a: A) { f(a: $a) { id } }";
                body = format!(r#"{{"query":"{query}","variables":{{"{name}":"{in_json}"}}}}"#);
            }
        }
        if self.attacks {
            let attack = "q=1%27%20OR%20%271%27%3D%271";
            match target.contains("/p") {
                true if target.contains('?') => {}
                true => target = format!("{target}?{attack}"),
                false => target = format!("/orders/17?{attack}"),
            }
        }
        // What is not there has no endpoint.
        let status = if self.found {
            "200 OK"
        } else {
            "404 Not Found"
        };
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n{fields}");
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
        let response = format!("{head}{reply_fields}");
        (self.framed(request, &body), self.framed(response, &reply))
    }

    /// `value` as it stands in a URL or a form.
    fn coded(&self, value: &str) -> String {
        match self.coding {
            0 => value.replace(' ', "+"),
            1 => percent(value),
            2 => percent(&percent(value)),
            _ => value.replace(' ', "%20").replace('\'', "%27"),
        }
    }

    /// `value` as it stands in JSON.
    fn in_json(&self, value: &str) -> String {
        match self.coding {
            0 | 3 => value.to_owned(),
            1 => escaped(value),
            _ => value.replace('/', "\\/"),
        }
    }

    /// A head, its end, and the body.
    fn framed(&self, head: String, body: &str) -> Vec<u8> {
        let mut out = head.into_bytes();
        let body = if body.is_empty() {
            Vec::new()
        } else {
            let coding = format!("Content-Encoding: {}\r\n", CODINGS[self.packing]);
            out.extend_from_slice(coding.as_bytes());
            packed(body, self.packing)
        };
        if !self.chunked {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            out.extend_from_slice(&body);
            return out;
        }
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(self.piece) {
            out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"0\r\n\r\n");
        out
    }
}

/// Hands out records, one a read.
struct Memory(std::vec::IntoIter<Vec<u8>>);

impl Source for Memory {
    fn read(&mut self, _: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        Ok(self.0.next().map(|record| {
            each(&record);
            1
        }))
    }
}

fn records(plants: &[Plant]) -> Vec<Vec<u8>> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for plant in plants {
        let (request, response) = plant.messages();
        for (flow, bytes) in [(Flow::Received, request), (Flow::Sent, response)] {
            for piece in bytes.chunks(plant.piece) {
                records.push(conn.data(flow, piece));
            }
        }
    }
    records.push(conn.end(EndReason::Closed));
    records
}

/// Everything that is told, for machines and for people.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(Vec<u8>, usize)>>);

impl Told {
    fn add(&self, line: &[u8], text: &str, findings: usize) {
        let mut told = self.0.lock().unwrap();
        told.0.extend_from_slice(line);
        told.0.extend_from_slice(text.as_bytes());
        told.1 += findings;
    }
}

impl Output for Told {
    fn wants_lines(&self) -> bool {
        true
    }
    fn exchange(&mut self, event: &ApiEvent<'_>, line: &[u8]) -> io::Result<()> {
        let mut text = String::new();
        Lines::new(false, None).exchange(event, &mut text);
        self.add(line, &text, 0);
        Ok(())
    }
    fn finding(&mut self, finding: &Finding<'_>, line: &[u8]) -> io::Result<()> {
        let mut text = String::new();
        Lines::new(false, None).finding(finding, &mut text);
        self.add(line, &text, 1);
        Ok(())
    }
    fn notice(&mut self, _: &Notice<'_>, line: &[u8]) -> io::Result<()> {
        self.add(line, "", 0);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// What is logged while it is some.
static LOG: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Writes to [`LOG`].
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(log) = &mut *LOG.lock().unwrap() {
            log.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Begins to keep what all threads of the agent log, at every level.
fn keep_log() {
    let log = tracing_subscriber::fmt()
        .with_env_filter("eaves=trace")
        .with_ansi(false)
        .with_writer(|| Log);
    tracing::subscriber::set_global_default(log.finish()).unwrap();
    *LOG.lock().unwrap() = Some(Vec::new());
    tracing::trace!("the log is kept");
}

/// Appends what each format for sinks makes of the line of an event.
fn project(line: &[u8], out: &mut Vec<u8>) {
    for format in [
        Format::Ecs,
        Format::Ocsf,
        Format::Otel,
        Format::Cef,
        Format::Combined,
    ] {
        match format.project(line, out) {
            Ok(()) => out.push(b'\n'),
            Err(error) => assert_eq!(
                (format, error.to_string().is_empty()),
                (Format::Combined, false)
            ),
        }
    }
}

/// All that is written of `plants`, and how many findings there were.
fn written(plants: &[Plant], limit: usize, dir: &Path) -> (Vec<u8>, usize) {
    let section = config::Journal {
        dir: dir.to_owned(),
        bodies: config::Bodies::All,
        min_free: config::Size(0),
        ..config::Journal::default()
    };
    let journal = Journal::open(section.options(vec![]), Arc::new(RealDisk), Moment::now());
    let context = SealContext::new(&Origin::default());
    let detect = Detect::new(
        detect::Options::default(),
        context.ids().clone(),
        &dir.join("rules"),
    );
    let told = Told::default();
    let mut host = Host::new(
        vec![Box::new(told.clone())],
        Enrich::new(Identity::default(), HashKey::new(b"key")),
        &context,
    )
    .keeping(Some(Keep::new(journal.unwrap(), section.bodies)))
    .learning(Some(dir))
    .detecting(Some(detect));
    let options = pipeline::Options {
        shard: ShardOptions {
            exchange: exchange::Options {
                request_body_bytes: limit,
                response_body_bytes: limit,
                ..exchange::Options::default()
            },
            ..ShardOptions::default()
        },
        queue_bytes: 1 << 24,
        limits: pipeline::Limits::default(),
        may: crate::guard::May::default(),
    };
    let mut source = Memory(records(plants).into_iter());
    pipeline::run(&mut source, &mut host, &options, &Requests::default()).unwrap();
    host.close();
    let (mut all, findings) = told.0.lock().unwrap().clone();
    let exchanges = memchr::memmem::find_iter(&all, b"\"kind\":\"exchange\"").count();
    assert_eq!(exchanges, plants.len());
    let cut = memchr::memmem::find(&all, b"\"body_limit\"").is_some();
    assert_eq!(cut, limit < 1000, "{limit}");
    // All bodies are text: one that is told in base64 is one that was not unpacked.
    let unread = memchr::memmem::find(&all, b"\"encoding\":\"base64\"");
    assert_eq!(unread, None);
    let mut reader = Reader::forward(dir, Cursor::default()).unwrap();
    let mut kept = 0;
    while let Some(frame) = reader.next(|_| true).unwrap() {
        for (_, line) in frame.records() {
            all.extend_from_slice(line);
            project(line, &mut all);
            kept += 1;
        }
    }
    assert!(kept >= plants.len(), "{kept}");
    files(dir, &mut all);
    all.extend_from_slice(LOG.lock().unwrap().as_deref().unwrap_or_default());
    (all, findings)
}

/// The bytes of all files in `dir`.
fn files(dir: &Path, out: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.extend(std::fs::read(path).unwrap());
        }
    }
}

/// How many findings there were of what is planted; none of it is written.
#[track_caller]
fn check(plants: &[Plant], limit: usize, dir: &Path) -> usize {
    let (written, findings) = written(plants, limit, dir);
    for plant in plants {
        for window in plant.secret.as_bytes().windows(WINDOW) {
            let at = memchr::memmem::find(&written, window);
            let around = at.and_then(|at| written.get(at.saturating_sub(300)..at + 60));
            let around = around.map(String::from_utf8_lossy);
            assert_eq!(around, None, "{plant:?}");
        }
        for coded in [percent(&plant.secret), escaped(&plant.secret)] {
            let found = memchr::memmem::find(&written, coded.as_bytes());
            assert_eq!(found, None, "{plant:?}");
        }
    }
    findings
}

#[test]
fn no_planted_secret_is_in_anything_that_is_written() {
    let dir = std::env::temp_dir().join(format!("eaves-leaks-{}", std::process::id()));
    keep_log();
    let findings = std::cell::Cell::new(0);
    for limit in LIMITS {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: 0,
            ..ProptestConfig::default()
        });
        let own = dir.join(limit.to_string());
        let ran = runner.run(&plants(), |plants| {
            findings.set(findings.get() + check(&plants, limit, &own));
            Ok(())
        });
        ran.unwrap();
    }
    std::fs::remove_dir_all(&dir).unwrap();
    assert!(findings.get() > 0, "no finding shows anything");
    let log = LOG.lock().unwrap().take().unwrap_or_default();
    assert!(memchr::memmem::find(&log, b"the log is kept").is_some());
}
