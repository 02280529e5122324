//! How fast one core forwards a journal to a local HTTP sink, beside a plain loop that posts the same frames
//! as they lie there, without looking at one event.
//!
//! `cargo bench -p eaves --bench all -- sink`. Sink and loop are one thread each; the far end is another, which reads
//! each request and answers 200. Ratios are within this run; times are of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eaves::config::Config;
use eaves::journal::{Cursor, Reader};
use eaves::pipeline::Sinks;
use eaves::telemetry::Counter;

use crate::events::Events;
use crate::kept::write;

const EVENTS: u64 = 200_000;
const ROUNDS: usize = 3;

/// A far end that answers 200: its port, and the bytes of bodies it read.
fn far_end() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let bytes = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&bytes);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Ends with its connection.
            let _ = answer(stream, &read);
        }
    });
    (port, bytes)
}

fn answer(mut stream: TcpStream, bytes: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or_default();
            }
            if line == "\r\n" {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// The frames of the journal as they are, four a request.
fn posted(journal: &Path, port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the far end");
    let mut answers = BufReader::new(stream.try_clone().expect("a socket"));
    let mut reader = Reader::forward(journal, Cursor::default()).expect("a journal");
    let (mut body, mut ended) = (Vec::new(), false);
    while !ended {
        body.clear();
        for _ in 0..4 {
            match reader.next(|_| true).expect("a journal that is whole") {
                Some(frame) => body.extend_from_slice(frame.lines),
                None => ended = true,
            }
        }
        let head = format!(
            "POST / HTTP/1.1\r\nHost: far\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("the far end");
        stream.write_all(&body).expect("the far end");
        for _ in 0..3 {
            answers.read_line(&mut String::new()).expect("an answer");
        }
    }
}

/// The same by a sink of the configuration `sink`, the cursor kept behind each batch.
fn forwarded(dir: &Path, port: u16, sink: &str) {
    let yaml = format!(
        "journal: {{ dir: {} }}\nsinks: {{ far: {} }}\n",
        dir.join("journal").display(),
        sink.replace("PORT", &port.to_string())
    );
    let file = dir.join("eaves.yaml");
    std::fs::write(&file, yaml).expect("a file");
    let config: Config = eaves::config::load(Some(&file))
        .expect("a configuration")
        .config;
    let journal = dir.join("journal");
    let _ = std::fs::remove_dir_all(journal.join("state"));
    let counted = Sinks::start(&config, &journal, None, "web-3")
        .expect("a sink")
        .finish();
    assert_eq!(counted.get(Counter::SinkAccepted), EVENTS, "all arrive");
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

pub(crate) fn main() {
    let dir = std::env::temp_dir().join(format!("eaves-bench-sink-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    write(&dir, Events::new(10_000, 40).take(EVENTS as usize));
    let (port, bytes) = far_end();
    let plain = least(|| posted(&dir.join("journal"), port));
    let each = bytes.load(Ordering::Relaxed) / EVENTS / ROUNDS as u64;
    println!("{EVENTS} events of {each} bytes to a far end on this host");
    let tell = |name: &str, took: Duration| {
        println!(
            "  {name:<40} {:>9.0} events/s, {:.2} of the plain loop's speed",
            EVENTS as f64 / took.as_secs_f64(),
            plain.as_secs_f64() / took.as_secs_f64(),
        );
    };
    tell("plain loop", plain);
    for (name, sink) in [
        ("webhook", "{ webhook: { url: 'http://127.0.0.1:PORT/' } }"),
        (
            "webhook, signed, by gzip",
            "{ webhook: { url: 'http://127.0.0.1:PORT/', secret: s3cret }, compression: gzip }",
        ),
        (
            "webhook, one in all by a filter",
            "{ webhook: { url: 'http://127.0.0.1:PORT/' }, where: 'status >= 200' }",
        ),
        (
            "otlp",
            "{ otlp: { url: 'http://127.0.0.1:PORT' }, compression: none }",
        ),
        (
            "webhook, as ECS",
            "{ webhook: { url: 'http://127.0.0.1:PORT/' }, format: ecs }",
        ),
    ] {
        let took = least(|| forwarded(&dir, port, sink));
        tell(name, took);
    }
    std::fs::remove_dir_all(&dir).expect("the folder");
}
