//! Requests that somebody else wrote down → [`Exchange`]s, so that what is live and what is
//! recorded go the same way.
//!
//! In: lines of a file. Out: a [`Row`] each, or why it is none. What a format does not tell is left
//! as unknown as it would be on the wire.

mod combined;
mod events;
mod har;
mod requests;

use std::net::IpAddr;
use std::sync::Arc;

pub use combined::combined;
pub use events::event;
pub use har::har;
pub use requests::requests;

use crate::capture::ConnOpen;
use crate::clock::{Ktime, WallTime};
use crate::exchange::{
    Body, ConnInfo, Exchange, Half, Head, Seen, Signal, Signals, Span, User, Version,
};
use crate::lookup::Geo;
use eaves_common::{ConnId, Role, Transport};

/// Bytes of a body that are kept.
const BODY_BYTES: usize = 1 << 20;

/// Header fields that are kept.
const FIELDS: usize = 1024;

/// One recorded request, and what the format tells beside it.
#[derive(Debug)]
pub struct Row {
    /// What it calls itself.
    pub id: Option<String>,
    /// The exchange. Its times count from the start of 1970.
    pub exchange: Exchange,
    /// The account, where the format names it.
    user: Option<String>,
    /// It was named by a password in the header.
    basic: bool,
    /// Where the client is, where the format says.
    geo: Option<Arc<Geo>>,
}

impl Row {
    /// Writes on the exchange what the format tells of its account and place: it knows better than
    /// what could be read from the request.
    pub(super) fn tell(&mut self) {
        let known = &mut self.exchange.known;
        if let Some(name) = self.user.take() {
            let credential = known.user.as_ref().and_then(|user| user.credential);
            known.user = Some(User {
                id: Some(name.into_bytes().into()),
                source: if self.basic { "basic" } else { "recorded" }.into(),
                credential,
            });
            if self.basic {
                known.signals = by_password(known.signals, self.exchange.response.as_ref());
            }
        }
        if let Some(geo) = self.geo.take() {
            known.geo = Some(geo);
        }
    }
}

/// Why a line is no row.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// It is not JSON, or not of the form: why, and the byte of the line.
    #[error("{0}")]
    Json(String),
    /// It says nothing of a request.
    #[error("{0}")]
    Form(&'static str),
}

impl From<serde_json::Error> for RowError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // The line is told by who reads lines; here it is always the first.
        let why = text.split(" at line ").next().unwrap_or(&text);
        Self::Json(match error.column() {
            0 => why.to_owned(),
            column => format!("{why} at column {column}"),
        })
    }
}

/// What is known of one request and its response.
#[derive(Debug, Default)]
struct Recorded {
    id: Option<String>,
    time: Option<WallTime>,
    duration_ns: u64,
    client: Option<IpAddr>,
    method: Vec<u8>,
    target: Vec<u8>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    body_bytes: Option<u64>,
    status: Option<u16>,
    reply_fields: Vec<(Vec<u8>, Vec<u8>)>,
    reply: Vec<u8>,
    reply_bytes: Option<u64>,
    user: Option<String>,
    basic: bool,
    geo: Option<Geo>,
}

impl Recorded {
    fn into_row(self, number: u64) -> Row {
        let began = Ktime(self.time.map_or(0, |time| time.0));
        let ended = began.plus(self.duration_ns);
        let request = Half {
            head: head(&self.method, &self.target, self.fields),
            version: Version::Http11,
            status: 0,
            header_bytes: 0,
            body: body(self.body, self.body_bytes),
            trailers: None,
            began,
            ended: began,
        };
        let response = self.status.map(|status| Half {
            head: head(b"", b"", self.reply_fields),
            version: Version::Http11,
            status,
            header_bytes: 0,
            body: body(self.reply, self.reply_bytes),
            trailers: None,
            began: ended,
            ended,
        });
        let conn = ConnInfo {
            open: ConnOpen {
                conn: ConnId {
                    sock: number,
                    inode: number,
                },
                time: began,
                transport: Some(Transport::Tcp),
                remote: self.client.map(|client| (client, 0)),
                ..ConnOpen::default()
            },
            role: Role::Server,
            proxied: None,
        };
        Row {
            user: self.user,
            basic: self.basic,
            geo: self.geo.map(Arc::new),
            id: self.id,
            exchange: Exchange {
                request_seen: Seen::Whole,
                response_seen: if response.is_some() {
                    Seen::Whole
                } else {
                    Seen::None
                },
                request: Some(request),
                response,
                ..Exchange::of(Arc::new(conn))
            },
        }
    }
}

/// The signals of an exchange whose password was not written down, but the account it was for.
fn by_password(signals: Signals, response: Option<&Half>) -> Signals {
    let status = response.map_or(0, |response| response.status);
    let kept = |signal: &Signal| status != 401 || *signal != Signal::AuthorizationFailure;
    let mut signals: Signals = signals.iter().filter(kept).collect();
    match status {
        401 => signals.add(Signal::AuthenticationFailure),
        200..=399 => signals.add(Signal::AuthenticationSuccess),
        _ => {}
    }
    signals
}

fn head(word: &[u8], target: &[u8], fields: Vec<(Vec<u8>, Vec<u8>)>) -> Head {
    let mut head = Head::default();
    head.word = keep(&mut head.buffer, word);
    head.target = keep(&mut head.buffer, target);
    for (name, value) in fields.into_iter().take(FIELDS) {
        let name = keep(&mut head.buffer, &name);
        let value = keep(&mut head.buffer, &value);
        head.fields.push((name, value));
    }
    head
}

fn keep(buffer: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(bytes);
    Span {
        start,
        len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
    }
}

/// A body as it was written down: without its codings, whatever a field says of them.
fn body(mut content: Vec<u8>, total: Option<u64>) -> Body {
    let total = total.unwrap_or(content.len() as u64);
    content.truncate(BODY_BYTES);
    Body {
        content,
        total_bytes: Some(total),
        is_decoded: true,
    }
}

#[cfg(test)]
mod tests;
