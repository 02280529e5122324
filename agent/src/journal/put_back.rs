//! Where a chain goes on from a copy that was put back.

use super::report::{Break, BreakKind};
use crate::clock::WallTime;

/// A place where the agent found at a start that it had signed more than was there: a copy was put back, or
/// the end was cut off. It went on with numbers that were never given, so nothing stands in two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutBack {
    /// Segment it is in.
    pub segment: u64,
    /// The first link behind it.
    pub link: u64,
    /// Where the chain that was found had ended: the first link that is not there.
    pub missing: u64,
    /// The last link that is known to have been signed and is not there.
    pub signed: u64,
    /// Records before it.
    pub records: u64,
    /// When the agent found it.
    pub date: WallTime,
}

impl PutBack {
    /// As a break in the chain, which it is until a person says that it was a copy.
    pub(super) fn to_break(self) -> Break {
        let Self {
            link,
            missing,
            signed,
            ..
        } = self;
        let what = format!(
            "at a start the agent found the chain to end before link {missing}, though it had signed link {signed}: \
             its end was cut off, or a copy was put back; it went on with link {link}"
        );
        Break {
            kind: BreakKind::CutTail,
            segment: self.segment,
            frame: Some(missing),
            record: Some(self.records),
            records: None,
            what,
        }
    }
}
