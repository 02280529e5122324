//! One flow: its bytes by position, in order.
//!
//! A record at the position due is handed on without a copy. One ahead of it leaves a hole and is
//! held, a few milliseconds at most: the calls of two threads may reach the ring the other way
//! round. Then the hole is a gap. A record behind claims bytes that others brought: it is dropped.
//!
//! The kernel reads a position after the transfer, so where two threads race a claim is never too
//! low, and may be too high: then it overlaps another's. Of pieces that overlap while they wait none
//! is believed.

use std::collections::VecDeque;

use eaves_common::Missing;

use super::{GapReason, Options, Piece};
use crate::capture::Data;
use crate::clock::Ktime;
use crate::telemetry::{Counter, Counters};

/// A record that came ahead.
#[derive(Debug)]
struct Held {
    start: u64,
    span: u64,
    payload: Box<[u8]>,
    missing: Missing,
    time: Ktime,
    first: bool,
    after_loss: bool,
    /// Another claims the same bytes.
    disputed: bool,
}

/// Whether a last position counts a FIN, as sequence numbers do (RFC 9293 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    Not,
    Counted,
    /// It does if the FIN was read before the end.
    Perhaps,
}

/// Where a flow stood when it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) position: u64,
    pub(super) fin: Fin,
    /// The last records before it found the ring full.
    pub(super) lost: bool,
}

/// One flow's order.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Whether a record has set the base.
    based: bool,
    ended: bool,
    /// Positions are 32-bit sequence numbers.
    sequence: bool,
    /// Several threads move this flow's bytes.
    shared: bool,
    tid: u32,
    /// Position due.
    next: u64,
    /// Where the last record in order began.
    last: u64,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// When the hole in front of `held` is given up.
    deadline: Option<Ktime>,
    /// Up to where the kernel was told to skip.
    reach: u64,
}

impl Order {
    /// Takes one record; hands on what is in order: time, whether it begins a transfer, what.
    pub(super) fn push(
        &mut self,
        data: &Data<'_>,
        options: &Options,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        counters.add(Counter::StreamBytes, data.span_bytes);
        if !self.based {
            self.based = true;
            self.next = data.start;
            self.tid = data.tid;
            self.sequence = data.sequence;
            if data.after_loss {
                each(counters, data.time, false, Piece::Lost(GapReason::RingFull));
            }
        }
        self.shared |= self.tid != data.tid;
        let ahead = distance(self.next, data.start, data.sequence);
        let lost = data.after_loss && !self.shared && self.held.is_empty();
        if ahead == 0 || (ahead > 0 && lost) {
            if ahead > 0 {
                let missing = ahead.unsigned_abs();
                self.gap(data.time, missing, GapReason::RingFull, counters, each);
            }
            counters.add(Counter::StreamBytesInOrder, data.span_bytes);
            self.last = self.next;
            self.hand_on(
                data.time,
                data.first,
                data.payload,
                data.span_bytes,
                data.missing,
                counters,
                each,
            );
            if !self.held.is_empty() {
                self.release(counters, each);
            }
        } else if ahead < 0 {
            let start = self.next.wrapping_add_signed(ahead);
            let again = start == self.last && start.wrapping_add(data.span_bytes) == self.next;
            let counter = if again {
                Counter::StreamBytesDuplicate
            } else {
                Counter::StreamBytesOverlap
            };
            counters.add(counter, data.span_bytes);
        } else {
            self.hold(
                self.next.wrapping_add_signed(ahead),
                data,
                options,
                counters,
            );
            let full =
                self.held.len() > options.held_pieces || self.held_bytes > options.held_bytes;
            if full || (data.after_loss && !self.shared) {
                self.give_up(counters, each);
            }
        }
    }

    /// Whether pieces wait for a hole to be filled.
    pub(super) fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// When to give up waiting.
    pub(super) const fn deadline(&self) -> Option<Ktime> {
        self.deadline
    }

    /// Memory that held pieces take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.held_bytes + self.held.capacity() * size_of::<Held>()
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Makes gaps of all holes and hands on what was held.
    pub(super) fn give_up(
        &mut self,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        self.deadline = None;
        self.held_bytes = 0;
        for piece in std::mem::take(&mut self.held) {
            let ahead = piece.start.wrapping_sub(self.next).cast_signed();
            if piece.disputed || ahead < 0 {
                counters.add(Counter::StreamBytesHeldOverlap, piece.span);
                continue;
            }
            if ahead > 0 {
                let reason = if piece.after_loss {
                    GapReason::RingFull
                } else {
                    GapReason::UnseenPath
                };
                self.gap(piece.time, ahead.unsigned_abs(), reason, counters, each);
            }
            self.hand_on_held(&piece, counters, each);
        }
    }

    /// Its positions begin anew, unless they are the kernel's own: what passed before is lost.
    pub(super) fn count_anew(
        &mut self,
        time: Ktime,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        if !self.based || self.sequence || self.ended {
            return;
        }
        self.give_up(counters, each);
        self.based = false;
        self.reach = 0;
        each(counters, time, false, Piece::Lost(GapReason::Shed));
    }

    /// The flow ends, if it is known where: what never came is a gap.
    pub(super) fn end(
        &mut self,
        time: Ktime,
        last: Option<Last>,
        good: bool,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        if self.ended {
            return;
        }
        self.give_up(counters, each);
        self.ended = true;
        if let Some(last) = last
            && self.based
        {
            let ahead = distance(self.next, last.position, self.sequence);
            let missing = match last.fin {
                Fin::Counted if self.sequence => ahead.saturating_sub(1),
                Fin::Perhaps if self.sequence && ahead == 1 => 0,
                _ => ahead,
            };
            if missing > 0 {
                let reason = if last.lost {
                    GapReason::RingFull
                } else {
                    GapReason::UnseenPath
                };
                self.gap(time, missing.unsigned_abs(), reason, counters, each);
            }
        }
        each(counters, time, false, Piece::End(good));
    }

    /// How far the kernel should be told to skip if `unneeded` bytes from here on are not needed,
    /// unless it knows.
    pub(super) fn reach(&mut self, unneeded: u64, least: u64) -> Option<u64> {
        if unneeded < least {
            return None;
        }
        let until = self
            .next
            .wrapping_add(unneeded.min(eaves_common::REACH_MAX_BYTES));
        let told = self.reach.wrapping_sub(self.next).cast_signed();
        let more = until.wrapping_sub(self.reach).cast_signed();
        let renew = eaves_common::REACH_MAX_BYTES.cast_signed() / 2;
        if told > 0 && (more <= 0 || told > renew) {
            return None;
        }
        self.reach = until;
        let mask = if self.sequence {
            u64::from(u32::MAX)
        } else {
            u64::MAX
        };
        Some(until & mask)
    }

    fn hold(&mut self, start: u64, data: &Data<'_>, options: &Options, counters: &mut Counters) {
        let end = start.wrapping_add(data.span_bytes);
        let next = self.next;
        let from = |position: u64| position.wrapping_sub(next);
        let mut disputed = false;
        for other in &mut self.held {
            let other_end = other.start.wrapping_add(other.span);
            if from(start) >= from(other_end) || from(other.start) >= from(end) {
                continue;
            }
            if other.start == start && other_end == end && *other.payload == *data.payload {
                return counters.add(Counter::StreamBytesDuplicate, data.span_bytes);
            }
            other.disputed = true;
            disputed = true;
        }
        counters.add(Counter::StreamBytesHeld, data.span_bytes);
        let at = self
            .held
            .partition_point(|other| from(other.start) <= from(start));
        self.held_bytes += data.payload.len();
        let piece = Held {
            start,
            span: data.span_bytes,
            payload: data.payload.into(),
            missing: data.missing,
            time: data.time,
            first: data.first,
            after_loss: data.after_loss,
            disputed,
        };
        self.held.insert(at, piece);
        let deadline = data.time.plus(options.hold_ns);
        self.deadline.get_or_insert(deadline);
    }

    /// Hands on held pieces whose turn has come.
    fn release(
        &mut self,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        while let Some(piece) = self.held.front() {
            let ahead = piece.start.wrapping_sub(self.next).cast_signed();
            if ahead > 0 {
                return;
            }
            let Some(piece) = self.held.pop_front() else {
                return;
            };
            self.held_bytes -= piece.payload.len();
            if ahead < 0 || piece.disputed {
                counters.add(Counter::StreamBytesHeldOverlap, piece.span);
            } else {
                self.hand_on_held(&piece, counters, each);
            }
        }
        self.deadline = None;
        self.held = VecDeque::new();
    }

    fn hand_on_held(
        &mut self,
        piece: &Held,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        counters.add(Counter::StreamBytesReleased, piece.span);
        self.last = self.next;
        let (span, missing) = (piece.span, piece.missing);
        self.hand_on(
            piece.time,
            piece.first,
            &piece.payload,
            span,
            missing,
            counters,
            each,
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a record, live or held"
    )]
    fn hand_on(
        &mut self,
        time: Ktime,
        first: bool,
        payload: &[u8],
        span: u64,
        missing: Missing,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        self.next = self.next.wrapping_add(span);
        if !payload.is_empty() {
            each(counters, time, first, Piece::Bytes(payload));
        }
        let rest = span.saturating_sub(payload.len() as u64);
        if rest == 0 {
            return;
        }
        let (counter, piece) = match missing {
            Missing::Skipped => (Counter::StreamBytesSkipped, Piece::Skip(rest)),
            Missing::Limit => {
                let piece = Piece::Gap(rest, GapReason::CopyLimit);
                (Counter::StreamBytesLimit, piece)
            }
            Missing::Fault => {
                let piece = Piece::Gap(rest, GapReason::ReadFault);
                (Counter::StreamBytesFault, piece)
            }
            Missing::None | Missing::UnseenPath | Missing::Vectors | Missing::Compat => {
                let piece = Piece::Gap(rest, GapReason::UnseenPath);
                (Counter::StreamBytesUnseen, piece)
            }
        };
        counters.add(counter, rest);
        each(counters, time, false, piece);
    }

    fn gap(
        &mut self,
        time: Ktime,
        n: u64,
        reason: GapReason,
        counters: &mut Counters,
        each: &mut impl FnMut(&mut Counters, Ktime, bool, Piece<'_>),
    ) {
        self.next = self.next.wrapping_add(n);
        counters.add(Counter::StreamGaps, 1);
        let counter = match reason {
            GapReason::RingFull => Counter::StreamGapBytesRing,
            _ => Counter::StreamGapBytesUnseen,
        };
        counters.add(counter, n);
        each(counters, time, false, Piece::Gap(n, reason));
    }
}

/// How far `to` lies ahead of `from`: as 32-bit sequence numbers (RFC 9293 §3.4) or as they are.
const fn distance(from: u64, to: u64, sequence: bool) -> i64 {
    if sequence {
        (to as u32).wrapping_sub(from as u32).cast_signed() as i64
    } else {
        to.wrapping_sub(from).cast_signed()
    }
}
