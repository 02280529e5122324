//! What a parser of HTTP/2 tells.

use std::borrow::Cow;

use super::block::Block;
use crate::protocol::Anomalies;

/// What a parser found.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing more in this input.
    More,
    /// A block of fields: a head, or trailers.
    Head {
        /// Its stream.
        stream: u32,
        /// The fields.
        block: Box<Block>,
        /// Nothing follows it on its stream.
        over: bool,
        /// Bytes of its frames.
        bytes: u64,
    },
    /// The server is about to answer a request that the client has not sent.
    Promise {
        /// The stream of the answer.
        stream: u32,
        /// The request.
        block: Box<Block>,
        /// Bytes of its frames.
        bytes: u64,
    },
    /// A block of fields that cannot be read: some of it is missing, or it is none.
    HeadLost {
        /// Its stream.
        stream: u32,
        /// Nothing follows it on its stream.
        over: bool,
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
    /// Bytes of a stream's body.
    Data {
        /// The stream.
        stream: u32,
        /// The frame's body begins with them.
        first: bool,
        /// The bytes.
        bytes: Cow<'a, [u8]>,
    },
    /// Bytes of a stream's body never came.
    Missing {
        /// The stream.
        stream: u32,
        /// How many; `None` if padding may be among them.
        bytes: Option<u64>,
    },
    /// Nothing follows on this stream.
    End {
        /// The stream.
        stream: u32,
    },
    /// The stream is given up.
    Reset {
        /// The stream.
        stream: u32,
    },
    /// The sender ends the conn and has looked at no stream beyond this.
    GoAway {
        /// The last stream.
        last: u32,
    },
    /// Frames may have passed unseen.
    Lost {
        /// What was wrong, unless bytes are missing.
        anomalies: Anomalies,
    },
}

impl Step<'_> {
    /// The same, its bytes copied.
    pub(super) fn owned(self) -> Step<'static> {
        match self {
            Step::Data {
                stream,
                first,
                bytes,
            } => Step::Data {
                stream,
                first,
                bytes: Cow::Owned(bytes.into_owned()),
            },
            Step::More => Step::More,
            Step::Head {
                stream,
                block,
                over,
                bytes,
            } => Step::Head {
                stream,
                block,
                over,
                bytes,
            },
            Step::Promise {
                stream,
                block,
                bytes,
            } => Step::Promise {
                stream,
                block,
                bytes,
            },
            Step::HeadLost {
                stream,
                over,
                anomalies,
            } => Step::HeadLost {
                stream,
                over,
                anomalies,
            },
            Step::Missing { stream, bytes } => Step::Missing { stream, bytes },
            Step::End { stream } => Step::End { stream },
            Step::Reset { stream } => Step::Reset { stream },
            Step::GoAway { last } => Step::GoAway { last },
            Step::Lost { anomalies } => Step::Lost { anomalies },
        }
    }
}
