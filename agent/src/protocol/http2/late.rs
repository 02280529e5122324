//! A conn of HTTP/2 that was joined late and on which no head comes, as where it carries one WebSocket
//! and nothing else: whose frames of DATA these are, the frames of WebSocket in them tell.

use std::collections::VecDeque;

use super::parser::Parser;
use super::step::Step;
use crate::clock::Ktime;
use crate::protocol::http1::Limits;
use crate::protocol::websocket::Within;
use crate::telemetry::Counters;

/// Bytes that are kept to be read again once it is known which end this is.
const KEPT_MAX_BYTES: usize = 64 * 1024;

/// Bytes after which the search is given up: where nothing is a WebSocket, or one may be.
const HOPELESS_BYTES: u64 = 256 * 1024;
const LAST_BYTES: u64 = 16 * 1024 * 1024;

/// What came of a conn.
#[derive(Debug)]
pub struct Came {
    /// The number of the flow.
    pub flow: usize,
    /// When.
    pub time: Ktime,
    /// Whether a transfer begins with them.
    pub first: bool,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// So many bytes passed instead that are not there.
    pub left_out: u64,
    /// Whether nobody saw them; else they were left out on purpose.
    pub lost: bool,
}

/// A search in both flows, numbered 0 and 1.
#[derive(Debug)]
pub struct Late {
    flows: [Parser; 2],
    streams: Within,
    kept: VecDeque<Came>,
    kept_bytes: usize,
    unproven: u64,
}

impl Default for Late {
    fn default() -> Self {
        Self {
            flows: [Parser::late(), Parser::late()],
            streams: Within::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            unproven: 0,
        }
    }
}

impl Late {
    /// Takes bytes; the number of the flow to the server, if that is beyond doubt.
    pub fn push(&mut self, came: Came) -> Option<usize> {
        let (flow, mut input, mut found) = (came.flow, &*came.bytes, None);
        let parser = self.flows.get_mut(flow)?;
        let mut counters = Counters::default();
        self.unproven = self.unproven.saturating_add(input.len() as u64);
        loop {
            let first = came.first && input.len() == came.bytes.len();
            match parser.step(&mut input, first, &Limits::default(), &mut counters) {
                Step::More => break,
                Step::Data {
                    stream,
                    first,
                    bytes,
                } => {
                    let one = self.streams.push(stream, flow, first, &bytes);
                    found = found.or_else(|| one.map(|one| one.to_server));
                }
                Step::Missing { stream, bytes } => self.streams.gap(stream, flow, bytes),
                Step::End { stream } | Step::Reset { stream } => self.streams.end(stream),
                Step::Lost { .. } => self.streams.lose(flow),
                _ => {}
            }
        }
        self.keep(came);
        found
    }

    /// Keeps what came, to be read again.
    fn keep(&mut self, came: Came) {
        self.kept_bytes += came.bytes.len() + size_of::<Came>();
        self.kept.push_back(came);
        while self.kept_bytes > KEPT_MAX_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            self.kept_bytes -= oldest.bytes.len() + size_of::<Came>();
        }
    }

    /// Bytes of a flow passed that are not there.
    pub fn pass(&mut self, came: Came) {
        let (flow, left_out) = (came.flow, came.left_out);
        self.keep(came);
        self.miss(flow, Some(left_out));
    }

    /// Bytes of a flow never came, nobody knows how many.
    pub fn lose(&mut self, flow: usize) {
        self.kept.clear();
        self.kept_bytes = 0;
        self.miss(flow, None);
    }

    /// So many bytes of a flow are not there; nobody knows how many if `n` is absent.
    fn miss(&mut self, flow: usize, n: Option<u64>) {
        let Some(parser) = self.flows.get_mut(flow) else {
            return;
        };
        let mut left = n.unwrap_or(0);
        loop {
            let step = match n {
                Some(_) => parser.gap(&mut left),
                None => parser.lose(),
            };
            match step {
                Step::Missing { stream, bytes } => self.streams.gap(stream, flow, bytes),
                Step::Lost { .. } => self.streams.lose(flow),
                Step::More => return,
                _ => {}
            }
        }
    }

    /// Whether what comes next in a flow belongs to a frame that began already.
    #[must_use]
    pub fn is_inside(&self, flow: usize) -> bool {
        self.flows.get(flow).is_some_and(Parser::is_inside)
    }

    /// Whether so much went by that nothing will be found.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        let most = if self.streams.searches() > 0 {
            LAST_BYTES
        } else {
            HOPELESS_BYTES
        };
        self.unproven > most
    }

    /// What it keeps, to be read again.
    #[must_use]
    pub fn take(self) -> VecDeque<Came> {
        self.kept
    }

    /// Memory it takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let parsers: usize = self.flows.iter().map(Parser::bytes).sum();
        size_of::<Self>() + parsers + self.streams.bytes() + self.kept_bytes
    }
}
