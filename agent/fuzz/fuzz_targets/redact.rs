//! An exchange of any bytes with a secret of known shape in it: marking is linear, each mark lies in
//! what it marks, and no line that is sealed has the secret.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use eaves::capture::{ConnOpen, Origin};
use eaves::content::{Container, Side};
use eaves::event::write_line;
use eaves::exchange::{ConnInfo, Exchange, Mark, Seen};
use eaves::pipeline::Reading;
use eaves::redact::{Masked, SealContext, seal};
use eaves_common::Role;
use eaves_fuzz::{MEDIA_TYPES, half, linear};
use libfuzzer_sys::fuzz_target;

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
    fn new() -> Self {
        let context = SealContext::new(&Origin::default());
        let reading = Reading::new().expect("the grammars are right");
        Self {
            reading: reading.marking(&context),
            context,
            masked: Masked::new(),
            line: Vec::new(),
        }
    }

    /// Marks and seals.
    fn work(&mut self, exchange: &mut Exchange) {
        self.reading.read(exchange);
        self.masked.fill(exchange, self.context.redactor());
        let event = seal(exchange, &self.masked, &self.context);
        self.line.clear();
        write_line(&event, &mut self.line).expect("a line is written to memory");
    }
}

thread_local! {
    static JUDGE: RefCell<Judge> = RefCell::new(Judge::new());
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
    let (question, answer) = if asks { (body, vec![]) } else { (vec![], body) };
    let kind = [fields[0]];
    let asked = half(b"POST", &target, fields, question, 0);
    let answered = half(b"", b"", kind, answer, 200);
    let conn = ConnInfo {
        open: ConnOpen::default(),
        role: Role::Server,
        proxied: None,
    };
    Exchange {
        request: Some(asked),
        response: Some(answered),
        request_seen: seen,
        response_seen: seen,
        ..Exchange::of(Arc::new(conn))
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
        // An exchange of this target has no trailers and no messages of WebSocket.
        Container::Trailer(_) | Container::Message(_) => return None,
    })
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, place, at, bytes @ ..] = bytes else {
        return;
    };
    let secret = SECRETS[usize::from(choice >> 5)];
    let mut exchange = exchange(*choice, *place, *at, bytes, secret);
    JUDGE.with_borrow_mut(|judge| {
        linear(bytes.len(), || judge.work(&mut exchange));
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
