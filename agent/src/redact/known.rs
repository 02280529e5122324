//! What is in header fields and cookies that came before.

use super::marker::Found;
use super::redactor::Redactor;
use super::rules::Rule;
use crate::content::Part;
use crate::exchange::{Mark, Secret};
use crate::keyed::KeyedHash;
use crate::memo::{Notes, Number, REMEMBERED};

/// The one find in a header field or a cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct One {
    /// Where it begins behind the value's beginning, and ends.
    start: u32,
    end: u32,
    secret: Secret,
    hash: KeyedHash,
    rule: Rule,
}

impl One {
    /// The same in `part`.
    pub(super) fn in_part(self, part: Part<'_, '_>) -> Found {
        let (container, range) = part.span();
        let begin = range.start as u32;
        Found {
            mark: Mark {
                side: part.side(),
                container,
                start: begin + self.start,
                end: begin + self.end,
                secret: self.secret,
                hash: self.hash,
                is_bare: false,
            },
            name: part.name_number(),
            rule: self.rule,
        }
    }

    fn of(part: Part<'_, '_>, Found { mark, rule, .. }: &Found) -> Option<Self> {
        let begin = part.span().1.start as u32;
        Some(Self {
            start: mark.start.checked_sub(begin)?,
            end: mark.end.checked_sub(begin)?,
            secret: mark.secret,
            hash: mark.hash,
            rule: *rule,
        })
    }
}

/// What is known of what is in a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nobody looked, or more than one find is in it.
    #[default]
    Not,
    Nothing,
    One,
}

/// What is in those that came before: nothing, or one find. Of others it is not known.
#[derive(Debug)]
pub(super) struct Known {
    /// The number of the redactor who looked.
    redactor: u64,
    quiet: Notes<()>,
    ones: Notes<One>,
    /// What was found since it was last kept.
    new: Vec<(Number, Option<One>)>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            redactor: 0,
            quiet: Notes::new(REMEMBERED),
            ones: Notes::new(REMEMBERED),
            new: Vec::new(),
        }
    }
}

impl Known {
    /// Forgets what another redactor found.
    pub(super) fn of(&mut self, redactor: &Redactor) {
        if self.redactor != redactor.number() {
            self.redactor = redactor.number();
            self.quiet.clear();
            self.ones.clear();
        }
    }

    /// What is known of the field of this number.
    #[inline]
    pub(super) fn seen(&self, field: Number) -> Seen {
        if self.quiet.of(field).is_some() {
            Seen::Nothing
        } else if self.ones.of(field).is_some() {
            Seen::One
        } else {
            Seen::Not
        }
    }

    /// The find in the field of this number, if one was noted.
    #[inline]
    pub(super) fn one(&self, field: Number) -> Option<One> {
        self.ones.of(field)
    }

    /// Says what was found in `part`; it is remembered if it is one find at most.
    pub(super) fn note(&mut self, field: Number, part: Part<'_, '_>, found: &[Found]) {
        match found {
            [] => self.new.push((field, None)),
            [found] => self
                .new
                .extend(One::of(part, found).map(|one| (field, Some(one)))),
            _ => {}
        }
    }

    /// Keeps what was found for the parts that come next. Not before: a note puts out another, and what
    /// a name was passed over for must still be known when its part comes.
    pub(super) fn keep(&mut self) {
        for (field, one) in self.new.drain(..) {
            match one {
                None => self.quiet.add(field, ()),
                Some(one) => self.ones.add(field, one),
            }
        }
    }
}
