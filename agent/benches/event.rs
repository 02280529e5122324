//! What enriching, sealing and encoding one small exchange costs, beside what serde_json takes to encode it and
//! what copying the line takes.
//!
//! `cargo bench -p eaves --bench all -- event --show` prints the line.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::{Bench, Cost, cost};
use eaves::capture::{ConnOpen, Origin};
use eaves::catalog::Catalog;
use eaves::clock::{BootTime, Ktime, WallTime};
use eaves::content::Parts;
use eaves::enrich::{Enrich, Identity};
use eaves::event::write_line;
use eaves::exchange::{Body, ConnInfo, Exchange, Half, Head, Known, Seen, Span, Version};
use eaves::keyed::HashKey;
use eaves::redact::{Marker, Masked, SealContext, seal};
use eaves_common::{ConnId, Role, Transport};

const REQUEST: &[(&str, &str)] = &[
    ("Host", "api.example.com"),
    ("User-Agent", "curl/8.5.0"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Accept-Language", "en-GB,en;q=0.7"),
    ("Connection", "keep-alive"),
    (
        "Authorization",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    ),
    ("Cookie", "session=5f2c0a7be51d4c5d"),
    ("X-Request-Id", "7b1f0d3e-5a0e-4a55-9d0b-0f4c5b3b9c01"),
    ("Cache-Control", "no-cache"),
];

const RESPONSE: &[(&str, &str)] = &[
    ("Server", "nginx/1.22.1"),
    ("Date", "Sat, 21 Nov 2026 06:02:11 GMT"),
    ("Content-Type", "application/json; charset=utf-8"),
    ("Content-Length", "350"),
    ("Connection", "keep-alive"),
    ("ETag", "\"6740a5d3-15e\""),
    ("Cache-Control", "private, max-age=0"),
    ("Vary", "Accept-Encoding"),
];

fn head(word: &str, target: &str, fields: &[(&str, &str)]) -> Head {
    let mut buffer = Vec::new();
    let mut add = |text: &str| {
        let start = buffer.len() as u32;
        buffer.extend_from_slice(text.as_bytes());
        Span {
            start,
            len: text.len() as u32,
        }
    };
    let (word, target) = (add(word), add(target));
    let fields = fields.iter().map(|(n, v)| (add(n), add(v))).collect();
    Head {
        word,
        target,
        fields,
        buffer,
        ..Head::default()
    }
}

fn half(head: Head, status: u16, body: &str, began: u64) -> Half {
    Half {
        version: Version::Http11,
        status,
        header_bytes: head.buffer.len() as u64 + 40,
        head,
        body: Body {
            content: body.into(),
            total_bytes: Some(body.len() as u64),
            is_decoded: false,
        },
        trailers: None,
        began: Ktime(began),
        ended: Ktime(began + 200_000),
    }
}

fn exchange() -> Exchange {
    let mut json = String::from("{\"users\":[");
    while json.len() < 340 {
        json.push_str("{\"id\":42,\"name\":\"Ada Lovelace\",\"active\":true},");
    }
    json.truncate(348);
    json.push_str("]}");
    Exchange {
        conn: Arc::new(ConnInfo {
            open: ConnOpen {
                conn: ConnId {
                    sock: 0xffff_8881_0a2b_3c00,
                    inode: 91_234,
                },
                time: Ktime(1_000_000),
                transport: Some(Transport::Tcp),
                local: Some(([10, 0, 0, 5].into(), 8080)),
                remote: Some(([203, 0, 113, 7].into(), 51_322)),
                tgid: 812,
                process_start: Ktime(77_000),
                comm: b"nginx".to_vec(),
                ..ConnOpen::default()
            },
            role: Role::Server,
            proxied: None,
        }),
        ordinal: 17,
        stream: None,
        request: Some(half(
            head("GET", "/users/42?verbose=1", REQUEST),
            0,
            "",
            5_000_000,
        )),
        response: Some(half(head("OK", "", RESPONSE), 200, &json, 6_000_000)),
        request_seen: Seen::Whole,
        response_seen: Seen::Whole,
        missing_bytes: 0,
        reasons: Vec::new(),
        anomalies: Vec::new(),
        known: Known::default(),
    }
}

pub(crate) fn main() {
    let exchange = exchange();
    let context = SealContext::new(&Origin {
        host_name: "web-3".into(),
        host_id: "4c4c4544005a4b10".into(),
        boot: BootTime(WallTime(1_795_240_000_000_000_000)),
        run: 7,
    });
    let mut exchange = exchange;
    let parts = exchange.parts(Parts::new());
    let marks = Marker::new().mark(context.redactor(), &parts);
    drop(parts);
    exchange.known.marks = Some(marks);
    let mut masked = Masked::new();
    masked.fill(&exchange, context.redactor());
    let mut line = Vec::new();
    write_line(&seal(&exchange, &masked, &context), &mut line).expect("it is JSON");
    let length = line.len();
    if std::env::args().any(|arg| arg == "--show") {
        print!("{}", String::from_utf8_lossy(&line));
    }
    let mut other = Vec::new();
    let by_serde_json = many(|| {
        other.clear();
        serde_json::to_writer(&mut other, &seal(black_box(&exchange), &masked, &context))
            .expect("JSON");
        black_box(&other);
    });
    let bench = Bench::against(
        &format!("seal, and encode {length} bytes by serde_json"),
        by_serde_json,
    );
    bench.step("seal", || {
        many(|| drop(black_box(seal(black_box(&exchange), &masked, &context))))
    });
    bench.step("seal and encode", || {
        many(|| {
            line.clear();
            write_line(&seal(black_box(&exchange), &masked, &context), &mut line)
                .expect("it is JSON");
            black_box(&line);
        })
    });
    let (mut known, boot) = (exchange.clone(), context.boot());
    let mut enrich = Enrich::new(Identity::default(), HashKey::new(b"key"));
    bench.step("who asked, and for what", || {
        many(|| enrich.exchange(black_box(&mut known), boot))
    });
    enrich.exchange(&mut known, boot);
    let mut catalog = Catalog::default();
    bench.step("the endpoint's row in the catalog", || {
        many(|| catalog.exchange(black_box(&mut known), context.boot().0))
    });
    let (line, mut copy) = (line.clone(), Vec::new());
    bench.step("a copy of the line", || {
        many(|| {
            copy.clear();
            copy.extend_from_slice(black_box(&line));
            black_box(&copy);
        })
    });
}

/// The cost of one of some hundred calls: fewer than a slice of the scheduler, so that a busy
/// machine does not show.
fn many(mut call: impl FnMut()) -> Cost {
    cost(500, || {
        for _ in 0..500 {
            call();
        }
    })
}
