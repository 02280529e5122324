//! `Chunk` → `Message` → [`Exchange`]: a request and its response. Holds raw bytes, so it is not
//! `Serialize`: `redact::seal` alone turns it into an event.

mod access;
mod arrive;
mod body;
mod conn;
mod expiry;
mod http2;
mod inside;
mod known;
mod pair;
mod parts;
mod report;
mod settle;
mod streams;
mod target;
mod turns;
mod websocket;

pub use access::{SHORTEST, is_about_access};
pub use conn::{Conn, Context, Options};
pub use known::{
    AgentClass, Client, Content, Device, Grpc, GrpcMessages, Guess, Known, Mark, Marks, Novel,
    Novelty, Operation, Proof, Route, ScoreHit, Scores, Secret, Signal, Signals, Speech, Spoken,
    User, WebSocket, Words,
};

pub use target::{url, url_of};

use std::net::IpAddr;
use std::sync::Arc;

use crate::capture::ConnOpen;
use crate::clock::Ktime;
pub use crate::event::{Extent as Seen, MissingReason as Reason};
pub use crate::protocol::websocket::{Coded, Opcode, Sample, To};
pub use crate::protocol::{Head, Span, Version};
use crate::stream::GapReason;
use eaves_common::Role;

/// What is known of a conn, shared by its exchanges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnInfo {
    /// As the kernel told it, with the process that last moved its bytes.
    pub open: ConnOpen,
    /// Which end of it was heard.
    pub role: Role,
    /// Who asked, by the head that a proxy sent at the beginning of the connection.
    pub proxied: Option<(IpAddr, u16)>,
}

/// A body as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Its first bytes, after transfer coding; up to the limit, and up to the first gap.
    pub content: Vec<u8>,
    /// Its whole length as sent; `None` if a gap hid the framing.
    pub total_bytes: Option<u64>,
    /// Whether content codings were taken off what is kept.
    pub is_decoded: bool,
}

impl From<GapReason> for Reason {
    fn from(reason: GapReason) -> Self {
        match reason {
            GapReason::RingFull => Self::RingFull,
            GapReason::ReadFault => Self::ReadFault,
            GapReason::UnseenPath => Self::UnseenPath,
            GapReason::CopyLimit => Self::BodyLimit,
            GapReason::Shed => Self::Shed,
        }
    }
}

/// One request or one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// Its head.
    pub head: Head,
    /// Its version.
    pub version: Version,
    /// Status code; 0 for a request, and where it is not known.
    pub status: u16,
    /// Bytes of the head as sent, the empty line included.
    pub header_bytes: u64,
    /// Its body.
    pub body: Body,
    /// Trailer fields, in a head of their own.
    pub trailers: Option<Box<Head>>,
    /// First byte.
    pub began: Ktime,
    /// Last byte, or when it was given up.
    pub ended: Ktime,
}

impl Half {
    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let trailers = self.trailers.as_ref().map_or(0, |head| head.bytes());
        self.head.bytes() + self.body.content.capacity() + trailers
    }
}

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its conn.
    pub conn: Arc<ConnInfo>,
    /// Which of the conn's exchanges it is, from 0.
    pub ordinal: u64,
    /// Its stream, in HTTP/2.
    pub stream: Option<u32>,
    /// The request, if its head was seen.
    pub request: Option<Half>,
    /// The final response, if its head was seen.
    pub response: Option<Half>,
    /// How much of the request was seen.
    pub request_seen: Seen,
    /// How much of the response was seen.
    pub response_seen: Seen,
    /// Bytes never seen, of both.
    pub missing_bytes: u64,
    /// Why what is missing is missing; each once.
    pub reasons: Vec<Reason>,
    /// What was odd on the wire; names of EVENTS.md, each once.
    pub anomalies: Vec<&'static str>,
    /// What the rooms behind learnt of it.
    pub known: Known,
}

impl Exchange {
    /// One on this conn of which nothing was seen yet.
    #[must_use]
    pub fn of(conn: Arc<ConnInfo>) -> Self {
        Self {
            conn,
            ordinal: 0,
            stream: None,
            request: None,
            response: None,
            request_seen: Seen::None,
            response_seen: Seen::None,
            missing_bytes: 0,
            reasons: Vec::new(),
            anomalies: Vec::new(),
            known: Known::default(),
        }
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let halves = [&self.request, &self.response].into_iter().flatten();
        size_of::<Self>() + halves.map(Half::held_bytes).sum::<usize>() + self.known.bytes()
    }
}

impl Half {
    /// Memory it takes beyond its own size, in bytes.
    fn held_bytes(&self) -> usize {
        let trailers = self
            .trailers
            .as_ref()
            .map_or(0, |head| size_of::<Head>() + head.bytes());
        self.head.bytes() + self.body.content.capacity() + trailers
    }
}
