//! An exchange of any bytes with a secret of known shape in it: marking is linear, each mark lies in
//! what it marks, and no line that is sealed has the secret.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eaves::capture::{ConnOpen, Origin};
use eaves::clock::Ktime;
use eaves::content::{Container, Side};
use eaves::event::write_line;
use eaves::exchange::{Body, ConnInfo, Exchange, Half, Head, Known, Mark, Seen, Span, Version};
use eaves::pipeline::Reading;
use eaves::redact::{Masked, SealContext, seal};
use eaves_common::Role;
use libfuzzer_sys::fuzz_target;

/// For the first bytes of an exchange, and for each thousand: far above what marking and judging
/// take with the checks of a fuzzer, far below what work that is not linear takes.
const SLACK: Duration = Duration::from_millis(200);

const MEDIA_TYPES: [&[u8]; 8] = [
    b"",
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"text/xml",
    b"application/graphql",
    b"application/grpc-web-text",
    b"text/plain",
];

const FIELDS: [&[u8]; 6] = [
    b"cookie",
    b"authorization",
    b"referer",
    b"set-cookie",
    b"location",
    b"x-note",
];

/// One of each shape that is found wherever it stands between blanks.
const SECRETS: [&str; 8] = [
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    "4111111111111111",
    "DE89370400440532013000",
    "bob.miller@example.com",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "xoxb-123456789012-abcdefghijkl",
];

struct Judge {
    reading: Reading,
    context: SealContext,
    masked: Masked,
    line: Vec<u8>,
}

impl Judge {
    fn new() -> Option<Self> {
        let context = SealContext::new(&Origin::default());
        let reading = Reading::new().ok()?;
        Some(Self {
            reading: reading.marking(&context),
            context,
            masked: Masked::new(),
            line: Vec::new(),
        })
    }
}

thread_local! {
    static JUDGE: RefCell<Option<Judge>> = RefCell::new(Judge::new());
}

/// A message: its target, a field for each line that is not empty, and a body.
fn half(target: &[u8], fields: &[(&[u8], &[u8])], body: Vec<u8>, status: u16) -> Half {
    let mut head = Head::default();
    let mut keep = |bytes: &[u8]| {
        let start = head.buffer.len() as u32;
        head.buffer.extend_from_slice(bytes);
        let len = bytes.len() as u32;
        Span { start, len }
    };
    let (word, target) = (keep(b"POST"), keep(target));
    let fields = fields.iter().map(|(name, value)| (keep(name), keep(value)));
    let fields = fields.collect();
    (head.word, head.target, head.fields) = (word, target, fields);
    Half {
        head,
        version: Version::Http11,
        status,
        header_bytes: 0,
        body: Body {
            total_bytes: Some(body.len() as u64),
            content: body,
        },
        trailers: None,
        began: Ktime(1),
        ended: Ktime(2),
    }
}

/// `text` with `secret` between blanks at `at`.
fn plant(text: &mut Vec<u8>, secret: &str, at: usize) {
    let at = at % (text.len() + 1);
    text.splice(at..at, format!(" {secret} ").into_bytes());
}

/// The exchange that `bytes` say: how it is, where the secret goes, then lines.
fn exchange(choice: u8, place: u8, at: u8, bytes: &[u8], secret: &str) -> Exchange {
    let mut lines = bytes.splitn(FIELDS.len() + 2, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default().to_vec();
    let mut target = line();
    let mut values = FIELDS.map(|_| line());
    let mut body = line();
    let at = usize::from(at);
    match usize::from(place) % 16 {
        // Behind the question mark: a path is no place for blanks.
        0 => target.extend_from_slice(format!("?q=+{secret}+").as_bytes()),
        field if field <= FIELDS.len() => plant(&mut values[field - 1], secret, at),
        // A body is longer than a byte can say.
        _ => plant(&mut body, secret, at * usize::from(place)),
    }
    let media_type = MEDIA_TYPES[usize::from(choice & 7)];
    let mut fields = vec![(&b"content-type"[..], media_type)];
    let own = FIELDS.into_iter().zip(values.iter().map(Vec::as_slice));
    fields.extend(own.filter(|(_, value)| !value.is_empty()));
    let seen = [Seen::Whole, Seen::Truncated][usize::from(choice >> 3 & 1)];
    let asks = choice & 16 == 0;
    let asked = half(
        &target,
        &fields,
        if asks { body.clone() } else { vec![] },
        0,
    );
    let answered = half(b"", &fields[..1], if asks { vec![] } else { body }, 200);
    Exchange {
        conn: Arc::new(ConnInfo {
            open: ConnOpen::default(),
            role: Role::Server,
            proxied: None,
        }),
        ordinal: 0,
        stream: None,
        request: Some(asked),
        response: Some(answered),
        request_seen: seen,
        response_seen: seen,
        missing_bytes: 0,
        reasons: Vec::new(),
        anomalies: Vec::new(),
        known: Known::default(),
    }
}

/// How long what a mark lies in is.
fn len_of(exchange: &Exchange, mark: &Mark) -> Option<usize> {
    let half = match mark.side {
        Side::Request => exchange.request.as_ref(),
        Side::Response => exchange.response.as_ref(),
    }?;
    Some(match mark.container {
        Container::Target => half.head.target.len as usize,
        Container::Field(at) => half.head.fields.get(usize::from(at))?.1.len as usize,
        Container::Body => half.body.content.len(),
        Container::Trailer(_) => return None,
    })
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, place, at, bytes @ ..] = bytes else {
        return;
    };
    let secret = SECRETS[usize::from(choice >> 5)];
    let mut exchange = exchange(*choice, *place, *at, bytes, secret);
    JUDGE.with_borrow_mut(|judge| {
        let Some(judge) = judge else { return };
        let began = Instant::now();
        judge.reading.read(&mut exchange);
        judge.masked.fill(&exchange, judge.context.redactor());
        let event = seal(&exchange, &judge.masked, &judge.context);
        judge.line.clear();
        write_line(&event, &mut judge.line).expect("a line is written to memory");
        let (took, allowed) = (began.elapsed(), SLACK * (1 + bytes.len() as u32 / 1024));
        assert!(took < allowed, "{} bytes took {took:?}", bytes.len());
        let marks = exchange.known.marks.as_ref().expect("it was marked");
        let mut before = None;
        for mark in &marks.list {
            let len = len_of(&exchange, mark).expect("it lies in something");
            assert!(mark.start <= mark.end && mark.end as usize <= len);
            let this = (mark.side, mark.container, mark.start);
            assert!(before.is_none_or(|(side, container, end)| {
                (side, container) != (mark.side, mark.container) || end <= mark.start
            }));
            assert!(before.is_none_or(|before| before <= this));
            before = Some((mark.side, mark.container, mark.end));
        }
        let line = String::from_utf8_lossy(&judge.line);
        assert!(!line.contains(secret), "{secret} in {line}");
        serde_json::from_str::<serde_json::Value>(&line).expect("a line is JSON");
    });
});
