//! A half as it comes: its body up to the limit, and what of it is missing.

use super::access::Keep;
use super::{Body, Half, Reason, Seen};
use crate::clock::Ktime;
use crate::protocol::http1::{Framing, Message};
use crate::protocol::{Anomalies, Anomaly, Version};

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

/// A set of [`Reason`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reasons(u16);

impl Reasons {
    const ALL: [Reason; 9] = [
        Reason::BodyLimit,
        Reason::RingFull,
        Reason::ReadFault,
        Reason::UnseenPath,
        Reason::Shed,
        Reason::Timeout,
        Reason::Reset,
        Reason::HeadLimit,
        Reason::HpackState,
    ];

    pub(super) const fn add(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u16;
    }

    pub(super) const fn absorb(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// All of them, each once.
    pub(super) fn list(self) -> Vec<Reason> {
        if self.0 == 0 {
            return Vec::new();
        }
        let has = |reason: &Reason| self.0 & (1 << *reason as u16) != 0;
        Self::ALL.into_iter().filter(has).collect()
    }
}

/// One half under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) progress: Progress,
    pub(super) seen: Seen,
    pub(super) reasons: Reasons,
    pub(super) anomalies: Anomalies,
    pub(super) missing_bytes: u64,
    /// Bytes of body that passed, kept or not.
    passed: u64,
    /// No more is kept: the limit is reached, or a byte is missing.
    stopped: bool,
    keep: Keep,
    /// Some of its body was let go of to keep within the agent's budget.
    pub(super) shed: bool,
}

impl Arrival {
    pub(super) const WAITING: Self = Self {
        progress: Progress::Waiting,
        seen: Seen::None,
        reasons: Reasons(0),
        anomalies: Anomalies::NONE,
        missing_bytes: 0,
        passed: 0,
        stopped: false,
        keep: Keep {
            bytes: 0,
            shed: false,
        },
        shed: false,
    };

    /// A half of which no head will come.
    pub(super) const NEVER: Self = Self {
        progress: Progress::Done,
        ..Self::WAITING
    };

    /// A half that was under way before anyone listened.
    pub(super) const JOINED_LATE: Self = Self {
        progress: Progress::Arriving,
        seen: Seen::JoinedLate,
        ..Self::WAITING
    };

    /// The head has come: the half it begins. What was missing before stays missing.
    pub(super) fn begin(&mut self, message: Message, began: Ktime, now: Ktime, keep: Keep) -> Half {
        let expected = match message.framing {
            Framing::Length(length) => usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(keep.bytes),
            _ => 0,
        };
        self.progress = Progress::Arriving;
        self.keep = keep;
        self.anomalies.absorb(message.anomalies);
        if self.seen == Seen::None {
            self.seen = Seen::Whole;
        }
        Half {
            head: message.head,
            version: message.version,
            status: message.status,
            header_bytes: message.header_bytes,
            body: Body {
                content: Vec::with_capacity(expected),
                total_bytes: None,
                is_decoded: false,
            },
            trailers: None,
            began,
            ended: now,
        }
    }

    /// Bytes of body came: how many more bytes of memory it takes.
    pub(super) fn body(&mut self, half: &mut Half, bytes: &[u8]) -> usize {
        self.passed = self.passed.saturating_add(bytes.len() as u64);
        if self.stopped {
            return 0;
        }
        let before = half.body.content.capacity();
        let room = self.keep.bytes.saturating_sub(half.body.content.len());
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        half.body.content.extend_from_slice(kept);
        if kept.len() < bytes.len() {
            self.stopped = true;
            self.cut();
        }
        half.body.content.capacity().saturating_sub(before)
    }

    /// Bytes of body passed unseen; without a reason they were left out on purpose.
    pub(super) fn missing(&mut self, n: u64, reason: Option<Reason>) {
        self.passed = self.passed.saturating_add(n);
        self.stopped = true;
        match reason {
            Some(_) => self.hide(n, reason),
            None => self.cut(),
        }
    }

    /// No more of its body is kept than it is now.
    fn cut(&mut self) {
        let reason = if self.keep.shed {
            Reason::Shed
        } else {
            Reason::BodyLimit
        };
        self.shed |= self.keep.shed;
        self.degrade(Seen::Truncated, Some(reason));
    }

    /// Bytes of it were never seen, some of them where its framing was.
    pub(super) fn hide(&mut self, n: u64, reason: Option<Reason>) {
        self.missing_bytes = self.missing_bytes.saturating_add(n);
        self.degrade(Seen::Gap, reason);
    }

    /// Gives up what is kept of the body: how many bytes of memory that frees.
    pub(super) fn shed(&mut self, half: &mut Half) -> usize {
        if self.progress == Progress::Arriving {
            self.stopped = true;
        }
        let content = std::mem::take(&mut half.body.content);
        if content.capacity() > 0 {
            self.shed = true;
            self.degrade(Seen::Truncated, Some(Reason::Shed));
        }
        content.capacity()
    }

    /// What was taken for its body is none.
    pub(super) const fn begin_anew(&mut self) {
        self.passed = 0;
        self.stopped = false;
    }

    /// Whether it is under way and no byte of its body has come.
    pub(super) fn is_bare(&self) -> bool {
        self.progress == Progress::Arriving && self.passed == 0
    }

    /// Whether more of the body would be kept.
    pub(super) const fn is_keeping(&self, half: &Half) -> bool {
        !self.stopped && half.body.content.len() < self.keep.bytes
    }

    /// No more of it comes; `exact` if its length is known.
    pub(super) fn end(&mut self, half: Option<&mut Half>, exact: bool, now: Ktime) {
        self.progress = Progress::Done;
        let cut = [
            Anomaly::HeadTooLong,
            Anomaly::TooManyFields,
            Anomaly::TrailersTooLong,
        ];
        if cut.iter().any(|anomaly| self.anomalies.has(*anomaly)) {
            self.degrade(Seen::Truncated, Some(Reason::HeadLimit));
        }
        if let Some(half) = half {
            half.ended = now;
            half.body.total_bytes = exact.then_some(self.passed);
        }
    }

    /// It broke off before its sender said that no more comes.
    pub(super) fn break_off(
        &mut self,
        half: Option<&mut Half>,
        reason: Option<Reason>,
        now: Ktime,
    ) {
        let is_whole = half.as_deref().is_some_and(|half| self.has_all_of(half));
        self.end(half, true, now);
        if !is_whole {
            self.degrade(Seen::Unfinished, reason);
        }
    }

    /// Whether all of the body has passed that the head of HTTP/2 promised (RFC 9113 §8.1.1). Clients
    /// go then without waiting for the empty frame by which some servers say that it was all.
    fn has_all_of(&self, half: &Half) -> bool {
        let promised = || {
            let length = half.head.field("content-length")?;
            str::from_utf8(length).ok()?.parse::<u64>().ok()
        };
        half.version == Version::Http2 && self.passed > 0 && promised() == Some(self.passed)
    }

    /// Lowers what is said of it; what is worse stays.
    pub(super) fn degrade(&mut self, to: Seen, reason: Option<Reason>) {
        let rank = |seen: Seen| match seen {
            Seen::Whole => 0,
            Seen::Truncated => 1,
            Seen::Unfinished => 2,
            Seen::Gap => 3,
            Seen::JoinedLate => 4,
            Seen::None => -1,
        };
        if rank(to) > rank(self.seen) {
            self.seen = to;
        }
        if let Some(reason) = reason {
            self.reasons.add(reason);
        }
    }
}
