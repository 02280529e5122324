//! Segments that are over are deleted, the oldest first and whole.
//!
//! First the chain says so, durably, with the segment's last seal: what was deleted by another hand
//! is told from it. Nothing is deleted that a configured sink has yet to get, unless the
//! configuration says so.

use std::sync::Arc;

use super::disk::Open;
use super::folder;
use super::happened::{Happened, RetireReason, body};
use super::links::{LinkError, Links};
use super::recover::Segment;
use super::segment::HEAD_BYTES;
use super::state::{Cursor, State};
use super::sync::Job;
use super::timing::ns;
use super::writer::Journal;
use crate::clock::{Ktime, Moment};
use crate::telemetry::Counter;

/// How long a deletion may take before it is asked for again.
const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(30);

/// A segment that the chain says is deleted, and is about to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retiring {
    number: u64,
    /// When its deletion was asked for; not before a checkpoint covers what the chain says.
    asked: Option<Ktime>,
}

impl Journal {
    /// Deletes the oldest segment, if it is over.
    pub(super) fn retire(&mut self, now: Moment) {
        if self.retiring.is_some() {
            self.remove_retired(now);
            return;
        }
        let Some((oldest, next, reason)) = self.over(now) else {
            return;
        };
        let held = self.held_from();
        let unsent = held.map_or(0, |cursor| self.records_from(&oldest, &next, cursor));
        let holds = held.is_some_and(|cursor| cursor.frame < next.sequence);
        if holds && !self.options.drop_unsent || !self.flush(now) || self.retiring.is_some() {
            return;
        }
        let durable = self.syncer.synced().before();
        let Some(chain) = &mut self.chain else { return };
        let records = next.records.saturating_sub(oldest.records);
        let retire = body::Retire {
            date: now.date,
            segment: oldest.number,
            sequence: next.sequence.saturating_sub(1),
            records,
            unsent,
            seal: next.previous,
            reason,
        };
        chain.seal_retire(retire, durable);
        if self.flush(now) {
            self.remove_retired(now);
        }
    }

    /// Deletes the segment of which the chain says so, once that is signed; what is given to the
    /// other thread is done in order, so that it is synced too.
    fn remove_retired(&mut self, now: Moment) {
        let Some(retiring) = self.retiring else {
            return;
        };
        let again = |asked| now.steady.since(asked) >= ns(AGAIN_AFTER);
        let due = match retiring.asked {
            Some(asked) => again(asked),
            None => self.checkpoint(now),
        };
        if due {
            let number = retiring.number;
            self.syncer.give(Job::Remove { number });
            self.retiring = Some(Retiring {
                number,
                asked: Some(now.steady),
            });
        }
    }

    /// The chain says that a segment is deleted.
    pub(super) fn retired(&mut self, retire: &body::Retire) {
        let number = retire.segment;
        self.retiring = Some(Retiring {
            number,
            asked: None,
        });
        self.counters
            .add(Counter::JournalUnsentDropped, retire.unsent);
        self.happened.push(Happened::Retired {
            segment: number,
            records: retire.records,
            unsent: retire.unsent,
            reason: retire.reason,
        });
    }

    /// A segment was deleted.
    pub(super) fn removed(&mut self, number: u64) {
        self.retiring = self.retiring.filter(|retiring| retiring.number != number);
        let Some(chain) = &mut self.chain else { return };
        if let Some(bytes) = chain.removed(number) {
            self.space.freed(bytes);
            self.counters.add(Counter::JournalRetiredSegments, 1);
        }
    }

    /// The oldest segment and the one after it, if the oldest is to be deleted; never the last.
    fn over(&self, now: Moment) -> Option<(Segment, Segment, RetireReason)> {
        let taken = self.taken();
        let segments = self.chain.as_ref()?.segments();
        let (oldest, next) = (*segments.front()?, *segments.get(1)?);
        let old = self.timing.date_is_trusted()
            && self
                .space
                .is_over(crate::clock::WallTime(next.opened), now.date);
        let by_age = old.then_some(RetireReason::Age);
        let reason = self.space.retires(taken).or(by_age)?;
        self.space
            .admits_link(taken)
            .then_some((oldest, next, reason))
    }

    /// The least cursor of the configured sinks; `None` if there are none. A sink that has none yet,
    /// or none that can be read, has everything still to get.
    fn held_from(&self) -> Option<Cursor> {
        let state = State::on(&self.options.dir, Arc::clone(&self.disk));
        let cursor = |name: &String| match state.cursor(name) {
            Ok(cursor) => cursor.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%name, %error, "cursor cannot be read: nothing is deleted");
                Cursor::default()
            }
        };
        self.options
            .readers
            .iter()
            .map(cursor)
            .min_by_key(|cursor| (cursor.frame, cursor.record))
    }

    /// Records of `segment` from `cursor` on; all, if it cannot be read.
    fn records_from(&self, segment: &Segment, next: &Segment, cursor: Cursor) -> u64 {
        if cursor.frame >= next.sequence {
            return 0;
        }
        let count = || -> Result<u64, LinkError> {
            let path = folder::path(&self.options.dir, segment.number);
            let file = self.disk.open(&path, Open::Read)?;
            let mut links = Links::new(file, HEAD_BYTES as u64);
            let mut records = 0;
            while let Some(lead) = links.lead()?.filter(|lead| lead.sequence < next.sequence) {
                records += match lead.sequence.cmp(&cursor.frame) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => lead.records.saturating_sub(cursor.record),
                    std::cmp::Ordering::Greater => lead.records,
                } as u64;
                links.skip(&lead);
            }
            Ok(records)
        };
        count().unwrap_or(next.records.saturating_sub(segment.records))
    }
}
