//! Journal → answers: lines that match, and what they add up to.
//!
//! In: a journal's folder and a [`Question`]. Out: its lines, oldest or newest first, one frame at
//! a time; tables of them, counts by value, counts over time, HAR. Frames that cannot hold an
//! answer are passed over by their index. Needs nothing of the agent that writes: it reads beside
//! it, and on copies elsewhere. It prints nothing and waits for nothing.
//!
//! Order is the journal's, in which exchanges stand as they ended; their `time` is that of their
//! beginning.

mod count;
mod har;
mod histogram;
mod rows;

use std::ops::ControlFlow;
use std::path::Path;

use crate::clock::WallTime;
use crate::event::stamp;
use crate::filter::{Filter, FilterError, IndexKey};
use crate::journal::{Cursor, Damage, Index, JournalError, Key, Order, Reader};

pub use count::{Counted, Tally};
pub use har::Har;
pub use histogram::Histogram;
pub use rows::{Form, Rows, plain};

/// What is asked of a journal.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Which records; all if there is none.
    pub filter: Option<Filter>,
    /// From this time on.
    pub since: Option<WallTime>,
    /// Before this time.
    pub until: Option<WallTime>,
    /// In which order.
    pub order: Order,
    /// Oldest first, from here on.
    pub from: Cursor,
}

/// What was looked at so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Frames read.
    pub frames: u64,
    /// Frames passed over by their index.
    pub passed: u64,
    /// Records in the frames read.
    pub records: u64,
    /// Records that matched.
    pub matched: u64,
    /// Bytes of the files that were read.
    pub bytes: u64,
}

/// A question under way.
pub struct Scan {
    reader: Reader,
    question: Question,
    /// Holds for records within the times asked for, where a frame is partly outside.
    within: Option<Filter>,
    scanned: Scanned,
    segment: u64,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more.
    More,
    /// That was all there is now; oldest first, more may come.
    End,
    /// Who takes the lines has had enough.
    Enough,
}

impl Scan {
    /// Begins to answer `question` from the journal in `dir`.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn new(dir: &Path, question: Question) -> Result<Self, JournalError> {
        let cursor = match question.order {
            Order::OldestFirst => question.from,
            Order::NewestFirst => Cursor::END,
        };
        Ok(Self {
            reader: Reader::open(dir, cursor, question.order)?,
            within: within(&question).unwrap_or_default(),
            question,
            scanned: Scanned::default(),
            segment: 0,
        })
    }

    /// What was looked at so far.
    #[must_use]
    pub fn scanned(&self) -> Scanned {
        Scanned {
            bytes: self.reader.bytes_read(),
            ..self.scanned
        }
    }

    /// Passes over all that is there now: what comes next is what is written from now on.
    ///
    /// # Errors
    /// [`Damage`]: what cannot be read is passed over too; call again.
    pub fn skip_to_end(&mut self) -> Result<(), Damage> {
        self.reader.next(|_| false).map(|_| ())
    }

    /// The segment that was read last.
    #[must_use]
    pub const fn segment(&self) -> u64 {
        self.segment
    }

    /// Reads one more frame that may hold an answer, and hands its matching lines, without their
    /// line feeds, to `take`, until that breaks.
    ///
    /// # Errors
    /// [`Damage`]: a part of the journal cannot be read. The next step goes on behind it.
    pub fn step(&mut self, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<Step, Damage> {
        let question = &self.question;
        let mut passed = 0;
        let next = self.reader.next(|index| {
            let wanted = question.may_be_in(index);
            passed += u64::from(!wanted);
            wanted
        });
        self.scanned.passed += passed;
        let Some(frame) = next? else {
            return Ok(Step::End);
        };
        self.scanned.frames += 1;
        self.segment = frame.cursor.segment;
        let outside = question.since.is_some_and(|since| frame.first < since)
            || question.until.is_some_and(|until| frame.last >= until);
        let within = self.within.as_ref().filter(|_| outside);
        let mut records = 0;
        let matching = frame.records().map(|(_, line)| line).filter(|line| {
            records += 1;
            within.is_none_or(|filter| filter.matches(line))
                && question
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(line))
        });
        let mut matched = 0;
        let mut take = |line| {
            matched += 1;
            take(line)
        };
        let flow = match question.order {
            Order::OldestFirst => { matching }.try_for_each(&mut take),
            Order::NewestFirst => {
                let lines: Vec<_> = matching.collect();
                lines.into_iter().rev().try_for_each(&mut take)
            }
        };
        self.scanned.records += records;
        self.scanned.matched += matched;
        Ok(match flow {
            ControlFlow::Continue(()) => Step::More,
            ControlFlow::Break(()) => Step::Enough,
        })
    }
}

impl Question {
    /// Whether a frame may hold an answer, by its index. False is certain.
    fn may_be_in(&self, index: &Index<'_>) -> bool {
        if self.since.is_some_and(|since| index.last < since)
            || self.until.is_some_and(|until| index.first >= until)
        {
            return false;
        }
        let clauses = self
            .filter
            .as_ref()
            .map(Filter::clauses)
            .unwrap_or_default();
        clauses.iter().all(|clause| {
            let mut any = clause.any.iter();
            any.any(|(key, value)| index.may_contain(key_of(*key), value.as_bytes()))
        })
    }
}

const fn key_of(key: IndexKey) -> Key {
    match key {
        IndexKey::Host => Key::Host,
        IndexKey::Route => Key::Route,
        IndexKey::Client => Key::Client,
        IndexKey::User => Key::User,
        IndexKey::Status => Key::Status,
    }
}

/// The times that are asked for, as a filter.
fn within(question: &Question) -> Result<Option<Filter>, FilterError> {
    let bound = |operator: &str, time: Option<WallTime>| {
        let date = stamp(time?);
        let date = str::from_utf8(&date).unwrap_or_default();
        Some(format!("time {operator} {date}"))
    };
    let bounds = [bound(">=", question.since), bound("<", question.until)];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() {
        return Ok(None);
    }
    Filter::parse(&bounds.join(" and ")).map(Some)
}

#[cfg(test)]
mod tests;
