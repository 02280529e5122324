//! HTTP/2, WebSocket and gRPC through their parsers, held against httparse and a copy of one small
//! exchange over HTTP/1; HTTP/2 beside `h2`'s own server, and HPACK beside another decoder, each on the
//! same bytes. And a million streams on one connection.

use std::hint::black_box;
use std::time::Instant;

use crate::exchange::{against_httparse, response};
use crate::measure::{Bench, Cost, allocations, cost};
use crate::peer::{runtime, serve};
use eaves::capture::ConnBuilder;
use eaves::pipeline::{Outcome, Shard, ShardOptions};
use eaves::protocol::grpc::{Form, Messages};
use eaves::protocol::http1::Limits;
use eaves::protocol::http2::{Parser, Step};
use eaves::protocol::websocket::{Deflate, Extensions, Reader, Samples, To};
use eaves::telemetry::{Counter, Counters};
use eaves_common::Flow;

/// Requests, messages or calls of one pass.
const MANY: u32 = 1000;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The blocks of as many requests with ten fields each, as a client encodes them one after the other.
fn blocks() -> Vec<Vec<u8>> {
    let mut encoder = fluke_hpack::Encoder::new();
    (0..MANY)
        .map(|number| {
            let path = format!("/api/v1/users/{number}?verbose=1");
            let fields: [(&str, &str); 10] = [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", "api.example.com"),
                (":path", &path),
                (
                    "user-agent",
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                ),
                ("accept", "application/json"),
                ("accept-encoding", "gzip, deflate, br"),
                (
                    "authorization",
                    "Bearer abcdefghijklmnopqrstuvwxyz0123456789",
                ),
                ("cookie", "session=0123456789abcdef0123456789abcdef"),
                ("referer", "https://app.example.com/users"),
            ];
            encoder.encode(fields.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())))
        })
        .collect()
}

fn http2(parser: &mut Parser, bytes: &[u8]) -> usize {
    let (limits, mut counters) = (Limits::default(), Counters::default());
    let mut found = 0;
    for transfer in bytes.chunks(16 * 1024) {
        let mut input = transfer;
        loop {
            match parser.step(&mut input, true, &limits, &mut counters) {
                Step::More => break,
                step => found += usize::from(black_box(step) != Step::More),
            }
        }
    }
    found
}

/// Streams that are opened and reset at once, a million on one connection: each is reported, and the
/// memory stays within its limit.
fn million_streams() -> Cost {
    const STREAMS: u32 = 1_000_000;
    const TOGETHER: u32 = 500;
    let options = ShardOptions::default();
    let most = options.stream.conn_bytes as u64;
    let (mut shard, mut out) = (Shard::new(&options), Outcome::default());
    let mut conn = ConnBuilder::tcp(1);
    shard.push(&conn.open(), &mut out);
    let preface = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(4, 0, 0, &[])[..],
    ]
    .concat();
    shard.push(&conn.data(Flow::Received, &preface), &mut out);
    let (mut ns, mut allocated) = (0, 0);
    for first in (0..STREAMS).step_by(TOGETHER as usize) {
        let streams = (first..first + TOGETHER).map(|number| 2 * number + 1);
        // GET, a path of one slash, http: all of the static table.
        let bytes: Vec<u8> = streams
            .flat_map(|id| {
                [
                    frame(1, 5, id, b"\x82\x84\x86"),
                    frame(3, 0, id, &[0, 0, 0, 8]),
                ]
            })
            .flatten()
            .collect();
        let record = conn.data(Flow::Received, &bytes);
        let (before, start) = (allocations(), Instant::now());
        shard.push(&record, &mut out);
        ns += start.elapsed().as_nanos();
        allocated += allocations() - before;
        out.exchanges.clear();
        let held = shard.bytes_held();
        assert!(held <= most, "{held} bytes are held");
    }
    let reported = shard.counters().get(Counter::ExchangesReported);
    assert_eq!(reported, u64::from(STREAMS));
    assert_eq!(shard.counters().check(), []);
    Cost {
        ns: ns as f64 / f64::from(STREAMS),
        allocations: allocated as f64 / f64::from(STREAMS),
    }
}

/// A client's frame of text.
fn text(message: &[u8], first: u8) -> Vec<u8> {
    let key = [9, 8, 7, 6];
    let mut bytes = vec![first, 0x80 | message.len() as u8];
    bytes.extend(key);
    bytes.extend(message.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

pub(crate) fn main() {
    let bench = against_httparse(&response());
    let blocks = blocks();
    let preface = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(4, 0, 0, &[])[..],
        // The server's own are taken: its windows hold from here.
        &frame(4, 1, 0, &[]),
    ]
    .concat();
    let mut requests = preface.clone();
    for (number, block) in blocks.iter().enumerate() {
        requests.extend(frame(1, 5, 2 * number as u32 + 1, block));
    }
    bench.step("a request of HTTP/2", || {
        cost(u64::from(MANY), || http2(&mut Parser::client(0), &requests))
    });
    // `h2` asks for bytes that live as long as it might.
    let requests: &'static [u8] = requests.leak();
    let runtime = runtime();
    bench.step("a request of HTTP/2, served by h2", || {
        cost(u64::from(MANY), || serve(&runtime, requests, MANY))
    });
    bench.step("its block decoded by fluke-hpack", || {
        cost(u64::from(MANY), || {
            let mut decoder = fluke_hpack::Decoder::new();
            let fields = blocks
                .iter()
                .map(|block| decoder.decode(block).map_or(0, |all| all.len()));
            fields.sum::<usize>()
        })
    });
    let body = frame(0, 0, 1, &vec![b'x'; 16 * 1024]).repeat(64);
    bench.step("1 MiB of DATA passed over", || {
        cost(1, || http2(&mut Parser::server(), &body))
    });
    let upload: Vec<u8> = (0..64_u8)
        .flat_map(|at| frame(0, u8::from(at == 63), 1, &vec![b'x'; 16 * 1024]))
        .collect();
    let first = blocks.first().map_or(&[][..], Vec::as_slice);
    let upload: &'static [u8] = [preface, frame(1, 4, 1, first), upload].concat().leak();
    assert_eq!(serve(&runtime, upload, 1), 1 << 20);
    bench.step("1 MiB of a request's body", || {
        cost(1, || http2(&mut Parser::client(0), upload))
    });
    bench.step("1 MiB of a request's body, served by h2", || {
        cost(1, || serve(&runtime, upload, 1))
    });
    bench.step("a stream of a million on one connection", million_streams);
    sockets_and_calls(&bench);
}

/// Messages of WebSocket and gRPC.
fn sockets_and_calls(bench: &Bench) {
    let messages: Vec<String> = (0..MANY)
        .map(|number| format!("{{\"id\":{number},\"user\":\"anna\",\"text\":\"hello again\"}}"))
        .collect();
    let socket = |bytes: &[u8], extensions| {
        let mut samples = Samples::new(16 * 1024, 16 * 1024);
        let mut reader = Reader::new(To::Server, extensions);
        reader.push(bytes, true, &mut samples);
        (reader.messages(), samples.take().len())
    };
    let plain: Vec<u8> = messages
        .iter()
        .flat_map(|one| text(one.as_bytes(), 0x81))
        .collect();
    bench.step("a message of WebSocket", || {
        cost(u64::from(MANY), || socket(&plain, Extensions::default()))
    });
    let mut encoder = flate2::Compress::new(flate2::Compression::fast(), false);
    let mut coded = Vec::new();
    for message in &messages {
        let mut out = Vec::with_capacity(1024);
        let flush = flate2::FlushCompress::Sync;
        let done = encoder.compress_vec(message.as_bytes(), &mut out, flush);
        assert!(done.is_ok() && out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        coded.extend(text(&out, 0xc1));
    }
    let deflate = Extensions {
        deflate: Some(Deflate::default()),
    };
    bench.step("a compressed message of WebSocket", || {
        cost(u64::from(MANY), || socket(&coded, deflate))
    });
    let call: Vec<u8> = [&b"\0\0\0\0\x40"[..], &[7; 64]]
        .concat()
        .repeat(MANY as usize);
    bench.step("a message of gRPC", || {
        cost(u64::from(MANY), || {
            let mut messages = Messages::new(Form::Plain);
            messages.push(&call);
            messages.count()
        })
    });
}
