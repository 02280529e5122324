//! What a journal is held against, and what that shows.

use super::happened::Checkpoint;
use super::key::PublicKey;
use super::put_back::PutBack;
use super::signers::KeyChange;
use crate::clock::WallTime;

/// What a journal is held against.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// A key that must have signed; others may have signed before and after where one has handed over to the
    /// next. Without one, that of the first segment is taken.
    pub key: Option<PublicKey>,
    /// Checkpoints that were seen elsewhere.
    pub checkpoints: Vec<Checkpoint>,
    /// Links before which a person has put the journal back from a copy: [`PutBack::link`].
    pub put_back: Vec<u64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments.
    pub segments: u64,
    /// Frames and other links.
    pub links: u64,
    /// Records in them.
    pub records: u64,
    /// Least and greatest time of a record.
    pub times: Option<(WallTime, WallTime)>,
    /// First segment that is kept; those before it were deleted on purpose.
    pub first_segment: u64,
    /// The last checkpoint: all before it is proved.
    pub checkpoint: Option<(u64, WallTime)>,
    /// Links behind it: in order and whole, but signed by nobody yet.
    pub unsigned_links: u64,
    /// Bytes of a link at the end that is not whole: being written, or torn.
    pub torn_bytes: u64,
    /// The key that signed, last.
    pub key: Option<PublicKey>,
    /// Where another key had signed before, which handed over.
    pub keys: Vec<KeyChange>,
    /// Places where the agent found the end of the chain gone, and went on.
    pub put_back: Vec<PutBack>,
    /// The first thing that is wrong.
    pub found: Option<Break>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// What was done to it.
    pub kind: BreakKind,
    /// Segment it is in.
    pub segment: u64,
    /// Sequence of the link: frames count with the others.
    pub frame: Option<u64>,
    /// Number in the whole chain, from 0, of the first record in question.
    pub record: Option<u64>,
    /// How many records may be concerned, where that is known; 1 where it is known which.
    pub records: Option<u64>,
    /// In words.
    pub what: String,
}

/// What was done to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakKind {
    /// Something is there that was not written so.
    Altered,
    /// Something in the middle, or before, is not there.
    Removed,
    /// Something is in another place than it was written to.
    Reordered,
    /// What came last is not there.
    CutTail,
    /// Signed by another key.
    WrongKey,
}

impl BreakKind {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Altered => "altered",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::CutTail => "cut tail",
            Self::WrongKey => "wrong key",
        }
    }
}
