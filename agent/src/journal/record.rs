//! What is appended, and what it is worth.

use super::index::{Keys, RecordKind};
use crate::clock::WallTime;
use crate::event::Severity;

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// What an exchange is worth when there is not room for all; of others it says nothing.
    pub worth: Worth,
    /// Of a finding or notice.
    pub severity: Option<Severity>,
    /// When what it tells of began.
    pub time: WallTime,
    /// Its JSON, one line with its line feed.
    pub line: &'a [u8],
    /// What it may be looked for by.
    pub keys: Keys<'a>,
}

/// What the caller should leave out, so that the rest finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Nothing.
    None,
    /// Bodies.
    Bodies,
    /// Bodies too, and exchanges are shed by their worth.
    Exchanges,
}

/// What a record is worth: with less and less room, the least goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worth {
    /// A static file that was fetched, and all was well.
    Asset,
    /// Any other exchange.
    #[default]
    Common,
    /// An exchange that failed, signs somebody in, or is about an incident.
    Important,
    /// A finding or a notice.
    Told,
}

impl Record<'_> {
    /// What it is worth.
    pub(super) fn worth(&self) -> Worth {
        match self.kind {
            RecordKind::Exchange => self.worth.min(Worth::Important),
            RecordKind::Finding | RecordKind::Notice => Worth::Told,
        }
    }
}
