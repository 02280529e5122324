//! What several targets make of their bytes.

use std::time::Duration;

use eaves::clock::Ktime;
use eaves::exchange::{Body, Half, Head, Span, Version};
use eaves::telemetry::{Counter, Counters};
use rustix::time::{ClockId, clock_gettime};

/// Kinds of bodies, each read in another way.
pub const MEDIA_TYPES: [&[u8]; 8] = [
    b"",
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"text/xml",
    b"application/graphql",
    b"application/grpc-web-text",
    b"text/plain",
];

/// What work may take for its first bytes, and for each thousand of them: far above what the agent
/// takes with the checks of a fuzzer, far below what work that is not linear takes.
const SLACK: Duration = Duration::from_millis(200);

/// Does `work` on that many bytes.
///
/// # Panics
///
/// If it took more of the processor than linear work does. The wall's clock would count what other
/// programs took.
pub fn linear(bytes: usize, work: impl FnOnce()) {
    let began = cpu_time();
    work();
    let took = cpu_time() - began;
    let allowed = SLACK * (1 + u32::try_from(bytes / 1024).unwrap_or(u32::MAX));
    assert!(took < allowed, "{bytes} bytes took {took:?}");
}

/// What this thread had of the processor.
fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Bytes that a parser accounts for.
pub fn parsed(counters: &Counters) -> u64 {
    let parts = [
        Counter::ProtocolBytesHead,
        Counter::ProtocolBytesBody,
        Counter::ProtocolBytesFraming,
        Counter::ProtocolBytesPassed,
    ];
    parts.iter().map(|part| counters.get(*part)).sum()
}

/// A message: its method and target, or its status, its fields and its body.
pub fn half<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    word: &[u8],
    target: &[u8],
    fields: impl IntoIterator<Item = (N, V)>,
    body: Vec<u8>,
    status: u16,
) -> Half {
    let mut head = Head::default();
    let mut keep = |bytes: &[u8]| {
        let start = head.buffer.len() as u32;
        head.buffer.extend_from_slice(bytes);
        let len = bytes.len() as u32;
        Span { start, len }
    };
    let (word, target) = (keep(word), keep(target));
    let fields = fields.into_iter();
    let fields = fields.map(|(name, value)| (keep(name.as_ref()), keep(value.as_ref())));
    let fields = fields.collect();
    (head.word, head.target, head.fields) = (word, target, fields);
    Half {
        head,
        version: Version::Http11,
        status,
        header_bytes: 0,
        body: Body {
            total_bytes: Some(body.len() as u64),
            is_decoded: false,
            content: body,
        },
        trailers: None,
        began: Ktime(1),
        ended: Ktime(2),
    }
}
