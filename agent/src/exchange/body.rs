//! A half as it comes: its body up to the limit, and what of it is missing.

use super::{Body, Half, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::http1::{Framing, Message};

/// How far one half has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing of it was seen.
    Waiting,
    /// It is under way.
    Arriving,
    /// There is no more of it to come.
    Done,
}

/// One half under way.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) progress: Progress,
    /// Bytes of body that passed, kept or not.
    passed: u64,
    /// No more is kept: the limit is reached, or a byte is missing.
    stopped: bool,
}

impl Arrival {
    pub(super) const WAITING: Self = Self {
        progress: Progress::Waiting,
        passed: 0,
        stopped: false,
    };

    /// A head has come: the half it begins.
    pub(super) fn begin(message: Message, began: Ktime, now: Ktime, limit: usize) -> (Self, Half) {
        let expected = match message.framing {
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX).min(limit),
            _ => 0,
        };
        let half = Half {
            head: message.head,
            version: message.version,
            status: message.status,
            header_bytes: message.header_bytes,
            body: Body {
                content: Vec::with_capacity(expected),
                total_bytes: None,
            },
            trailers: None,
            began,
            ended: now,
        };
        let arrival = Self {
            progress: Progress::Arriving,
            ..Self::WAITING
        };
        (arrival, half)
    }

    /// Bytes of body came: how many more bytes of memory it takes.
    pub(super) fn body(
        &mut self,
        half: &mut Half,
        bytes: &[u8],
        limit: usize,
        seen: &mut Seen,
    ) -> usize {
        self.passed = self.passed.saturating_add(bytes.len() as u64);
        if self.stopped {
            return 0;
        }
        let before = half.body.content.capacity();
        let room = limit.saturating_sub(half.body.content.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        half.body.content.extend_from_slice(kept);
        if kept.len() < bytes.len() {
            self.stopped = true;
            degrade(seen, Seen::Truncated);
        }
        half.body.content.capacity().saturating_sub(before)
    }

    /// Bytes of body passed unseen.
    pub(super) const fn missing(&mut self, n: u64) {
        self.passed = self.passed.saturating_add(n);
        self.stopped = true;
    }

    /// Whether it is under way and no byte of its body has come.
    pub(super) fn is_bare(&self) -> bool {
        self.progress == Progress::Arriving && self.passed == 0
    }

    /// Nothing more is kept of the body.
    pub(super) const fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether more of the body would be kept.
    pub(super) const fn is_keeping(&self, half: &Half, limit: usize) -> bool {
        !self.stopped && half.body.content.len() < limit
    }

    /// No more of it comes; `exact` if its length is known.
    pub(super) fn end(&mut self, half: Option<&mut Half>, exact: bool, now: Ktime) {
        self.progress = Progress::Done;
        if let Some(half) = half {
            half.ended = now;
            half.body.total_bytes = exact.then_some(self.passed);
        }
    }
}

/// Lowers what is said of a half; what is worse stays.
pub(super) fn degrade(seen: &mut Seen, to: Seen) {
    let rank = |seen: Seen| match seen {
        Seen::Whole => 0,
        Seen::Truncated => 1,
        Seen::Unfinished => 2,
        Seen::Gap => 3,
        Seen::JoinedLate => 4,
        Seen::None => 5,
    };
    if rank(to) > rank(*seen) {
        *seen = to;
    }
}

/// Adds a reason once.
pub(super) fn give_reason(reasons: &mut Vec<Reason>, reason: Reason) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}
