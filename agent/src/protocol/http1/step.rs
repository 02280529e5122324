//! What a parser is given and what it tells.

use super::framing::Framing;
use crate::protocol::{Anomalies, Head, Version};

/// Which messages a direction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Request,
    /// Responses.
    Response,
}

/// What a response answers, as far as its framing depends on it (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD: there is no body.
    Head,
    /// CONNECT: success ends HTTP.
    Connect,
    /// Anything else, or nobody knows.
    Other,
}

/// What a parser keeps at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, and of trailers.
    pub head_bytes: usize,
    /// Fields of a head, and of trailers.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 * 1024,
            fields: 256,
        }
    }
}

/// A message's head, and how its body will end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The head.
    pub head: Head,
    /// Its version.
    pub version: Version,
    /// Status code; 0 for a request.
    pub status: u16,
    /// Bytes of the head as sent, the empty line included.
    pub header_bytes: u64,
    /// Where the message ends.
    pub framing: Framing,
    /// What is odd about the head.
    pub anomalies: Anomalies,
}

/// What a parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing more in this input.
    More,
    /// A message's head. Its body, if any, and its end follow; after [`Framing::Tunnel`] nothing.
    Head(Message),
    /// Bytes of the body, transfer coding taken off.
    Body(&'a [u8]),
    /// So many bytes of the body never came; the framing holds.
    Missing(u64),
    /// The message is whole.
    End {
        /// Trailer fields, if there are any.
        trailers: Option<Box<Head>>,
        /// What was odd about body and trailers.
        anomalies: Anomalies,
    },
    /// The framing is lost: a message under way cannot be finished, messages may pass unseen.
    Lost {
        /// Where it was lost.
        place: Place,
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
    /// HTTP/2's preface: no HTTP/1 from here on.
    Http2 {
        /// Bytes of it that were taken.
        taken: usize,
    },
}

/// Where in a direction something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Between messages, or before the first.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
}

/// How a direction's end leaves its last message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There was none under way.
    Between,
    /// The end completes it: take [`Parser::step`] once more.
    Completes,
    /// It was cut off.
    Cuts(Place),
}
